"""What each visitor has running in one tab, so that Stop ends that visitor's request and nobody else's.

It does not know what a run computes.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.kit import user_errors


@dataclass(eq=False)
class Run:
    """One request of one visitor, from the click until its last word."""

    asked: Any  # what is to be worked on
    before: Any  # what the page held, to be put back when nothing comes of it
    text: str  # what was typed, to be put back into its box
    branch: Any = None  # where an earlier result is to be cut and what is put there
    how: str = ""  # what to do if it does not fit
    refused: Any = None  # why nothing came of it, when there is a way out
    stop: threading.Event = field(default_factory=threading.Event)  # the computation watches it
    taken_up: bool = False  # out of Gradio's queue
    started: bool = False  # the model is computing
    over: bool = False
    fruitful: bool = False  # something came of it that stays on the page
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> bool:
        """Called when the model is there. False: stopped meanwhile, so nothing must be computed."""
        with self._lock:
            self.started = not self.stop.is_set()
            return self.started

    def halt(self) -> bool:
        """Asks the computation to end. True: it had started, so it will itself show how far it came."""
        with self._lock:
            self.stop.set()
            return self.started

    def end(self) -> None:
        self.stop.set()
        self.over = True


class Runs:
    """The latest run of every visitor, by Gradio's session."""

    def __init__(self, blocks: gr.Blocks):
        self._runs: dict[str, Run] = {}
        self._stale: Counter[str] = Counter()  # events still in the queue whose run was stopped; they come first
        self._lock = threading.RLock()  # clicks and the queue come in threads of their own
        blocks.unload(self.leave)

    def begin(self, request: gr.Request, asked: Any, before: Any, text: str = "", branch: Any = None, how="") -> None:
        """Raises PlaygroundError while this visitor's last run is going on."""
        with self._lock:
            self.expect_idle(request)
            self._runs[request.session_hash] = Run(asked, before, text, branch, how)

    def expect_idle(self, request: gr.Request) -> None:
        """Raises PlaygroundError while this visitor's last run is going on."""
        last = self._runs.get(request.session_hash)
        if last is not None and not last.over:
            raise PlaygroundError("The last reply is still being written. Wait for it, or press Stop first.")

    def take_up(self, request: gr.Request) -> Run | None:
        """The visitor's run, when its turn has come. None: it was stopped while it waited."""
        with self._lock:
            if self._stale[request.session_hash]:
                self._stale[request.session_hash] -= 1
                return None
            run = self._runs.get(request.session_hash)
            if run is None or run.taken_up:
                return None
            run.taken_up = True
            return run

    def answered(self, request: gr.Request, work: Callable[[Run], Iterator[dict]]) -> Iterator[dict]:
        """What `work` makes of the visitor's run, when its turn has come; it is over then, whatever happened.

        At least one update: a generator that gives none empties all that it could have changed.
        """
        run = self.take_up(request)
        if run is None:
            yield gr.skip()
            return
        given = False
        try:
            with user_errors(), closing(work(run)) as updates:
                for update in updates:
                    given = True
                    yield update
            if not given:
                yield gr.skip()
        finally:
            run.end()

    def stop(self, request: gr.Request) -> Run | None:
        """Stops the visitor's run. Returns it when it had not started, so that its text can be put back."""
        with self._lock:
            run = self._runs.get(request.session_hash)
            if run is None or run.over or run.halt():
                return None
            run.end()
            if not run.taken_up:
                self._stale[request.session_hash] += 1
            return self.fruitless(request)

    def fruitless(self, request: gr.Request, failed: bool = False) -> Run | None:
        """The visitor's run, handed out once, if it is over and left nothing on the page.

        Args:
            failed: its event failed, so it is over even when its turn never came (the queue was full).
        """
        with self._lock:
            run = self._runs.get(request.session_hash)
            if run is None or run.fruitful or not (run.over or (failed and not run.taken_up)):
                return None
            return self._runs.pop(request.session_hash)

    def leave(self, request: gr.Request) -> None:
        """The visitor closed or reloaded the page."""
        with self._lock:
            del self._stale[request.session_hash]
            run = self._runs.pop(request.session_hash, None)
        if run is not None:
            run.halt()
