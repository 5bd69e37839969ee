"""The handlers of the Patching pane on tiny models: what they show, what they refuse, and how they stop."""

import json
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from playground.labs.internals import contrasts
from playground.labs.internals import patching as lab
from playground.tabs.internals import patching
from tests import tiny
from tests.tabs.conftest import visitor
from tests.tabs.interventions import lay

TEXTS = {"clean": "The cat sat on it because", "corrupted": "The mat sat on it because"}


def clicked(*index):
    return SimpleNamespace(index=list(index), value=None)


@pytest.fixture(scope="module")
def laid(chatty, tmp_path_factory):
    return lay(patching, chatty, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def asked():
    """Texts and two answers that are one token each to the tiny model."""
    engine = tiny.engine("llama")
    answers = [token for token in range(20, 90) if contrasts._writable(engine, TEXTS["clean"], token)][:2]
    return TEXTS | dict(zip(("answer", "wrong"), map(engine.tokenizer.decode, answers), strict=True))


@pytest.mark.parametrize("site", patching.SITES)
@pytest.mark.parametrize("direction", patching.DIRECTIONS)
def test_what_is_shown_is_what_the_lab_finds(laid, asked, site, direction):
    pane = laid.pane
    shown = laid.run(pane.work, **asked, site=site, direction=direction)
    found = shown[pane.found]
    with pane.desk.page.models.lease(laid.folder) as engine:
        two = contrasts.contrast(engine, *asked.values())
        expected = lab.patch(engine, two, patching.SITES[site], patching.DIRECTIONS[direction])
    np.testing.assert_array_equal(found.effects, expected.effects)
    np.testing.assert_array_equal(shown[pane.chart].data[0].z, expected.effects.T.astype(np.float32))
    assert shown[pane.desk.status] == "" and shown[pane.outcome]["elem_classes"] == []
    assert direction.split(":")[0] in shown[pane.verdict] and "Control:" in shown[pane.verdict]
    assert "<mark>·cat</mark>" in shown[pane.aligned] and "<mark>·mat</mark>" in shown[pane.aligned]
    assert "fp32" in shown[pane.origin] and "control seed 0" in shown[pane.origin]
    table, whole = (Path(path).read_text() for path in shown[pane.files])
    assert len(table.splitlines()) == 1 + expected.effects.size
    assert np.allclose(json.loads(whole)["patching"]["effects"], expected.effects)


def test_a_cell_tells_its_numbers(laid, asked):
    pane = laid.pane
    found = laid.run(pane.work, **asked)[pane.found]
    told, looked = pane.pick(found, clicked(3, 1))
    assert looked == (1, 3)
    assert "layer 1, token “·on” (position 3)" in told and f"{found.effects[1, 3]:+.3f}" in told
    for number in (found.differences[1, 3], found.clean_difference, found.corrupted_difference):
        assert f"<td>{number:+.2f}</td>" in told
    assert "Nothing before this token differs" in pane.pick(found, clicked(0, 2))[0]
    assert pane.pick(None, clicked(0, 0)) == [gr.skip(), gr.skip()]


def test_a_counterfactual_is_proposed_aligned_and_put_into_the_boxes(laid):
    pane, text = laid.pane, "The doctor was happy and the cat was a bird"
    shown = laid.run(pane.propose, clean=text)
    kept, proposals = shown[pane.choices]
    assert kept == text and 1 <= len(proposals) <= 4
    assert shown[pane.proposed].count("Aligned: ") == len(proposals) == shown[pane.proposed].count("data-at=")
    clean, corrupted, answer, wrong = pane.take(shown[pane.choices], clicked(0))
    assert (clean, corrupted) == (text, proposals[0].corrupted)
    filled = dict(clean=clean, corrupted=corrupted, answer=answer, wrong=wrong)
    assert laid.run(pane.work, **filled)[pane.found].clean_difference == pytest.approx(
        proposals[0].clean_difference, abs=1e-3
    )
    assert pane.take(None, clicked(0)) == [gr.skip()] * 4


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"corrupted": "The mat sat"}, "must have equally many tokens.*Use a word of as many tokens"),
        ({"corrupted": TEXTS["clean"]}, "the same to this model. Change a word"),
        ({"clean": " "}, "no text to read. Type something"),
        ({"answer": ""}, "Both answers are needed"),
        ({"answer": "comfortable sofa"}, "tokens to this model.*Use its first"),
        ({"wrong": None}, "Both answers are needed"),
    ],
)
def test_what_cannot_be_patched_is_said_and_nothing_is_lost(laid, asked, changed, sentence):
    updates = []
    with pytest.raises(gr.Error, match=sentence):
        updates.extend(laid.do(laid.pane.work, **(asked | changed)))
    assert not any(laid.pane.found in update or laid.pane.clean in update for update in updates)
    assert all(holding.lent == 0 for holding in laid.pane.desk.page.models.ledger().holdings)


def test_equal_answers_and_models_without_the_site_are_refused(laid, asked, reader, tmp_path):
    with pytest.raises(gr.Error, match=r"the same token\. Name two different ones"):
        laid.run(laid.pane.work, **(asked | {"wrong": asked["answer"]}))
    mamba = str(tiny.save(tmp_path / "mamba", "mamba"))
    with pytest.raises(gr.Error, match=r"has no head that can be reached\. It has: residual"):
        laid.run(laid.pane.work, model=mamba, **asked, site="Single heads")
    with pytest.raises(gr.Error, match=r"put \[MASK\] once where the answer belongs"):
        laid.run(laid.pane.work, model=str(reader), **asked)


def test_stop_keeps_the_layers_that_are_done(laid, asked, monkeypatch):
    pane, original = laid.pane, lab._patched

    def patched(engine, two, site, layer, *arguments):
        if layer == 1:
            pane.desk.stops.halt(visitor("bob"))
        return original(engine, two, site, layer, *arguments)

    monkeypatch.setattr(lab, "_patched", patched)
    shown = laid.run(pane.work, who="bob", **asked)
    assert not shown[pane.found].complete and "Stopped: 1 of 3 layers are done" in shown[pane.verdict]
    assert "stopped before" in pane.pick(shown[pane.found], clicked(3, 2))[0]
    assert "Stopped." in shown[pane.desk.status]


def test_the_example_on_the_page_is_the_one_that_was_tried():
    first = patching.EXAMPLES[0]
    assert (first.clean, first.corrupted, first.answer, first.wrong) == lab.EXAMPLE
    for example in patching.EXAMPLES:
        assert example.site in patching.SITES and example.direction in patching.DIRECTIONS
