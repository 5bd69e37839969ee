"""The page script as it is served: the one that is installed, with two of its functions made faster, or as it is."""

import re

import gradio as gr
import pytest
from starlette.testclient import TestClient

from playground.tabs import lookups


def core() -> str:
    """The installed script that has the two functions."""
    scripts = [path.read_text("utf-8") for path in lookups.SCRIPTS.glob("core-*.js")]
    return next(script for script in scripts if lookups.FIND.search(script))


def test_the_installed_script_reads_as_it_is_known_to():
    faster = lookups.by_table(core())
    assert faster is not None, "Gradio's script has changed: opening the page is slower until lookups.py follows"
    for pattern in (lookups.FIND, lookups.EVENTS):
        assert not pattern.search(faster)
    assert len(re.findall(r"\.under=new WeakMap", faster)) == 2  # at first, and when a part is rendered anew
    assert faster.count("(this.root,") == core().count("(this.root,")  # nothing else was touched


@pytest.mark.parametrize("broken", [lookups.FIND, lookups.EVENTS, lookups.RENDER])
def test_a_script_that_reads_otherwise_is_left_alone(broken):
    assert lookups.by_table(broken.sub("", core())) is None
    assert lookups.by_table("") is None


def test_the_page_is_served_the_faster_one():
    with gr.Blocks() as blocks:
        gr.Markdown("A page")
    blocks.launch(server_port=None, prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        path = next(path for path in lookups.SCRIPTS.glob("core-*.js") if lookups.by_table(path.read_text("utf-8")))
        client = TestClient(blocks.app)
        assert client.get(f"/assets/{path.name}").text == path.read_text("utf-8")
        lookups.use_tables(blocks)
        answer = client.get(f"/assets/{path.name}")
        assert answer.text == lookups.by_table(path.read_text("utf-8"))
        assert answer.headers["content-type"].startswith("text/javascript")
        other = next(path for path in lookups.SCRIPTS.glob("index-*.js"))
        assert client.get(f"/assets/{other.name}").text == other.read_text("utf-8")
    finally:
        blocks.close()
