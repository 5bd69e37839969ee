"""`python app.py` serves the page, also where Gradio's own look at it fails."""

import inspect
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import gradio as gr
import pytest
from gradio.queueing import Queue

import app
from playground.labs.retrieval import library, shipped
from playground.models.cache import ModelCache
from playground.readme import endpoints
from playground.settings import MINILM, Settings

ROOT = Path(__file__).parent.parent


def test_gradio_still_looks_for_events_as_often_as_it_is_told():
    """The name is Gradio's own: another would be set in vain."""
    assert "sleep_when_free" in vars(Queue(False, 1, 0.05, None, gr.Blocks()))
    assert "asyncio.sleep(self.sleep_when_free)" in inspect.getsource(Queue.start_processing)


def test_the_page_is_served_though_gradio_gives_up_waiting_for_it(tmp_path):
    code = """
import sys
from gradio import networking
networking.url_ok = lambda url: False  # it took longer than three seconds
import app
app.get_ready = lambda *_: None  # no model is needed
app.main()
"""
    environment = os.environ | {"PLAYGROUND_CACHE_DIR": str(tmp_path), "PLAYGROUND_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        said = next(line for line in process.stdout if line.startswith("Playground is at"))
        with urllib.request.urlopen(said.split()[-1], timeout=60) as answer:
            assert b"gradio" in answer.read()
        with urllib.request.urlopen(f"{said.split()[-1].rstrip('/')}/gradio_api/info", timeout=60) as answer:
            named = set(json.load(answer)["named_endpoints"])
        assert named == set(re.findall(r"^\| `(/\w+)`", endpoints(), re.MULTILINE))  # as the README lists them
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.starter
def test_the_documents_that_come_with_the_page_are_indexed_before_anybody_searches(
    starter_cache, tmp_path, monkeypatch
):
    few = shipped.sources()[:2]
    monkeypatch.setattr(shipped, "sources", lambda: few)
    (tmp_path / "starters").symlink_to(starter_cache / "starters")
    settings, ready = Settings(cache_dir=tmp_path, default_models=[MINILM], threads=1), threading.Event()
    shelf = library.of(settings)
    assert not shelf.is_ready(shipped.ADDRESS)
    app.get_ready(ModelCache(settings), settings, ready)
    assert ready.is_set()
    until = time.monotonic() + 120
    while not shelf.is_ready(shipped.ADDRESS):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert [document.name for document in shelf.open(shipped.ADDRESS, "").documents] == [name for name, _ in few]


def test_where_nothing_can_be_indexed_the_page_starts_all_the_same(tmp_path):
    settings, ready = Settings(cache_dir=tmp_path, offline=True), threading.Event()
    app.get_ready(ModelCache(settings), settings, ready)
    assert ready.is_set() and not library.of(settings).is_ready(shipped.ADDRESS)
