"""Models that are made here from the weights of others, such as merges: what each is, and for whom it is held.

A made model has a reference like any other, merge:name, under which it is lent out, evicted and made again. What it is
never changes: another recipe is another name. It does not know how weights are blended.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError
from playground.models.progress import Report

if TYPE_CHECKING:
    from torch import nn

MOST = 1_000  # recipes that are remembered, each a few lines of text; those that somebody holds never go


@dataclass(frozen=True)
class Made:
    """A model that is loaded as `skeleton` and then filled with weights of its own."""

    name: str  # letters, digits, - and _; the same name is the same model
    title: str
    skeleton: str  # the reference whose config and tokenizer it has
    sources: tuple[str, ...]  # references whose weights are in it
    revision: str
    fill: Callable[[nn.Module, Report], None]  # writes its weights into a loaded skeleton, in place
    describe: Callable[[], dict[str, Any]]  # what it is, as plain JSON

    @property
    def reference(self) -> str:
        return f"merge:{self.name}"


class MadeModels:
    """The registry. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[str, Made] = OrderedDict()
        self._holders: dict[str, set[str]] = {}

    def add(self, made: Made) -> str:
        """Makes a model known; returns its reference."""
        with self._lock:
            self._made[made.reference] = made
            self._made.move_to_end(made.reference)
            for reference in list(self._made):
                if len(self._made) <= MOST:
                    break
                if reference not in self._holders:
                    del self._made[reference]
        return made.reference

    def get(self, reference: str) -> Made:
        """What a reference, without a precision, stands for.

        Raises:
            PlaygroundError: it is not known here, or no more.
        """
        with self._lock:
            made = self._made.get(reference)
        if made is None:
            raise PlaygroundError(
                f"{reference} is not known here any more: merges live until the server ends or forgets them. Make it "
                "again in the Merge tab, or save it there and use the folder."
            )
        return made

    def hold(self, reference: str, owner: str) -> None:
        """Somebody has a use for it."""
        with self._lock:
            self._holders.setdefault(reference, set()).add(owner)

    def let_go(self, reference: str, owner: str) -> bool:
        """Somebody has no more use for it; returns whether nobody has."""
        with self._lock:
            holders = self._holders.get(reference, set())
            holders.discard(owner)
            if not holders:
                self._holders.pop(reference, None)
            return not holders

    def held_by(self, owner: str) -> tuple[str, ...]:
        with self._lock:
            return tuple(reference for reference, owners in self._holders.items() if owner in owners)

    def others_hold(self, reference: str, owner: str) -> bool:
        with self._lock:
            return bool(self._holders.get(reference, set()) - {owner})
