"""Collections on disk: whole documents or none, through kills, full disks, damage, two writers and strangers."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs.retrieval import index, indexing, library, store
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.documents import read
from playground.labs.retrieval.library import Library
from playground.labs.retrieval.store import Store
from playground.settings import Settings
from tests import tiny
from tests.labs.retrieval import made

FILES = {
    "a.txt": b"The cat sat on the mat. The doctor asked the nurse.",
    "b.md": b"# Paris\nParis is the capital of France.\n# Berlin\nBerlin too.",
    "c.csv": b"city,people\nOslo,1\nRome,2\n",
}


@pytest.fixture(scope="module")
def engine():
    return tiny.engine("bert")


@pytest.fixture
def kept(tmp_path):
    return Store.create(tmp_path / "c", "C", "tiny", Chunking(size=16, overlap=0))


def add(kept, engine, files, **more) -> dict[str, tuple]:
    *_, last = indexing.add(kept, list(files.items()), engine, **more)
    return {each.name: (each.state, each.said) for each in last.outcomes}


def test_what_was_added_is_there_after_loading(kept, engine):
    found = add(kept, engine, FILES)
    assert {state for state, _ in found.values()} == {"indexed"}
    loaded = kept.load()
    fresh = indexing.in_memory([read(n, d) for n, d in FILES.items()], engine, Chunking(size=16, overlap=0))
    assert loaded.chunks == fresh.chunks
    assert np.allclose(loaded.vectors, fresh.vectors, atol=1e-6)
    assert [each.name for each in loaded.documents] == list(FILES)
    assert loaded.text("a.txt") == FILES["a.txt"].decode()
    assert np.load(next(kept.folder.glob("files/*/vectors.npy"))).dtype == np.float32


def test_duplicates_replacements_removals_and_failures_are_named(kept, engine):
    add(kept, engine, FILES)
    again = add(
        kept, engine, {"a.txt": FILES["a.txt"], "copy.txt": FILES["a.txt"], "b.md": b"# New\nWords.", "e.pdf": b""}
    )
    assert again["a.txt"][0] == "already there"
    assert again["copy.txt"] == ("duplicate", "The same content is there as “a.txt”.")
    assert again["b.md"][0] == "replaced"
    assert again["e.pdf"][0] == "failed" and "0 bytes" in again["e.pdf"][1]
    loaded = kept.load()
    assert sorted(each.name for each in loaded.documents) == ["a.txt", "b.md", "c.csv"]
    assert loaded.text("b.md") == "# New\nWords."
    kept.remove("b.md")
    assert "b.md" not in [each.name for each in kept.load().documents]
    with pytest.raises(PlaygroundError, match="no document"):
        kept.remove("b.md")


def test_a_zip_adds_what_is_inside_and_names_what_is_not(kept, engine):
    archive = made.zipped_paths({"in/a.txt": b"Hello cat.", "../out.txt": b"x", "pic.png": b"\x89PNG\r\n\x1a\n123"})
    found = add(kept, engine, {"all.zip": archive, "big.txt": b"x" * 5000}, largest=3000)
    assert found["all.zip/in/a.txt"][0] == "indexed"
    assert "leads out" in found["all.zip/../out.txt"][1]
    assert "PNG" in found["all.zip/pic.png"][1]
    assert "at most" in found["big.txt"][1]


def test_a_file_of_300_mb_is_refused_unread(kept, engine, tmp_path):
    file = tmp_path / "large.txt"
    with file.open("wb") as large:
        large.truncate(300_000_000)  # takes no room on the disk
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = add(kept, engine, {"large.txt": file, "a.txt": FILES["a.txt"]})
    assert found["large.txt"] == ("failed", "It has 300 MB; at most 50 MB are read. Split it.")
    assert found["a.txt"][0] == "indexed"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begun < 200_000  # kB


def test_stop_keeps_what_is_done_and_a_second_run_goes_on(kept, engine):
    run = indexing.add(kept, list(FILES.items()), engine, stopped=lambda: len(kept.filed()[0]) >= 1)
    *_, last = run
    assert [each.name for each in last.outcomes] == ["a.txt"] and "Stopped" in last.doing
    fractions = [now.fraction for now in indexing.add(kept, list(FILES.items()), engine, stopped=lambda: False)]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    for name in ("b.md", "c.csv"):
        kept.remove(name)
    assert add(kept, engine, FILES)["a.txt"][0] == "already there"
    assert len(kept.load().documents) == 3


def test_a_kill_leaves_whole_documents_and_the_next_run_the_rest(tmp_path, kept, engine):
    code = f"""
        import sys
        sys.path.insert(0, {str(Path.cwd())!r})
        from pathlib import Path
        from playground.labs.retrieval import indexing
        from playground.labs.retrieval.store import Draft, Store
        from tests import tiny
        kept = Store(Path({str(kept.folder)!r}))
        real = Draft.finish
        def finish(draft):
            if len(kept.filed()[0]) == 1:
                print("now", flush=True)
                import time; time.sleep(60)  # in the middle of the second document
            return real(draft)
        Draft.finish = finish
        list(indexing.add(kept, [(f"{{i}}.txt", f"The cat {{i}} sat.".encode()) for i in range(4)],
             tiny.engine("bert")))
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert any(line.strip() == "now" for line in process.stdout)  # libraries print blank lines before
    with pytest.raises(PlaygroundError, match="being written to"):  # by another process
        add(kept, engine, FILES)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert [each.name for each in kept.load().documents] == ["0.txt"]
    assert list(kept.folder.glob("files/.new-*"))
    found = add(kept, engine, {f"{i}.txt": f"The cat {i} sat.".encode() for i in range(4)})
    assert [state for state, _ in found.values()] == ["already there", "indexed", "indexed", "indexed"]
    assert not list(kept.folder.glob("files/.new-*"))


