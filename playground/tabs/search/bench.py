"""What the panes of the Search tab share: the picked collection, whose it is, and how work on it is run.

It does not know any single pane.
"""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.retrieval import shipped
from playground.labs.retrieval.library import Library
from playground.tabs.attention.panes import Stops
from playground.tabs.kit import AT_ONCE, WAITING, Page, arriving, user_errors
from playground.views.continuations import note
from playground.views.quantities import of

if TYPE_CHECKING:  # the page must not wait for torch
    import numpy as np

    from playground.labs.retrieval.store import Collection

Work = Callable[[dict, threading.Event], Iterator[dict]]  # (values, stop) -> updates


@dataclass(frozen=True, eq=False)
class Bench:
    """What a pane is built on."""

    page: Page
    library: Library
    collection: gr.Dropdown  # its value is an address
    stops: Stops

    @property
    def owner(self) -> gr.BrowserState:
        """The secret key of the visitor's own collections."""
        return self.page.owner

    @property
    def ground(self) -> set[gr.components.Component]:
        """What all work needs."""
        return {self.page.reference, self.collection, self.owner}

    def key(self, values: dict) -> str:
        return values[self.owner] or ""

    def address(self, values: dict) -> str:
        return values[self.collection] or shipped.ADDRESS

    def after(
        self, event: gr.events.Dependency, title: str, status: gr.HTML, work: Work,
        inputs: set[gr.components.Component], outputs: list[gr.components.Component],
    ) -> gr.events.Dependency:  # fmt: skip
        """Does `work` once `event` has succeeded, in the queue of those that run models."""

        def run(values: dict, request: gr.Request) -> Iterator[dict]:
            stop = self.stops.begin(request, title)
            with user_errors():
                yield {status: note("Searching …")}
                with closing(work(values, stop)) as working:
                    yield from working
                yield {status: note("Stopped.") if stop.is_set() else ""}

        worked = event.success(
            run, inputs | self.ground, [status, *outputs], trigger_mode="multiple", **self.page.queued
        )
        worked.failure(lambda: "", None, status, **AT_ONCE)
        return worked

    def on(self, triggers: list[Callable], title: str, status: gr.HTML, work: Work, inputs: set, outputs: list,
           first: Callable[[gr.events.Dependency], gr.events.Dependency] | None = None):  # fmt: skip
        """Does `work` on a click or the Enter key. first: what is to be done before, outside the models' queue."""

        def asked(request: gr.Request) -> str:
            self.stops.halt(request)
            return note(WAITING)

        event = gr.on(triggers, asked, None, status, **AT_ONCE)
        return self.after(first(event) if first else event, title, status, work, inputs, outputs)

    def arrived(self, reference: str, status: gr.HTML, stop: threading.Event) -> Iterator[dict]:
        """Updates until a model is there, or `stop` is set."""
        for news in arriving(self.page.models, reference, stop):
            yield {status: note(news)}

    def opened(
        self, values: dict, status: gr.HTML, stop: threading.Event
    ) -> Generator[dict, None, "Collection | None"]:
        """Updates until the picked collection can be searched; returns it. None: it was stopped."""
        from playground.labs.retrieval import indexing
        from playground.views.search import words

        address, key = self.address(values), self.key(values)
        reference = self.library.embedding(address, key)
        yield from self.arrived(reference, status, stop)
        if not stop.is_set() and not self.library.is_ready(address):
            with self.page.models.lease(reference) as encoder:
                adding = indexing.add(self.library.shipped(), shipped.sources(), encoder, stop.is_set, wait=True)
                with closing(adding):
                    for now in adding:
                        yield {status: words.adding(now)}
        return None if stop.is_set() else self.library.open(address, key)

    def vector(self, collection: "Collection", query: str) -> "np.ndarray":
        """The query as the collection's embedding model sees it."""
        from playground.engine import embed

        if not query.strip():
            raise PlaygroundError("There is nothing to search for. Type a question or some words.")
        with self.page.models.lease(collection.reference) as encoder:
            return embed.embed(encoder, [query], "query")[0]

    def choices(self, key: str) -> list[tuple[str, str]]:
        """(what is shown, address) of each collection this visitor can search."""
        marks = {"mine": "yours", "shared": "shared", "shipped": "comes with the playground"}
        return [
            (f"{each.name} ({marks[each.address.partition('/')[0]]}, {of(each.n_documents, 'document')})", each.address)
            for each in self.library.listed(key)
        ]
