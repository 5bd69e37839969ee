"""The handlers of the Search tab on a tiny embedding model: what comes by post, is taken along, or is refused."""

import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from playground.labs.retrieval import indexing, library, web
from playground.labs.retrieval.chunking import Chunking
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import Parcel
from playground.tabs.layout import lay_out
from playground.tabs.search import tab
from tests.labs.retrieval.pages import only, served

KEY = "a visitor's key of some length"
FILES = [("a.txt", b"Paris is the capital of France."), ("b.txt", b"The cat sat on the mat.")]


def visitor(name: str) -> SimpleNamespace:
    return SimpleNamespace(session_hash=name)


def opened(folder: Path, reader: Path, **more) -> SimpleNamespace:
    settings = Settings(cache_dir=folder, dtype="float32", threads=1, memory_budget="100MB",
                        default_models=[str(reader)], **more)  # fmt: skip
    with gr.Blocks() as blocks:
        page = lay_out(blocks, ModelCache(settings), settings, [tab])
    methods = {fn.name: fn.fn for fn in blocks.fns.values()}
    documents = methods["bring"].__self__
    library = documents.bench.library
    kept = library.create("mine/Notes", KEY, str(reader), Chunking(size=16, overlap=0))
    with page.models.lease(str(reader)) as engine:
        list(indexing.add(kept, FILES, engine))
    return SimpleNamespace(page=page, methods=methods, documents=documents, library=library, fns=blocks.fns)


@pytest.fixture
def laid(tmp_path, reader):
    return opened(tmp_path, reader)


def asking(laid):
    """The Ask pane, and what Gradio would hand to its handlers."""
    work = [fn.fn for fn in laid.fns.values() if fn.name == "run"]
    cells = [cell.cell_contents for each in work for cell in each.__closure__ or ()]
    pane = next(c.__self__ for c in cells if getattr(c, "__name__", "") == "taken")
    values = {c: getattr(c, "value", None) for c in pane.inputs | pane.bench.ground}
    values |= {pane.bench.collection: "mine/Notes", pane.bench.owner: KEY, pane.question: "capital of France"}
    return pane, values


def last(updates) -> dict:
    told = {}
    for each in updates:
        told |= each
    return told


def test_a_text_that_comes_by_post_becomes_the_question(laid):
    receive = laid.methods["receive"]
    strip, question = receive(Parcel("Where is Paris?", "a/model"))
    assert strip["selected"] == "Ask" and question == "Where is Paris?"
    assert len(receive(Parcel("x" * 50_000, "a/model"))[1]) == 4_000
    assert receive(None)[1] == gr.skip()


def test_a_search_can_be_taken_along_as_files_and_code(laid):
    pane, values = asking(laid)
    with pytest.raises(Exception, match="Search first"):
        last(pane.taken(values, threading.Event()))
    told = last(pane._search(values, threading.Event()))
    values[pane.seen] = told[pane.seen]
    taken = last(pane.taken(values, threading.Event()))
    names = [Path(path).name for path in taken[pane.files]]
    assert names == ["search.csv", "search.json", "chunks.jsonl", "search.py"]
    assert "a.txt" in Path(taken[pane.files][0]).read_text()
    assert "'capital of France'" in taken[pane.code]


def test_a_collection_is_taken_along_and_comes_back(laid):
    path = laid.documents.export("mine/Notes", KEY)
    with zipfile.ZipFile(path) as archive:
        assert sum(name.endswith("vectors.npy") for name in archive.namelist()) == 2
    told = laid.documents.bring(path, "another visitor, who was given it")
    assert "is back" in told[laid.documents.status]
    assert told[laid.documents.bench.collection]["value"] == "mine/Notes"
    for wrong in (None, __file__):
        with pytest.raises(gr.Error):
            laid.documents.bring(wrong, KEY)


def nothing(documents) -> dict:
    """An empty form."""
    return dict.fromkeys([documents.files, documents.name, documents.text, documents.folder, documents.addresses,
                          documents.fetched])  # fmt: skip


