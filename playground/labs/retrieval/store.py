"""One collection on disk: plain files, each document whole or not there at all, damage noticed.

    collection.json            name, embedding model, chunking
    collection.copy.json       the same, for when the first is damaged
    files/<id>/file.json       name, kind, sizes, and a checksum of each file beside it
               text.txt        the document's text
               chunks.jsonl    a line a chunk: start, end, page, heading, record, tokens, lost
               vectors.npy     (chunk, hidden), float32
    index/<state>/             what can be made again: postings, and FAISS's index of a large collection

A document's folder is written beside and renamed, so a kill leaves no half. It does not know whose collection it is.
"""

import errno
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import filelock
import numpy as np

from playground.arrays import Floats
from playground.errors import PlaygroundError
from playground.labs.retrieval.chunking import Chunk, Chunking
from playground.labs.retrieval.index import Dense, kind_for
from playground.labs.retrieval.lexical import Bm25

FORMAT = 1
_ABOUT, _COPY = "collection.json", "collection.copy.json"
PARTS = ("text.txt", "chunks.jsonl", "vectors.npy")  # of a document, beside its file.json
# What reading files that somebody damaged, or made up, can raise; memory: an array that says it is enormous.
_DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, IndexError, RecursionError, OverflowError, MemoryError),
    *(AttributeError, PlaygroundError),  # an array file that is an archive of arrays; a chunking that cannot be
)
_INDEX_DAMAGE: tuple[type[Exception], ...] = (*_DAMAGE, RuntimeError)
_KEEP_INDEX_FROM = 5_000  # chunks: below, postings are made anew sooner than read


@dataclass(frozen=True)
class Filed:
    """A document of a collection."""

    id: str  # its folder: the start of the content's SHA-256
    name: str
    kind: str
    n_bytes: int  # of the file that it came from
    n_characters: int
    n_chunks: int
    lost: int  # tokens that the embedding model does not read
    notes: tuple[str, ...]
    added: int  # nanoseconds since 1970


def _check(filed: Filed) -> None:
    """Raises ValueError when a field is of another kind: the file may have come from anybody."""
    texts = (filed.name, filed.kind, *filed.notes)
    numbers = (filed.n_bytes, filed.n_characters, filed.n_chunks, filed.lost, filed.added)
    if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in numbers):
        raise ValueError("a field is of another kind")


@dataclass(frozen=True, eq=False)
class Collection:
    """A collection in memory. Does not change; may be searched by many threads."""

    name: str
    reference: str  # of the embedding model
    chunking: Chunking
    documents: tuple[Filed, ...]
    chunks: list[Chunk]
    dense: Dense
    lexical: Bm25
    state: str  # changes when its documents do
    troubles: tuple[str, ...] = ()  # what is damaged on disk, in sentences
    _texts: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def vectors(self) -> Floats:
        return self.dense.vectors

    def text(self, document: str) -> str:
        """The whole text of a document, by its name."""
        return self._texts[document]


