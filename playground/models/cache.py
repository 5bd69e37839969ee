"""ModelCache: lends loaded models out, keeps them within a byte budget, loads each once however many ask.

It does not know how files are fetched (`sources`) or turned into an Engine (`loading`).
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from playground import heap
from playground.allowance import Allowance, Tally
from playground.errors import PlaygroundError
from playground.models import room, sources
from playground.models.catalog import catalog
from playground.models.endpoints import Endpoints
from playground.models.made import MadeModels
from playground.models.remaking import Remaking, plain
from playground.models.remote import RemoteModel, needs_weights
from playground.models.room import Room
from playground.models.slots import Failures, Slot, Slots, release_memory
from playground.models.sources import Report
from playground.models.status import Ledger, Status
from playground.settings import Settings

if TYPE_CHECKING:  # torch is imported when the first model is loaded: the page must not wait for it
    from playground.engine.engine import Engine

log = logging.getLogger(__name__)

_LOADS = 3  # models that are fetched or loaded at the same time; others wait
_TURN = 0.2  # seconds between two looks at a load that somebody else does


def _quiet(fraction: float | None, sentence: str) -> None:
    """Reports to nobody."""


class ModelCache:
    """All models in memory. Every method may be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.endpoints = Endpoints(settings)
        self.made = MadeModels()
        self.allowance = Allowance(settings.most_prompt_tokens, settings.most_new_tokens)
        self.written = Tally()  # tokens, by all models of this machine
        self._changed = threading.Condition()
        self._slots = Slots()
        self._failures = Failures()
        self.room = Room(settings)
        self._loading = threading.Semaphore(_LOADS)
        self.remaking = Remaking(self.made, self._slots, self._failures, self._changed)

    @contextmanager
    def lease(self, reference: str, report: Report = _quiet) -> Iterator[Engine]:
        """Lends the Engine for a reference: fetched and loaded if need be, never evicted while it is lent.

        Raises:
            PlaygroundError: it cannot be had; or the device ran out of memory while it was in use.
        """
        parsed = sources.parse(reference)
        if parsed.kind == "endpoint":
            raise needs_weights(str(parsed))
        key = str(parsed)
        slot = self._borrow(key, report)
        try:
            yield slot.loaded
        except (MemoryError, RuntimeError) as error:
            from playground.engine.memory import out_of_memory

            if not out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold what the request had allocated
            with self._changed:
                released = self._slots.evict()
                self._slots.forget_prefixes()
            release_memory()
            raise PlaygroundError(
                f"{slot.loaded.device} ran out of memory while {key} was working. "
                + (f"{released} idle models were released: try again, or use" if released else "Use")
                + " a shorter text or a smaller model."
            ) from None
        finally:
            with self._changed:
                slot.lent -= 1
                slot.last_used = time.monotonic()
                if slot.unwanted and slot.idle and self._slots.get(key) is slot:
                    del self._slots[key]
                self._changed.notify_all()
                resting = not any(held.lent for held in self._slots.values())
            heap.trim_now_and_then(resting)

    @contextmanager
    def writer(self, reference: str, report: Report = _quiet) -> Iterator[Engine | RemoteModel]:
        """What writes text for a reference: its Engine, lent out as by `lease`, or the model at its endpoint.

        Raises:
            PlaygroundError: as `lease`; or there is no such endpoint.
        """
        parsed = sources.parse(reference)
        if parsed.kind == "endpoint":
            yield self.endpoints.model(parsed)
            return
        with self.lease(reference, report) as engine:
            yield engine

    def arriving(self, reference: str) -> Iterator[Status]:
        """Sees to it that a model gets loaded, and yields how far that is, several times a second, until it is ready.

        The load goes on when the iterator is dropped: others may be waiting for it too.

        Raises:
            PlaygroundError: it cannot be had.
        """
        parsed = sources.parse(reference)
        if parsed.kind == "endpoint":  # whoever asks it for something is told whether it is there
            status = self.endpoints.status(parsed)
            if status.state == "failed":
                self.endpoints.ask_anew(parsed)
            yield status
            return
        key = str(parsed)
        failure: list[BaseException] = []

        def work() -> None:
            try:
                with self.lease(key):
                    pass
            except BaseException as error:  # told to whoever watches, in the watcher's own thread
                failure.append(error.with_traceback(None))  # whose frames would keep half-loaded weights

        if not self._is_ready(key):
            thread = threading.Thread(target=work, name=f"load {key}", daemon=True)
            thread.start()
            while thread.is_alive():
                yield self.status(key)
                thread.join(_TURN)
            if failure:
                raise failure.pop()  # in no list that its own traceback would hold
        yield self.status(key)

    def in_spare_time(self, reference: str, work: Callable[[Engine, Callable[[], bool]], object]) -> None:
        """Starts `work(engine, stopped)` in the background if the model is loaded and nobody has it on loan.

        It is no loan: whoever comes goes first, and the model may be evicted. `stopped()` then becomes true, and the
        work should end soon.
        """
        key = str(sources.parse(reference))
        with self._changed:
            slot = self._slots.get(key)
            if slot is None or not slot.idle or slot.spare is not None:
                return
            engine = slot.loaded

            def run(engine: Engine = engine) -> None:
                try:
                    work(engine, lambda: bool(slot.lent) or self._slots.get(key) is not slot)
                except Exception:  # nobody waits for it, so nobody is told
                    log.warning("work in spare time on %s failed", key, exc_info=True)
                finally:
                    del engine
                    slot.spare = None
                    if self._slots.get(key) is not slot:
                        release_memory()

            slot.spare = threading.Thread(target=run, name=f"spare time {key}", daemon=True)
            del engine
            slot.spare.start()  # before anybody who comes next could wait for its end

    def status(self, reference: str) -> Status:
        """How a model stands. Quick: never loads, fetches or imports anything heavy."""
        try:
            parsed = sources.parse(reference)
        except PlaygroundError as error:
            return Status(reference, "failed", str(error))
        if parsed.kind == "endpoint":
            return self.endpoints.status(parsed)
        key = str(parsed)
        with self._changed:
            slot, failure = self._slots.get(key), self._failures.get(key)
            if slot is not None and slot.engine is not None:
                engine = slot.engine
                return Status(
                    key,
                    "ready",
                    "Loaded",
                    None,
                    slot.n_bytes,
                    str(engine.device),
                    engine.precision,
                    engine.checks,
                    engine.revision,
                )
            if slot is not None:
                return Status(key, slot.state, slot.detail, slot.fraction, slot.n_bytes or None)
        if failure is not None:
            return Status(key, "failed", failure)
        try:
            files = sources.locate(self._on_disk_as(key), self.settings)
        except PlaygroundError as error:
            return Status(key, "failed", str(error))
        if files is not None:
            return Status(key, "on disk", "Not loaded yet", None, self.room.needed(files.n_parameters, key))
        plain = key.partition("#")[0]
        size = next((self.room.needed(e.parameters, key) for e in catalog() if plain in (e.reference, e.hub_id)), None)
        return Status(key, "absent", "Not on this machine yet", None, size)

    def ledger(self) -> Ledger:
        """What is held now, by whom, and how much room there is."""
        with self._changed:
            holdings, used = self._slots.holdings(), self._slots.used()
            machine = self.room.known
        return Ledger(machine.budget if machine else 0, used, str(machine.device) if machine else None, holdings)

    def unload(self, reference: str) -> None:
        """Gives a model's memory back.

        Raises:
            PlaygroundError: it is lent out, on its way, or not loaded.
        """
        key = str(sources.parse(reference))
        with self._changed:
            slot = self._slots.get(key)
            if slot is None or slot.engine is None:
                raise PlaygroundError(f"{key} is not loaded, so there is nothing to unload.")
            if slot.lent:
                raise PlaygroundError(f"{key} is answering {slot.lent} request(s). Unload it when they have ended.")
            del self._slots[key]
        del slot
        release_memory()

    def _on_disk_as(self, key: str) -> str:
        """The reference whose files a model is loaded from: of a made model its skeleton's, in the same precision."""
        parsed = sources.parse(key)
        if parsed.kind != "merge":
            return key
        skeleton = sources.parse(self.made.get(plain(key)).skeleton)
        return str(replace(skeleton, precision=parsed.precision))

    def _is_ready(self, key: str) -> bool:
        with self._changed:
            slot = self._slots.get(key)
            return slot is not None and slot.engine is not None

    def _borrow(self, key: str, report: Report) -> Slot:
        """The loaded slot, one more borrower counted: waits for a load under way, or does it."""
        waited = False
        while True:
            with self._changed:
                slot = self._slots.get(key)
                if slot is None and waited and key in self._failures:
                    raise PlaygroundError(self._failures[key])  # at once again, it would fail again
                if slot is None:
                    slot = self._slots[key] = Slot()
                    self._failures.pop(key, None)
                    break
                if slot.engine is not None:
                    slot.lent += 1
                    return slot
                waited = True
                self._changed.wait(_TURN)
                fraction, detail = slot.fraction, slot.detail
            report(fraction, detail)
        try:
            with self._loading:
                engine = self._load(key, slot, report)
            engine = replace(engine, allowance=self.allowance, written=self.written)
        except BaseException as error:
            with self._changed:
                del self._slots[key]
                # the sentence alone: a kept error would keep its traceback, and that the half-loaded weights
                known = isinstance(error, PlaygroundError)
                self._failures.note(key, str(error) if known else f"{key} could not be loaded: see the server's log.")
                self._changed.notify_all()
            release_memory()
            raise
        release_memory()  # what loading took beside the weights
        with self._changed:
            slot.engine, slot.state, slot.n_bytes, slot.lent = engine, "ready", engine.n_bytes, 1
            self._changed.notify_all()
        return slot

    def _load(self, key: str, slot: Slot, report: Report) -> Engine:
        def tell(fraction: float | None, sentence: str) -> None:
            with self._changed:
                slot.fraction, slot.detail = fraction, sentence
            report(fraction, sentence)

        import playground.engine  # noqa: F401  (before all that imports transformers: it says why)

        place = self._on_disk_as(key)
        machine = self.room.machine() if sources.locate(place, self.settings) is None else None
        files = sources.fetch(place, self.settings, tell, None if machine is None else machine.budget)
        fill = None
        if place != key:
            made = self.made.get(plain(key))
            files, fill = replace(files, reference=key, revision=made.revision, adapters=()), made.fill
        with self._changed:
            slot.state = "loading"
        tell(None, "Starting PyTorch")
        from playground.engine.memory import out_of_memory
        from playground.models import loading

        heap.settle()
        tell(None, "Measuring what this machine computes best with")
        machine = self.room.machine()
        self._reserve(key, slot, self.room.needed(files.n_parameters, key))
        try:
            return loading.load(files, self.settings, machine, tell, fill)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        with self._changed:
            self._slots.evict()
            self._slots.forget_prefixes()
        release_memory()
        tell(None, "Trying again with more room")
        try:
            return loading.load(files, self.settings, machine, tell, fill)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise PlaygroundError(
                f"{key} needs about {room.gigabytes(slot.n_bytes)} and {machine.device} has no room for it, "
                f"even with every idle model released. {self.room.what_fits(machine.budget // 2)}"
            ) from error

    def _reserve(self, key: str, slot: Slot, needed: int) -> None:
        """Reserves `needed` bytes for the slot, evicting idle models, the longest unused first."""
        budget = self.room.machine().budget
        with self._changed:
            self.room.check(key, needed, self._slots.spoken_for())
            if self._slots.used() + needed > budget:
                self._slots.forget_prefixes()  # before a model goes
            self._slots.evict(enough=lambda: self._slots.used() + needed <= budget)
            slot.n_bytes = needed
        release_memory()
