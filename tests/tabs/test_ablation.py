"""The handlers of the Ablation pane on tiny models: what they show, what they refuse, and how they stop."""

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from playground.labs.internals import ablation as lab
from playground.labs.internals import random_vectors
from playground.labs.internals import sweep as sweeps
from playground.tabs.internals import ablation
from playground.tabs.internals import prompt as prompts
from playground.tabs.kit import WAITING
from playground.views.continuations import note
from tests import tiny
from tests.tabs.conftest import visitor
from tests.tabs.interventions import lay

TEXT = "The cat sat on the mat"


def clicked(*index):
    return SimpleNamespace(index=list(index), value=None)


@pytest.fixture(scope="module")
def laid(chatty, tmp_path_factory):
    return lay(ablation, chatty, tmp_path_factory.mktemp("cache"))


def asked(laid, **chosen):
    prompt = laid.pane.prompt
    given = {"text": TEXT, "kind": prompts.PLAIN, "tokens": 6, "temperature": 0} | chosen.pop("prompt", {})
    return {getattr(prompt, name): value for name, value in given.items()}


def run(laid, work, who="ann", model="", prompt=None, **chosen):
    values = laid.values(model, **chosen) | asked(laid, prompt=prompt or {})
    shown: dict = {}
    for update in laid.pane.desk._worker(work)(values, visitor(who)):
        shown |= update
    return shown


@pytest.mark.parametrize("kind", [prompts.PLAIN, prompts.MESSAGE])
@pytest.mark.parametrize("how", ablation.HOWS)
def test_before_after_and_both_texts_are_the_labs(laid, how, kind):
    pane = laid.pane
    shown = run(laid, pane.work, targets="layer 1, head 0.2", how=how, prompt={"kind": kind})
    table, whole = (Path(path).read_text() for path in shown[pane.files])
    found = json.loads(whole)
    with pane.desk.page.models.lease(laid.folder) as engine:
        text, complete = pane.prompt.complete(engine, asked(laid, prompt={"kind": kind}))
        assert complete == (kind == prompts.MESSAGE) == ("<|im_start|>" in text)
        targets = lab.parse("layer 1, head 0.2")
        expected = lab.ablate(engine, text, targets, ablation.HOWS[how], complete=complete)
    np.testing.assert_allclose(found["change"]["after"], expected.after, atol=1e-6)
    assert [int(row["id"]) for row in csv.DictReader(io.StringIO(table))] == expected.ids.tolist()
    assert len(found["original"]["ids"]) == 6 and found["edited"]["ids"] != found["original"]["ids"]
    assert "Layer 1 and head 2 of layer 0" in shown[pane.told] and "nats" in shown[pane.told]
    assert "Without layer 1, head 2 of layer 0" in shown[pane.written] and shown[pane.written].count("<li>") == 2
    assert (TEXT in shown[pane.written]) == (kind == prompts.PLAIN)
    assert shown[pane.desk.status] == ""


@pytest.mark.parametrize(("over", "rows"), [(ablation.HEADS, 4), (ablation.LAYERS, 3)])
def test_a_sweep_shows_every_part_and_a_click_names_it(laid, over, rows):
    pane = laid.pane
    shown = run(laid, pane.sweep, over=over)
    found = shown[pane.sweeps]
    assert shown[pane.sweep_chart].data[0].z.shape == (rows, 3) and all(one.complete for one in found)
    assert shown[pane.sweep_numbers].count("data-at=") == rows * 3
    with pane.desk.page.models.lease(laid.folder) as engine:
        kinds = ["head"] if over == ablation.HEADS else ["attention", "mlp", "layer"]
        expected = np.concatenate([sweeps.sweep(engine, TEXT, kind).changes.T for kind in kinds])
    np.testing.assert_allclose(shown[pane.sweep_chart].data[0].z, expected, atol=1e-5)
    named = pane.pick(found, clicked(1, 2))
    assert named == ("head 2.1" if over == ablation.HEADS else "mlp 2")
    lab.parse(named)
    least = np.unravel_index(expected.argmin(), expected.shape)
    assert f"Most needed: layer {least[1]}, " in shown[pane.sweep_told]


def test_parts_are_added_to_the_box(laid):
    pane = laid.pane
    assert pane.add("", "Head", 5, 3) == "head 5.3"
    assert pane.add("head 5.3", "A layer's MLP", 4, None) == "head 5.3, mlp 4"
    assert pane.add("mlp 4, ", "A layer's MLP", 4.0, 7) == "mlp 4"
    assert pane.add(None, "Neuron of the MLP", 0, None) == "neuron 0.0"


