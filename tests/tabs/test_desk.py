"""Sliders of layers follow the picked model, also when two events ask for that at once."""

import asyncio
from types import SimpleNamespace

import gradio as gr
from gradio.state_holder import SessionState

from playground.tabs.internals import desk
from tests import tiny
from tests.labs.test_learning import Lent


class Held(Lent):
    """Lends one engine, which is in memory."""

    def status(self, reference):
        return SimpleNamespace(state="ready")


def test_what_was_sent_before_the_ends_came_in_is_brought_within_them():
    engine = tiny.engine("gpt2")
    with gr.Blocks() as blocks:
        reference, button = gr.Dropdown(["tiny"], value="tiny"), gr.Button()
        slider, other = gr.Slider(0, 29, 6), gr.Slider(0, 29, 1)
        page = SimpleNamespace(
            blocks=blocks, reference=reference, models=Held(engine), made_ready=button.click(lambda: None)
        )
        desk.fit_layers(page, slider, other)
    fits = [fn for fn in blocks.fns.values() if slider in fn.outputs]
    assert len(fits) == 2
    state, last = SessionState(blocks), engine.anatomy.n_layers - 1
    for fn in fits:  # both with what stood there before either had answered
        told = asyncio.run(blocks.process_api(fn, ["tiny", 6, 1], state=state))["data"]
        assert [(each["maximum"], each["value"]) for each in told] == [(last, last), (last, 1)]
    for nonsense in (["tiny", "6", None], [["tiny"], 6, 1]):
        told = asyncio.run(blocks.process_api(fits[0], nonsense, state=state))["data"]
        assert not any("maximum" in each for each in told)
