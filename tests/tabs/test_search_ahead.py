"""What the first search needs is made in spare time: it is there, whoever comes goes first, and nothing fails aloud."""

import logging
import threading
import time

import pytest

import app
from playground.errors import PlaygroundError
from playground.labs.retrieval import indexing, library, shipped
from playground.models.cache import ModelCache
from playground.settings import MINILM, Settings
from playground.tabs.search import ahead

FEW = 3


@pytest.fixture
def few(monkeypatch):
    """Some of the documents, so that it takes a moment."""
    some = shipped.sources()[:FEW]
    monkeypatch.setattr(shipped, "sources", lambda: some)
    monkeypatch.setattr(shipped, "version", lambda: "few")
    monkeypatch.setattr(ahead, "EVERY", 0.05)
    return [name for name, _ in some]


@pytest.fixture
def settings(starter_cache, tmp_path):
    (tmp_path / "starters").symlink_to(starter_cache / "starters")
    return Settings(cache_dir=tmp_path, default_models=[MINILM], threads=1)


def with_a_model(settings) -> ModelCache:
    """As it is after the start."""
    models = ModelCache(settings)
    with models.lease(MINILM):
        return models


@pytest.mark.starter
def test_they_are_indexed_before_anybody_searches(settings, few):
    shelf, ready = library.of(settings), threading.Event()
    assert not shelf.is_ready(shipped.ADDRESS)
    app.get_ready(ModelCache(settings), settings, ready)
    assert ready.is_set() and shelf.is_ready(shipped.ADDRESS)
    assert [document.name for document in shelf.open(shipped.ADDRESS, "").documents] == few


@pytest.mark.starter
def test_whoever_comes_goes_first_and_the_rest_is_done_when_they_have_gone(settings, few, monkeypatch):
    models, shelf, interruptions = with_a_model(settings), library.of(settings), []
    real = indexing.add

    def add(kept, sources, encoder, stopped, **more):
        """Somebody comes in the middle of the first time, and has gone before it ends."""
        number = len(interruptions)
        interruptions.append(False)
        for now in real(kept, sources, encoder, stopped, **more):
            if number == 0:
                with models.lease(MINILM):  # any model
                    assert stopped()
                interruptions[0] = stopped()
            yield now

    monkeypatch.setattr(indexing, "add", add)
    with models.lease(MINILM):
        thread = threading.Thread(target=ahead.index_shipped, args=(models, settings), daemon=True)
        thread.start()
        time.sleep(1)
        assert not interruptions, "while somebody computes nothing is begun"
    thread.join(120)
    assert interruptions == [True, False] and shelf.is_ready(shipped.ADDRESS)


@pytest.mark.starter
@pytest.mark.parametrize(
    "trouble", [PlaygroundError("Another request writes."), OSError(28, "No space left on device")]
)
def test_what_cannot_be_written_is_given_up_without_a_word(settings, few, monkeypatch, caplog, trouble):
    tried = []

    def add(*_, **__):
        tried.append(1)
        raise trouble

    monkeypatch.setattr(indexing, "add", add)
    with caplog.at_level(logging.WARNING):
        ahead.index_shipped(with_a_model(settings), settings)
    assert tried == [1]
    assert not caplog.records and not library.of(settings).is_ready(shipped.ADDRESS)


@pytest.mark.starter
def test_a_full_disk_is_not_tried_again_and_again(settings, few, monkeypatch):
    tried = []

    def add(*_, **__):
        tried.append(1)
        failed = indexing.Outcome(few[0], "failed", "The disk is full.")
        yield indexing.Progress(1.0, "", (failed,), 0, 0.0)

    monkeypatch.setattr(indexing, "add", add)
    ahead.index_shipped(with_a_model(settings), settings)
    assert tried == [1]


@pytest.mark.starter
def test_no_model_makes_room_for_it(settings, few):
    models = with_a_model(settings.model_copy(update={"memory_budget": 120_000_000}))
    ahead.index_shipped(models, settings)
    assert [holding.reference for holding in models.ledger().holdings] == [MINILM]
    assert not library.of(settings).is_ready(shipped.ADDRESS)


def test_where_there_is_no_model_the_page_starts_all_the_same(tmp_path):
    settings, ready = Settings(cache_dir=tmp_path, offline=True), threading.Event()
    app.get_ready(ModelCache(settings), settings, ready)
    assert ready.is_set() and not library.of(settings).is_ready(shipped.ADDRESS)
