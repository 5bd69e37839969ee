"""Files into a collection: read, cut, embedded and written one after the other; what is done is never done twice.

A file that fails is named with its reason and the rest go on. It does not know where the files come from.
"""

import hashlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playground.arrays import Floats
from playground.errors import PlaygroundError
from playground.labs.retrieval import archives, chunking, documents, store
from playground.labs.retrieval.chunking import Chunk, Chunking
from playground.labs.retrieval.documents import Document
from playground.labs.retrieval.store import Store

if TYPE_CHECKING:
    from playground.engine.engine import Engine

State = Literal["indexed", "replaced", "already there", "duplicate", "failed"]
_BATCH = 128  # chunks that are embedded between two looks at how far it is; small documents wait for each other
Source = tuple[str, bytes | Path | str]  # what it is called, and its content, where it is, or why it cannot be had


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    name: str
    state: State
    said: str  # a sentence; empty: nothing to say
    n_chunks: int = 0


@dataclass(frozen=True)
class Progress:
    fraction: float  # of the files, the one under way counted by its characters
    doing: str
    outcomes: tuple[Outcome, ...]
    n_chunks: int  # embedded so far
    chunks_per_second: float
    seconds_left: float | None = None  # None: not known yet


class _StoppedError(Exception):
    """It was told to stop."""


def add(
    kept: Store,
    sources: Iterable[Source],
    engine: "Engine",
    stopped: Callable[[], bool] = lambda: False,
    largest: int = 50_000_000,
    room: Callable[[], int] | None = None,
    wait: bool = False,
) -> Iterator[Progress]:
    """Adds files; yields how far it is, at the end with the outcome of each.

    A file that is there already, by name and content, is passed over: so a run that was ended goes on where it was.

    Args:
        largest: bytes that one file may have.
        room: how many bytes the collection may still grow by.
        wait: for another request that writes to it, until that has ended or this one is stopped.

    Raises:
        PlaygroundError: another request writes to this collection.
    """
    _, _, how = kept.about()
    with kept.writing(stopped if wait else None):
        yield from _Run(kept, how, engine, stopped, largest, room).through(list(sources))


@dataclass(frozen=True)
class _Waiting:
    """A small document that is embedded together with others."""

    id: str
    n_bytes: int
    document: Document
    chunks: list[Chunk]


