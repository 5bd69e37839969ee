"""Adapters, Route: a prompt goes to the adapter whose example prompts are nearest in meaning, and the reason is shown.

It does not know how nearness is measured.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import gradio as gr

from playground.settings import MINILM
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import AT_ONCE, Page, paced, title_of
from playground.tabs.merge.rack import Rack
from playground.views.continuations import note

TITLE = "Route"
INTRODUCTION = (
    "<p>Instead of mixing, <b>pick</b>: the prompt and the example prompts of each route are turned into vectors "
    "(all-MiniLM-L6-v2), and the route with the nearest example answers. Below the threshold the model answers as it "
    "is. The routes are yours to write.</p>"
    "<p class='note'>Alike in meaning is not the same as good at it: there is no adapter for code among those that "
    "ship, and that route goes to JSON answers.</p>"
)
EXAMPLES = (
    ("An equation", "Solve: 3x + 4 = 19"),
    ("A function", "Write a Python function that reverses a string"),
    ("A tale", "Write a short tale about a lighthouse"),
    ("Something else", "Which bus goes to the airport?"),
)
DEFAULT = (  # the lab's; written out, because the lab imports torch
    ("math", "arithmetic", "Solve: 2x + 5 = 15 | A box has 12 eggs and 5 are broken. How many are left? | "
     "What is 17 times 6? | Tom has 3 apples and buys 4 more. How many apples does he have?"),
    ("code", "json", "Write a Python function to sort a list | Give the name and age as JSON: Anna is 30 years old. | "
     "Parse this record into fields | Explain bubble sort algorithm"),
    ("writing", "pirate", "Write a short story about the sea | Tell me a tale of an old sailor | "
     "Write a poem about the stars | Describe a town at night"),
    ("opinion", "sentiment", "Is this review positive or negative? The film was dull. | "
     "What does the customer think of the product? | Classify the sentiment: I loved this book."),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bench:
    """The components. Its methods are the handlers."""

    desk: Desk
    rack: Rack
    prompt: gr.Textbox
    table: gr.Dataframe
    threshold: gr.Slider
    told: gr.HTML
    chart: gr.Plot
    written: gr.HTML

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link."""
        return {name: getattr(self, name) for name in ("prompt", "threshold", "table")}

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.engine.adapters import Attached
        from playground.engine.sampling import Sampling
        from playground.labs.adapters import catalogue, routing
        from playground.labs.chat import replies as chat
        from playground.labs.internals import edited
        from playground.views.internals import written
        from playground.views.merge import adapters as view

        page, base = self.desk.page, self.rack.base(values)
        routes = _routes(values[self.table])
        yield {self.desk.status: note("Comparing the prompt with the examples …")}
        with page.models.lease(MINILM) as embedder:
            found = routing.route(embedder, values[self.prompt] or "", routes, float(values[self.threshold]))
        yield {
            self.told: view.decision(found),
            self.chart: gr.update(value=view.routes(found), visible=True),
            self.desk.status: note("Writing …"),
        }
        names, taps = ["As it is"], [None]
        with page.models.lease(base) as engine:
            if found.adapter:
                adapter = catalogue.ready(found.adapter, page.settings)
                names.append(f"Adapter {found.adapter}")
                taps.append(Attached(engine, [adapter], [[1.0]]).tap)
            ids = chat.prompt_ids(engine, [{"role": "user", "content": values[self.prompt]}])
            with closing(edited.at_once(engine, ids, Sampling(max_new_tokens=50, temperature=0), taps, stop)) as texts:
                for replies in paced(texts, per_second=10):
                    yield {self.written: written.side_by_side("", names, replies, title_of(base))}


def _routes(rows: list) -> tuple:
    from playground.labs.adapters.routing import Route

    found = []
    for name, adapter, examples in rows or ():
        texts = tuple(text.strip() for text in str(examples or "").split("|") if text.strip())
        if str(name or "").strip() or texts:
            found.append(Route(str(name or "").strip() or "unnamed", str(adapter or "").strip(), texts))
    return tuple(found)


def build(page: Page, rack: Rack) -> Bench:
    with gr.Row(elem_classes="examples", elem_id="merge-route-examples"):
        gr.HTML("Examples:")
        buttons = [gr.Button(caption, size="sm", min_width=0) for caption, _ in EXAMPLES]
    gr.HTML(INTRODUCTION, elem_id="merge-route-introduction", elem_classes="introduction")
    with gr.Row(elem_classes="asked"):
        prompt = gr.Textbox(
            EXAMPLES[0][1], label="Prompt", lines=2, min_width=300, elem_id="merge-route-prompt", scale=3
        )
        threshold = gr.Slider(
            0,
            1,
            0.25,
            step=0.05,
            label="Threshold",
            info="Cosine below which no adapter is picked.",
            min_width=180,
            elem_id="merge-route-threshold",
        )
    with gr.Accordion("Routes", open=False):
        table = gr.Dataframe(
            [list(row) for row in DEFAULT],
            headers=["Route", "Adapter (empty: as it is)", "Example prompts, | between"],
            type="array",
            interactive=True,
            wrap=True,
            row_count=len(DEFAULT),
            column_count=(3, "fixed"),
            elem_id="merge-route-table",
        )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Route and answer", variant="primary", elem_id="merge-route-run")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-route-stop")
    status = gr.HTML(elem_id="merge-route-status", elem_classes="doing")
    told = gr.HTML(elem_id="merge-route-told", elem_classes="verdict")
    chart = gr.Plot(show_label=False, visible=False, elem_id="merge-route-chart")
    written = gr.HTML(elem_id="merge-route-written")
    bench = Bench(
        desk.build(page, "Adapters: Route", status, stop), rack, prompt, table, threshold, told, chart, written
    )
    inputs, outputs = {prompt, table, threshold}, [told, chart, written]
    bench.desk.on([run.click, prompt.submit], bench.work, inputs, outputs)
    for button, (_, text) in zip(buttons, EXAMPLES, strict=True):
        bench.desk.after(button.click(lambda text=text: text, None, prompt, **AT_ONCE), bench.work, inputs, outputs)
    return bench
