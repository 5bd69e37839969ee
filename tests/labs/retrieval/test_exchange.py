"""A collection that is taken along comes back as it was; a made-up one is refused, and reaches nobody's files."""

import json
import re
import threading
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs.retrieval import exchange, indexing, search
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.library import Library
from playground.settings import Settings
from tests import tiny
from tests.labs.retrieval.made import zipped_paths

FILES = [("a.txt", b"The cat sat on the mat."), ("b.md", b"# Paris\nParis is the capital of France.")]


@pytest.fixture(scope="module")
def engine():
    return tiny.engine("bert")


@pytest.fixture
def shelves(tmp_path):
    return Library(Settings(cache_dir=tmp_path / "cache"))


@pytest.fixture
def packed(shelves, engine, tmp_path) -> dict[str, bytes]:
    """What is in the ZIP, by name."""
    kept = shelves.create("mine/Notes", "ann", "tiny", Chunking(size=16, overlap=0))
    list(indexing.add(kept, FILES, engine))
    with zipfile.ZipFile(exchange.pack(kept, tmp_path / "notes.zip")) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_comes_back_to_another_visitor_as_it_was(shelves, packed):
    address, troubles = shelves.bring(zipped_paths(packed), "bob")
    assert (address, troubles) == ("mine/Notes", [])
    mine, theirs = shelves.open("mine/Notes", "ann"), shelves.open("mine/Notes", "bob")
    assert theirs.chunks == mine.chunks and np.array_equal(theirs.vectors, mine.vectors)
    assert (theirs.reference, theirs.chunking, theirs.documents) == (mine.reference, mine.chunking, mine.documents)
    again, _ = shelves.bring(zipped_paths(packed), "bob")
    assert again == "mine/Notes (2)" and shelves.open(again, "bob").name == "Notes (2)"
    assert sorted(each.address for each in shelves.listed("bob")[1:]) == sorted(["mine/Notes", "mine/Notes (2)"])


def test_only_the_parts_of_documents_are_taken_out(shelves, packed, tmp_path):
    odd = {
        "../evil.txt": b"x",
        "/etc/evil": b"x",
        "files/../../evil": b"x",
        "index/x/dense.faiss": b"x",
        "files/ab/text.txt": b"x",
    }
    shelves.bring(zipped_paths({**packed, **odd}), "bob")
    names = [path.name for path in tmp_path.rglob("*")]
    assert "evil" not in names and "evil.txt" not in names and "dense.faiss" not in names and "ab" not in names


def changed(packed: dict[str, bytes], part: str, make, sums: bool = True) -> bytes:
    """The ZIP with one part of one document made anew, its checksum too."""
    about = next(name for name in packed if name.endswith("file.json") and b'"a.txt"' in packed[name])
    folder = about.removesuffix("file.json")
    data = make(packed[folder + part])
    new = {**packed, folder + part: data}
    if sums and part != "file.json":
        told = json.loads(packed[about])
        told["checksums"][part] = zlib.crc32(data)
        new[about] = json.dumps(told).encode()
    return zipped_paths(new)


def array(make):
    def remade(data: bytes) -> bytes:
        out = BytesIO()
        np.save(out, make(np.load(BytesIO(data))), allow_pickle=True)
        return out.getvalue()

    return remade


def archive_of_arrays() -> bytes:
    out = BytesIO()
    np.savez(out, np.ones((1, 32), np.float32))
    return out.getvalue()


@pytest.mark.parametrize(
    ("part", "make", "sums"),
    [
        ("text.txt", lambda data: data + b"!", False),  # damaged on the way
        ("vectors.npy", array(lambda v: 3 * v), True),
        ("vectors.npy", array(lambda v: v * np.nan), True),
        ("vectors.npy", array(lambda v: v.astype(object)), True),  # a pickle, which could run anything
        ("vectors.npy", array(lambda v: v[:0]), True),
        ("vectors.npy", lambda data: b"", True),
        ("vectors.npy", lambda data: data.replace(b"(1, 32)", b"(9999999999999, 32)"), True),
        ("chunks.jsonl", lambda data: b'[0, 99999, null, "", "", 1, 0]\n', True),
        ("chunks.jsonl", lambda data: b'[0, 3, "<b>", "", "", 1, 0]\n', True),
        ("chunks.jsonl", lambda data: b"{}\n", True),
        ("file.json", lambda data: data.replace(b'"id": "', b'"id": "../'), False),
        ("file.json", lambda data: b"[]", False),
        ("vectors.npy", lambda data: archive_of_arrays(), True),
        ("file.json", lambda data: re.sub(rb'"n_chunks": \d+', b'"n_chunks": "x"', data), False),
        ("file.json", lambda data: re.sub(rb'"kind": "[^"]*"', b'"kind": 7', data), False),
        ("file.json", lambda data: re.sub(rb'"notes": \[[^]]*\]', b'"notes": [{}]', data), False),
    ],
)
def test_a_document_that_is_none_is_left_out_and_named(shelves, packed, part, make, sums):
    address, troubles = shelves.bring(changed(packed, part, make, sums), "bob")
    assert len(troubles) == 1 and "damaged" in troubles[0]
    assert [each.name for each in shelves.open(address, "bob").documents] == ["b.md"]
    assert sum(each.n_chunks for each in shelves.listed("bob")) > 0  # the list of collections is still there


