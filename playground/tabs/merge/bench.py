"""Where a pane's requests run: a visitor has one at a time here, a new one ends the one before, Stop ends it.

It does not know what any of them does, and, unlike in other tabs, no single model is loaded for them first.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.progress import Report
from playground.tabs.attention.panes import Stops, reported
from playground.tabs.kit import AT_ONCE, WAITING, Page, user_errors
from playground.views.continuations import note

T = TypeVar("T")
Work = Callable[[dict, threading.Event, str], Iterator[dict]]  # (values, stop, visitor) -> updates


@dataclass(frozen=True, eq=False)
class Bench:
    page: Page
    title: str
    stops: Stops
    status: gr.HTML

    def after(self, event: gr.events.Dependency, work: Work, inputs: set, outputs: list) -> gr.events.Dependency:
        """Does `work` once `event` has succeeded."""
        asked = event.success(self._asked, None, self.status, **AT_ONCE)
        return self._worked(asked.success, work, inputs, outputs, trigger_mode="multiple")

    def on(self, triggers: list[Callable], work: Work, inputs: set, outputs: list) -> gr.events.Dependency:
        """Does `work` on a click, the Enter key or a slider that is let go."""
        asked = gr.on(triggers, self._asked, None, self.status, **AT_ONCE)
        return self._worked(asked.success, work, inputs, outputs, trigger_mode="multiple")

    def _asked(self, request: gr.Request) -> str:
        self.stops.halt(request)
        return note(WAITING)

    def _worked(self, listen: Callable, work: Work, inputs: set, outputs: list, **more: Any) -> gr.events.Dependency:
        def run(values: dict, request: gr.Request) -> Iterator[dict]:
            stop = self.stops.begin(request, self.title)
            with user_errors():
                try:
                    yield from work(values, stop, request.session_hash or "")
                except PlaygroundError:
                    if not stop.is_set():
                        raise
                if not stop.is_set():
                    yield {self.status: ""}
                    return
                said = self.stops.said(request, self.title, stop)
                yield {self.status: gr.skip() if said is None else note(said)}

        worked = listen(run, inputs, [self.status, *outputs], **more, **self.page.queued)
        worked.failure(lambda: "", None, self.status, **AT_ONCE)
        return worked

    def told(self, work: Callable[[Report], T], stop: threading.Event) -> Generator[dict, None, T]:
        """Runs `work` in a thread of its own; yields updates that say how far it is, and returns its result."""
        from playground.views.internals.probing import progress

        started, result = time.monotonic(), []
        for news in reported(lambda tell: result.append(work(tell)), stop):
            if news is None:  # it is done; the loop ends by itself, since leaving it is what a visitor's stop does
                continue
            fraction, sentence = news
            spent = time.monotonic() - started
            left = spent * (1 - fraction) / fraction if fraction and spent > 0.5 else None
            yield {self.status: note(sentence) if fraction is None else progress(fraction, sentence, left)}
        return result[0]


def build(page: Page, title: str, status: gr.HTML, stop: gr.Button) -> Bench:
    """A bench whose work `stop` ends."""
    bench = Bench(page, title, Stops(page.blocks), status)
    stop.click(bench.stops.halt, None, None, **AT_ONCE)
    return bench