def test_folders_are_read_where_that_is_allowed(laid, tmp_path, reader):
    documents, folder = laid.documents, tmp_path / "papers"
    (folder / "inner").mkdir(parents=True)
    (folder / ".secret").mkdir()
    for name in ("a.md", "inner/b.txt", ".hidden", ".secret/c.txt"):
        (folder / name).write_text(f"# {name}\nText of {name}.")
    empty = nothing(documents)
    found = documents.sources(empty | {documents.folder: str(folder)})
    assert [(name, path.name) for name, path in found] == [("a.md", "a.md"), ("inner/b.txt", "b.txt")]
    with pytest.raises(Exception, match="nothing to add"):
        documents.sources(empty)
    with pytest.raises(Exception, match="no folder"):
        documents.sources(empty | {documents.folder: str(tmp_path / "elsewhere")})
    public = opened(tmp_path / "public", reader, public=True).documents
    with pytest.raises(Exception, match="cannot be read here"):
        public.sources(nothing(public) | {public.folder: "/etc"})
    assert not public.folder.visible and documents.folder.visible


def test_addresses_are_fetched_before_a_model_is_waited_for(laid, tmp_path, reader, monkeypatch):
    documents = laid.documents
    assert not documents.addresses.visible
    with pytest.raises(Exception, match="are not fetched here"):
        last(documents.fetch({documents.addresses: "https://example.org/"}, visitor("one")))
    page = opened(tmp_path / "web", reader, web_addresses=True)
    documents, fetching = page.documents, [fn for fn in page.fns.values() if fn.name == "fetch"]
    assert documents.addresses.visible
    assert [fn.concurrency_id for fn in fetching] == ["addresses"]  # not the queue of the models
    values = {documents.bench.owner: KEY, documents.bench.collection: "mine/Notes"} | nothing(documents)
    with served() as address:
        monkeypatch.setattr(web, "public", only(address))
        lines = {documents.addresses: f"{address}/etna\n{address}/nothing"}
        told = last(documents.fetch(values | lines, visitor("one")))
        values[documents.fetched] = told[documents.fetched]
        told = last(documents.add(values, threading.Event()))
        assert "etna.html" in told[documents.outcomes] and "error 404" in told[documents.outcomes]
        assert not any(path.exists() for _, path in values[documents.fetched] if isinstance(path, Path))
        assert "127.0.0.1/etna.html" in told[documents.document]["choices"]

        slow = documents.fetch({documents.addresses: f"{address}/drip"}, visitor("two"))
        next(slow)
        documents.bench.stops.halt(visitor("two"))
        assert last(slow)[documents.fetched] is None
    stop = threading.Event()
    assert last(documents.add(values | {documents.fetched: None}, stop)) == {} and stop.is_set()


def test_a_collection_that_no_model_can_fill_is_not_made(laid):
    documents = laid.documents
    values = {documents.bench.owner: KEY, documents.shared: False, documents.title: "New", documents.by: "Tokens",
              documents.size: 100, documents.overlap: 0}  # fmt: skip
    with pytest.raises(Exception, match="does not name a model"):
        documents.create(values | {documents.embedding: "no such/model/at all"})
    assert "mine/New" not in [each.address for each in laid.library.listed(KEY)]
    documents.create(values | {documents.embedding: ""})
    assert laid.library.embedding("mine/New", KEY) == library.EMBEDDING


def test_a_stranger_sees_nothing_of_anothers_collection_on_the_page(laid):
    documents = laid.documents
    for owner in ("", None, "another visitor's key of some length"):
        for handler in (documents.export, documents.delete, documents.look):
            with pytest.raises(Exception, match="no collection"):
                handler("mine/Notes", owner)
        with pytest.raises(Exception, match="no collection"):
            documents.remove("mine/Notes", owner, "a.txt")
        assert "mine/Notes" not in [address for _, address in documents.bench.choices(owner or "")]
    pane, values = asking(laid)
    with pytest.raises(Exception, match="no collection"):
        last(pane.found(values | {pane.bench.owner: "another visitor's key of some length"}, threading.Event()))
