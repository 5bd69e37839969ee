"""The Associations pane: word sets by their vectors, and occupations along an axis.

It does not know how vectors are compared.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields

import gradio as gr

from playground.labs.bias import data
from playground.tabs.bias import BIAS, outcome
from playground.tabs.bias.outcome import Outcome
from playground.tabs.forms import MOST_LAYERS, Box
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import AT_ONCE, Page
from playground.views.continuations import note

TITLE = "Associations"
WORDS, SENTENCES = "Input embeddings of the words (WEAT)", "Sentences, read up to a layer (SEAT)"
SIDES = {"x": "Targets X", "y": "Targets Y", "a": "Attributes A", "b": "Attributes B"}
INTRODUCTION = (
    "<p><b>Associations</b> asks whether one set of words lies nearer to some attributes than another does (WEAT, "
    "Caliskan "
    "et al. 2017; in sentences: SEAT, May et al. 2019). The effect size is in standard deviations, and p is the "
    "share of "
    "all ways to split the words that give at least as large a difference.</p>"
    "<p class='note'>The axis below sets 60 occupations between two sets of words and compares with the share of "
    "women in "
    "them by U.S. labour statistics.</p>"
)


@dataclass(frozen=True, eq=False)
class Pane:
    desk: Desk
    x_name: gr.Textbox
    y_name: gr.Textbox
    a_name: gr.Textbox
    b_name: gr.Textbox
    x: gr.Textbox
    y: gr.Textbox
    a: gr.Textbox
    b: gr.Textbox
    where: gr.Radio
    layer: gr.Slider
    ddof: gr.Radio
    out: Outcome
    chart: gr.Plot

    @property
    def boxes(self) -> list[gr.Textbox]:
        return [getattr(self, f"{side}{name}") for side in SIDES for name in ("_name", "")]

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.bias import associations as lab
        from playground.labs.bias import replay, sections
        from playground.views.bias import charts

        yield {self.desk.status: note("Reading the words …")}
        names = [(values[getattr(self, f"{side}_name")] or side.upper()).strip() for side in SIDES]
        words = [outcome.words(values[getattr(self, side)]) for side in SIDES]
        with self.desk.page.models.lease(values[self.desk.page.reference]) as engine:
            found = lab.weat(engine, names, words, chosen(values, self), ddof=int(values[self.ddof]), stop=stop)
            script = outcome.scripted(lambda: replay.of_weat(engine, found))
        yield self.out.shown(self.desk, sections.of_weat(found), script) | {
            self.chart: gr.update(value=charts.associations(found), visible=True)
        }


@dataclass(frozen=True, eq=False)
class Axis:
    desk: Desk
    first: gr.Textbox
    second: gr.Textbox
    where: gr.Radio
    layer: gr.Slider
    out: Outcome
    chart: gr.Plot

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.bias import associations as lab
        from playground.labs.bias import replay, sections
        from playground.views.bias import charts

        yield {self.desk.status: note("Reading the occupations …")}
        ends = [outcome.words(values[box]) for box in (self.first, self.second)]
        with self.desk.page.models.lease(values[self.desk.page.reference]) as engine:
            found = lab.axis(engine, *ends, chosen(values, self), stop=stop)
            script = outcome.scripted(lambda: replay.of_axis(engine, found))
        yield self.out.shown(self.desk, sections.of_axis(found), script) | {
            self.chart: gr.update(value=charts.axis(found), visible=True)
        }


def chosen(values: dict, pane: Pane | Axis) -> int | None:
    """The layer after which sentences are read; None: input embeddings."""
    return int(values[pane.layer]) if values[pane.where] == SENTENCES else None


def build(page: Page) -> list[gr.State]:
    """Lays the pane out; the sections that it fills."""
    shipped = data.tables()["association"]
    strip = outcome.examples("bias-weat", [example["caption"] for example in shipped])
    outcome.about(INTRODUCTION, "bias-weat")
    parts: dict = {}
    with gr.Row(elem_classes="asked"):
        for side, label in SIDES.items():
            with gr.Column(min_width=200):
                parts[f"{side}_name"] = gr.Textbox(
                    shipped[0][f"{side}_name"], label=f"{label}: name", max_lines=1, elem_id=f"bias-weat-{side}-name"
                )
                parts[side] = gr.Textbox(
                    ", ".join(shipped[0][side]), label=f"{label}: words", lines=3, elem_id=f"bias-weat-{side}"
                )
    with gr.Row(elem_classes="asked"):
        parts["where"], parts["layer"] = _where("bias-weat", SENTENCES, 20)
        parts["ddof"] = gr.Radio(
            [("n - 1 (as sent-bias)", 1), ("n (as WEFE)", 0)],
            value=1,
            label="Standard deviation divided by",
            min_width=220,
            elem_id="bias-weat-ddof",
        )
    run, stop, status = outcome.buttons("bias-weat", "Compare")
    parts["out"], parts["chart"], _ = outcome.build("bias-weat")
    parts["desk"] = desk.build(page, "Word sets", status, stop)
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane)})
    inputs = {*pane.boxes, pane.where, pane.layer, pane.ddof}
    outputs = [*pane.out.all, pane.chart]
    pane.desk.on([run.click], pane.work, inputs, outputs)
    for button, example in zip(strip, shipped, strict=True):

        def fill(example: dict = example) -> list[str]:
            return [t for side in SIDES for t in (example[f"{side}_name"], ", ".join(example[side]))]

        pane.desk.after(button.click(fill, None, pane.boxes, **AT_ONCE), pane.work, inputs, outputs)
    axis = _axis(page)
    words = {f"{side}{name}": getattr(pane, f"{side}{name}") for side in SIDES for name in ("_name", "")}
    page.forms.offer(
        BIAS,
        TITLE,
        words
        | {"vectors": pane.where, "layer": Box(pane.layer, most=MOST_LAYERS), "divided_by": pane.ddof}
        | {"axis_first": axis.first, "axis_second": axis.second, "axis_vectors": axis.where}
        | {"axis_layer": Box(axis.layer, most=MOST_LAYERS)},
    )
    desk.fit_layers(page, pane.layer, axis.layer)
    return [pane.out.section, axis.out.section]


def _where(name: str, chosen: str, at: int) -> tuple[gr.Radio, gr.Slider]:
    where = gr.Radio([WORDS, SENTENCES], value=chosen, label="Vectors of", min_width=260, elem_id=f"{name}-where")
    layer = gr.Slider(
        0, 29, at, step=1, label="Layer", info="Of sentences alone.", min_width=200, elem_id=f"{name}-layer"
    )
    return where, layer


def _axis(page: Page) -> Axis:
    shipped = data.tables()["axis"]
    gr.HTML("<h3>Occupations along an axis</h3>")
    with gr.Row(elem_classes="asked"):
        second = gr.Textbox(", ".join(shipped["second"]), label="One end", min_width=240, elem_id="bias-axis-second")
        first = gr.Textbox(", ".join(shipped["first"]), label="Other end", min_width=240, elem_id="bias-axis-first")
        where, layer = _where("bias-axis", SENTENCES, 20)
    run, stop, status = outcome.buttons("bias-axis", "Draw")
    out, chart, _ = outcome.build("bias-axis")
    pane = Axis(desk.build(page, "Occupations", status, stop), first, second, where, layer, out, chart)
    pane.desk.on([run.click], pane.work, {first, second, where, layer}, [*out.all, chart])
    return pane