class _Run:
    def __init__(
        self,
        kept: Store,
        how: Chunking,
        engine: "Engine",
        stopped: Callable[[], bool],
        largest: int,
        room: Callable[[], int] | None,
    ) -> None:
        self._kept, self._how, self._engine, self._stopped = kept, how, engine, stopped
        self._largest, self._left = largest, room() if room else None
        self._outcomes: list[Outcome] = []
        self._n_chunks, self._started = 0, time.monotonic()
        self._before, self._n_files = 0, 1
        self._there = {each.id: each for each in kept.filed()[0]}  # nobody else writes meanwhile
        self._waiting: list[_Waiting] = []

    def through(self, sources: list[Source]) -> Iterator[Progress]:
        self._n_files = max(len(sources), 1)
        for at, (name, content) in enumerate(sources):
            self._before = at
            if self._stopped():
                break
            try:
                if isinstance(content, str):
                    raise PlaygroundError(content)
                data = self._content(content)
                if data and documents.kind_of(name, data)[0] == "ZIP":
                    for inner, each in archives.members(data, self._largest):
                        if self._stopped():
                            break
                        yield from self._file(f"{name}/{inner}", each)
                else:
                    yield from self._file(name, data)
            except PlaygroundError as error:
                self._outcomes.append(Outcome(name, "failed", str(error)))
            except OSError as error:
                self._outcomes.append(Outcome(name, "failed", f"It cannot be read: {error.strerror}."))
        yield from self._flush()
        doing = "Stopped; what is done is kept." if self._stopped() else ""
        yield self._now(1.0, doing, len(sources))

    def _content(self, content: bytes | Path) -> bytes:
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        if size > self._largest:
            raise PlaygroundError(
                f"It has {size / 1e6:,.0f} MB; at most {self._largest / 1e6:,.0f} MB are read. Split it."
            )
        return content if isinstance(content, bytes) else content.read_bytes()

    def _now(self, fraction: float, doing: str, at: int | None = None) -> Progress:
        share = 1.0 if at is not None else (self._before + fraction) / self._n_files
        spent = max(time.monotonic() - self._started, 1e-6)
        left = spent * (1 - share) / share if spent > 2 and 0.02 < share < 1 else None
        return Progress(share, doing, tuple(self._outcomes), self._n_chunks, self._n_chunks / spent, left)

    def _file(self, name: str, data: bytes | str) -> Iterator[Progress]:
        if isinstance(data, str):
            self._outcomes.append(Outcome(name, "failed", data))
            return
        yield self._now(0.0, f"Reading {name}")
        id = hashlib.sha256(data).hexdigest()[:20]
        if any(each.id == id or each.document.name == name for each in self._waiting):
            yield from self._flush()
        same = self._there.get(id)
        if same is not None and self._kept.whole(same):
            state: State = "already there" if same.name == name else "duplicate"
            said = "" if same.name == name else f"The same content is there as “{same.name}”."
            self._outcomes.append(Outcome(name, state, said, same.n_chunks))
            return
        try:
            if self._left is not None and self._left <= 0:
                raise PlaygroundError("Your collections have reached the size that is allowed here. Delete some first.")
            document = documents.read(name, data, self._stopped)
            chunks = chunking.cut(document, self._engine, self._how)
            first = list(itertools.islice(chunks, _BATCH))
        except PlaygroundError as error:
            self._outcomes.append(Outcome(name, "failed", str(error)))
            return
        except Exception as error:  # a reader of files can raise anything for files that somebody made up
            said = f"It could not be read ({type(error).__name__}). Save it anew."
            self._outcomes.append(Outcome(name, "failed", said))
            return
        self._waiting.append(_Waiting(id, len(data), document, first))
        if sum(len(each.chunks) for each in self._waiting) >= _BATCH:
            yield from self._flush(chunks)

    def _flush(self, rest: Iterable[Chunk] = ()) -> Iterator[Progress]:
        """Embeds the documents that wait, together, and writes each. `rest`: further chunks of the last of them."""
        waiting, self._waiting = self._waiting, []
        try:
            vectors = self._embedded([chunk for each in waiting for chunk in each.chunks])
            at = 0
            for each in waiting:
                own = vectors[at : at + len(each.chunks)]
                at += len(each.chunks)
                yield from self._written(each, own, iter(rest if each is waiting[-1] else ()))
        except _StoppedError:
            return

    def _embedded(self, chunks: list[Chunk]) -> "Floats":
        from playground.engine import embed

        vectors = embed.embed(self._engine, [chunk.indexed for chunk in chunks], stopped=self._stopped)
        if vectors is None:
            raise _StoppedError
        self._n_chunks += len(chunks)
        return vectors

    def _written(self, each: _Waiting, vectors: "Floats", rest: Iterator[Chunk]) -> Iterator[Progress]:
        """Writes a document: the chunks that wait, then the rest, some at a time."""
        if self._stopped():
            raise _StoppedError
        document = each.document
        old = [other.id for other in self._there.values() if other.name == document.name]
        about = (each.id, document.name, document.kind, each.n_bytes, document.notes, document.text, old)
        try:
            with self._kept.document(*about) as draft:
                draft.add(each.chunks, vectors)
                while batch := list(itertools.islice(rest, _BATCH)):
                    draft.add(batch, self._embedded(batch))
                    yield self._now(batch[-1].end / len(document.text), f"Embedding {document.name}")
                filed = draft.finish()
        except PlaygroundError as error:
            self._outcomes.append(Outcome(document.name, "failed", str(error)))
            return
        self._there = {id: other for id, other in self._there.items() if id not in old} | {filed.id: filed}
        if self._left is not None:
            self._left -= filed.n_characters + filed.n_chunks * (4 * vectors.shape[1] + 60)
        said = " ".join(document.notes)
        if filed.lost:
            said = f"{said} {filed.lost:,} tokens are beyond what the embedding model reads.".strip()
        self._outcomes.append(Outcome(document.name, "replaced" if old else "indexed", said, filed.n_chunks))
        yield self._now(1.0, f"Done with {document.name}")


def in_memory(found: Iterable[Document], engine: "Engine", how: Chunking, name: str = "in memory") -> store.Collection:
    """A collection of documents that is nowhere on disk."""
    from playground.engine import embed

    found = list(found)
    chunks = [chunk for document in found for chunk in chunking.cut(document, engine, how)]
    vectors = embed.embed(engine, [chunk.indexed for chunk in chunks])
    texts = {document.name: document.text for document in found}
    return store.in_memory(name, engine.reference, how, texts, chunks, vectors)
