"""The page with a model that runs elsewhere: llama.cpp's server, and handlers called as Gradio would."""

import time

import gradio as gr
import pytest

from playground.labs.chat import conversations
from playground.labs.chat.conversations import Thread
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs import model_bar
from playground.tabs.chat import sampling, token_pane
from playground.tabs.chat import tab as chat
from playground.tabs.chat.conversation import plain
from tests import endpoint_server, llama_server
from tests.tabs.conftest import visitor

ONE = visitor("one")
PICKED = f"endpoint:local/{llama_server.NAME}"


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    with llama_server.running(tmp_path_factory.mktemp("llama"), endless=True) as llama:
        yield llama


@pytest.fixture
def elsewhere(laid, llama):
    """The laid-out page, its cache given an endpoint."""
    laid.page.models.endpoints = ModelCache(Settings(endpoints=[f"local={llama.url}"])).endpoints
    laid.page.models.endpoints.offered(wait=10)
    return laid


def event(laid, name, *arguments):
    """Calls the first listener of that name as Gradio would."""
    return next(fn.fn for fn in laid.page.blocks.fns.values() if fn.name == name)(*arguments)


def test_the_bar_says_that_it_runs_elsewhere(elsewhere):
    view = model_bar.look(elsewhere.page.models, PICKED)
    assert 'data-state="remote"' in view.status
    assert "no memory is held here" in view.status
    assert "no self-checks" in view.status
    assert (view.can_load, view.can_unload) == (False, False)
    assert view.served == (PICKED,)
    assert "No model is in memory" in view.ledger
    label = {reference: label for label, reference in model_bar.choices(Settings(), "", view.served)}[PICKED]
    assert label == f"{llama_server.NAME} at local"


def test_the_precision_is_not_ours_to_choose(elsewhere):
    assert event(elsewhere, "precision_of", PICKED) == gr.update(value="auto", interactive=False)
    assert event(elsewhere, "precision_of", "org/m#int8") == gr.update(value="int8", interactive=True)
    offered = event(elsewhere, "in_precision", "org/m", "int8")["choices"]
    assert PICKED in [reference for _, reference in offered], "the list keeps what is served"


def test_an_endpoint_that_is_down_is_said_whatever_is_picked(laid):
    with endpoint_server.running() as server:
        server.answer = lambda request: request.refuse(503, "")
        laid.page.models.endpoints = ModelCache(Settings(endpoints=[f"far={server.url}"])).endpoints
        laid.page.models.endpoints.offered(wait=10)
        for picked in ("starter:smollm2-135m-instruct", "endpoint:far/m"):
            view = model_bar.look(laid.page.models, picked)
            assert view.status.count("Endpoint far has a fault of its own") == 1
        assert server.url not in view.status


def test_a_conversation(elsewhere):
    elsewhere.talk.begin("Hello", "Be brief.", conversations.start(), ONE)
    values = elsewhere.values(PICKED, max_new_tokens=6, seed="5", temperature=1.0, top_k=0)
    steps = list(elsewhere.talk.answer(values, ONE))
    content = steps[-1][elsewhere.talk.chatbot][-1]["content"]
    assert content[0]["text"].strip()
    assert "seed 5" in content[1]["text"]
    assert f"{llama_server.NAME} at local" in content[1]["text"]
    written = steps[-1][elsewhere.talk.written]
    assert (written.ids, len(written.remote) > 0) == ((), True)
    assert hash(written)

    elsewhere.talk.begin("Hello", "", conversations.start(), ONE)
    steps = list(elsewhere.talk.answer(values | {elsewhere.controls.top_k: 50}, ONE))
    assert "top-k is not part of this protocol" in steps[-1][elsewhere.talk.chatbot][-1]["content"][1]["text"]


