"""`python app.py` serves the page, also where Gradio's own look at it fails."""

import inspect
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import gradio as gr
from gradio.queueing import Queue

from playground.readme import endpoints

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