def test_vectors_of_another_model_are_said_at_the_search(shelves, packed, engine):
    wide = array(lambda v: (np.ones((len(v), 5)) / np.sqrt(5)).astype(np.float32))
    only = {name: data for name, data in packed.items() if name == "collection.json" or b'"a.txt"' in packed[
        name.rpartition("/")[0] + "/file.json"]}  # fmt: skip
    address, troubles = shelves.bring(changed(only, "vectors.npy", wide), "bob")
    assert not troubles
    with pytest.raises(PlaygroundError, match="another model made them"):
        search.search(shelves.open(address, "bob"), "cat", np.ones(32, np.float32), search.How())


def flipped(data: bytes) -> bytes:
    """With some bits of what is packed turned over."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) * 3)
        first = target.infolist()[0]
    raw = bytearray(out.getvalue())
    begin = first.header_offset + 30 + len(first.filename)
    for at in range(begin, begin + 20):
        raw[at] ^= 0xFF
    return bytes(raw)


def test_what_is_no_collection_is_refused_and_leaves_nothing(shelves, packed, tmp_path):
    small = Library(Settings(cache_dir=tmp_path / "small", collections_limit=100))
    cases = [
        (shelves, zipped_paths({"a.txt": b"x"}), "no collection that was taken along"),
        (shelves, b"PK\x03\x04 rubbish", "damaged"),
        (shelves, zipped_paths({**packed, "collection.json": b"{}"}), "damaged"),
        (shelves, zipped_paths({**packed, "files/x": b"0" * 30_000_000}), "ZIP bombs"),
        (small, zipped_paths(packed), "larger than the room"),
        (shelves, flipped(zipped_paths(packed)), "cannot be unpacked|damaged"),
    ]
    for library, data, said in cases:
        with pytest.raises(PlaygroundError, match=said):
            library.bring(data, "eve")
        assert len(library.listed("eve")) == 1
        assert [path.name for path in library._shelf("mine", "eve").iterdir()] == [".lock"]


def test_what_a_kill_left_half_unpacked_is_seen_by_nobody_and_goes(shelves, packed):
    left = shelves._shelf("mine", "ann") / ".new-left"
    left.mkdir()
    (left / "collection.json").write_bytes(packed["collection.json"])
    assert [each.address for each in shelves.listed("ann")][1:] == ["mine/Notes"]
    shelves.bring(zipped_paths(packed), "ann")
    assert not left.exists()


def at_once(*works) -> list:
    """What each gives, or the error that it raises, begun at the same moment in a thread each."""
    barrier = threading.Barrier(len(works))

    def run(work):
        barrier.wait()
        try:
            return work()
        except PlaygroundError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_two_that_come_back_at_once_come_one_after_the_other(shelves, packed, monkeypatch):
    data, inside, most, plain = zipped_paths(packed), [], [], exchange.unpack

    def unpack(*arguments):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.1)
        try:
            return plain(*arguments)
        finally:
            inside.pop()

    monkeypatch.setattr(exchange, "unpack", unpack)
    found = at_once(*[lambda: shelves.bring(data, "bob")] * 3)
    assert sorted(found) == [("mine/Notes", []), ("mine/Notes (2)", []), ("mine/Notes (3)", [])]
    assert most == [1, 1, 1]
    for address, _ in found:
        assert [each.name for each in shelves.open(address, "bob").documents] == ["a.txt", "b.md"]


def test_two_that_make_one_collection_at_once(shelves):
    made = at_once(*[lambda: shelves.create("mine/One", "bob", "tiny", Chunking())] * 4)
    refused = [each for each in made if isinstance(each, PlaygroundError)]
    assert len(refused) == 3 and all("already" in str(each) for each in refused)
    same = at_once(*[lambda: shelves.open_or_create("mine/Two", "bob", "tiny", Chunking())] * 4)
    assert len({each.folder for each in same}) == 1
    assert [each.address for each in shelves.listed("bob")[1:]] in (["mine/One", "mine/Two"], ["mine/Two", "mine/One"])


def test_nothing_is_brought_back_without_a_key(shelves, packed):
    with pytest.raises(PlaygroundError, match="Without a key"):
        shelves.bring(zipped_paths(packed), "")


def test_a_document_that_goes_while_it_is_packed_is_said(shelves, packed, tmp_path, monkeypatch):
    kept = shelves.store("mine/Notes", "ann")
    filed = kept.filed()
    kept.remove("a.txt")
    monkeypatch.setattr(kept, "filed", lambda: filed)
    with pytest.raises(PlaygroundError, match="deleted or replaced while"):
        exchange.pack(kept, tmp_path / "x.zip")