def test_a_completion(elsewhere):
    elsewhere.text.begin("The cat", ONE)
    steps = list(elsewhere.text.answer(elsewhere.values(PICKED, max_new_tokens=6, temperature=1.0), ONE))
    texts = [step[elsewhere.text.text] for step in steps if isinstance(step.get(elsewhere.text.text), str)]
    assert texts[-1].startswith("The cat")
    assert len(texts[-1]) > len("The cat")


def test_stop_ends_it_there(elsewhere, llama):
    elsewhere.talk.begin("Hello", "", conversations.start(), ONE)
    steps = elsewhere.talk.answer(elsewhere.values(PICKED, max_new_tokens=30_000, temperature=1.0), ONE)
    for step in steps:
        if "tokens/s" in step[elsewhere.talk.chatbot][-1]["content"][-1]["text"]:
            break
    assert llama.busy
    elsewhere.talk.halt("", ONE)
    assert "stopped by you" in list(steps)[-1][elsewhere.talk.chatbot][-1]["content"][-1]["text"]
    until = time.monotonic() + 5
    while llama.busy and time.monotonic() < until:
        time.sleep(0.02)
    assert not llama.busy


def test_the_token_pane_shows_what_the_server_tells(elsewhere):
    elsewhere.talk.begin("Hello", "", conversations.start(), ONE)
    values = elsewhere.values(PICKED, max_new_tokens=4, temperature=0.0)
    written = list(elsewhere.talk.answer(values, ONE))[-1][elsewhere.talk.written]
    look, drawn, _ = event(elsewhere, "inspect", written, True, None, "Probability")
    assert drawn.count("<button") == len(written.remote)
    assert event(elsewhere, "redraw", look, "Entropy").count("entropy needs all") == 1
    assert "its server alone knows" in event(elsewhere, "redraw", look, token_pane.GIVEN)
    detail = event(elsewhere, "pick", look, "Probability", gr.EventData(None, {"index": 0, "value": None}))[1]
    assert "Could have been" in detail
    assert "data-instead" not in detail, "to branch needs the weights"

    nothing = token_pane.Written(PICKED, "", written.asked, ())
    assert "gives no probabilities" in event(elsewhere, "inspect", nothing, True, None, "Probability")[1]


def test_what_needs_the_weights_says_so(elsewhere):
    pane = next(fn for fn in elsewhere.page.blocks.fns.values() if fn.name == "look")
    values = {component: getattr(component, "value", None) for component in pane.inputs}
    values = {c: True if isinstance(c, gr.State) else v for c, v in values.items()} | {elsewhere.page.reference: PICKED}
    assert "this needs the weights" in next(iter(pane.fn(values).values()))
    assert "this needs the weights" in sampling.meaning(elsewhere.page, "Paris: -5", PICKED)
    assert chat.what_it_can(elsewhere.page, PICKED) is None, "nobody says whether it converses: both ways are offered"


def test_one_of_two_rivals_may_run_elsewhere(elsewhere, chatty):
    two = elsewhere.two
    held = {two.seed: "7"}
    for side, model in zip(two.sides, (chatty, PICKED), strict=True):
        held |= {component: side.defaults[name] for name, component in vars(side.controls).items()}
        held |= {side.model: str(model), side.system: "", side.controls.max_new_tokens: 6}
    two.begin("Hello", False, (), ONE)
    turn = list(two.answer(held, ONE))[-1][two.turns][-1]
    here, there = turn.spoken
    assert here.provenance.device == "cpu"
    assert there.provenance.device == "elsewhere"
    assert here.text and there.text


def test_a_failure_puts_the_message_back(elsewhere):
    before = Thread(conversations.start().now.add("user", "a").add("assistant", "b"))
    elsewhere.talk.begin("word " * 45_000, "", before, ONE)
    with pytest.raises(gr.Error, match="can hold"):
        list(elsewhere.talk.answer(elsewhere.values(PICKED), ONE))
    updates = elsewhere.talk.settle_failure("", ONE)
    assert updates[elsewhere.talk.message] == "word " * 45_000
    assert plain(updates[elsewhere.talk.chatbot]) == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]
