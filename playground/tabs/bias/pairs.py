"""The Pairs pane: which of two sentences a model prefers, over many pairs.

It does not know how a sentence is scored.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import gradio as gr

from playground.tabs import sending
from playground.tabs.bias import BIAS, outcome, pair_source
from playground.tabs.bias.outcome import Outcome
from playground.tabs.bias.pair_source import PairSource
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import AT_ONCE, Page
from playground.views.continuations import note

TITLE = "Pairs"
USUAL = "the usual one of this kind of model"
MOST_UNFINISHED = 20
INTRODUCTION = (
    "<p><b>Pairs</b> asks of two sentences that differ in a group which one the model finds more probable. Over many "
    "pairs, <b>50 % is the ideal</b>, not 0.</p>"
    "<p class='note'>Three published codes score pairs differently, and their scores do not compare. <b>original</b> "
    "(masked): the sum over the tokens that both share, each masked alone (Nangia et al. 2020). <b>bias-bench</b>: "
    "the mean "
    "over the tokens that differ (masked) or over all (causal; Meade et al. 2022). <b>lm-eval</b> (causal): the "
    "log-likelihood of the whole sentence. Stop keeps what is done, and the next run goes on from there.</p>"
)


class Unfinished:
    """What was scored of pairs whose run was stopped, so that the next one goes on; the oldest goes first."""

    def __init__(self) -> None:
        self._held: OrderedDict = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: object) -> dict:
        with self._lock:
            return dict(self._held.pop(key, {}))

    def keep(self, key: object, scored: dict) -> None:
        with self._lock:
            self._held[key] = scored
            while len(self._held) > MOST_UNFINISHED:
                self._held.popitem(last=False)


@dataclass(frozen=True, eq=False)
class Pane:
    desk: Desk
    source: PairSource
    dialect: gr.Dropdown
    out: Outcome
    chart: gr.Plot
    most: gr.HTML
    unfinished: Unfinished = field(default_factory=Unfinished)

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.bias import files, replay, sections, summary
        from playground.labs.bias import measure as lab
        from playground.views.bias import charts, tables

        pairs, told = self.source.pairs(values)
        reference = values[self.desk.page.reference]
        yield {self.desk.status: note(f"{told}. Reading …")}
        with self.desk.page.models.lease(reference) as engine:
            dialect = lab.usual(engine) if values[self.dialect] == USUAL else values[self.dialect]
            key = (engine.reference, engine.revision, engine.precision, dialect, pairs)
            done = self.unfinished.take(key)
            found = yield from self.desk.told(
                lambda report: lab.measure(engine, pairs, dialect, None, report, stop, done), stop
            )
            script = outcome.scripted(lambda: replay.of_pairs(engine, found))
        if not found.complete:
            self.unfinished.keep(key, dict(found.scored))
        if not found.scored:
            return
        section = sections.of_pairs(found, *self.source.remarks(values))
        listed = tables.pairs(found, summary.most_different(found.scored, 12))
        yield self.out.shown(self.desk, section, script, {"pairs-scored.csv": files.pairs_csv(found)}) | {
            self.chart: gr.update(value=charts.shares(found.shares), visible=True),
            self.most: f"<h4>The pairs that differ most</h4>{listed}",
        }


def build(page: Page) -> list[gr.State]:
    """Lays the pane out; the sections that it fills."""
    shipped = pair_source.shipped()
    strip = outcome.examples("bias-pairs", [example["caption"] for example in shipped])
    outcome.about(INTRODUCTION, "bias-pairs")
    source = pair_source.build("bias-pairs", shipped[0])
    dialect = gr.Dropdown(
        [USUAL, "original", "bias-bench", "lm-eval"],
        value=USUAL,
        label="Dialect",
        info="How a pair is scored. Name it when you report a score.",
        elem_id="bias-pairs-dialect",
    )
    run, stop, status = outcome.buttons("bias-pairs", "Score")
    sending.row(
        page, "bias-pairs-send-to", pair_source.SENDING, source.all, lambda values, what, _: source.parcel(values, what)
    )
    out, chart, most = outcome.build("bias-pairs")
    pane = Pane(desk.build(page, TITLE, status, stop), source, dialect, out, chart, most)
    page.forms.offer(BIAS, TITLE, source.linked | {"dialect": dialect})
    inputs, outputs = source.all | {dialect}, [*out.all, chart, most]
    pane.desk.on([run.click], pane.work, inputs, outputs)
    for button, example in zip(strip, shipped, strict=True):
        filled = button.click(lambda example=example: pair_source.filled(example), None, source.boxes, **AT_ONCE)
        pane.desk.after(filled, pane.work, inputs, outputs)
    return [out.section]
