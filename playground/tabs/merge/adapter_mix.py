"""Adapters, Mix: the model as it is and the mixture of the sliders answer the same prompt, anew with every move.

It does not know how adapters are added.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import gradio as gr

from playground.tabs.internals import desk
from playground.tabs.internals import prompt as prompts
from playground.tabs.internals.desk import Desk
from playground.tabs.internals.prompt import Prompt
from playground.tabs.kit import AT_ONCE, MAY_REFUSE, Page, paced, title_of, user_errors
from playground.tabs.merge.rack import Rack
from playground.views.continuations import note

TITLE = "Mix"


@dataclass(frozen=True)
class Example:
    caption: str
    weights: dict[str, float]
    text: str
    look: str


EXAMPLES = (
    Example(
        "Pirate 0.7 and JSON 0.3",
        {"pirate": 0.7, "json": 0.3},
        "What is the capital of Germany?",
        "Move one slider up and the other down, and see where the answer turns from one form to the other.",
    ),
    Example(
        "Steps of a sum",
        {"arithmetic": 1.0},
        "A store has 10 shirts. It sells 3 of them and then receives 5 more. How many shirts does the store have now?",
        "The adapter was trained to write an equation a step and the answer last (12). Check every step: the form is "
        "easier to learn than the sums.",
    ),
    Example(
        "One word",
        {"sentiment": 1.0},
        "Is this review positive or negative?\nThis movie is absolutely fantastic!",
        "As it is, the model answers in a sentence; with the adapter in the one word that was asked for.",
    ),
    Example(
        "Less than nothing",
        {"pirate": -1.0},
        "Tell me about the sea.",
        "A negative weight takes away what the adapter adds. What is left is not the opposite of a pirate.",
    ),
)


@dataclass(frozen=True, eq=False)
class Bench:
    """The components. Its methods are the handlers."""

    desk: Desk
    rack: Rack
    prompt: Prompt
    look: gr.HTML
    written: gr.HTML
    same: gr.HTML

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link."""
        return self.prompt.boxes

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.engine.adapters import Attached
        from playground.labs.internals import edited
        from playground.views.internals import written

        adapters, weights = self.rack.adapters(values)
        base = self.rack.base(values)
        mixture = " + ".join(f"{w:g} {a.name}" for a, w in zip(adapters, weights, strict=True)) or "no adapter"
        names = ["As it is", mixture]
        with self.desk.page.models.lease(base) as engine:
            taps = [None, Attached(engine, adapters, [weights]).tap if adapters else None]
            ids, given = self.prompt.ids(engine, values), self.prompt.given(values)
            yield {self.same: ""}
            replies: tuple = ()
            with closing(edited.at_once(engine, ids, self.prompt.sampling(values), taps, stop)) as texts:
                for replies in paced(texts, per_second=10):
                    yield {self.written: written.side_by_side(given, names, replies, title_of(base))}
        same = written.parting(replies, names)
        if same:
            yield {self.same: note(same)}


def build(page: Page, rack: Rack) -> Bench:
    with gr.Row(elem_classes="examples", elem_id="merge-adapters-examples"):
        gr.HTML("Examples:")
        buttons = [gr.Button(example.caption, size="sm", min_width=0) for example in EXAMPLES]
    first = EXAMPLES[0]
    with gr.Row(elem_classes="asked"):
        prompt = prompts.build(first.text, "merge-adapters", tokens=40)
    prompt.kind.value = prompts.MESSAGE
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Answer with and without", variant="primary", elem_id="merge-adapters-run")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-adapters-stop")
        use = gr.Button("Use this mixture in every tab", elem_id="merge-adapters-use")
    status = gr.HTML(elem_id="merge-adapters-status", elem_classes="doing")
    look = gr.HTML(note(first.look), elem_id="merge-adapters-look")
    written = gr.HTML(elem_id="merge-adapters-written")
    same = gr.HTML(elem_id="merge-adapters-same")
    bench = Bench(desk.build(page, "Adapters: Mix", status, stop), rack, prompt, look, written, same)

    inputs = rack.all | prompt.all
    bench.desk.on([run.click], bench.work, inputs, [written, same])
    bench.desk.while_moving([slider.release for slider in rack.sliders], bench.work, inputs, [written, same])
    gr.on([prompt.text.input], lambda: "", None, look, **AT_ONCE)  # it was about the example

    def picked(values: dict) -> str:
        with user_errors():
            return rack.reference(values)

    use.click(picked, rack.all | {page.reference}, page.reference, **MAY_REFUSE)
    for button, example in zip(buttons, EXAMPLES, strict=True):

        def fill(example: Example = example) -> list:
            return [*rack.filled(example.weights), example.text, prompts.MESSAGE, note(example.look)]

        filled = button.click(fill, None, [*rack.sliders, prompt.text, prompt.kind, look], **AT_ONCE)
        bench.desk.after(filled, bench.work, inputs, [written, same])
    return bench