class Store:
    """The folder of one collection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path, name: str, reference: str, chunking: Chunking) -> "Store":
        with disk():
            folder.mkdir(parents=True)
            (folder / "files").mkdir()
        kept = cls(folder)
        kept._tell(name, reference, chunking)
        return kept

    def is_there(self) -> bool:
        """Whether there is a collection in the folder."""
        return any((self.folder / name).exists() for name in (_ABOUT, _COPY))

    def about(self) -> tuple[str, str, Chunking]:
        """Its name, embedding model and chunking.

        Raises:
            PlaygroundError: collection.json is damaged, and its copy too.
        """
        try:
            return _told(self.folder / _ABOUT)
        except _DAMAGE as error:
            damage = error
        try:
            return _told(self.folder / _COPY)
        except _DAMAGE:
            raise PlaygroundError(
                f"A collection on disk is damaged: {self.folder.name}/{_ABOUT} ({damage}). Its documents are still in "
                "its folder; delete the collection and add them again."
            ) from None

    def told(self) -> bytes:
        """Its collection.json."""
        return _as_json(*self.about())

    def _tell(self, name: str, reference: str, chunking: Chunking) -> None:
        with disk():
            for file in (_COPY, _ABOUT):
                _write_whole(self.folder / file, _as_json(name, reference, chunking))

    @contextmanager
    def writing(self, until: Callable[[], bool] | None = None) -> Iterator[None]:
        """Nobody else writes to it meanwhile, in any process. Clears away what a kill may have left.

        until: waits for another to end, unless this becomes true; None: does not wait.

        Raises:
            PlaygroundError: somebody else writes to it.
        """
        lock = filelock.FileLock(str(self.folder / ".lock"))
        while True:
            try:
                with disk(but=filelock.Timeout):
                    lock.acquire(timeout=0 if until is None else 0.25)
                break
            except filelock.Timeout:
                if until is None or until():
                    raise PlaygroundError(
                        "This collection is being written to by another request. Try again when it ends."
                    ) from None
        try:
            for left in [*(self.folder / "files").glob(".*"), *self.folder.glob(".new-*")]:
                shutil.rmtree(left, ignore_errors=True)
            yield
        finally:
            lock.release()

    def rename(self, name: str) -> None:
        """Calls it by another name; its folder stays."""
        _, reference, chunking = self.about()
        self._tell(name, reference, chunking)

    def state(self) -> str:
        """A short name of what it holds now; quick."""
        try:
            ids = sorted(entry.name for entry in os.scandir(self.folder / "files") if not entry.name.startswith("."))
        except FileNotFoundError:
            raise PlaygroundError("There is no such collection any more. Pick another one.") from None
        return f"{zlib.crc32('|'.join(ids).encode()):08x}-{len(ids)}"

    def filed(self) -> tuple[list[Filed], list[str]]:
        """Its documents, oldest first, and what is wrong with those that cannot be read."""
        found: dict[str, Filed] = {}
        troubles = []
        for entry in os.scandir(self.folder / "files"):
            if entry.name.startswith("."):
                continue
            try:
                about = json.loads((Path(entry) / "file.json").read_text("utf-8"))
                each = Filed(
                    **{name: about[name] for name in Filed.__dataclass_fields__} | {"notes": tuple(about["notes"])}
                )
                if each.id != entry.name:  # it says where its parts are
                    raise ValueError("another document's")
                _check(each)
            except FileNotFoundError:
                continue  # removed meanwhile
            except _DAMAGE:
                troubles.append(f"The document in files/{entry.name} is damaged on disk and left out. Add it again.")
                continue
            older = found.get(each.name)
            if older is None or older.added < each.added:  # a kill can leave a document and what replaces it
                found[each.name] = each
        return sorted(found.values(), key=lambda each: (each.added, each.id)), troubles

    @contextmanager
    def document(
        self, id: str, name: str, kind: str, n_bytes: int, notes: Iterable[str], text: str, replaces: Iterable[str] = ()
    ) -> Iterator["Draft"]:
        """A new document, which stands in the collection once `Draft.finish` was called, and otherwise never did.

        replaces: ids of documents that go when it is there.

        Raises:
            PlaygroundError: the disk is full, or cannot be written to.
        """
        with disk():
            new = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder / "files"))
            draft = Draft(self, new, Filed(id, name, kind, n_bytes, len(text), 0, 0, tuple(notes), 0), tuple(replaces))
            try:
                _write_whole(new / "text.txt", text.encode("utf-8", "surrogatepass"))
                yield draft
            finally:
                draft.close()
                shutil.rmtree(new, ignore_errors=True)

    def place(self, new: Path, id: str, replaces: Iterable[str]) -> None:
        """Puts a written folder among the documents, in place of others."""
        here = self.folder / "files" / id
        if here.exists():
            self._discard(id)
        os.rename(new, here)
        for other in replaces:
            if other != id and (self.folder / "files" / other).exists():
                self._discard(other)

    def remove(self, name: str) -> None:
        """Raises PlaygroundError: there is no such document."""
        ids = [each.id for each in self.filed()[0] if each.name == name]
        if not ids:
            raise PlaygroundError(f"There is no document “{name[:80]}” in this collection.")
        with disk():
            for id in ids:
                self._discard(id)

    def _discard(self, id: str) -> None:
        gone = self.folder / "files" / f".gone-{id}-{time.time_ns()}"
        os.rename(self.folder / "files" / id, gone)  # at once, for those who read
        shutil.rmtree(gone, ignore_errors=True)

    def load(self) -> Collection:
        """All of it, checked against its checksums; damaged documents are left out and named."""
        name, reference, chunking = self.about()
        state = self.state()
        filed, troubles = self.filed()
        troubles = [*self._about_troubles(), *troubles]
        kept: list[Filed] = []
        chunks: list[Chunk] = []
        vectors: list[Floats] = []
        texts: dict[str, str] = {}
        for each in filed:
            try:
                text, its_chunks, its_vectors = self._read(each)
                if vectors and len(its_vectors) and its_vectors.shape[1] != vectors[0].shape[1]:
                    raise ValueError("its vectors are of another model")
            except _DAMAGE:
                troubles.append(f"“{each.name}” is damaged on disk and left out of every search. Add it again.")
                continue
            kept.append(each)
            chunks += its_chunks
            vectors += [its_vectors] if len(its_vectors) else []
            texts[each.name] = text
        matrix = np.concatenate(vectors) if vectors else np.zeros((0, 1), np.float32)
        key = f"{state}-{zlib.crc32('|'.join(each.id for each in kept).encode()):08x}"
        dense, lexical = self._index(key, chunks, matrix, troubles)
        return Collection(name, reference, chunking, tuple(kept), chunks, dense, lexical, state, tuple(troubles), texts)

    def _about_troubles(self) -> list[str]:
        try:
            _told(self.folder / _ABOUT)
        except _DAMAGE:
            return [f"{_ABOUT} of this collection is damaged on disk; its copy is read instead. Nothing is lost."]
        return []

    def whole(self, each: Filed) -> bool:
        """Whether a document is on the disk as it was written."""
        try:
            sums = json.loads((self.folder / "files" / each.id / "file.json").read_text("utf-8"))["checksums"]
            return all(_checksum(self.folder / "files" / each.id / part) == sums[part] for part in PARTS)
        except _DAMAGE:
            return False

    def _read(self, each: Filed) -> tuple[str, list[Chunk], Floats]:
        folder = self.folder / "files" / each.id
        if not self.whole(each):
            raise ValueError("a checksum differs")
        text = (folder / "text.txt").read_bytes().decode("utf-8", "surrogatepass")
        with (folder / "chunks.jsonl").open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        vectors = np.load(folder / "vectors.npy", allow_pickle=False)
        if vectors.ndim != 2 or vectors.dtype != np.float32 or len(vectors) != len(rows):
            raise ValueError("vectors and chunks differ in number")
        if len(vectors) and not np.allclose(np.einsum("nh,nh->n", vectors, vectors), 1, atol=1e-2):
            raise ValueError("vectors are not of length 1")
        if not all(_is_row(row, len(text)) for row in rows):
            raise ValueError("a chunk is none")
        return text, [Chunk(each.name, text[row[0] : row[1]], *row) for row in rows], vectors

    def _index(self, key: str, chunks: list[Chunk], vectors: Floats, troubles: list[str]) -> tuple[Dense, Bm25]:
        folder = self.folder / "index" / key
        if len(chunks) >= _KEEP_INDEX_FROM and (folder / "sums.json").exists():
            try:
                sums = json.loads((folder / "sums.json").read_text())
                if any(_checksum(folder / part) != value for part, value in sums.items()):
                    raise ValueError("a checksum differs")
                return Dense.load(vectors, folder / "dense.faiss"), Bm25.load(folder / "words", len(chunks))
            except _INDEX_DAMAGE:
                troubles.append("The search index on disk was damaged; it was made again from the documents.")
        dense, lexical = Dense.of(vectors), Bm25.of([chunk.indexed for chunk in chunks])
        if len(chunks) >= _KEEP_INDEX_FROM:
            try:
                self._keep(folder, dense, lexical)
            except (OSError, RuntimeError):  # FAISS's word for a full disk
                troubles.append("The search index could not be kept on disk, so it is made again at each start.")
        return dense, lexical

    def _keep(self, folder: Path, dense: Dense, lexical: Bm25) -> None:
        folder.parent.mkdir(exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        try:
            dense.save(new / "dense.faiss")
            lexical.save(new / "words")
            parts = [path.relative_to(new) for path in new.rglob("*") if path.is_file()]
            _write_whole(new / "sums.json", json.dumps({str(part): _checksum(new / part) for part in parts}).encode())
            for old in folder.parent.iterdir():
                shutil.rmtree(old, ignore_errors=True)
            os.rename(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def n_bytes(self) -> int:
        """What it takes on the disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


