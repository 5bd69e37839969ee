"""Compares the two parents before anything is merged: whether they fit, and where their weights differ.

It does not know how they are compared: `labs/merging/inspector.py`.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace

import gradio as gr

from playground.tabs.files import write_files
from playground.tabs.kit import AT_ONCE, SEEN, UNSEEN, Page
from playground.tabs.merge import bench as benches
from playground.tabs.merge.bench import Bench
from playground.tabs.merge.visitors import Visitors
from playground.views.continuations import note
from playground.views.merge import inspection as view

TITLE = "Inspect"


@dataclass(frozen=True, eq=False)
class Pane:
    page: Page
    visitors: Visitors
    bench: Bench
    with_base: gr.Checkbox
    what: gr.Dropdown
    found: gr.State  # numbers of one pair of models: some hundred rows
    told: gr.HTML
    outcome: gr.Column
    chart: gr.Plot
    table: gr.Dataframe
    files: gr.File

    def work(self, values: dict, stop: threading.Event, visitor: str) -> Iterator[dict]:
        from playground.labs.merging import inspector
        from playground.models import sources
        from playground.models.weights import Weights

        cook = self.visitors.kitchen
        a, b = (values[cook.a] or "").strip(), (values[cook.b] or "").strip()
        base = (values[cook.base] or "").strip() if values[self.with_base] else None
        base = None if base in (a, b) else base or None

        def compare(tell):
            opened = {
                name: Weights(sources.fetch(name, self.page.settings, tell))
                for name in dict.fromkeys((a, b, *([base] if base else [])))
            }
            return inspector.inspect(opened, a, b, base, tell, stop)

        found = yield from self.bench.told(compare, stop)
        what = values[self.what] if base or not view.WHAT[values[self.what]][2] else next(iter(view.WHAT))
        offered = [title for title, (_, _, needs) in view.WHAT.items() if base or not needs]
        plain = asdict(replace(found)) | {"n_straight": found.n_straight}
        yield {
            self.found: found,
            self.told: view.summary(found),
            self.outcome: gr.update(**SEEN),
            self.what: gr.update(choices=offered, value=what),
            self.chart: view.figure(found, what),
            self.table: gr.update(value=view.rows(found)),
            self.files: write_files({"inspection.json": json.dumps(plain, indent=2)}),
        }


def build(page: Page, visitors: Visitors) -> Pane:
    parts: dict = {}
    gr.HTML(
        note(
            "Reads the files of A and B, tensor by tensor, and loads neither. Models that were tuned from one base are "
            "close: then all methods give much the same, and the base tells what each has learned."
        )
    )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Compare A and B", variant="primary", elem_id="merge-inspect-run")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-inspect-stop")
        parts["with_base"] = gr.Checkbox(True, label="With the base: what each has learned", min_width=200)
    status = gr.HTML(elem_id="merge-inspect-status", elem_classes="doing")
    parts["told"] = gr.HTML(elem_id="merge-inspect-told")
    parts["found"] = gr.State()
    with gr.Column(**UNSEEN, elem_id="merge-inspect-outcome") as parts["outcome"]:
        parts["what"] = gr.Dropdown(
            list(view.WHAT), value=next(iter(view.WHAT)), label="Show", elem_id="merge-inspect-what"
        )
        parts["chart"] = gr.Plot(label="A row a kind of weight, a column a layer", elem_id="merge-inspect-chart")
        with gr.Accordion("Every tensor as a table", open=False):
            parts["table"] = gr.Dataframe(
                headers=view.HEADERS, interactive=False, max_height=420, elem_id="merge-inspect-table", label="Tensors"
            )
        with gr.Accordion("Downloads", open=False):
            parts["files"] = gr.File(label="All numbers as JSON", file_count="multiple", interactive=False)
    bench = benches.build(page, TITLE, status, stop)
    parts |= {"page": page, "visitors": visitors, "bench": bench}
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane)})
    cook = visitors.kitchen
    inputs = {cook.a, cook.b, cook.base, pane.with_base, pane.what}
    outputs = [pane.found, pane.told, pane.outcome, pane.what, pane.chart, pane.table, pane.files]
    bench.on([run.click], pane.work, inputs, outputs)

    def show(found, what: str):
        return gr.skip() if found is None else view.figure(found, what)

    pane.what.input(show, [pane.found, pane.what], pane.chart, **AT_ONCE)
    return pane
