"""How every pane of the Attention tab works: it waits for the model, says what it does, and ends when told to.

It does not know any single pane.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.attention.source import Source
from playground.tabs.kit import AT_ONCE, ELSEWHERE, Page, arriving, user_errors
from playground.views.continuations import note

T = TypeVar("T")
STOPPED = "Stopped."
NOT_LOADED = "A model that this shows is not in memory yet. Press Look, or the button here, to load it."


@dataclass(frozen=True, eq=False)
class Pane:
    """One sub-tab: what its drawing needs and fills.

    draw: (values, stop) -> updates, or an iterator of them when it takes long; run by the queue of the models.
    more_models: values -> references of what it needs beside the page's model.
    """

    title: str
    inputs: set[gr.components.Component]
    outputs: list[gr.components.Component]
    draw: Callable[[dict, threading.Event], dict | Iterator[dict]]
    more_models: Callable[[dict], Sequence[str]] = lambda values: ()


class Stops:
    """What each visitor has running in this tab: a pane's new request ends the one before, Stop ends all of them."""

    def __init__(self, blocks: gr.Blocks):
        self._running: dict[str, dict[str, threading.Event]] = {}
        self._lock = threading.Lock()
        blocks.unload(self.halt)

    def begin(self, request: gr.Request, title: str) -> threading.Event:
        stop = threading.Event()
        with self._lock:
            running = self._running.setdefault(request.session_hash, {})
            if title in running:
                running[title].set()
            running[title] = stop
        return stop

    def halt(self, request: gr.Request) -> None:
        with self._lock:
            for stop in self._running.pop(request.session_hash, {}).values():
                stop.set()

    def said(self, request: gr.Request, title: str, stop: threading.Event) -> str | None:
        """What the status says of a request that was stopped; None: nothing, for a newer one of this pane has it."""
        with self._lock:
            newest = self._running.get(request.session_hash, {}).get(title, stop)
        return STOPPED if newest is stop else None


@dataclass(frozen=True, eq=False)
class Bench:
    """What the panes are connected to."""

    page: Page
    source: Source  # or what has `inputs` and `status` like it
    stops: Stops
    showing: gr.State  # the title of the sub-tab that is open
    panes: dict[str, Pane] = field(default_factory=dict)

    def add(self, pane: Pane) -> None:
        self.panes[pane.title] = pane

    def draw_after(self, listen: Callable, pane: Pane) -> gr.events.Dependency:
        """Draws the pane when something happens. `listen` takes a handler: `button.click` or `event.success`."""
        inputs = self.source.inputs | pane.inputs
        outputs = [self.source.status, *pane.outputs]
        worker = self._worker(lambda values: pane)
        event = listen(worker, inputs, outputs, trigger_mode="always_last", **self.page.queued)
        event.failure(lambda: "", None, self.source.status, **AT_ONCE)
        return event

    def draw_open_after(self, event: gr.events.Dependency, load: bool) -> gr.events.Dependency:
        """Once `event` has succeeded: draws whichever pane is open. `load`: also when the model must come first."""
        inputs = self.source.inputs | {self.showing}.union(*(pane.inputs for pane in self.panes.values()))
        outputs = list(dict.fromkeys(c for pane in self.panes.values() for c in pane.outputs))
        worker = self._worker(lambda values: self.panes[values[self.showing]], load)
        drawn = event.success(worker, inputs, [self.source.status, *outputs], **self.page.queued)
        drawn.failure(lambda: "", None, self.source.status, **AT_ONCE)
        return drawn

    def _is_here(self, reference: str) -> bool:
        return self.page.models.status(reference).state == "ready"

    def _worker(self, which: Callable[[dict], Pane], load: bool = True) -> Callable:
        status = self.source.status

        def work(values: dict, request: gr.Request) -> Iterator[dict]:
            pane = which(values)
            reference = values[self.page.reference] or ""
            with user_errors():
                state = self.page.models.status(reference).state
                missing = [] if load else [m for m in (reference, *pane.more_models(values)) if not self._is_here(m)]
            if state == "remote" or missing:
                yield {status: note(ELSEWHERE if state == "remote" else NOT_LOADED)}
                return
            stop = self.stops.begin(request, pane.title)
            with user_errors():
                for news in arriving(self.page.models, reference, stop):
                    yield {status: note(news)}
                if stop.is_set():
                    yield stopped(request, pane, stop)
                    return
                yield {status: note("Reading …")}
                try:
                    drawn = pane.draw(values, stop)
                    for update in [drawn] if isinstance(drawn, dict) else drawn:
                        yield {status: ""} | update
                except PlaygroundError:
                    if not stop.is_set():
                        raise
                    yield stopped(request, pane, stop)

        def stopped(request: gr.Request, pane: Pane, stop: threading.Event) -> dict:
            said = self.stops.said(request, pane.title, stop)
            return {status: gr.skip() if said is None else note(said)}

        return work


@dataclass(frozen=True, eq=False)
class Heads:
    """Where a head can be picked: in charts with a column a layer and a row a head, and by buttons that name one."""

    charts: list[gr.HTML]
    buttons: list[gr.HTML]
    linked: dict[str, gr.components.Component] = field(default_factory=dict)  # what of the pane goes into a link


def clicks(selector: str) -> str:
    """JavaScript for a hidden `gr.HTML`: a click into the figure under `selector` is a `select` with [row, column]."""
    return f"""
setInterval(() => {{
  const figure = document.querySelector('{selector} .js-plotly-plot');
  if (!figure || !figure.on || figure === element.listening) return;
  element.listening = figure;
  figure.on('plotly_click', (event) => {{
    const point = event.points[0];
    trigger('select', {{index: [point.y, point.x], value: point.z ?? null}});
  }});
}}, 250);
"""


# For a `gr.HTML` with buttons: a click is a `select` with what `data-at` says, a number or several.
BUTTONS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-at]');
  if (!button) return;
  trigger('select', {index: button.dataset.at.split(',').map(Number), value: button.dataset.at});
});
"""


def reported(
    work: Callable[[Callable[[float, str], None]], T], stop: threading.Event
) -> Iterator[tuple[float, str] | T]:
    """Runs `work` in a thread of its own and yields what it reports, and at the very end its result.

    stop: what `work` listens to; set when whoever waits goes away.
    """
    news: queue.SimpleQueue = queue.SimpleQueue()

    def run() -> None:
        try:
            news.put(("done", work(lambda fraction, sentence: news.put(("news", (fraction, sentence))))))
        except BaseException as error:
            news.put(("failed", error))

    threading.Thread(target=run, name="attention", daemon=True).start()
    try:
        kind = "news"
        while kind == "news":
            kind, what = news.get()
            if kind == "failed":
                raise what
            yield what
    except GeneratorExit:
        stop.set()
        raise


def progress(fraction: float | None, sentence: str) -> str:
    """How far long work is, as HTML. None: nobody can say."""
    value, share = ("", "") if fraction is None else (f' value="{fraction:.3f}"', f", {fraction:.0%}")
    return (
        f'<div class="progress"><progress max="1"{value} aria-label="Progress"></progress>'
        f"{note(f'{sentence}{share}')}</div>"
    )
