"""Merges in memory: filled anew in place when a slider moves, and gone when nobody holds them any more.

It works on the cache's own slots, under the cache's own lock. It does not know how weights are blended (`Made.fill`).
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import replace

from playground.errors import PlaygroundError
from playground.models import sources
from playground.models.made import Made, MadeModels
from playground.models.progress import quiet
from playground.models.slots import Failures, Slot, Slots, release_memory


class Remaking:
    """Every method may be called from any thread."""

    def __init__(self, made: MadeModels, slots: Slots, failures: Failures, changed: threading.Condition) -> None:
        """
        Args:
            changed: the lock of `slots` and `failures`, which is told of every change.
        """
        self.made = made
        self._slots, self._failures, self._changed = slots, failures, changed

    def remake(self, old: str, made: Made, owner: str, patience: float = 3.0) -> str | None:
        """Turns the Engine of the merge `old` into that of another merge with the same skeleton, in place.

        Only if it is there, nobody but `owner` holds it, and nobody has it on loan for longer than `patience` seconds.
        Whoever asks for `old` again gets an Engine that is made anew.

        Returns:
            The new reference, ready; or None: it must be made from scratch, by a lease.

        Raises:
            PlaygroundError: as `fill` of the new one; the half-filled Engine is gone then.
        """
        parsed, key = sources.parse(old), self.made.add(made)
        key = str(replace(sources.parse(key), precision=parsed.precision))
        with self._changed:
            if key in self._slots or parsed.precision == "int8" or self.made.others_hold(plain(old), owner):
                return None
            slot = self._slots.get(str(parsed))
            if slot is None or slot.engine is None or not self._changed.wait_for(lambda: slot.idle, patience):
                return None
            if self._slots.get(str(parsed)) is not slot or key in self._slots:
                return None
            engine, n_bytes, spare = slot.engine, slot.n_bytes, slot.spare
            del self._slots[str(parsed)]  # which also tells what works in spare time to end
            new = self._slots[key] = Slot(state="loading", detail="Blending weights", n_bytes=n_bytes)
            self._failures.pop(key, None)
        try:
            if spare is not None:
                spare.join()
            engine.prefixes.clear()  # read with other weights
            made.fill(engine.model, quiet)
        except BaseException as error:
            with self._changed:
                del self._slots[key]
                if isinstance(error, PlaygroundError):  # others are surprises, whose words are not for visitors
                    self._failures.note(key, str(error))
                self._changed.notify_all()
            traceback.clear_frames(error.__traceback__)  # they hold the model, as these two do
            del slot, engine
            release_memory()
            raise
        with self._changed:
            new.engine, new.state = replace(engine, reference=key, revision=made.revision), "ready"
            new.last_used = time.monotonic()
            self._changed.notify_all()
        return key

    def hold(self, reference: str, owner: str) -> None:
        """Somebody has a use for a merge. One that was given up, and is still lent, then stays."""
        with self._changed:
            self.made.hold(reference, owner)
            for key, slot in self._slots.items():
                if plain(key) == reference:
                    slot.unwanted = False

    def drop(self, owner: str) -> None:
        """Gives up what `owner` holds: merges that nobody else holds leave the memory, lent ones once they are back."""
        for reference in self.made.held_by(owner):
            self.let_go(reference, owner)

    def let_go(self, reference: str, owner: str) -> None:
        """As `drop`, for one merge."""
        freed = False
        with self._changed:
            if not self.made.let_go(reference, owner):
                return
            for key in [key for key in self._slots if plain(key) == reference]:
                if self._slots[key].idle:
                    del self._slots[key]
                    freed = True
                else:
                    self._slots[key].unwanted = True
        if freed:  # which takes a while, and a slider that moves on has freed nothing
            release_memory()


def plain(reference: str) -> str:
    """A reference without its precision."""
    return reference.partition("#")[0]
