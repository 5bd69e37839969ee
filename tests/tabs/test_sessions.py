"""A session costs little, and works as before."""

import tracemalloc

import gradio as gr
import pytest
from gradio.state_holder import StateHolder

from playground.tabs import sessions


@pytest.fixture
def page():
    """A page with many components, and what Gradio holds of its visitors."""
    with gr.Blocks() as blocks:
        state = gr.State(("kept",))
        boxes = [gr.Textbox("as it was", label=f"box {n}", info="x" * 200) for n in range(300)]
    StateHolder().set_blocks(blocks)
    return blocks, state, boxes


def cost(holder: StateHolder, n: int = 20) -> float:
    """Bytes that one more session takes."""
    holder["warm-up"]
    tracemalloc.start()
    try:
        for number in range(n):
            holder[f"visitor {number}"]
        return tracemalloc.get_traced_memory()[0] / n
    finally:
        tracemalloc.stop()


def test_a_session_takes_a_fraction(page):
    blocks, *_ = page
    before = cost(blocks.state_holder)
    blocks.state_holder.session_data.clear()
    sessions.slim(blocks)
    assert cost(blocks.state_holder) < before / 5


def test_values_and_changed_components_are_kept(page):
    blocks, state, boxes = page
    first = blocks.state_holder["early"]
    first[state._id] = ("said before",)
    sessions.slim(blocks)
    session = blocks.state_holder["early"]
    assert session is first and session[state._id] == ("said before",)
    assert blocks.state_holder["late"][state._id] == ("kept",)
    session[boxes[0]._id] = gr.Textbox("changed", render=False)
    session._update_value_in_config(boxes[1]._id, "typed")
    assert session[boxes[0]._id].value == "changed"
    assert session.config_values[boxes[1]._id]["props"]["value"] == "typed"


def test_the_longest_unused_session_goes_first(page):
    blocks, *_ = page
    sessions.slim(blocks)
    blocks.state_holder.capacity = 3
    for name in ("a", "b", "c", "a", "d"):
        blocks.state_holder[name]
    assert list(blocks.state_holder.session_data) == ["c", "a", "d"]
