"""The page script as it is served: the one that is installed, with some of its pieces made faster, or as it is."""

import re

import gradio as gr
import pytest
from starlette.testclient import TestClient

from playground.tabs import page_script


def installed(kind: str) -> str:
    """The installed file of a kind that has what is to be replaced."""
    pattern = page_script.CHANGES[kind][-1][0]
    texts = (path.read_text("utf-8") for path in page_script.SCRIPTS.glob(kind))
    return next(text for text in texts if pattern.search(text))


@pytest.mark.parametrize("kind", page_script.CHANGES)
def test_the_installed_script_reads_as_it_is_known_to(kind):
    before, after = installed(kind), page_script.changed(installed(kind), kind)
    assert after is not None, "Gradio's script has changed: opening the page is slower until page_script.py follows"
    for pattern, _, times in page_script.CHANGES[kind]:
        assert len(pattern.findall(before)) == times
        if pattern is not page_script.RENDER:  # which stays, and is added to
            assert not pattern.search(after)


def test_nothing_else_is_touched():
    before, after = installed("core-*.js"), page_script.changed(installed("core-*.js"), "core-*.js")
    assert len(re.findall(r"\.under=new WeakMap", after)) == 2  # at first, and when a part is rendered anew
    assert before.count("this.root") - after.count("this.root") == after.count("this.built") == 2 * 4
    before, after = installed("Blocks-*.js"), page_script.changed(installed("Blocks-*.js"), "Blocks-*.js")
    assert len(after) == len(before) + 1 and after.count("v()&&") == before.count("v()&&") + 1


@pytest.mark.parametrize(
    ("kind", "broken"), [(kind, change[0]) for kind, changes in page_script.CHANGES.items() for change in changes]
)
def test_a_script_that_reads_otherwise_is_left_alone(kind, broken):
    assert page_script.changed(broken.sub("", installed(kind), count=1), kind) is None
    assert page_script.changed("", kind) is None


def test_the_page_is_served_the_faster_one():
    with gr.Blocks() as blocks:
        gr.Markdown("A page")
    blocks.launch(server_port=None, prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        quicker = page_script.quicker()
        assert len(quicker) == len(page_script.CHANGES)
        client = TestClient(blocks.app)
        for name in quicker:
            assert client.get(f"/assets/{name}").text == (page_script.SCRIPTS / name).read_text("utf-8")
        page_script.serve_quicker(blocks)
        for name, script in quicker.items():
            answer = client.get(f"/assets/{name}")
            assert answer.text == script
            assert answer.headers["content-type"].startswith("text/javascript")
        other = next(path for path in page_script.SCRIPTS.glob("index-*.js"))
        assert client.get(f"/assets/{other.name}").text == other.read_text("utf-8")
    finally:
        blocks.close()
