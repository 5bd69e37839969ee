"""The prompts that are compared, and the boxes in which one of them is edited. Nothing in a box is lost by an error.

It does not know tables or models: `preview` shows what becomes of a prompt.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.prompting import library, replay, tables
from playground.labs.prompting.prompts import Example, Prompt, Row
from playground.tabs import results
from playground.tabs.kit import AT_ONCE, MAY_REFUSE, user_errors
from playground.tabs.prompting import order

MOST_PROMPTS = 8
KINDS = {"A text to continue": False, "Chat messages": True}
COLUMNS = ["Question", "Reasoning", "Answer"]
STYLES = {
    "Zero-shot": "zero-shot",
    "Few-shot": "few-shot",
    "Zero-shot, step by step": "zero-shot chain of thought",
    "Few-shot, with reasoning": "few-shot chain of thought",
}
Drafts = tuple[Prompt, ...]  # they may be not whole


@dataclass(frozen=True, eq=False)
class Builder:
    """The components, and what happens to them. Its methods are the handlers."""

    drafts: gr.State
    which: gr.Radio
    name: gr.Textbox
    instruction: gr.Textbox
    style: gr.Dropdown
    kind: gr.Radio
    examples: gr.Dataframe
    query: gr.Textbox
    output_format: gr.Textbox
    question_label: gr.Textbox
    answer_label: gr.Textbox
    k: gr.Number
    seed: gr.Number
    order: gr.HTML  # the examples as chips that can be dragged

    @property
    def boxes(self) -> list[gr.components.Component]:
        """What one prompt is written in, in the order that `written` takes."""
        texts = [self.query, self.output_format, self.question_label, self.answer_label]
        return [self.name, self.instruction, self.style, self.kind, self.examples, *texts]

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.drafts, self.which, *self.boxes}

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.drafts, self.which, *self.boxes]

    def current(self, values: dict) -> Drafts:
        """All prompts, with what stands in the boxes in the place of the one that is edited."""
        written = prompt_of([values[box] for box in self.boxes])
        drafts, at = values[self.drafts], values[self.which] or 0
        return tuple(written if i == at else draft for i, draft in enumerate(drafts)) or (written,)

    def shown(self, drafts: Drafts, at: int = 0) -> dict:
        """Updates that put prompts on the page and one of them into the boxes."""
        prompt = drafts[at]
        style = next(title for title, style in STYLES.items() if style == prompt.style)
        return {
            self.drafts: drafts,
            self.which: gr.update(choices=self._named(drafts), value=at),
            self.name: prompt.name,
            self.instruction: prompt.instruction,
            self.style: style,
            self.kind: next(title for title, chat in KINDS.items() if chat == prompt.as_chat),
            self.examples: grid(prompt.examples),
            self.query: prompt.query,
            self.output_format: prompt.output_format,
            self.question_label: prompt.question_label,
            self.answer_label: prompt.answer_label,
        }

    def _named(self, drafts: Drafts) -> list[tuple[str, int]]:
        return [(f"{letter(i)} · {draft.name or 'without a name'}", i) for i, draft in enumerate(drafts)]

    # handlers

    def keep(self, values: dict) -> dict:
        """What was typed, taken over."""
        drafts, at = self.current(values), values[self.which] or 0
        if drafts == values[self.drafts]:
            return {self.drafts: gr.skip(), self.which: gr.skip()}
        names = [draft.name for draft in drafts] != [draft.name for draft in values[self.drafts]]
        which = gr.update(choices=self._named(drafts), value=at) if names else gr.skip()
        return {self.drafts: drafts, self.which: which}

    def switch(self, at: int | None, drafts: Drafts) -> dict:
        return self.shown(drafts, min(at or 0, len(drafts) - 1))

    def add(self, values: dict) -> dict:
        """A copy of the prompt that is edited, beside it."""
        with user_errors():
            drafts, at = self.current(values), values[self.which] or 0
            if len(drafts) >= MOST_PROMPTS:
                raise PlaygroundError(f"There are {MOST_PROMPTS} prompts already. Remove one first.")
            copy = replace(drafts[at], name=unlike(f"{drafts[at].name} copy", drafts))
            return self.shown((*drafts, copy), len(drafts))

    def remove(self, values: dict) -> dict:
        with user_errors():
            drafts, at = self.current(values), values[self.which] or 0
            if len(drafts) == 1:
                raise PlaygroundError("This is the only prompt. Add another before you remove it.")
            left = drafts[:at] + drafts[at + 1 :]
            return self.shown(left, min(at, len(left) - 1))

    def shuffle(self, values: dict) -> dict:
        """The examples in another order."""
        drafts, at = self.current(values), values[self.which] or 0
        examples = drafts[at].examples
        for seed in range(20):
            shuffled = tuple(random.Random(f"{seed} {examples}").sample(examples, len(examples)))
            if shuffled != examples:
                break
        mixed = (
            tuple(replace(d, examples=shuffled) if i == at else d for i, d in enumerate(drafts)) if examples else drafts
        )
        return {self.drafts: mixed, self.examples: grid(mixed[at].examples)}

    def move(self, values: dict, start: int, to: int) -> dict:
        """One example at another place among them."""
        drafts, at = self.current(values), values[self.which] or 0
        examples = order.moved(drafts[at].examples, start, to)
        drafts = tuple(replace(draft, examples=examples) if i == at else draft for i, draft in enumerate(drafts))
        return {self.drafts: drafts, self.examples: grid(examples)}

    def chips(self, drafts: Drafts, at: int | None) -> str:
        return order.chips(drafts[min(at or 0, len(drafts) - 1)].examples)

    def draw(self, values: dict, rows: Sequence[Row], answer: str) -> tuple[dict, tuple[Row, ...]]:
        """k examples from the table for the edited prompt; and the rows that are left."""
        drafts, at = self.current(values), values[self.which] or 0
        k, seed = int(values[self.k] or 0), int(values[self.seed] or 0)
        prompt, left = library.drawn(drafts[at], rows, answer, k, seed)
        if not prompt.few_shot:
            prompt = replace(prompt, style="few-shot chain of thought" if prompt.reasons else "few-shot")
        return self.shown(tuple(prompt if i == at else draft for i, draft in enumerate(drafts)), at), left

    def bring(self, path: str | None, values: dict) -> dict:
        """Adds the prompts of a file."""
        if path is None:
            return dict.fromkeys(self.outputs, gr.skip())
        with user_errors():
            drafts = self.current(values)
            for prompt in replay.read(Path(path).read_text("utf-8", errors="replace")):
                if len(drafts) >= MOST_PROMPTS:
                    raise PlaygroundError(f"Only {MOST_PROMPTS} prompts fit beside each other. Remove some first.")
                drafts = (*drafts, replace(prompt, name=unlike(prompt.name, drafts)))
            return self.shown(drafts, len(drafts) - 1)

    def receive(self, text: str, system: str, as_chat: bool, values: dict) -> dict:
        """What another tab has sent, as a prompt of its own: no labels, just the text.

        Raises:
            PlaygroundError: there is no room for one more.
        """
        drafts = self.current(values)
        if len(drafts) >= MOST_PROMPTS:
            raise PlaygroundError(f"There are {MOST_PROMPTS} prompts already. Remove one first, then send it again.")
        sent = Prompt(unlike("sent", drafts), system, query=text, as_chat=as_chat, question_label="", answer_label="")
        return self.shown((*drafts, sent), len(drafts))

    def connect(self, buttons: dict[str, gr.Button], bring: gr.File, changed: Callable[[gr.events.Dependency], None]):
        """`changed` is told of every event after which the prompt may look otherwise."""
        typed = [box.input for box in self.boxes]
        changed(gr.on(typed, self.keep, self.inputs, [self.drafts, self.which], trigger_mode="multiple", **AT_ONCE))
        changed(self.which.input(self.switch, [self.which, self.drafts], self.outputs, **AT_ONCE))
        changed(buttons["add"].click(self.add, self.inputs, self.outputs, **MAY_REFUSE))
        changed(buttons["remove"].click(self.remove, self.inputs, self.outputs, **MAY_REFUSE))
        changed(buttons["shuffle"].click(self.shuffle, self.inputs, [self.drafts, self.examples], **AT_ONCE))

        def move(values: dict, event: gr.SelectData) -> dict:
            return self.move(values, *event.index)

        changed(self.order.select(move, self.inputs, [self.drafts, self.examples], **AT_ONCE))

        def brought(values: dict) -> dict:
            return self.bring(values[bring], values)

        changed(bring.upload(brought, self.inputs | {bring}, self.outputs, **MAY_REFUSE))


def prompt_of(boxes: Sequence) -> Prompt:
    name, instruction, style, kind, examples, query, output_format, question_label, answer_label = boxes
    rows = tables.from_grid(COLUMNS, [list(line)[:3] for line in examples.values.tolist()])
    return Prompt(
        (name or "").strip() or "prompt",
        instruction or "",
        tuple(Example(row["Question"], row["Reasoning"], row["Answer"]) for row in rows),
        query or "",
        output_format or "",
        STYLES[style],
        KINDS[kind],
        question_label or "",
        answer_label or "",
    )


def grid(examples: Sequence[Example]) -> dict:
    """Examples as a table shows them; one empty line when there are none."""
    lines = [[example.question, example.reasoning, example.answer] for example in examples]
    return {"headers": COLUMNS, "data": lines or [["", "", ""]]}


def letter(i: int) -> str:
    return chr(ord("A") + i)


def unlike(name: str, drafts: Drafts) -> str:
    """The name, with a number if another prompt has it."""
    taken, found, n = {draft.name for draft in drafts}, name, 2
    while found in taken:
        found, n = f"{name} {n}", n + 1
    return found


def build(first: Drafts) -> tuple[Builder, dict[str, gr.Button], gr.File]:
    """Lays out the boxes; the other buttons are in the dict."""
    prompt = first[0]
    buttons = {}
    with gr.Row(elem_id="lab-which-row"):
        which = gr.Radio(
            [(f"{letter(i)} · {draft.name}", i) for i, draft in enumerate(first)],
            value=0,
            label="Prompts to compare",
            info="One of them is in the boxes below.",
            elem_id="lab-which",
            elem_classes=results.NO_RESULT,
            scale=4,
            min_width=260,
        )
        with gr.Column(scale=1, min_width=130, elem_id="lab-which-buttons"):
            buttons["add"] = gr.Button("Add a copy", size="sm", elem_id="lab-add")
            buttons["remove"] = gr.Button("Remove", size="sm", elem_id="lab-remove")
    with gr.Row():
        name = gr.Textbox(prompt.name, label="Name", scale=1, min_width=120, max_length=80, elem_id="lab-name")
        style = gr.Dropdown(
            list(STYLES),
            value=next(t for t, s in STYLES.items() if s == prompt.style),
            label="Style",
            filterable=False,
            scale=1,
            min_width=150,
            elem_id="lab-style",
        )
        kind = gr.Radio(
            list(KINDS),
            value="Chat messages" if prompt.as_chat else "A text to continue",
            label="Given as",
            scale=2,
            min_width=220,
            elem_id="lab-kind",
        )
    instruction = gr.Textbox(prompt.instruction, label="Instruction", lines=2, max_lines=12, elem_id="lab-instruction")
    with gr.Row(elem_classes="level"):
        query = gr.Textbox(
            prompt.query,
            label="Query",
            info="{{name}} is filled from that column.",
            lines=1,
            max_lines=8,
            scale=2,
            min_width=200,
            elem_id="lab-query",
        )
        output_format = gr.Textbox(
            prompt.output_format,
            label="Output format",
            info="How to answer, if you wish to say it.",
            lines=1,
            max_lines=8,
            scale=2,
            min_width=200,
            elem_id="lab-format",
        )
        question_label = gr.Textbox(
            prompt.question_label,
            label="Before a question",
            info="Of a text only.",
            scale=1,
            min_width=120,
            elem_id="lab-question-label",
        )
        answer_label = gr.Textbox(
            prompt.answer_label,
            label="Before an answer",
            info="Of a text only.",
            scale=1,
            min_width=120,
            elem_id="lab-answer-label",
        )
    with gr.Accordion("Examples (for few-shot styles)", open=True, elem_id="lab-examples-box"):
        examples = gr.Dataframe(
            grid(prompt.examples),
            headers=COLUMNS,
            datatype="str",
            type="pandas",
            column_count=3,
            interactive=True,
            wrap=True,
            show_label=False,
            label="Examples",
            max_height=260,
            column_widths=["50%", "32%", "18%"],
            buttons=[],
            elem_id="lab-examples",
        )
        chips = order.build(prompt.examples)
        with gr.Row(elem_classes="lesser", elem_id="lab-draw-row"):
            buttons["shuffle"] = gr.Button("Shuffle their order", size="sm", elem_id="lab-shuffle")
            k = gr.Number(4, label="How many", precision=0, minimum=1, min_width=110, elem_id="lab-k")
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=90, elem_id="lab-draw-seed")
            buttons["draw"] = gr.Button("Draw from the table", size="sm", elem_id="lab-draw")
    with gr.Accordion("Bring prompts from a file", open=False, elem_id="lab-bring-box"):
        bring = gr.File(label="JSON that was exported below", file_types=[".json"], height=110, elem_id="lab-bring")
    builder = Builder(
        gr.State(first),
        which,
        name,
        instruction,
        style,
        kind,
        examples,
        query,
        output_format,
        question_label,
        answer_label,
        k,
        seed,
        chips,
    )
    return builder, buttons, bring


def check(drafts: Drafts) -> None:
    """Raises PlaygroundError when two prompts cannot be told apart."""
    names = [draft.name for draft in drafts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise PlaygroundError(f"Two prompts are called “{twice}”. Give each a name of its own.")
