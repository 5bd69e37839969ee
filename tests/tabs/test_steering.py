"""The handlers of the Steering pane on a tiny model: what they show, what they refuse, and how they stop."""

import json
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from playground.labs.internals import steering as lab
from playground.tabs.internals import prompt as prompts
from playground.tabs.internals import steering
from tests.tabs.conftest import visitor
from tests.tabs.interventions import lay

SETS = {"positive": "The cat sat on the mat\n\nParis is the capital", "negative": "The doctor asked\ndef add(a, b)"}


@pytest.fixture(scope="module")
def laid(chatty, tmp_path_factory):
    return lay(steering, chatty, tmp_path_factory.mktemp("cache"))


def given(laid, model="", prompt=None, **chosen):
    named = {"text": "The cat sat", "kind": prompts.PLAIN, "tokens": 8, "temperature": 0} | (prompt or {})
    settings = SETS | {"layer": 1, "strength": 3.0} | chosen
    return laid.values(model, **settings) | {getattr(laid.pane.prompt, name): value for name, value in named.items()}


def run(laid, who="ann", **chosen):
    shown: dict = {}
    for update in laid.pane.desk._worker(laid.pane.work)(given(laid, **chosen), visitor(who)):
        shown |= update
    return shown


def texts(shown, pane):
    return json.loads(Path(shown[pane.files][0]).read_text())["texts"]


@pytest.mark.parametrize("kind", [prompts.PLAIN, prompts.MESSAGE])
def test_three_texts_are_written_at_once(laid, kind):
    pane = laid.pane
    shown = run(laid, prompt={"kind": kind})
    written = texts(shown, pane)
    assert list(written) == ["As it is", "Steered, strength 3", "Random direction, same length"]
    assert len({tuple(reply["ids"]) for reply in written.values()}) > 1
    assert shown[pane.written].count("<li>") == 3 and "<mark>" in shown[pane.written]
    assert "fp32" in shown[pane.origin] and "pooling: mean" in shown[pane.origin]
    with pane.desk.page.models.lease(laid.folder) as engine:
        found = lab.direction(engine, SETS["positive"].split("\n"), SETS["negative"].split("\n"), 1, "mean")
    share = 3 * found.norm / found.residual_norm
    assert f"<b>{share:.0%}</b> of a residual's length" in shown[pane.told]
    assert len(texts(run(laid, control=False), pane)) == 2


def test_strength_0_is_the_same_bit_for_bit(laid):
    pane = laid.pane
    shown = run(laid, strength=0)
    written = texts(shown, pane)
    first = written["As it is"]
    assert all(reply["tokens"] == first["tokens"] for reply in written.values())
    assert "Word for word the same" in shown[pane.same] and "nothing is added" in shown[pane.told]


def test_moving_the_strength_makes_no_new_direction(laid, monkeypatch):
    run(laid)
    monkeypatch.setattr(lab, "direction", None)
    run(laid, strength=-1.5)
    with pytest.raises(gr.Error, match="Something went wrong"):
        run(laid, layer=2)


def test_prompts_count_among_the_bytes_of_what_is_kept(laid, monkeypatch):
    kept = laid.pane.kept
    monkeypatch.setattr(kept, "_held", type(kept._held)())
    run(laid)
    ((found, n_bytes),) = kept._held.values()
    assert n_bytes >= found.vector.nbytes + sum(len(text) for texts in SETS.values() for text in texts)


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"positive": " \n "}, "Both sets need at least one prompt. Write one a line"),
        ({"negative": None}, "Both sets need at least one prompt"),
        ({"negative": SETS["positive"]}, "the same residual.*Write different prompts"),
        ({"layer": 7}, "has no layer 7: they are 0 to 2"),
        ({"prompt": {"text": ""}}, "no text to read. Type something"),
    ],
)
def test_what_cannot_be_steered_is_said(laid, chosen, sentence):
    with pytest.raises(gr.Error, match=sentence):
        run(laid, **chosen)
    assert all(holding.lent == 0 for holding in laid.pane.desk.page.models.ledger().holdings)


def test_a_model_that_writes_nothing_is_refused_in_words(laid, reader):
    with pytest.raises(gr.Error, match="reads text but does not write it"):
        run(laid, model=str(reader))


def test_stop_keeps_what_was_written(laid):
    pane, shown = laid.pane, {}
    for update in pane.desk._worker(pane.work)(given(laid, prompt={"tokens": 1000}), visitor("bob")):
        shown |= update
        if "tokens" in update.get(pane.written, ""):
            pane.desk.stops.halt(visitor("bob"))
    replies = texts(shown, pane).values()
    assert {reply["stop_reason"] for reply in replies} == {"stopped"}
    assert "Stopped." in shown[pane.desk.status]


def test_the_first_example_is_the_one_that_was_tried():
    first = steering.EXAMPLES[0]
    tried = lab.EXAMPLE
    assert (first.positive, first.negative) == (tried["positive"], tried["negative"])
    assert (first.layer, first.strength, first.text) == (tried["layer"], tried["strength"], tried["text"])
    assert np.isin([steering.POOLINGS[example.pooling] for example in steering.EXAMPLES], ["mean", "last"]).all()
    assert all(abs(example.strength) <= steering.WIDEST for example in steering.EXAMPLES)
