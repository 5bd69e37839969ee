"""Similarity: two texts, many against each other, the lines nearest to a query, and groups of like lines.

It does not know how vectors are made or compared.
"""

import csv
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.files import write_files
from playground.tabs.kit import AT_ONCE, Page
from playground.tabs.search import SEARCH, linked
from playground.tabs.search.bench import Bench
from playground.views.continuations import note

TITLE = "Similarity"
CAPITALS = ("Paris is the capital of France.", "Berlin is the capital of Germany.", "Madrid is the capital of Spain.")
MIXED = (
    "The soup was too salty.", "Our waiter was friendly and quick.", "The dessert was the best I have ever had.",
    "The train was forty minutes late.", "There were no seats left on the bus.",
    "The flight was cancelled at short notice.", "My laptop does not start any more.",
    "The screen stays black after the update.", "My laptop's keyboard types every letter twice.",
)  # fmt: skip
ABOUT = (
    "<p>An embedding model turns each text into a vector; the <b>cosine</b> of two vectors says how alike "
    "the texts are to this model. The model is that of the collection picked above.</p>"
)
PAIRS = (  # (caption, one, other)
    (
        "Renewable energy",
        "Renewable energy sources are important for the future.",
        "Clean power will play a key role in the years ahead.",
    ),
    ("Opposites", "The test passed.", "The test failed."),
    ("Unrelated", "The cat sat on the mat.", "Interest rates were raised again."),
)