def test_a_full_disk_is_said_and_loses_nothing(kept, engine, monkeypatch):
    add(kept, engine, {"a.txt": FILES["a.txt"]})

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_sync", full)
        assert "disk is full" in add(kept, engine, {"b.md": FILES["b.md"]})["b.md"][1]
    assert [each.name for each in kept.load().documents] == ["a.txt"]
    assert add(kept, engine, FILES)["b.md"][0] == "indexed"


def test_a_disk_that_is_really_full(tmp_path):
    """Files of 5 kB into a file system of 160 kB, in a process of its own, until no more go in."""
    try:
        subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("file systems cannot be made here")
    code = f"""
        import sys
        sys.path.insert(0, {str(Path.cwd())!r})
        from pathlib import Path
        from playground.labs.retrieval import indexing
        from playground.labs.retrieval.chunking import Chunking
        from playground.labs.retrieval.store import Store
        from tests import tiny
        files = [(f"{{i}}.txt", f"The cat {{i}} sat on the mat. ".encode() * 200) for i in range(20)]
        kept, engine = Store.create(Path({str(tmp_path)!r}) / "c", "C", "tiny", Chunking()), tiny.engine("bert")
        *_, last = indexing.add(kept, files, engine)
        done = [each.name for each in last.outcomes if each.state == "indexed"]
        failed = [each for each in last.outcomes if each.state == "failed"]
        assert 2 < len(done) < 18 and len(done) + len(failed) == 20, last.outcomes
        assert all("disk is full" in each.said for each in failed), failed
        loaded = kept.load()
        assert [each.name for each in loaded.documents] == done and not loaded.troubles, loaded.troubles
        kept.remove(done[0])
        *_, last = indexing.add(kept, files[-1:], engine)
        assert last.outcomes[0].state == "indexed" and not kept.load().troubles, last.outcomes
        print("all is well")
    """
    made = 'mount -t tmpfs -o size=160k none "$0" && exec "$1" -c "$2"'
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", made, str(tmp_path), sys.executable, textwrap.dedent(code)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "all is well" in run.stdout, run.stderr


