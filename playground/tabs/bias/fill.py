"""The Fill the blank pane: what a model puts in a gap, and a grid of templates by words.

It does not know how a blank is filled.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.bias import data
from playground.models.catalog import catalog
from playground.tabs import sending
from playground.tabs.attention.source import shape
from playground.tabs.bias import BIAS, outcome
from playground.tabs.bias.outcome import Outcome
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import AT_ONCE, Page, Parcel
from playground.views.continuations import note

TITLE = "Fill the blank"
MASK = "[MASK]"
SENDING = {"the sentence": sending.elsewhere(sending.A_PROMPT, sending.BIAS, sending.SEARCH)}
OF_GRID = {"the first template, with its first word": (sending.FILL,)}
INTRODUCTION = (
    "<p><b>Fill the blank</b> asks what belongs in a gap. A masked model reads both sides of it. A model that "
    "reads from "
    "left to right proposes words from what stands before the gap, and then the whole sentence is scored with each "
    "word: "
    "exact for the words that are asked about.</p>"
    "<p class='note'>One sentence is an anecdote. The grid below asks many, and takes off what the model would say "
    "anyway "
    "(Kurita et al. 2019, <a href='https://arxiv.org/abs/1906.07337' target='_blank' rel='noopener'>arXiv "
    "1906.07337</a>)."
    "</p>"
)


@dataclass(frozen=True, eq=False)
class Blank:
    """The upper half: one sentence."""

    desk: Desk
    text: gr.Textbox
    candidates: gr.Textbox
    k: gr.Slider
    out: Outcome
    words: gr.HTML

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.bias import fill as lab
        from playground.labs.bias import replay, sections
        from playground.views.bias import tables

        yield {self.desk.status: note("Reading …")}
        with self.desk.page.models.lease(values[self.desk.page.reference]) as engine:
            asked = outcome.words(values[self.candidates])
            found = lab.fill(engine, values[self.text] or "", int(values[self.k]), asked, stop=stop)
            script = outcome.scripted(lambda: replay.of_fill(engine, found))
        yield self.out.shown(self.desk, sections.of_fill(found), script) | {self.words: tables.words(found)}


@dataclass(frozen=True, eq=False)
class Grid:
    """The lower half: templates by words."""

    desk: Desk
    templates: gr.Textbox
    first: gr.Textbox
    second: gr.Textbox
    words: gr.Textbox
    neutral: gr.Textbox
    corrected: gr.Checkbox
    out: Outcome
    chart: gr.Plot

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.bias import grid as lab
        from playground.labs.bias import replay, sections
        from playground.views.bias import charts

        asked = [outcome.lines(values[self.templates]), outcome.words(values[self.words])]
        pair = [(values[box] or "").strip() for box in (self.first, self.second)]
        with self.desk.page.models.lease(values[self.desk.page.reference]) as engine:
            found = yield from self.desk.told(
                lambda report: lab.measure(engine, *asked, *pair, values[self.neutral] or "", report=report, stop=stop),
                stop,
            )
            script = outcome.scripted(lambda: replay.of_grid(engine, found))
        drawn = charts.grid(found, bool(values[self.corrected]))
        yield self.out.shown(self.desk, sections.of_grid(found), script) | {
            self.chart: gr.update(value=drawn, visible=True)
        }


def receive(parcel: Parcel) -> list:
    """What a text from another tab becomes: sentence with a blank, words to compare."""
    from playground.labs.bias.swapped import blanked

    text, pair = parcel.text, None
    if MASK not in text:
        text, pair = blanked(text, MASK)
    return [text, ", ".join(pair) if pair else ""]


def _offer(page: Page, blank: Blank, grid: Grid) -> None:
    """What of the pane goes into a link."""
    one = {"text": blank.text, "candidates": blank.candidates, "words": blank.k}
    many = {"templates": grid.templates, "first": grid.first, "second": grid.second, "grid_words": grid.words}
    page.forms.offer(BIAS, TITLE, one | many | {"neutral": grid.neutral, "corrected": grid.corrected})


def readable(page: Page, reference: str, text: str, words: Sequence[str]) -> str:
    """The sentence for tabs that know no blanks: as it is for a masked model; for others what stands before the blank.

    words: what is put there when nothing stands before it.
    """
    before, blank, _ = text.partition(MASK)
    if not blank or reads_blanks(page, reference):
        return text
    return before.rstrip() or text.replace(MASK, words[0] if words else "It")


def reads_blanks(page: Page, reference: str) -> bool:
    """Whether it is a masked model, as far as that is known before it is loaded."""
    known = shape(page, reference)
    if known:
        return known["kind"] == "masked"
    plain = reference.partition("#")[0]
    return any(entry.kind == "masked" for entry in catalog() if entry.reference == plain)


def build(page: Page) -> list[gr.State]:
    """Lays the pane out; the sections that it fills."""
    blank, strip, place = _blank(page)
    grid, grid_strip = _grid(page)
    inputs = {blank.text, blank.candidates, blank.k}
    outputs = [*blank.out.all, blank.words]

    def run(came: gr.events.Dependency) -> None:
        blank.desk.after(came, blank.work, inputs, outputs)

    _offer(page, blank, grid)
    if BIAS in page.post:
        sending.take(page.post[BIAS], receive, [blank.text, blank.candidates], run)

    def pack(values: dict, what: str, visitor: str) -> Parcel:
        asked = outcome.words(values[blank.candidates])
        return Parcel(readable(page, values[page.reference] or "", values[blank.text] or "", asked[:1]))

    with place:
        sending.row(page, "bias-send-to", SENDING, {blank.text, blank.candidates}, pack)
    for button, example in zip(strip, data.tables()["blank"], strict=True):
        filled = button.click(
            lambda example=example: [example["text"], example["candidates"]],
            None,
            [blank.text, blank.candidates],
            **AT_ONCE,
        )
        blank.desk.after(filled, blank.work, inputs, outputs)
    inputs = {grid.templates, grid.first, grid.second, grid.words, grid.neutral, grid.corrected}
    outputs = [*grid.out.all, grid.chart]
    boxes = [grid.templates, grid.first, grid.second, grid.words, grid.neutral]
    for button, example in zip(grid_strip, data.tables()["grid"], strict=True):
        filled = button.click(lambda example=example: _values(example), None, boxes, **AT_ONCE)
        grid.desk.after(filled, grid.work, inputs, outputs)
    return [blank.out.section, grid.out.section]


def _values(example: dict) -> list[str]:
    templates, words = "\n".join(example["templates"]), ", ".join(example["words"])
    return [templates, example["first"], example["second"], words, example["neutral"]]


def _blank(page: Page) -> tuple[Blank, list[gr.Button], gr.Column]:
    shipped = data.tables()["blank"]
    strip = outcome.examples("bias-fill", [example["caption"] for example in shipped])
    outcome.about(INTRODUCTION, "bias-fill")
    with gr.Row(elem_classes="asked"):
        text = desk.ask(
            shipped[0]["text"],
            scale=3,
            min_width=300,
            label="Sentence with [MASK]",
            info="Exactly one [MASK]. Enter fills it.",
            elem_id="bias-fill-text",
        )
        with gr.Column(scale=2, min_width=280):
            candidates = gr.Textbox(
                shipped[0]["candidates"],
                label="Words to compare",
                info="Separated by commas. Empty: the model proposes.",
                elem_id="bias-fill-candidates",
            )
            k = gr.Slider(3, 30, 10, step=1, label="Words to list", info="When the model proposes.")
    run, stop, status = outcome.buttons("bias-fill", "Fill")
    place = gr.Column(min_width=0)
    out, _, words = outcome.build("bias-fill", chart=False)
    pane = Blank(desk.build(page, "Fill the blank", status, stop), text, candidates, k, out, words)
    pane.desk.on([run.click, text.submit, candidates.submit], pane.work, {text, candidates, k}, [*out.all, words])
    return pane, strip, place


def _grid(page: Page) -> tuple[Grid, list[gr.Button]]:
    shipped = data.tables()["grid"]
    gr.HTML("<h3>Many sentences: templates by words</h3>")
    strip = outcome.examples("bias-grid", [example["caption"] for example in shipped])
    values = _values(shipped[0])
    with gr.Row(elem_classes="asked"):
        templates = gr.Textbox(
            values[0],
            label="Templates",
            info="One a line, with [MASK] and {word}.",
            lines=3,
            scale=3,
            min_width=300,
            elem_id="bias-grid-templates",
        )
        words = gr.Textbox(
            values[3], label="Words", info="For {word}.", lines=3, scale=3, min_width=280, elem_id="bias-grid-words"
        )
        with gr.Column(scale=2, min_width=240):
            with gr.Row():
                first = gr.Textbox(values[1], label="First", min_width=90, elem_id="bias-grid-first")
                second = gr.Textbox(values[2], label="Second", min_width=90, elem_id="bias-grid-second")
            neutral = gr.Textbox(
                values[4], label="Neutral word", info="Stands for no word in particular where a model reads no masks."
            )
            corrected = gr.Checkbox(True, label="Corrected for the prior", elem_id="bias-grid-corrected")
    run, stop, status = outcome.buttons("bias-grid", "Fill the grid")

    def pack(values: dict, what: str, visitor: str) -> Parcel:
        from playground.labs.bias.pairs import filled

        asked, given = outcome.lines(values[templates]), outcome.words(values[words])
        if not asked or not given:
            raise PlaygroundError("There are no templates or no words. Write at least one of each.")
        return Parcel(filled(asked[0], given[0]))

    sending.row(page, "bias-grid-send-to", OF_GRID, {templates, words}, pack)
    out, chart, _ = outcome.build("bias-grid")
    pane = Grid(
        desk.build(page, "Templates by words", status, stop),
        templates,
        first,
        second,
        words,
        neutral,
        corrected,
        out,
        chart,
    )
    inputs = {templates, first, second, words, neutral, corrected}
    pane.desk.on([run.click], pane.work, inputs, [*out.all, chart])
    return pane, strip
