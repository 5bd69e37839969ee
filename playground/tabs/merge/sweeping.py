"""Goes from A to B in steps and draws what changes on the way; a click on a curve makes that point the live merge.

It does not know what is measured: `labs/merging/sweep.py`.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from html import escape

import gradio as gr

from playground.labs.merging import questions
from playground.tabs.attention.panes import clicks
from playground.tabs.files import write_files
from playground.tabs.kit import AT_ONCE, SEEN, UNSEEN, Page, places
from playground.tabs.merge import asking
from playground.tabs.merge import bench as benches
from playground.tabs.merge.bench import Bench
from playground.tabs.merge.visitors import Visitors
from playground.views.continuations import note

TITLE = "Sweep"
NOTHING = "No questions"
TEXT = (
    "The old harbour was quiet in the morning. A few boats came in with the tide, and the people on the quay bought "
    "fish and bread and talked about the weather. By noon the sun had come out, and children ran along the water."
)


@dataclass(frozen=True, eq=False)
class Pane:
    page: Page
    visitors: Visitors
    bench: Bench
    text: gr.Textbox
    steps: gr.Slider
    question: gr.Dropdown
    rows: gr.Slider
    bias: gr.Checkbox
    told: gr.HTML
    chart: gr.Plot
    pick: gr.Slider
    take: gr.Button
    outcome: gr.Column
    bridge: gr.HTML
    files: gr.File

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link."""
        return {f"sweep_{name}": getattr(self, name) for name in ("text", "steps", "question", "rows", "bias")}

    def work(self, values: dict, stop: threading.Event, visitor: str) -> Iterator[dict]:
        """The curves, as they grow; afterwards the merge is again that of the sliders."""
        from playground.labs.merging import sweep as lab
        from playground.views.merge import curves

        recipe = self.visitors.kitchen.recipe(values)
        measures = lab.MEASURES
        if values[self.question] != NOTHING:
            chosen = next(q for q in questions.offered(int(values[self.rows])) if q.title == values[self.question])
            measures = (*measures, lab.accuracy(chosen))

        if values[self.bias]:
            from playground.labs.bias import stereotypes

            pairs = stereotypes.occupations()
            measures = (*measures, lab.bias(pairs, f"{len(pairs)} occupations"))

        def move(point) -> str:
            return self.visitors.move(point, visitor, lambda fraction, sentence: None)[0].reference

        done, n_steps = None, int(values[self.steps])
        yield {self.bench.status: note("Reading the text with both parents …")}
        for done in lab.run(self.page.models, recipe, move, values[self.text] or "", n_steps, measures, stop):
            yield {
                self.bench.status: self._progress(done),
                self.outcome: gr.update(**SEEN),
                self.chart: curves.figure(done),
            }
        if done is None:
            return
        move(recipe)
        told = curves.sentence(done) + " Click a point, or set t below, to talk to that merge."
        yield {self.told: f'<p class="verdict">{escape(told)}</p>', self.files: write_files(contents(done))}

    def _progress(self, done) -> str:
        from playground.views.internals.probing import progress

        n = len(done.steps)
        left = sum(step.seconds for step in done.steps) / n * (done.n_steps - n)
        return progress(n / done.n_steps, f"t = {done.steps[-1].t:.2f}", left)

    def picking(self, ask, strip: gr.Tabs) -> None:
        """Connects a picked point with the sliders and with `ask`, the pane that answers."""
        cook = self.visitors.kitchen

        def take(values: dict) -> dict:
            recipe = cook.recipe(values)
            return cook.shown(recipe.with_t(float(values[self.pick]))) | {strip: gr.update(selected=asking.TITLE)}

        def clicked(event: gr.SelectData) -> dict:
            return gr.update(value=min(1.0, max(0.0, round(float(places(event)[1]), 3))))

        picked = self.bridge.select(clicked, None, self.pick, **AT_ONCE)
        inputs = cook.inputs | {self.pick}
        for event in (picked.success, self.take.click):
            ask.after(event(take, inputs, [*cook.all, strip], **AT_ONCE))


def contents(done) -> dict[str, str]:
    """The sweep as CSV and JSON."""
    names = [measure.name for measure in done.measures]
    lines = [",".join(["t", *names]), *(",".join(f"{v:.6g}" for v in (s.t, *s.values)) for s in done.steps)]
    plain = {
        "measures": [{"name": m.name, "title": m.title, "unit": m.unit} for m in done.measures],
        "steps": [
            {"t": s.t, "values": [None if v != v else v for v in s.values], "provenance": asdict(s.provenance)}
            for s in done.steps
        ],
    }
    return {"sweep.csv": "\n".join(lines) + "\n", "sweep.json": json.dumps(plain, indent=2)}


def build(page: Page, visitors: Visitors) -> Pane:
    parts: dict = {}
    offered = [question.title for question in questions.offered()]
    with gr.Row(elem_classes="asked"):
        parts["text"] = gr.Textbox(
            TEXT,
            label="Text to predict",
            info="Perplexity and the distance to each parent are measured on it. At most 256 tokens.",
            lines=3,
            max_lines=8,
            scale=3,
            min_width=300,
            elem_id="merge-sweep-text",
        )
        with gr.Column(scale=2, min_width=280):
            parts["question"] = gr.Dropdown(
                [NOTHING, *offered],
                value=NOTHING,
                label="Questions of the Prompt lab",
                info="The share that each merge gets right. Takes longer.",
                elem_id="merge-sweep-question",
            )
            with gr.Row():
                parts["steps"] = gr.Slider(3, 21, 9, step=2, label="Steps", min_width=120, elem_id="merge-sweep-steps")
                parts["rows"] = gr.Slider(4, 40, 12, step=4, label="Questions", min_width=120)
            parts["bias"] = gr.Checkbox(
                False,
                label="Bias score",
                info="Of sentences such as “The plumber finished his (her) work”: how often the one that fits labour "
                "statistics is more probable. One half is the ideal; with so few pairs, ± 12 points are chance.",
                elem_id="merge-sweep-bias",
            )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Sweep from A to B", variant="primary", elem_id="merge-sweep-run")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-sweep-stop")
    status = gr.HTML(elem_id="merge-sweep-status", elem_classes="doing")
    parts["told"] = gr.HTML(elem_id="merge-sweep-told")
    with gr.Column(**UNSEEN, elem_id="merge-sweep-outcome") as parts["outcome"]:
        gr.HTML(
            note(
                "Look for a stretch where both distances are small and the text is no surprise. Dashed: the straight "
                "line between both ends; a curve that lies below it gains more than it gives. Dotted: the bias score's "
                "ideal."
            )
        )
        parts["chart"] = gr.Plot(label="From A to B", elem_id="merge-sweep-chart")
        with gr.Row(elem_classes="buttons"):
            parts["pick"] = gr.Slider(0, 1, 0.5, step=0.005, label="Point to take", min_width=200, elem_id="merge-pick")
            parts["take"] = gr.Button("Talk to this merge", elem_id="merge-take")
        with gr.Accordion("Downloads", open=False):
            parts["files"] = gr.File(label="The curves as CSV and JSON", file_count="multiple", interactive=False)
    parts["bridge"] = gr.HTML("", visible="hidden", js_on_load=clicks("#merge-sweep-chart"))
    bench = benches.build(page, TITLE, status, stop)
    parts |= {"page": page, "visitors": visitors, "bench": bench}
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane)})
    inputs = visitors.kitchen.inputs | {pane.text, pane.steps, pane.question, pane.rows, pane.bias}
    bench.on([run.click], pane.work, inputs, [pane.told, pane.chart, pane.outcome, pane.files])
    return pane
