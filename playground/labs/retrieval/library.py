"""Whose collections there are: one's own, shared ones, and the one that ships. Nobody reaches another's own.

A visitor is known by a secret key that their browser keeps; the disk knows only its hash. It does not know what is in a
collection (`store.py`).
"""

import hashlib
import os
import re
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

import filelock

from playground.errors import PlaygroundError
from playground.labs.retrieval import exchange, shipped
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.store import Collection, Store, disk
from playground.settings import MINILM, Settings

EMBEDDING = f"{MINILM}#float32"  # what a new collection is embedded by
MINE, SHARED = "mine", "shared"
_HELD = 6  # collections in memory
_NAME = re.compile(r"[^\x00-\x1f/\\]{1,60}")
_UNUSED_DAYS = 7  # in public mode, own collections that nobody opened for so long are deleted


@lru_cache(maxsize=4)
def of(settings: Settings) -> "Library":
    """The library of these settings: one, so that the page and the endpoints hold a collection once."""
    return Library(settings)


@dataclass(frozen=True)
class Listing:
    """A collection as a list shows it."""

    address: str  # "mine/name", "shared/name" or the shipped one's
    name: str
    embedding: str
    chunking: Chunking
    n_documents: int
    n_chunks: int
    may_change: bool


class Library:
    """All collections of this installation. For many threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._root = settings.collections_dir or settings.cache_dir / "collections"
        self._held: OrderedDict[Path, Collection] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()  # while somebody holds it
        if settings.public:
            self._tidy()

    def listed(self, key: str) -> list[Listing]:
        """The shipped one, one's own, then the shared ones. Damaged ones are left out."""
        found = [Listing(shipped.ADDRESS, shipped.NAME, EMBEDDING, shipped.CHUNKING, *shipped.counts(), False)]
        shelves = [(MINE, self._shelf(MINE, key))] if key else []
        if self.settings.may_share_collections:
            shelves.append((SHARED, self._shelf(SHARED, key)))
        for where, shelf in shelves:
            for folder in sorted(shelf.glob("[!.]*")):
                try:
                    store = Store(folder)
                    name, reference, how = store.about()
                    filed, _ = store.filed()
                except (PlaygroundError, OSError):
                    continue
                n = sum(each.n_chunks for each in filed)
                found.append(Listing(f"{where}/{name}", name, reference, how, len(filed), n, True))
        return found

    def create(self, address: str, key: str, reference: str, how: Chunking) -> Store:
        """A new, empty collection.

        Raises:
            PlaygroundError: the name is taken or cannot be one, or sharing is not allowed here.
        """
        folder = self._folder(address, key)
        with _alone(folder.parent):
            if Store(folder).is_there():
                raise PlaygroundError(f"There is a collection “{_name(address)}” already. Pick another name.")
            return _made(folder, address, reference, how)

    def open_or_create(self, address: str, key: str, reference: str, how: Chunking) -> Store:
        """A collection to be changed, made when there is none: of two who ask for it at once, both get the same.

        Raises:
            PlaygroundError: the name cannot be one, or sharing is not allowed here.
        """
        folder = self._folder(address, key)
        with _alone(folder.parent):
            if not Store(folder).is_there():
                _made(folder, address, reference, how)
        return self.store(address, key)

    def bring(self, data: bytes, key: str) -> tuple[str, list[str]]:
        """Makes a collection of one's own from a ZIP that `exchange.pack` wrote, under another name where its own is
        taken. Returns its address, and what of it is damaged and was left out. Two that come at once come one after
        the other.

        Raises:
            PlaygroundError: it is no such ZIP, or does not fit.
        """
        if not key:
            raise PlaygroundError("Without a key nobody could open it again. Reload the page, or give a key.")
        shelf = self._shelf(MINE, key)
        with _alone(shelf):
            for left in shelf.glob(".new-*"):  # by a kill
                shutil.rmtree(left, ignore_errors=True)
            new = Path(tempfile.mkdtemp(prefix=".new-", dir=shelf))
            try:
                store = exchange.unpack(data, new, self.room(key)())
                troubles = list(store.load().troubles)
                own = store.about()[0].strip()
                own = own if _NAME.fullmatch(own) else "Collection"
                for number in range(1, 1_000):
                    name = own if number == 1 else f"{own[:50]} ({number})"
                    folder = self._folder(f"{MINE}/{name}", key)
                    if not folder.exists():
                        break
                store.rename(name)
                os.rename(new, folder)
                return f"{MINE}/{name}", troubles
            finally:
                shutil.rmtree(new, ignore_errors=True)

    def store(self, address: str, key: str) -> Store:
        """A collection to be changed.

        Raises:
            PlaygroundError: there is none, or it cannot be changed.
        """
        folder = self._folder(address, key)
        if not Store(folder).is_there():
            raise _absent(address)
        folder.parent.touch()
        return Store(folder)

    def open(self, address: str, key: str) -> Collection:
        """A collection in memory, as it is on the disk now.

        Raises:
            PlaygroundError: there is none. Of the shipped one: it was not indexed yet (`ready` says so).
        """
        store = self.shipped() if address == shipped.ADDRESS else self.store(address, key)
        with self._lock:
            mine = self._loading.setdefault(store.folder, threading.Lock())
        with mine:  # two who ask at once read it once
            state = store.state()
            with self._lock:
                held = self._held.get(store.folder)
                if held is not None and held.state == state:
                    self._held.move_to_end(store.folder)
                    return held
            held = store.load()
            with self._lock:
                self._held[store.folder] = held
                while len(self._held) > _HELD:
                    self._held.popitem(last=False)
            return held

    def embedding(self, address: str, key: str) -> str:
        """The embedding model of a collection, without reading the whole of it."""
        if address == shipped.ADDRESS:
            return EMBEDDING
        return self.store(address, key).about()[1]

    def shipped(self) -> Store:
        """The collection that ships; made empty when it is not there. `shipped.sources` are to be added to it."""
        folder = self._root / "shipped" / shipped.version()
        with self._lock:
            if not Store(folder).is_there():
                shutil.rmtree(folder, ignore_errors=True)
                return Store.create(folder, shipped.NAME, EMBEDDING, shipped.CHUNKING)
        return Store(folder)

    def is_ready(self, address: str) -> bool:
        """Whether a collection can be searched at once: the shipped one has to be indexed once."""
        return address != shipped.ADDRESS or len(self.shipped().filed()[0]) >= shipped.counts()[0]

    def delete(self, address: str, key: str) -> None:
        """Raises PlaygroundError: there is none, or somebody writes to it."""
        store = self.store(address, key)
        with store.writing():
            shutil.rmtree(store.folder)
        with self._lock:
            self._held.pop(store.folder, None)

    def room(self, key: str) -> Callable[[], int]:
        """Tells how many bytes the visitor's own collections may still grow by."""
        shelf, limit = self._shelf(MINE, key), int(self.settings.collections_limit)

        def left() -> int:
            return limit - sum(path.stat().st_size for path in shelf.rglob("*") if path.is_file())

        return left

    def _folder(self, address: str, key: str) -> Path:
        where, _, name = address.partition("/")
        name = name.strip()
        if where not in (MINE, SHARED) or not _NAME.fullmatch(name):
            if address == shipped.ADDRESS:
                raise PlaygroundError("The collection that ships cannot be changed. Make one of your own.")
            raise PlaygroundError(
                f"“{address[:80]}” names no collection. Write {MINE}/name or {SHARED}/name, with up to 60 characters "
                "and no slash in the name."
            )
        if where == SHARED and not self.settings.may_share_collections:
            raise PlaygroundError("Shared collections are not allowed on this page. Use one of your own: mine/name.")
        if where == MINE and not key:
            raise _absent(address)
        return self._shelf(where, key) / hashlib.sha256(name.encode()).hexdigest()[:20]

    def _shelf(self, where: str, key: str) -> Path:
        if where == SHARED:
            return self._root / SHARED
        return self._root / MINE / hashlib.sha256(key.encode()).hexdigest()[:32]

    def _tidy(self) -> None:
        shelves = self._root / MINE
        for shelf in shelves.iterdir() if shelves.is_dir() else []:
            if time.time() - shelf.stat().st_mtime > _UNUSED_DAYS * 86_400:
                shutil.rmtree(shelf, ignore_errors=True)


@contextmanager
def _alone(shelf: Path) -> Iterator[None]:
    """Nobody else makes a collection on this shelf meanwhile, in any process."""
    with disk():
        shelf.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(str(shelf / ".lock")):
            yield


def _made(folder: Path, address: str, reference: str, how: Chunking) -> Store:
    if any(folder.glob("files/[!.]*")):
        raise PlaygroundError(
            f"A collection “{_name(address)}” is damaged on disk: its collection.json is gone. Pick another name."
        )
    shutil.rmtree(folder, ignore_errors=True)  # what a kill left of one that was being made
    return Store.create(folder, _name(address), reference or EMBEDDING, how)


def _name(address: str) -> str:
    return address.partition("/")[2].strip()


def _absent(address: str) -> PlaygroundError:
    return PlaygroundError(f"There is no collection “{address[:80]}” of yours. Make it, or pick one from the list.")