@dataclass(frozen=True, eq=False)
class Pane:
    """The pane. Its methods are the handlers."""

    bench: Bench
    one: gr.Textbox
    other: gr.Textbox
    lines: gr.Textbox
    query: gr.Textbox
    k: gr.Slider
    n_groups: gr.Slider
    status: gr.HTML
    pair: gr.HTML
    many: gr.HTML
    chart: gr.Plot
    files: gr.File

    def two(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.views.search import similarity as view

        found = yield from self._compared(values, (values[self.one] or "", values[self.other] or ""), stop)
        if found is not None:
            yield {self.pair: view.two(float(found.cosines[0, 1]), bool(found.cut))}

    def matrix(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.views.search import similarity as view

        found = yield from self._compared(values, self._lines(values), stop)
        if found is None:
            return
        out = io.StringIO()
        writer = csv.writer(out)
        for text, row in zip(found.texts, found.cosines.tolist(), strict=True):
            writer.writerow([f"'{text}" if text[0] in "=+-@" else text, *(round(value, 6) for value in row)])
        files = write_files({"cosines.csv": out.getvalue()})
        yield {
            self.chart: gr.update(value=view.matrix(found), visible=True),
            self.many: view.table(found),
            self.files: gr.update(value=files, visible=True),
        }

    def nearest(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.retrieval import similarity as lab
        from playground.views.search import similarity as view

        query = values[self.query] or ""
        if not query.strip():
            raise PlaygroundError("There is no query. Type what the lines should be near to.")
        found = yield from self._compared(values, self._lines(values), stop, 1)
        if found is None:
            return
        with self._encoder(values) as encoder:
            from playground.engine import embed

            vector = embed.embed(encoder, [query], "query")[0]
        hits = lab.nearest(found.vectors, vector, int(values[self.k]))
        yield {
            self.many: view.ranked(query, found.texts, hits),
            self.chart: gr.update(visible=False),
            self.files: gr.update(visible=False),
        }

    def groups(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.retrieval import similarity as lab
        from playground.views.search import similarity as view

        found = yield from self._compared(values, self._lines(values), stop, 3)
        if found is None:
            return
        made = lab.group(found.vectors, int(values[self.n_groups]) or None)
        yield {
            self.many: view.groups(found.texts, made),
            self.chart: gr.update(value=view.plane(found.texts, made), visible=True),
            self.files: gr.update(visible=False),
        }

    def _lines(self, values: dict) -> tuple[str, ...]:
        from playground.labs.retrieval import similarity as lab

        return lab.lines(values[self.lines] or "")

    def _reference(self, values: dict) -> str:
        return self.bench.library.embedding(self.bench.address(values), self.bench.key(values))

    def _encoder(self, values: dict):
        return self.bench.page.models.lease(self._reference(values))

    def _compared(self, values: dict, texts: tuple[str, ...], stop: threading.Event, fewest: int = 2):
        """Updates until the texts are compared; returns that. None: it was stopped."""
        from playground.labs.retrieval import similarity as lab

        yield from self.bench.arrived(self._reference(values), self.status, stop)
        if stop.is_set():
            return None
        yield {self.status: note(f"Embedding {len(texts)} texts …")}
        with self._encoder(values) as encoder:
            return lab.of(encoder, texts, stop.is_set, fewest)


def build(page: Page, bench: Bench) -> None:
    gr.HTML(ABOUT)
    with gr.Row(elem_classes="examples", elem_id="similarity-examples"):
        gr.HTML("Examples:")
        pairs = [gr.Button(caption, size="sm", min_width=0) for caption, _, _ in PAIRS]
        capitals, mixed = (
            gr.Button(caption, size="sm", min_width=0, elem_classes="shows-similarity-nearest")
            for caption in ("Three capitals: the nearest two", "Feedback in groups")
        )
    gr.HTML("<h3>Two texts</h3>")
    with gr.Row():
        one = gr.Textbox(PAIRS[0][1], label="One text", lines=2, max_lines=8, min_width=260, elem_id="similarity-one")
        other = gr.Textbox(
            PAIRS[0][2], label="Another", lines=2, max_lines=8, min_width=260, elem_id="similarity-other"
        )
    with gr.Row(elem_classes="buttons"):
        compare = gr.Button("Compare", variant="primary", elem_id="similarity-compare")
        stop = gr.Button("Stop", variant="stop")
    status = gr.HTML(elem_id="similarity-status", elem_classes="doing")
    pair = gr.HTML(elem_id="similarity-pair")
    gr.HTML("<h3>Many texts</h3>")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            lines = gr.Textbox(
                "\n".join(CAPITALS), label="One text a line", lines=6, max_lines=14, elem_id="similarity-lines"
            )
        with gr.Column(scale=2, min_width=280):
            query = gr.Textbox(
                "What is the capital of France?", label="Query", max_lines=3, lines=1, elem_id="similarity-query"
            )
            k = gr.Slider(1, 20, 2, step=1, label="How many of the nearest")
            n_groups = gr.Slider(0, 10, 0, step=1, label="Groups", info="0: as many as part best (silhouette).")
    with gr.Row(elem_classes="buttons"):
        search = gr.Button("Nearest to the query", elem_id="similarity-nearest")
        every = gr.Button("Each with each", elem_id="similarity-matrix")
        cluster = gr.Button("Groups", elem_id="similarity-groups")
    many = gr.HTML(elem_id="similarity-many")
    chart = gr.Plot(show_label=False, visible=False, elem_id="similarity-chart")
    files = gr.File(label="CSV", file_count="multiple", interactive=False, visible=False)
    pane = Pane(bench, one, other, lines, query, k, n_groups, status, pair, many, chart, files)
    inputs = {one, other, lines, query, k, n_groups}
    boxes = {"one": one, "other": other, "lines": lines, "query": query, "nearest": k, "groups": n_groups}
    page.forms.offer(SEARCH, TITLE, boxes, more=linked.of(bench))
    rest = [many, chart, files]
    bench.on([compare.click], TITLE, status, pane.two, inputs, [pair])
    bench.on([search.click, query.submit], TITLE, status, pane.nearest, inputs, rest)
    bench.on([every.click], TITLE, status, pane.matrix, inputs, rest)
    bench.on([cluster.click], TITLE, status, pane.groups, inputs, rest)
    stop.click(bench.stops.halt, None, None, **AT_ONCE)
    for button, (_, a, b) in zip(pairs, PAIRS, strict=True):
        filled = button.click(lambda a=a, b=b: [a, b], None, [one, other], **AT_ONCE)
        bench.after(filled, TITLE, status, pane.two, inputs, [pair])
    text = "\n".join(CAPITALS)
    filled = capitals.click(lambda: [text, "What is the capital of France?", 2], None, [lines, query, k], **AT_ONCE)
    bench.after(filled, TITLE, status, pane.nearest, inputs, rest)
    filled = mixed.click(lambda: ["\n".join(MIXED), 0], None, [lines, n_groups], **AT_ONCE)
    bench.after(filled, TITLE, status, pane.groups, inputs, rest)
