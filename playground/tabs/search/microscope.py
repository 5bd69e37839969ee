"""The microscope: one chunk and one question, looked at in five ways. It computes nothing itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.kit import AT_ONCE, MAY_REFUSE, SEEN, UNSEEN, places, user_errors
from playground.tabs.search.bench import Bench
from playground.views.search import words

if TYPE_CHECKING:
    import numpy as np

    from playground.labs.retrieval.search import Found
    from playground.labs.retrieval.store import Collection

PARTS, COSINES = "What each pair adds to the score", "Cosine of each pair"
_MAP_CLICKS = """
setInterval(() => {
  const figure = document.querySelector('#search-map .js-plotly-plot');
  if (!figure || !figure.on || figure === element.listening) return;
  element.listening = figure;
  figure.on('plotly_click', (event) => {
    const data = event.points[0].customdata;
    if (data) trigger('select', {index: data[0], value: data[0]});
  });
}, 250);
"""


@dataclass(frozen=True, eq=False)
class Seen:
    """The last search of this visitor."""

    address: str
    found: "Found"
    vector: "np.ndarray"
    picked: int | None  # the chunk under the microscope
    state: str  # of the collection then

    def collection(self, bench: Bench, key: str) -> "Collection":
        """The collection that was searched.

        Raises:
            PlaygroundError: its documents have changed since, so that rows mean other chunks.
        """
        found = bench.library.open(self.address, key)
        if found.state != self.state:
            raise PlaygroundError("The documents have changed since this search. Ask again.")
        return found


def at(seen: Seen, id: int, collection: "Collection") -> Seen:
    """The same search with another chunk under the microscope."""
    return replace(seen, picked=id) if 0 <= id < len(collection.chunks) else seen


@dataclass(frozen=True, eq=False)
class Scope:
    bench: Bench
    seen: gr.State
    wanted: gr.State  # the row of the chunk that was clicked
    whole: gr.Column
    status: gr.HTML
    head: gr.HTML
    ranks: gr.Plot
    terms: gr.HTML
    by: gr.Radio
    tokens: gr.Plot
    place: gr.HTML
    plane: gr.Plot
    map_clicks: gr.HTML
    document: gr.Dropdown
    chunk: gr.Dropdown
    why: gr.HTML

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.wanted, self.by}

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.whole, self.status, self.head, self.ranks, self.terms, self.tokens, self.place, self.plane,
                self.document, self.chunk, self.why]  # fmt: skip

    def drawn(self, seen: Seen, values: dict) -> dict:
        """Everything about the picked chunk."""
        from playground.labs.retrieval import microscope as lab
        from playground.views.search import charts

        bench = self.bench
        collection = seen.collection(bench, bench.key(values))
        it = lab.why_not(collection, seen.found, seen.vector, seen.picked)
        with bench.page.models.lease(collection.reference) as encoder:
            tokens = lab.tokens(encoder, seen.found.query, it.chunk)
        keep = (seen.picked, *(hit.id for hit in seen.found.hits))
        names = [each.name for each in collection.documents]
        return {
            self.whole: gr.update(**SEEN),
            self.status: "",
            self.head: f"<p class='place'>{words.escape(it.chunk.place)}</p>",
            self.ranks: charts.ranks(seen.found, collection, seen.picked),
            self.terms: words.terms(it),
            self.tokens: charts.tokens(tokens, values[self.by] == PARTS),
            self.place: words.place(collection, it, seen.found.query),
            self.plane: charts.plane(lab.plane(collection, seen.vector, keep), collection, seen.found, seen.picked),
            self.document: gr.update(choices=names[:5000], value=it.chunk.document),
            self.chunk: gr.update(choices=_chunks(collection, it.chunk.document), value=seen.picked),
            self.why: words.why(it),
        }

    def choosing(self, selects: list[Callable]) -> list[gr.events.Dependency]:
        """Events after which `wanted` holds what was picked: by a button, on the map, or in the list."""

        def chosen(event: gr.SelectData) -> int:
            return int(places(event)[0])

        found = [select(chosen, None, self.wanted, **AT_ONCE) for select in [*selects, self.map_clicks.select]]
        return [*found, self.chunk.input(lambda id: id, self.chunk, self.wanted, **AT_ONCE)]

    def connect(self, tokens_tab: gr.Tab, map_tab: gr.Tab) -> None:
        def listed(seen: Seen | None, document: str, owner: str) -> dict:
            with user_errors():
                if seen is None:
                    return gr.update(choices=[])
                collection = seen.collection(self.bench, owner or "")
                return gr.update(choices=_chunks(collection, document), value=None)

        self.document.input(listed, [self.seen, self.document, self.bench.owner], self.chunk, **MAY_REFUSE)

        def again(seen: Seen | None, by: str, owner: str):
            from playground.labs.retrieval import microscope as lab
            from playground.views.search import charts

            with user_errors():
                if seen is None or seen.picked is None:
                    return gr.skip()
                collection = seen.collection(self.bench, owner or "")
                with self.bench.page.models.lease(collection.reference) as encoder:
                    tokens = lab.tokens(encoder, seen.found.query, collection.chunks[seen.picked])
                return charts.tokens(tokens, by == PARTS)

        def mapped(seen: Seen | None, owner: str):
            from playground.labs.retrieval import microscope as lab
            from playground.views.search import charts

            with user_errors():
                if seen is None or seen.picked is None:
                    return gr.skip()
                collection = seen.collection(self.bench, owner or "")
                keep = (seen.picked, *(hit.id for hit in seen.found.hits))
                return charts.plane(lab.plane(collection, seen.vector, keep), collection, seen.found, seen.picked)

        inputs, queued = [self.seen, self.by, self.bench.owner], self.bench.page.queued
        self.by.input(again, inputs, self.tokens, **queued)
        # a figure that came while its tab was shut is not drawn when it opens
        tokens_tab.select(again, inputs, self.tokens, **queued)
        map_tab.select(mapped, [self.seen, self.bench.owner], self.plane, **queued)


def _chunks(collection: "Collection", document: str) -> list[tuple[str, int]]:
    """(what is shown, row) of a document's chunks."""
    found = [(row, chunk) for row, chunk in enumerate(collection.chunks) if chunk.document == document]
    return [
        (f"{n}: {' '.join(chunk.text[:70].replace('#', '').split())}…", row)
        for n, (row, chunk) in enumerate(found[:2000], 1)
    ]


