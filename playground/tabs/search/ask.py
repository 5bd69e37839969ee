"""Ask: a question, what was found for it, an answer that is checked, and below it the microscope.

It does not know how any of that is computed or drawn.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import sending
from playground.tabs.attention.panes import BUTTONS
from playground.tabs.files import write_files
from playground.tabs.kit import AT_ONCE, Page, Parcel, paced
from playground.tabs.search import microscope as scopes
from playground.tabs.search import settings
from playground.tabs.search.bench import Bench
from playground.tabs.search.microscope import Scope, Seen
from playground.tabs.search.settings import Controls
from playground.views.continuations import note
from playground.views.search import words

TITLE = "Ask"
EXAMPLES = (  # (caption, question)
    ("Capital of France", "What is the capital of France?"),
    ("In other words", "Why are attention scores divided by the square root of the key's dimension?"),
    ("Not in there", "Who won the football world cup in 1998?"),
)
THE_PASSAGE, THE_ANSWER, THE_QUESTION = "the passage under the microscope", "the answer", "the question"
SENDING = dict.fromkeys(
    (THE_PASSAGE, THE_ANSWER, THE_QUESTION),
    sending.elsewhere(sending.A_TEXT, sending.SEARCH),
)
DOWNLOADS = (
    "The hits as CSV and JSON, the chunks as JSON lines, and the Python that makes the search again from them with "
    "sentence-transformers, FAISS and bm25s alone."
)
ABOUT = (
    "<p>Type a question. The passages that fit it best are found by their <b>words</b> (BM25) and by their "
    "<b>meaning</b> (vectors); the model picked above answers from them, and each of its sentences is checked against "
    "the passage that it cites.</p>"
)


@dataclass(frozen=True, eq=False)
class Asking:
    """The pane. Its methods are the handlers."""

    bench: Bench
    question: gr.Textbox
    controls: Controls
    status: gr.HTML
    answer: gr.HTML
    said: gr.State  # the last answer as text; "": there is none
    hits: gr.HTML
    seen: gr.State  # Seen, or None
    scope: Scope
    files: gr.File
    code: gr.Code

    def found(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Searches, shows what was found, then puts the first hit under the microscope."""
        yield {self.said: ""}
        seen = yield from self._search(values, stop)
        if seen is not None:
            yield {self.answer: note("Press Ask to have it answered.")}
            yield from self._look(values, seen, stop)

    def answered(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Searches, then has it answered."""
        yield {self.answer: words.answer(None), self.said: ""}
        seen = yield from self._search(values, stop)
        if seen is None:
            return
        yield from self._answer(values, seen, stop)
        if not stop.is_set():
            yield from self._look(values, seen, stop)

    def _search(self, values: dict, stop: threading.Event):
        from playground.labs.retrieval import search

        collection = yield from self.bench.opened(values, self.status, stop)
        if collection is None:
            return None
        query = values[self.question] or ""
        how = self.controls.how(values, [each.name for each in collection.documents])
        vector = self.bench.vector(collection, query)
        reranker = (values[self.controls.reranker] or "").strip()
        k = int(values[self.controls.k])
        found = search.search(collection, query, vector, how, max(4 * k, 20) if reranker else k)
        if reranker:
            yield from self.bench.arrived(reranker, self.status, stop)
            with self.bench.page.models.lease(reranker) as engine:
                found = search.rerank(collection, found, engine, stop.is_set)
            found = search.first(found, k)
        seen = Seen(
            self.bench.address(values), found, vector, found.hits[0].id if found.hits else None, collection.state
        )
        yield {self.hits: words.hits(found, collection, seen.picked), self.seen: seen}
        return seen

    def _answer(self, values: dict, seen: Seen, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.retrieval import answering

        models, reference = self.bench.page.models, values[self.bench.page.reference] or ""
        collection = seen.collection(self.bench, self.bench.key(values))
        n = int(values[self.controls.passages]) or None
        wanted = answering.Wanted(float(values[self.controls.threshold]), n)
        refused = answering.refusal(seen.found, wanted)
        if refused is not None:
            yield {self.answer: words.answer(refused)}
            return
        yield from self.bench.arrived(reference, self.status, stop)
        if stop.is_set():
            return
        yield {self.status: note("The model reads the passage …")}
        with (
            models.lease(collection.reference) as encoder,
            models.writer(reference) as writer,
            closing(answering.answer(writer, encoder, collection, seen.found, wanted, stop)) as growing,
        ):
            for now in paced(growing):
                yield {self.answer: words.answer(now, now.ids), self.status: "", self.said: now.text}

    def _look(self, values: dict, seen: Seen, stop: threading.Event) -> Iterator[dict]:
        if seen.picked is not None and not stop.is_set():
            yield {self.status: note("Drawing the microscope …")}
            yield self.scope.drawn(seen, values)

    def picked(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """A hit or a citation was clicked: `self.scope.wanted` holds which."""
        seen, id = values[self.seen], values[self.scope.wanted]
        if seen is None or id is None:
            return
        collection = seen.collection(self.bench, self.bench.key(values))
        seen = scopes.at(seen, int(id), collection)
        yield {self.seen: seen, self.hits: words.hits(seen.found, collection, seen.picked)}
        yield self.scope.drawn(seen, values)

    def taken(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """The last search as files, and as Python that makes it again."""
        from playground.labs.retrieval import hits, replay

        seen = values[self.seen]
        if seen is None:
            raise PlaygroundError("There is nothing to take along yet. Search first.")
        collection = seen.collection(self.bench, self.bench.key(values))
        contents = {
            "search.csv": hits.table(seen.found, collection),
            "search.json": json.dumps(hits.whole(seen.found, collection), ensure_ascii=False, indent=1),
        }
        try:
            with self.bench.page.models.lease(collection.reference) as encoder:
                code = replay.script(encoder, seen.found)
            contents |= {replay.CHUNKS: replay.chunks(collection), "search.py": code}
        except PlaygroundError as error:
            code = f"# {error}"
        yield {self.files: write_files(contents), self.code: code}

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.question, *self.controls.all, self.seen, *self.scope.inputs}

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.answer, self.said, self.hits, self.seen, *self.scope.outputs]

    def pack(self, values: dict, what: str, visitor: str) -> Parcel:
        """What is sent to other tabs. Raises PlaygroundError: there is nothing to send."""
        if what == THE_QUESTION:
            return Parcel(expected(values[self.question], "Type a question first."))
        if what == THE_ANSWER:
            return Parcel(expected(values[self.said], "There is no answer yet. Press Ask first."))
        seen = values[self.seen]
        if seen is None or seen.picked is None:
            raise PlaygroundError("No passage is looked at yet. Search first, then click a passage.")
        return Parcel(seen.collection(self.bench, self.bench.key(values)).chunks[seen.picked].text)


def expected(text: str | None, otherwise: str) -> str:
    """The text. Raises PlaygroundError with `otherwise` when it is empty."""
    if not (text or "").strip():
        raise PlaygroundError(otherwise)
    return text.strip()


def search_after(bench: Bench, pane: Asking, event: gr.events.Dependency) -> None:
    """Searches, without an answer, once `event` has filled in a question."""
    bench.after(event, TITLE, pane.status, pane.found, pane.inputs, pane.outputs)


def build(page: Page, bench: Bench) -> Asking:
    with gr.Row(elem_classes="examples", elem_id="search-examples"):
        gr.HTML("Examples:")
        buttons = [gr.Button(caption, size="sm", min_width=0) for caption, _ in EXAMPLES]
    with gr.Row(elem_id="search-ask"):
        question = gr.Textbox(
            EXAMPLES[0][1], label="Question", max_lines=3, lines=1, scale=4, min_width=260, elem_id="search-question"
        )
        with gr.Column(scale=1, min_width=260), gr.Row(elem_classes="buttons"):
            ask = gr.Button("Ask", variant="primary", elem_id="search-go", min_width=0)
            only = gr.Button("Only search", elem_id="search-only", min_width=0)
            stop = gr.Button("Stop", variant="stop", elem_id="search-stop", min_width=0)
    with gr.Accordion("How it searches and answers", open=False, elem_id="search-how"):
        controls = settings.build()
    status = gr.HTML(elem_id="search-status", elem_classes="doing")
    with gr.Row(elem_id="search-outcome"):
        with gr.Column(scale=1, min_width=320):
            gr.HTML("<h3>Answer</h3>")
            answer = gr.HTML(ABOUT, elem_id="search-answer", js_on_load=BUTTONS)
        with gr.Column(scale=1, min_width=320):
            gr.HTML("<h3>What was found</h3>")
            hits = gr.HTML(words.hits(None, None), elem_id="search-hits", js_on_load=BUTTONS)
    seen, said = gr.State(), gr.State("")
    sending_place = gr.Column(min_width=0)
    scope = scopes.build(bench, seen)
    with gr.Accordion("Downloads and code", open=False, elem_id="search-downloads"):
        gr.HTML(note(DOWNLOADS))
        take = gr.Button("Make the files of the last search", elem_id="search-take")
        told = gr.HTML(elem_classes="doing")
        files = gr.File(label="Files", file_count="multiple", interactive=False, elem_id="search-taken-files")
        code = gr.Code(label="Python", language="python", interactive=False, max_lines=24, elem_id="search-code")
    pane = Asking(bench, question, controls, status, answer, said, hits, seen, scope, files, code)
    with sending_place:
        sending.row(page, "search-send-to", SENDING, {question, seen, said, bench.collection, bench.owner}, pane.pack)
    inputs, outputs = pane.inputs, pane.outputs
    bench.on([ask.click, question.submit], TITLE, status, pane.answered, inputs, outputs)
    bench.on([only.click], TITLE, status, pane.found, inputs, outputs)
    stop.click(bench.stops.halt, None, None, **AT_ONCE)
    bench.on([take.click], "Downloads", told, pane.taken, {seen}, [files, code])
    for button, (_, text) in zip(buttons, EXAMPLES, strict=True):
        filled = button.click(lambda text=text: text, None, question, **AT_ONCE)
        bench.after(filled, TITLE, status, pane.answered, inputs, outputs)
    for event in scope.choosing([answer.select, hits.select]):
        bench.after(event, "Microscope", scope.status, pane.picked, inputs, outputs)
    return pane
