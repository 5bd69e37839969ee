"""Adapters, Extract: a LoRA out of the difference of two models, and what each rank misses.

It does not know how the difference is taken apart.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.attention.source import Kept
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import Page, arriving
from playground.tabs.merge.rack import Rack
from playground.views.continuations import note

TITLE = "Extract"
KEEP = 60_000_000  # bytes of extractions, for all visitors together
INTRODUCTION = (
    "<p>What a fine-tuning changed can often be kept as a small adapter: the difference of the weights, cut to a rank "
    "by its singular values. The curve says what each rank misses. Of a model with a LoRA in its weights it falls off "
    "at that LoRA's rank; what remains is the rounding of the weights to 16 bits, which no rank holds.</p>"
)


@dataclass(frozen=True, eq=False)
class Bench:
    """The components. Its methods are the handlers."""

    desk: Desk
    rack: Rack
    kept: Kept
    tuned: gr.Textbox
    base: gr.Textbox
    rank: gr.Slider
    told: gr.HTML
    chart: gr.Plot
    path: gr.Textbox

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link."""
        return {name: getattr(self, name) for name in ("tuned", "base", "rank")}

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.views.merge import adapters as view

        found = yield from self._found(values, stop)
        if found is None:
            return
        rank = min(int(values[self.rank]), len(found.errors) - 1)
        yield {
            self.told: view.extracted(found, rank),
            self.chart: gr.update(value=view.misses(found, rank), visible=True),
        }

    def save(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.adapters import files

        found = yield from self._found(values, stop)
        if found is None:
            return
        adapter = found.adapter(min(int(values[self.rank]), len(found.errors) - 1))
        facts = {
            "extracted": found.tuned,
            "from": found.base,
            "rank": adapter.rank,
            "missed": float(found.errors[adapter.rank]),
        }
        folder = files.keep(adapter, found.base, facts, self.desk.page.settings)
        yield {self.path: gr.update(value=str(folder), visible=True)}

    def _found(self, values: dict, stop: threading.Event):
        from playground.labs.adapters import extracting

        tuned, base = ((values[box] or "").strip() for box in (self.tuned, self.base))
        if not tuned or not base:
            raise PlaygroundError("Two models are needed. Name the changed one and the one that it was made from.")
        for reference in (base, tuned):
            for news in arriving(self.desk.page.models, reference, stop):
                yield {self.desk.status: note(news)}
            if stop.is_set():
                return None

        def work(report):
            models = self.desk.page.models
            with models.lease(base) as one, models.lease(tuned) as other:
                key = ("extraction", tuned, other.revision, base, one.revision)
                return self.kept.get(key, lambda: extracting.extract(other, one, report, stop), _size)

        return (yield from self.desk.told(work, stop))


def _size(found) -> int:
    return sum(4 * (f.a.numel() + f.b.numel()) for f in found.layers.values())


def build(page: Page, rack: Rack) -> Bench:
    gr.HTML(INTRODUCTION, elem_id="merge-extract-introduction", elem_classes="introduction")
    starter = page.settings.default_models[0].partition("#")[0]
    with gr.Row(elem_classes="asked"):
        tuned = gr.Textbox(
            f"{starter}+adapter:pirate", label="The changed model", min_width=280, elem_id="merge-extract-tuned"
        )
        base = gr.Textbox(starter, label="The model it was made from", min_width=280, elem_id="merge-extract-base")
        rank = gr.Slider(
            1, 64, 8, step=1, label="Rank", info="Of the adapter.", min_width=180, elem_id="merge-extract-rank"
        )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Take the difference apart", variant="primary", elem_id="merge-extract-run")
        save = gr.Button("Save as an adapter", elem_id="merge-extract-save")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-extract-stop")
    status = gr.HTML(elem_id="merge-extract-status", elem_classes="doing")
    told = gr.HTML(elem_id="merge-extract-told", elem_classes="verdict")
    chart = gr.Plot(show_label=False, visible=False, elem_id="merge-extract-chart")
    path = gr.Textbox(
        visible=False,
        label="Saved in",
        info="A folder that PEFT reads. Name it above as an adapter of your own, or add +adapter:folder to a model.",
        interactive=False,
        buttons=["copy"],
        elem_id="merge-extract-path",
    )
    bench = Bench(
        desk.build(page, "Adapters: Extract", status, stop), rack, Kept(KEEP), tuned, base, rank, told, chart, path
    )
    inputs = {tuned, base, rank}
    bench.desk.on([run.click], bench.work, inputs, [told, chart])
    bench.desk.while_moving([rank.release], bench.work, inputs, [told, chart])
    bench.desk.on([save.click], bench.save, inputs, [path])
    return bench