def build(bench: Bench, seen: gr.State) -> Scope:
    with gr.Column(**UNSEEN, elem_id="search-scope") as whole:
        gr.HTML("<h3>Under the microscope</h3>")
        head = gr.HTML(elem_id="search-scope-head")
        status = gr.HTML(elem_id="search-scope-status", elem_classes="doing")
        with gr.Tabs(elem_id="search-scopes"):
            with gr.Tab("Ranks"):
                gr.HTML(
                    "<p class='note'>A line a passage: its rank by words, by meaning, and in the list. Lines that "
                    "cross are where words and meaning disagree. The passage looked at has diamonds.</p>"
                )
                ranks = gr.Plot(show_label=False, elem_id="search-ranks")
            with gr.Tab("Words"):
                terms = gr.HTML(elem_id="search-terms")
            with gr.Tab("Tokens") as tokens_tab:
                by = gr.Radio(
                    [PARTS, COSINES], value=PARTS, show_label=False, container=False,
                    info="With mean pooling the score is exactly the sum over all pairs of tokens.",
                    elem_id="search-by",
                )  # fmt: skip
                tokens = gr.Plot(show_label=False, elem_id="search-tokens")
            with gr.Tab("In its document"):
                place = gr.HTML(elem_id="search-place")
            with gr.Tab("Map") as map_tab:
                gr.HTML(
                    "<p class='note'>Every chunk of the collection and the question, flattened from hundreds of "
                    "dimensions to two: near points are often, not always, alike. Click a point to look at it.</p>"
                )
                plane = gr.Plot(show_label=False, elem_id="search-map")
                map_clicks = gr.HTML("", visible="hidden", js_on_load=_MAP_CLICKS)
            with gr.Tab("Why not this one?"):
                with gr.Row():
                    document = gr.Dropdown([], label="Document", elem_id="search-why-document", min_width=200)
                    chunk = gr.Dropdown([], label="Chunk", type="value", elem_id="search-why-chunk", min_width=260)
                why = gr.HTML(words.why(None), elem_id="search-why")
    scope = Scope(bench, seen, gr.State(), whole, status, head, ranks, terms, by, tokens, place, plane, map_clicks,
                  document, chunk, why)  # fmt: skip
    scope.connect(tokens_tab, map_tab)
    return scope