class Draft:
    """A document that is being written."""

    def __init__(self, kept: Store, folder: Path, about: Filed, replaces: tuple[str, ...]) -> None:
        self._kept, self._folder, self._about, self._replaces = kept, folder, about, replaces
        self._lines = (folder / "chunks.jsonl").open("w", encoding="utf-8")
        self._rows = (folder / "rows").open("w+b")
        self._n_chunks = self._lost = 0
        self._width = 1

    def add(self, chunks: Iterable[Chunk], vectors: Floats) -> None:
        """The next chunks and their vectors, (chunk, hidden)."""
        for chunk in chunks:
            row = [chunk.start, chunk.end, chunk.page, chunk.heading, chunk.record, chunk.n_tokens, chunk.lost]
            self._lines.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._n_chunks, self._lost = self._n_chunks + 1, self._lost + chunk.lost
        self._rows.write(np.ascontiguousarray(vectors, np.float32).tobytes())
        self._width = vectors.shape[1]

    def finish(self) -> Filed:
        with (self._folder / "vectors.npy").open("wb") as file:
            shape = (self._n_chunks, self._width)
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            self._rows.seek(0)
            shutil.copyfileobj(self._rows, file)
            _sync(file)
        _sync(self._lines)
        self.close()
        (self._folder / "rows").unlink()
        each = replace(self._about, n_chunks=self._n_chunks, lost=self._lost, added=time.time_ns())
        sums = {part: _checksum(self._folder / part) for part in PARTS}
        about = json.dumps(asdict(each) | {"checksums": sums}, ensure_ascii=False)
        _write_whole(self._folder / "file.json", about.encode("utf-8", "surrogatepass"))
        self._kept.place(self._folder, each.id, self._replaces)
        return each

    def close(self) -> None:
        self._lines.close()
        self._rows.close()


