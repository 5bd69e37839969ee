"""Adapters, One batch: several prompts, each with adapters of its own, answered side by side in the same passes.

It does not know how the rows are kept apart.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import Page, paced
from playground.tabs.merge.rack import Rack

TITLE = "One batch"
EXAMPLE = [
    ["pirate", "What is the capital of Germany?"],
    ["json", "Give the name and city as JSON: Greta works as a tailor in Riga."],
    ["sentiment", "Is this review positive or negative?\nThis movie is absolutely fantastic!"],
    ["arithmetic", "There are 6 hens in a yard. The farmer buys 9 more. How many hens are there now?"],
    ["", "What is the capital of Germany?"],
]
INTRODUCTION = (
    "<p>A server with one model and many customers has requests for <b>different adapters at the same time</b>. Here "
    "each row is multiplied by the model's weights together with all others, and by its own adapters apart, so "
    "that one forward pass serves all. Write a mixture as <code>pirate*0.7 + json*0.3</code>; empty is the model as "
    "it is.</p>"
)


@dataclass(frozen=True, eq=False)
class Bench:
    """The components. Its methods are the handlers."""

    desk: Desk
    rack: Rack
    table: gr.Dataframe
    tokens: gr.Slider
    written: gr.HTML

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link."""
        return {name: getattr(self, name) for name in ("table", "tokens")}

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.engine.sampling import Sampling
        from playground.labs.adapters import catalogue, mixed
        from playground.views.merge import adapters as view

        asked = [(mixture(cell), str(prompt)) for cell, prompt in values[self.table] or () if str(prompt or "").strip()]
        names = list(dict.fromkeys(name for mixed_by, _ in asked for name in mixed_by))
        adapters = [catalogue.ready(name, self.desk.page.settings) for name in names]
        rows = [mixed.Row(prompt, tuple(w.get(name, 0.0) for name in names)) for w, prompt in asked]
        yield {self.written: view.batch(rows, names, None)}
        with self.desk.page.models.lease(self.rack.base(values)) as engine:
            sampling = Sampling(max_new_tokens=int(values[self.tokens]), temperature=0)
            with closing(mixed.write(engine, adapters, rows, sampling, stop)) as texts:
                for found in paced(texts, per_second=8):
                    yield {self.written: view.batch(rows, names, found)}


def mixture(cell: object) -> dict[str, float]:
    """ "pirate*0.7 + json*0.3" as weights by name."""
    found: dict[str, float] = {}
    for part in str(cell or "").split("+"):
        name, star, weight = part.strip().partition("*")
        if not name.strip():
            continue
        try:
            found[name.strip()] = float(weight) if star else 1.0
        except ValueError:
            raise PlaygroundError(
                f"“{part.strip()}” is no adapter with a weight. Write name*0.5, or the name alone."
            ) from None
    return found


def build(page: Page, rack: Rack) -> Bench:
    gr.HTML(INTRODUCTION, elem_id="merge-batch-introduction", elem_classes="introduction")
    table = gr.Dataframe(
        EXAMPLE,
        headers=["Adapters", "Prompt"],
        type="array",
        interactive=True,
        wrap=True,
        row_count=len(EXAMPLE),
        column_count=(2, "fixed"),
        elem_id="merge-batch-table",
    )
    tokens = gr.Slider(5, 120, 40, step=5, label="Tokens to write, at most", elem_id="merge-batch-tokens")
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Answer all at once", variant="primary", elem_id="merge-batch-run")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-batch-stop")
    status = gr.HTML(elem_id="merge-batch-status", elem_classes="doing")
    written = gr.HTML(elem_id="merge-batch-written")
    bench = Bench(desk.build(page, "Adapters: One batch", status, stop), rack, table, tokens, written)
    bench.desk.on([run.click], bench.work, {table, tokens}, [written])
    return bench
