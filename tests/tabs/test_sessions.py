"""A session costs little, and works as before."""

import asyncio
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
    assert cost(blocks.state_holder) < before / 20


def test_values_and_changed_components_are_kept(page):
    blocks, state, boxes = page
    first = blocks.state_holder["early"]
    first[state._id] = ("said before",)
    sessions.slim(blocks)
    session = blocks.state_holder["early"]
    assert session is first and session[state._id] == ("said before",)
    assert blocks.state_holder["late"][state._id] == ("kept",)
    session[boxes[0]._id] = gr.Textbox("changed", render=False)
    session._update_value_in_config(boxes[1]._id, "typed")  # as Gradio does with what comes in
    assert session[boxes[0]._id].value == "changed" and not list(session.components)


def test_a_visitor_who_does_much_takes_no_more_than_one_who_does_little():
    """The handlers of a real page, called as its browser does."""
    with gr.Blocks() as blocks:
        said, shown = gr.Textbox(), gr.Textbox("nothing yet", label="before")

        def answer(text: str, before: str) -> tuple:
            return gr.update(value="", placeholder=text), gr.update(value=f"{text} after {before}", label=text)

        gr.Button().click(answer, [said, shown], [said, shown])
    blocks.queue()
    StateHolder().set_blocks(blocks)
    sessions.slim(blocks)
    function, state = blocks.default_config.fns[0], blocks.state_holder["ann"]
    for n in range(12):
        result = asyncio.run(blocks.process_api(function, [f"text {n}", f"text {n - 1}"], state=state))
    assert result["data"][1]["value"] == "text 11 after text 10" and result["data"][1]["label"] == "text 11"
    own = state.blocks_config.blocks.maps[0]
    assert set(own) == {said._id, shown._id} and own[shown._id].label == "text 11"
    assert (shown.label, blocks.state_holder["bob"][shown._id].label) == ("before", "before")


def test_the_longest_unused_session_goes_first(page):
    blocks, *_ = page
    sessions.slim(blocks)
    blocks.state_holder.capacity = 3
    for name in ("a", "b", "c", "a", "d"):
        blocks.state_holder[name]
    assert list(blocks.state_holder.session_data) == ["c", "a", "d"]


def test_a_session_that_changes_a_component_changes_it_for_itself(page):
    blocks, _, boxes = page
    early = blocks.state_holder["early"]
    early[boxes[2]._id] = gr.Textbox("changed before", render=False)
    sessions.slim(blocks)
    mine, yours = blocks.state_holder["mine"], blocks.state_holder["yours"]
    mine[boxes[0]._id] = gr.Textbox("mine", render=False)
    assert (mine[boxes[0]._id].value, yours[boxes[0]._id].value) == ("mine", "as it was")
    assert blocks.state_holder["early"][boxes[2]._id].value == "changed before"
    assert boxes[0]._id in yours.blocks_config.blocks and len(yours.blocks_config.blocks) == len(blocks.blocks)
    assert dict(yours.blocks_config.fns) == blocks.default_config.fns
