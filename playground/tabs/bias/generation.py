"""The Generation pane: counterfactual prompts continued many times, and what differs between the groups.

It does not know how a text is judged.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.bias import data
from playground.tabs import sending
from playground.tabs.bias import BIAS, outcome
from playground.tabs.bias.outcome import Outcome
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import AT_ONCE, Page, Parcel, paced

TITLE = "Generation"
SENDING = {"the first prompt, with the first group": sending.elsewhere(sending.A_PROMPT, sending.BIAS, sending.SEARCH)}
INTRODUCTION = (
    "<p><b>Generation</b> continues the same prompt for each group many times and compares sentiment, length, "
    "refusals and "
    "words. The i-th text of every group is drawn with the same seed.</p>"
    "<p class='note'>A few texts show nothing: read the intervals, then the texts. Sentiment is a count of words "
    "(VADER, as "
    "in BOLD, Dhamala et al. 2021); word choice is log-odds with an informative prior (Monroe et al. 2008).</p>"
)


@dataclass(frozen=True, eq=False)
class Pane:
    desk: Desk
    prompts: gr.Textbox
    groups: gr.Textbox
    n: gr.Slider
    tokens: gr.Slider
    temperature: gr.Slider
    seed: gr.Number
    as_chat: gr.Checkbox
    out: Outcome
    chart: gr.Plot
    texts: gr.HTML

    @property
    def asked(self) -> set[gr.components.Component]:
        return {self.prompts, self.groups, self.n, self.tokens, self.temperature, self.seed, self.as_chat}

    def pack(self, values: dict, what: str, visitor: str) -> Parcel:
        """What is sent to other tabs. Raises PlaygroundError: there is nothing to send."""
        from playground.labs.bias.continuations import SLOT

        prompts, groups = outcome.lines(values[self.prompts]), outcome.words(values[self.groups])
        if not prompts or not groups:
            raise PlaygroundError("There is no prompt or no group. Write at least one of each.")
        return Parcel(prompts[0].replace(SLOT, groups[0]), message=bool(values[self.as_chat]))

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.engine.sampling import Sampling
        from playground.labs.bias import continuations as lab
        from playground.labs.bias import files, replay, sections, word_choice
        from playground.views.bias import charts, tables
        from playground.views.internals.probing import progress

        sampling = Sampling(
            max_new_tokens=int(values[self.tokens]),
            temperature=float(values[self.temperature]),
            seed=int(values[self.seed] or 0),
        )
        asked = outcome.lines(values[self.prompts]), outcome.words(values[self.groups]), int(values[self.n])
        found = None
        with (
            self.desk.page.models.lease(values[self.desk.page.reference]) as engine,
            closing(lab.write(engine, *asked, sampling, bool(values[self.as_chat]), stop)) as states,
        ):
            for found in paced(states, per_second=4):
                told = f"{len(found.texts)} of {found.total} texts"
                yield {self.desk.status: progress(len(found.texts) / found.total, told, None)}
            script = "" if found is None else outcome.scripted(lambda: replay.of_generation(engine, found))
        if found is None or not all(found.of(group) for group in found.groups):
            return
        first, second = found.groups[:2]
        try:
            words = word_choice.compare(*([one.text for one in found.of(group)] for group in (first, second)))
            chosen = f"<h4>Words</h4>{tables.choices(words, first, second)}"
        except PlaygroundError:
            chosen = ""
        head = ("group", "prompt", "text", "sentiment", "tokens", "refused", "seed")
        rows = [(t.group, t.prompt, t.text, t.sentiment, t.length, t.refused, t.seed) for t in found.texts]
        contents = {"texts.csv": files.table_csv(head, rows)}
        yield self.out.shown(self.desk, sections.of_generation(found), script, contents) | {
            self.chart: gr.update(value=charts.means(found), visible=True),
            self.texts: f"{chosen}<h4>All texts</h4>{tables.continuations(found)}",
        }


def build(page: Page) -> list[gr.State]:
    """Lays the pane out; the sections that it fills."""
    shipped = data.tables()["generation"]
    strip = outcome.examples("bias-generation", [example["caption"] for example in shipped])
    outcome.about(INTRODUCTION, "bias-generation")
    with gr.Row(elem_classes="asked"):
        prompts = gr.Textbox(
            "\n".join(shipped[0]["prompts"]),
            label="Prompts",
            info="One a line, with {group}.",
            lines=3,
            scale=3,
            min_width=300,
            elem_id="bias-generation-prompts",
        )
        with gr.Column(scale=2, min_width=240):
            groups = gr.Textbox(
                ", ".join(shipped[0]["groups"]),
                label="Groups",
                info="The first is what others are compared with.",
                elem_id="bias-generation-groups",
            )
            as_chat = gr.Checkbox(False, label="As a chat message", elem_id="bias-generation-chat")
    with gr.Row(elem_classes="asked"):
        n = gr.Slider(1, 60, 6, step=1, label="Texts a prompt and group", min_width=180, elem_id="bias-generation-n")
        tokens = gr.Slider(4, 80, 16, step=4, label="Tokens", min_width=160, elem_id="bias-generation-tokens")
        temperature = gr.Slider(0.1, 1.5, 1.0, step=0.1, label="Temperature", min_width=160)
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=100)
    run, stop, status = outcome.buttons("bias-generation", "Write")
    sending_place = gr.Column(min_width=0)
    out, chart, texts = outcome.build("bias-generation")
    pane = Pane(
        desk.build(page, TITLE, status, stop),
        prompts,
        groups,
        n,
        tokens,
        temperature,
        seed,
        as_chat,
        out,
        chart,
        texts,
    )
    with sending_place:
        sending.row(page, "bias-generation-send-to", SENDING, {prompts, groups, as_chat}, pane.pack)
    names = ("prompts", "groups", "n", "tokens", "temperature", "seed", "as_chat")
    page.forms.offer(BIAS, TITLE, {name: getattr(pane, name) for name in names})
    outputs = [*out.all, chart, texts]
    pane.desk.on([run.click], pane.work, pane.asked, outputs)
    for button, example in zip(strip, shipped, strict=True):
        filled = button.click(
            lambda example=example: ["\n".join(example["prompts"]), ", ".join(example["groups"])],
            None,
            [prompts, groups],
            **AT_ONCE,
        )
        pane.desk.after(filled, pane.work, pane.asked, outputs)
    return [out.section]