def test_a_word_is_made_noise(laid):
    pane = laid.pane
    shown = run(laid, pane.noise, noise_text=TEXT, noise_word="cat", noise_layer=1)
    assert "“cat”" in shown[pane.noise_told] and "8 times" in shown[pane.noise_told]
    assert "putting its own residual back gives 0.000" in shown[pane.noise_told]
    with pytest.raises(gr.Error, match=r"does not stand in the text\. Write it as it stands there"):
        run(laid, pane.noise, noise_text=TEXT, noise_word="dog", noise_layer=1)


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"targets": ""}, "Nothing is to be taken out. Name a head"),
        ({"targets": "nose 3"}, "names no part. Write head 5.3"),
        ({"targets": "head 9.0"}, "has no layer 9: they are 0 to 2"),
        ({"targets": "head 1.9"}, "has no head 9 in layer 1: they are 0 to 3"),
        ({"targets": "layer 1", "prompt": {"text": " "}}, "no text to read. Type something"),
    ],
)
def test_what_cannot_be_taken_out_is_said(laid, chosen, sentence):
    with pytest.raises(gr.Error, match=sentence):
        run(laid, laid.pane.work, **chosen)
    assert all(holding.lent == 0 for holding in laid.pane.desk.page.models.ledger().holdings)


def test_models_that_write_nothing_or_lack_the_part(laid, reader, base, tmp_path):
    pane = laid.pane
    shown = run(laid, pane.work, model=str(reader), targets="mlp 1", prompt={"text": "The [MASK] sat."})
    assert "KL" in shown[pane.told] and "fills blanks" in shown[pane.written] and len(shown[pane.files]) == 2
    with pytest.raises(gr.Error, match="has no chat template"):
        run(laid, pane.work, model=str(base), targets="mlp 1", prompt={"kind": prompts.MESSAGE})
    mamba = str(tiny.save(tmp_path / "mamba", "mamba"))
    with pytest.raises(gr.Error, match="has no head that can be reached"):
        run(laid, pane.sweep, model=mamba, over=ablation.HEADS)
    found = run(laid, pane.sweep, model=mamba, over=ablation.LAYERS)[pane.sweeps]
    assert [one.kind for one in found] == ["layer"]


def test_stop_ends_writing_and_keeps_what_was_written(laid):
    pane, shown, n = laid.pane, {}, 0
    values = laid.values(targets="layer 1") | asked(laid, prompt={"tokens": 120})
    for update in pane.desk._worker(pane.work)(values, visitor("bob")):
        shown |= update
        if pane.written in update and "token" in update[pane.written]:
            n += 1
            if n == 2:
                pane.desk.stops.halt(visitor("bob"))
    found = json.loads(Path(shown[pane.files][1]).read_text())
    assert found["edited"]["stop_reason"] == "stopped" and len(found["edited"]["ids"]) < 120
    assert "stopped by you" in shown[pane.written] and "Stopped." in shown[pane.desk.status]


def test_asking_anew_ends_what_runs_and_the_old_request_says_nothing_of_it(laid):
    pane, values = laid.pane, laid.values(targets="layer 1") | asked(laid, prompt={"tokens": 120})
    asks = [fn.fn for fn in pane.desk.page.blocks.fns.values() if getattr(fn.fn, "__self__", None) is pane.desk]
    old, last = pane.desk._worker(pane.work)(values, visitor("kim")), {}
    while pane.written not in last:
        last = next(old)
    theirs = pane.desk.stops.begin(visitor("lou"), ablation.TITLE)
    assert asks and {ask(visitor("kim")) for ask in asks} == {note(WAITING)}
    new = pane.desk.stops.begin(visitor("kim"), ablation.TITLE)
    *_, last = old
    assert last[pane.desk.status] == gr.skip() and not new.is_set() and not theirs.is_set()


def test_a_stopped_sweep_shows_what_was_tried(laid, monkeypatch):
    pane, original = laid.pane, sweeps.known.left_out

    def left_out(engine, n, *arguments):
        if n == 2:
            pane.desk.stops.halt(visitor("eve"))
        return original(engine, n, *arguments)

    monkeypatch.setattr(sweeps.known, "left_out", left_out)
    shown = run(laid, pane.sweep, who="eve", over=ablation.LAYERS)
    for found in shown[pane.sweeps]:
        assert not found.complete and np.isnan(found.changes[2]).all() and not np.isnan(found.changes[:2]).any()
    assert "Stopped before all parts were tried" in shown[pane.sweep_told]


def test_examples_name_parts_that_can_be_read():
    for example in ablation.EXAMPLES:
        assert lab.parse(example.targets) and example.how in ablation.HOWS
    assert random_vectors.EXAMPLE == ablation.NOISE
