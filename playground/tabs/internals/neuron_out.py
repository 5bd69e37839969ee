"""A neuron taken out: what the model would say next with and without it, and both texts written side by side.

It does not know how a neuron is taken out, or how results are drawn.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.attention.panes import Pane
from playground.tabs.internals.benches import asked, bench
from playground.tabs.internals.unit import NEURON, UnitBoxes
from playground.tabs.kit import AT_ONCE, Page, paced, title_of
from playground.views.continuations import note

HOWS = {"Set to 0": "zero", "Its mean over other texts": "mean"}
TOKENS = 40


@dataclass(frozen=True)
class Example:
    caption: str
    layer: int
    index: int
    text: str


EXAMPLES = (
    Example("Paris without its neuron", 24, 1005, "The capital of France is"),
    Example("A little girl, or a town", 29, 1126, "Once upon a time there was a little"),
)


@dataclass(frozen=True, eq=False)
class Out:
    unit: UnitBoxes
    text: gr.Textbox
    run_after: object  # event -> the neuron is taken out after it

    def connect(self, buttons: Sequence[gr.Button], stale: Sequence[gr.HTML]) -> None:
        """Example buttons set the neuron and the text, and take it out. stale: shows another neuron; emptied."""
        filling = [self.unit.kind, self.unit.layer, self.unit.index, self.text, *stale]
        for button, example in zip(buttons, EXAMPLES, strict=True):

            def fill(example: Example = example) -> list:
                return [NEURON, example.layer, example.index, example.text, *("" for _ in stale)]

            self.run_after(button.click(fill, None, filling, **AT_ONCE).success)


def build(page: Page, unit: UnitBoxes) -> Out:
    with gr.Row():
        text = gr.Textbox(
            EXAMPLES[0].text,
            label="Text to continue",
            info="Or one with a mask, for a model that fills blanks.",
            max_lines=6,
            scale=4,
            min_width=280,
            elem_id="out-text",
        )
        how = gr.Radio(list(HOWS), value="Set to 0", label="The neuron above is", scale=3, min_width=260)
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Take it out", variant="primary", elem_id="out-run")
        stop = gr.Button("Stop", variant="stop", elem_id="out-stop")
    status = gr.HTML(elem_id="out-status", elem_classes="doing")
    caption = gr.HTML(elem_id="out-caption", elem_classes="outcome")
    with gr.Row(elem_id="out-row"):
        with gr.Column(scale=3, min_width=300):
            chart = gr.Plot(show_label=False, visible=False, elem_id="out-chart")
        with gr.Column(scale=3, min_width=300):
            written = gr.HTML(elem_id="out-written", elem_classes="outcome")

    def draw(values: dict, halted: threading.Event) -> Iterator[dict]:
        from playground.engine.sampling import Sampling
        from playground.labs.internals import ablation, edited
        from playground.views.internals import ablation as view
        from playground.views.internals import written as written_view

        chosen = unit.read(values)
        if chosen.kind != "neuron":
            raise PlaygroundError(
                "Only MLP neurons can be taken out, and a residual dimension was chosen. Pick an MLP neuron above."
            )
        if not (values[text] or "").strip():
            raise PlaygroundError("There is no text to continue. Type some, or press an example.")
        reference, ways = values[page.reference] or "", HOWS[values[how]]
        title, target = title_of(reference), ablation.Target("neuron", chosen.layer, chosen.index)
        with page.models.lease(reference) as engine:
            found = ablation.ablate(engine, values[text], [target], ways, stop=halted)
            yield {
                caption: view.sentence(found, title) + view.origin(found.provenance),
                chart: gr.update(value=view.bars(found, "Without it"), visible=True),
                written: "",
            }
            if not engine.anatomy.writes:
                return
            ids, greedy = engine.encode(values[text]), Sampling(max_new_tokens=TOKENS, temperature=0.0, seed=0)
            tap = ablation.tap(engine, [target], ways, stop=halted)
            names = ("As it is", f"Without neuron {chosen.layer}.{chosen.index}")
            with closing(edited.side_by_side(engine, ids, greedy, tap, halted)) as pairs:
                for pair in paced(pairs):
                    both = (pair.original, pair.edited)
                    drawn = written_view.side_by_side(values[text], names, both, title)
                    yield {written: drawn + note(written_view.parting(both, names))}

    desk = bench(page, status)
    pane = Pane("Out", {*unit.parts, text, how}, [caption, chart, written], draw)
    begun = asked(desk, run.click, text.submit)

    def run_after(event) -> gr.events.Dependency:
        return desk.draw_after(event, pane)

    run_after(begun.success)
    stop.click(desk.stops.halt, None, None, **AT_ONCE)
    return Out(unit, text, run_after)