def test_two_processes_that_write_to_one_collection_lose_nothing(kept, engine):
    code = f"""
        import sys
        sys.path.insert(0, {str(Path.cwd())!r})
        from pathlib import Path
        from playground.labs.retrieval import indexing
        from playground.labs.retrieval.store import Store
        from tests import tiny
        engine = tiny.engine("bert")
        print("now", flush=True)
        for i in range(8):
            file = (f"{{i}}.txt", f"Nurse {{i}}.".encode())
            *_, last = indexing.add(Store(Path({str(kept.folder)!r})), [file], engine, wait=True)
            assert last.outcomes[0].state == "indexed", last.outcomes
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert any(line.strip() == "now" for line in process.stdout)
    for i in range(8):
        assert add(kept, engine, {f"{i}.md": f"# Doctor {i}".encode()}, wait=True)[f"{i}.md"][0] == "indexed"
    assert process.wait(60) == 0
    loaded = kept.load()
    assert sorted(each.name for each in loaded.documents) == sorted(
        f"{i}.{end}" for i in range(8) for end in ("md", "txt")
    )
    assert not loaded.troubles


@pytest.mark.parametrize("part", ["text.txt", "chunks.jsonl", "vectors.npy", "file.json"])
def test_damage_is_noticed_named_and_mended_by_adding_again(kept, engine, part):
    add(kept, engine, FILES)
    id = next(each.id for each in kept.filed()[0] if each.name == "b.md")
    path = kept.folder / "files" / id / part
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x41
    path.write_bytes(data)
    loaded = kept.load()
    if "b.md" in [each.name for each in loaded.documents]:  # a bit of a note or of a size: nothing that is searched
        assert part == "file.json"
        return
    assert len(loaded.troubles) == 1 and "damaged" in loaded.troubles[0]
    assert {chunk.document for chunk in loaded.chunks} == {"a.txt", "c.csv"}
    assert add(kept, engine, FILES)["b.md"][0] in ("indexed", "replaced")
    assert not kept.load().troubles


def test_a_damaged_index_is_made_again(kept, engine, monkeypatch):
    monkeypatch.setattr(store, "_KEEP_INDEX_FROM", 1)
    monkeypatch.setattr(index, "FLAT_UP_TO", 1)  # so that there is a graph of FAISS on the disk
    add(kept, engine, FILES)
    first = kept.load()
    right, query = first.lexical.scores("capital of France"), first.vectors[2]
    nearest = first.dense.top(query, 3)[0]

    def damaged(*patterns: str, data=None) -> list[str]:
        """What is said when some files of the index have some bits turned over, or are replaced."""
        for pattern in patterns:
            file = max(kept.folder.glob(f"index/*/{pattern}"), key=lambda path: path.stat().st_size)
            old = bytearray(file.read_bytes())
            old[len(old) // 2] ^= 0xFF
            file.write_bytes(old if data is None else data)
        loaded = kept.load()
        assert np.array_equal(loaded.lexical.scores("capital of France"), right)
        assert loaded.dense.kind.name == "hnsw" and loaded.dense.top(query, 3)[0].tolist() == nearest.tolist()
        return list(loaded.troubles)

    assert damaged() == []  # read from the disk
    for patterns, data in ((["words/*.npy"], None), (["dense.faiss"], None), (["dense.faiss"], b""),
                           (["sums.json"], b"[]"), (["sums.json"], b"{}")):  # fmt: skip
        told = damaged(*patterns, data=data)
        assert data == b"{}" or (len(told) == 1 and "made again" in told[0])
        assert damaged() == []
    shutil.rmtree(next(kept.folder.glob("index/*")) / "words")
    assert "made again" in damaged()[0]


def test_an_index_that_the_disk_has_no_room_for_is_made_at_each_start(kept, engine, monkeypatch):
    import faiss

    monkeypatch.setattr(store, "_KEEP_INDEX_FROM", 1)
    monkeypatch.setattr(index, "FLAT_UP_TO", 1)
    add(kept, engine, FILES)
    large = faiss.IndexFlatIP(64)  # more than is buffered
    large.add(np.ones((2_000, 64), np.float32))
    monkeypatch.setattr(index.Dense, "save", lambda self, file: faiss.write_index(large, "/dev/full"))
    loaded = kept.load()
    assert len(loaded.documents) == 3 and len(loaded.dense.top(loaded.vectors[0], 2)[0]) == 2
    assert "could not be kept on disk" in loaded.troubles[0]
    assert not list(kept.folder.glob("index/*")) and not list(kept.folder.glob(".new-*"))


def test_a_damaged_description_has_a_copy(kept, engine):
    add(kept, engine, FILES)
    for damage in (b"", b"{", b"[]", b'{"format": 1}', None):
        (kept.folder / "collection.json").unlink() if damage is None else (
            kept.folder / "collection.json").write_bytes(damage)  # fmt: skip
        assert kept.about() == ("C", "tiny", Chunking(size=16, overlap=0))
        loaded = kept.load()
        assert len(loaded.documents) == 3 and "its copy is read instead" in loaded.troubles[0]
    (kept.folder / "collection.copy.json").write_bytes(b"{}")
    with pytest.raises(PlaygroundError, match="damaged"):
        kept.about()
    kept.folder.joinpath("collection.json").write_bytes(store._as_json("C", "tiny", Chunking(size=16, overlap=0)))
    assert not kept.load().troubles


@pytest.fixture
def shelves(tmp_path):
    return Library(Settings(cache_dir=tmp_path))


def test_nobody_reaches_anothers_own_collection(shelves, engine):
    kept = shelves.create("mine/Notes", "secret of ann", "tiny", Chunking(size=16, overlap=0))
    add(kept, engine, FILES)
    assert len(shelves.open("mine/Notes", "secret of ann").documents) == 3
    for stranger in ("", "secret of bob", kept.folder.parent.name):
        with pytest.raises(PlaygroundError, match="no collection"):
            shelves.open("mine/Notes", stranger)
        with pytest.raises(PlaygroundError, match="no collection"):
            shelves.delete("mine/Notes", stranger)
        assert "mine/Notes" not in [each.address for each in shelves.listed(stranger)]
    for address in (
        f"mine/../{kept.folder.parent.name}/Notes",
        f"mine/{kept.folder}",
        "mine/",
        "elsewhere/Notes",
        "mine/a\nb",
    ):
        with pytest.raises(PlaygroundError, match="names no collection"):
            shelves.open(address, "secret of bob")
    assert "ann" not in "".join(map(str, kept.folder.parts))


def test_shared_ones_are_everybodys_where_allowed(tmp_path, engine):
    open_page = Library(Settings(cache_dir=tmp_path))
    add(open_page.create("shared/All", "ann", "tiny", Chunking()), engine, FILES)
    assert len(open_page.open("shared/All", "bob").documents) == 3
    with pytest.raises(PlaygroundError, match="already"):
        open_page.create("shared/All", "bob", "tiny", Chunking())
    public = Library(Settings(cache_dir=tmp_path, public=True))
    with pytest.raises(PlaygroundError, match="not allowed"):
        public.open("shared/All", "bob")
    assert [each.address for each in public.listed("bob")] == [library.shipped.ADDRESS]


def test_a_library_that_starts_anew_finds_what_there_was(tmp_path, engine):
    add(Library(Settings(cache_dir=tmp_path)).create("mine/N", "k", "tiny", Chunking()), engine, FILES)
    again = Library(Settings(cache_dir=tmp_path))
    assert [each.n_documents for each in again.listed("k") if each.address == "mine/N"] == [3]
    assert len(again.open("mine/N", "k").documents) == 3


def test_documents_without_a_description_are_not_thrown_away(shelves, engine):
    kept = shelves.create("mine/N", "k", "tiny", Chunking())
    add(kept, engine, FILES)
    for file in kept.folder.glob("collection*.json"):
        file.unlink()
    with pytest.raises(PlaygroundError, match=r"collection\.json is gone"):
        shelves.open_or_create("mine/N", "k", "tiny", Chunking())
    assert len(kept.filed()[0]) == 3


def test_a_collection_is_read_once_and_anew_when_it_has_changed(shelves, engine):
    kept = shelves.create("mine/N", "k", "tiny", Chunking())
    add(kept, engine, {"a.txt": FILES["a.txt"]})
    first = shelves.open("mine/N", "k")
    assert shelves.open("mine/N", "k") is first
    add(kept, engine, {"b.md": FILES["b.md"]})
    assert len(shelves.open("mine/N", "k").documents) == 2
    assert not shelves._loading, "locks that nobody holds"
    shelves.delete("mine/N", "k")
    with pytest.raises(PlaygroundError):
        shelves.open("mine/N", "k")


def test_limits_and_the_shipped_one(tmp_path, engine):
    small = Library(Settings(cache_dir=tmp_path, collections_limit=10))
    kept = small.create("mine/N", "k", "tiny", Chunking())
    assert "size that is allowed" in add(kept, engine, FILES, room=small.room("k"))["a.txt"][1]
    with pytest.raises(PlaygroundError, match="cannot be changed"):
        small.store(library.shipped.ADDRESS, "k")
    assert not small.is_ready(library.shipped.ADDRESS)


def test_unused_ones_go_in_public_mode(tmp_path, engine):
    old = Library(Settings(cache_dir=tmp_path)).create("mine/N", "old", "tiny", Chunking()).folder.parent
    new = Library(Settings(cache_dir=tmp_path)).create("mine/N", "new", "tiny", Chunking()).folder.parent
    os.utime(old, (time.time() - 8 * 86_400,) * 2)
    Library(Settings(cache_dir=tmp_path, public=True))
    assert not old.exists() and new.exists()