def in_memory(
    name: str, reference: str, chunking: Chunking, texts: dict[str, str], chunks: list[Chunk], vectors: Floats
) -> Collection:
    """A collection that is nowhere on disk."""
    filed = tuple(
        Filed(str(i), each, "text", len(text), len(text), sum(c.document == each for c in chunks), 0, (), i)
        for i, (each, text) in enumerate(texts.items())
    )
    words = Bm25.of([chunk.indexed for chunk in chunks])
    return Collection(
        name, reference, chunking, filed, chunks, Dense.of(vectors, kind_for(len(chunks))), words, "", (), texts
    )


def _as_json(name: str, reference: str, chunking: Chunking) -> bytes:
    about = {"format": FORMAT, "name": name, "embedding": reference, "chunking": asdict(chunking)}
    return json.dumps(about, indent=1, ensure_ascii=False).encode()


def _told(file: Path) -> tuple[str, str, Chunking]:
    """What a collection.json says: name, embedding model, chunking."""
    about = json.loads(file.read_text("utf-8"))
    if about["format"] != FORMAT:
        raise ValueError(f"format {about['format']}")
    if not isinstance(about["name"], str) or not isinstance(about["embedding"], str):
        raise ValueError("its name or its embedding model is no text")
    return about["name"], about["embedding"], Chunking(**about["chunking"])


def _is_row(row: object, length: int) -> bool:
    """Whether a line of chunks.jsonl is one: start, end, page, heading, record, tokens, lost."""
    if not isinstance(row, list) or len(row) != 7 or not all(isinstance(row[at], int) for at in (0, 1, 5, 6)):
        return False
    start, end, page, heading, record, *_ = row
    whole = isinstance(heading, str) and isinstance(record, str) and (page is None or isinstance(page, int))
    return whole and 0 <= start <= end <= length


@contextmanager
def disk(but: type[OSError] | tuple[type[OSError], ...] = ()) -> Iterator[None]:
    """Says in words what the disk refuses; errors of the kind `but` go on as they are."""
    try:
        yield
    except but:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PlaygroundError(
                "The disk is full, so this was not added. What was indexed before it is kept; make room and add the "
                "rest again."
            ) from None
        raise PlaygroundError(f"The collection cannot be written to: {error.strerror or error}.") from None


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        _sync(file)
    os.replace(part, path)


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _checksum(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total = zlib.crc32(block, total)
    return total
