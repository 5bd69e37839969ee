"""The merge that each visitor has: one at a time, in memory while its visitor is here.

It does not know what is asked of it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import gradio as gr

from playground.models.progress import Report
from playground.tabs.kit import Page
from playground.tabs.merge.kitchen import Kitchen


@dataclass(frozen=True, eq=False)
class Visitors:
    page: Page
    kitchen: Kitchen
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _merges: list = field(default_factory=list)  # the one `Merges`, made when it is first needed
    _busy: dict[str, threading.Lock] = field(default_factory=dict)  # by visitor: one change at a time

    def __post_init__(self) -> None:
        self.page.blocks.unload(self.leave)

    @property
    def merges(self):
        """Recipes made into models."""
        from playground.labs.merging.live import Merges  # late: it imports torch

        with self._lock:
            if not self._merges:
                self._merges.append(Merges(self.page.models))
            return self._merges[0]

    def current(self, visitor: str) -> str | None:
        """The reference of the merge that a visitor has now."""
        return next(iter(self.page.models.made.held_by(visitor)), None)

    def move(self, recipe, visitor: str, report: Report):
        """The visitor's merge becomes that of a recipe. Returns what that took, and the reference before."""
        with self._alone(visitor):
            before = self.current(visitor)
            return self.merges.move(recipe, before, visitor, report), before

    def leave(self, request: gr.Request) -> None:
        """The visitor is gone: so is the merge."""
        visitor = request.session_hash or ""
        with self._alone(visitor):
            self.page.models.remaking.drop(visitor)
        with self._lock:
            self._busy.pop(visitor, None)

    def bar(self, picked: str | None, before: str | None, now: str) -> dict:
        """An update of the bar: whoever uses the merge everywhere goes on with the new one."""
        from playground.tabs.model_bar import choices

        plain, _, precision = (picked or "").partition("#")
        if before is None or plain != before or before == now:
            return gr.skip()
        wanted = f"{now}#{precision}" if precision else now
        return gr.update(choices=choices(self.page.settings, wanted), value=wanted)

    @contextmanager
    def _alone(self, visitor: str) -> Iterator[None]:
        with self._lock:
            lock = self._busy.setdefault(visitor, threading.Lock())
        with lock:
            yield
