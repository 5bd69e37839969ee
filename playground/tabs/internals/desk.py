"""How the panes that intervene work: they wait for the model, say how far they are, and end when told to.

It does not know what any of them does.
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
from playground.tabs.kit import AT_ONCE, ELSEWHERE, WAITING, Page, arriving, user_errors
from playground.views.continuations import note

T = TypeVar("T")
Work = Callable[[dict, threading.Event], Iterator[dict]]  # (values, stop) -> updates


@dataclass(frozen=True, eq=False)
class Desk:
    """Where a pane's requests are run. A visitor has one at a time here: a new one ends the one before."""

    page: Page
    title: str
    stops: Stops
    status: gr.HTML

    def after(
        self, event: gr.events.Dependency, work: Work, inputs: set[gr.components.Component], outputs: list
    ) -> gr.events.Dependency:
        """Does `work` once `event` has succeeded."""
        return self._next(event.success(self._asked, None, self.status, **AT_ONCE), work, inputs, outputs)

    def on(
        self, triggers: list[Callable], work: Work, inputs: set[gr.components.Component], outputs: list
    ) -> gr.events.Dependency:
        """Does `work` on a click or the Enter key."""
        return self._next(gr.on(triggers, self._asked, None, self.status, **AT_ONCE), work, inputs, outputs)

    def _asked(self, request: gr.Request) -> str:
        """Ends what this visitor has running here, which the new request would otherwise wait behind."""
        self.stops.halt(request)
        return note(WAITING)

    def _next(
        self, event: gr.events.Dependency, work: Work, inputs: set[gr.components.Component], outputs: list
    ) -> gr.events.Dependency:
        inputs, outputs = inputs | {self.page.reference}, [self.status, *outputs]
        # "multiple": one that was stopped while it waited must not block the next
        worked = event.success(self._worker(work), inputs, outputs, trigger_mode="multiple", **self.page.queued)
        worked.failure(lambda: "", None, self.status, **AT_ONCE)
        return worked

    def while_moving(
        self, triggers: list[Callable], work: Work, inputs: set[gr.components.Component], outputs: list
    ) -> None:
        """Does `work` when a slider is moved: what runs is ended, and of many moves the last counts."""
        gr.on(triggers, self.stops.halt, None, None, **AT_ONCE)
        inputs, outputs = inputs | {self.page.reference}, [self.status, *outputs]
        worked = gr.on(
            triggers, self._worker(work, quiet=True), inputs, outputs, trigger_mode="always_last", **self.page.queued
        )
        worked.failure(lambda: "", None, self.status, **AT_ONCE)

    def _worker(self, work: Work, quiet: bool = False) -> Callable:
        """What an event runs: `work`, with the model there, and errors in plain words.

        quiet: says nothing when it is stopped, because something newer is on its way.
        """
        status = self.status

        def run(values: dict, request: gr.Request) -> Iterator[dict]:
            reference = values[self.page.reference] or ""
            if self.page.models.status(reference).state == "remote":
                yield {status: note(ELSEWHERE)}
                return
            stop = self.stops.begin(request, self.title)
            with user_errors():
                for news in arriving(self.page.models, reference, stop):
                    yield {status: note(news)}
                try:
                    if not stop.is_set():
                        yield from work(values, stop)
                except PlaygroundError:
                    if not stop.is_set():
                        raise
                if not stop.is_set() or quiet:
                    yield {status: ""}
                    return
                said = self.stops.said(request, self.title, stop)
                yield {status: gr.skip() if said is None else note(said)}

        return run

    def told(self, work: Callable[[Report], T], stop: threading.Event) -> Generator[dict, None, T]:
        """Runs `work` in a thread of its own; yields updates that say how far it is, and returns its result."""
        from playground.views.internals.probing import progress

        started = time.monotonic()
        result = None
        for news in reported(work, stop):
            if isinstance(news, tuple):
                fraction, sentence = news
                spent = time.monotonic() - started
                left = spent * (1 - fraction) / fraction if fraction and spent > 0.5 else None
                yield {self.status: progress(fraction or 0.0, sentence, left)}
            else:
                result = news
        return result


def build(page: Page, title: str, status: gr.HTML, stop: gr.Button) -> Desk:
    """A desk whose work `stop` ends."""
    desk = Desk(page, title, Stops(page.blocks), status)
    stop.click(desk.stops.halt, None, None, **AT_ONCE)
    return desk


def ask(text: str, lines: int = 2, **more: Any) -> gr.Textbox:
    """A box for a text that the model reads."""
    return gr.Textbox(text, lines=lines, max_lines=8, **more)


def n_layers(page: Page, reference: str | None) -> int | None:
    """How many layers a model has, if it is in memory. None: not known yet."""
    if not reference or page.models.status(reference).state != "ready":
        return None
    with page.models.lease(reference) as engine:
        return engine.anatomy.n_layers


def fit_layers(page: Page, *sliders: gr.Slider) -> None:
    """Keeps sliders of layers within the picked model."""

    def fit(reference: str | None, *values: float) -> dict:
        n = n_layers(page, reference) if isinstance(reference, str) else None
        if n is None or not all(isinstance(value, (int, float)) for value in values):
            return {slider: gr.skip() for slider in sliders}
        return {
            slider: gr.update(maximum=max(n - 1, 1), value=min(value, n - 1))
            for slider, value in zip(sliders, values, strict=True)
        }

    inputs = [page.reference, *sliders]
    # As the page sends them: a second event may be on its way when the first has brought the ends in, and Gradio
    # refuses what lies beyond them.
    raw = AT_ONCE | {"preprocess": False}
    gr.on([page.blocks.load, page.reference.change], fit, inputs, list(sliders), **raw)
    page.made_ready.success(fit, inputs, list(sliders), **raw)
