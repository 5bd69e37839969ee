"""The models that are in memory or on their way there: what they hold, who goes first when room is needed, what failed.

It has no lock: `cache` holds its own around every use. It does not know how models are loaded.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from playground import heap
from playground.models.status import Holding

if TYPE_CHECKING:  # which imports torch
    from playground.engine.engine import Engine

log = logging.getLogger(__name__)

_FAILURES = 100  # remembered, the latest


@dataclass
class Slot:
    """A model that is loaded or on its way."""

    state: Literal["fetching", "loading", "ready"] = "fetching"
    detail: str = "Waiting to begin"
    fraction: float | None = None
    n_bytes: int = 0  # of the weights; reserved from the moment that loading begins
    engine: Engine | None = None
    lent: int = 0
    unwanted: bool = False  # goes as soon as nobody has it on loan
    last_used: float = field(default_factory=time.monotonic)
    spare: threading.Thread | None = None  # works with the model while nobody has borrowed it

    @property
    def held(self) -> int:
        """Bytes, with what the model has kept of conversations."""
        return self.n_bytes + (self.engine.prefixes.n_bytes if self.engine is not None else 0)

    @property
    def loaded(self) -> Engine:
        """The Engine of one that is ready."""
        if self.engine is None:
            raise RuntimeError("it is not loaded yet")
        return self.engine

    @property
    def idle(self) -> bool:
        return self.engine is not None and not self.lent


class Slots(dict[str, Slot]):
    """Slots by reference."""

    def used(self) -> int:
        """Bytes, loads under way included."""
        return sum(slot.held for slot in self.values())

    def spoken_for(self) -> int:
        """Bytes of weights that cannot be had back now: lent, or on their way."""
        return sum(slot.n_bytes for slot in self.values() if not slot.idle)

    def holdings(self) -> tuple[Holding, ...]:
        now = time.monotonic()
        return tuple(
            Holding(
                reference,
                slot.held,
                str(slot.engine.device),
                slot.engine.precision,
                slot.lent,
                0.0 if slot.lent else now - slot.last_used,
            )
            for reference, slot in self.items()
            if slot.engine is not None
        )

    def forget_prefixes(self) -> None:
        """Drops what models have kept of conversations: it can be read again in seconds."""
        for slot in self.values():
            if slot.engine is not None:
                slot.engine.prefixes.clear()

    def evict(self, enough: Callable[[], bool] = lambda: False) -> int:
        """Drops idle models, the longest unused first, until there is enough room; returns how many.

        Their memory comes back with `release_memory`.
        """
        n_evicted = 0
        for reference in sorted((r for r, slot in self.items() if slot.idle), key=lambda r: self[r].last_used):
            if enough():
                break
            log.info("evicting %s", reference)
            del self[reference]
            n_evicted += 1
        return n_evicted


class Failures(dict[str, str]):
    """Why models could not be had, as sentences by reference; of the latest ones."""

    def note(self, reference: str, sentence: str) -> None:
        self.pop(reference, None)
        self[reference] = sentence
        while len(self) > _FAILURES:
            del self[next(iter(self))]


def release_memory() -> None:
    """Returns what dropped models held to the device and to the system."""
    gc.collect()
    heap.trim()
    torch = sys.modules.get("torch")  # when nothing has needed it yet, it holds nothing
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
