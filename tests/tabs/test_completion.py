"""The handlers of the completion pane on a tiny base model."""

import gradio as gr
import pytest

from playground.errors import PlaygroundError
from tests.tabs.conftest import visitor
from tests.tabs.test_conversation import expect_quiet, writers

ONE = visitor("one")


def run(laid, text, values):
    laid.text.begin(text, ONE)
    return list(laid.text.answer(values, ONE))


def shown(laid, steps):
    texts = [update[laid.text.text] for update in steps if isinstance(update.get(laid.text.text), str)]
    return texts[-1] if texts else None


def test_the_text_grows_in_place(laid, base):
    steps = run(laid, "The cat", laid.values(base, max_new_tokens=8, seed="3", temperature=1.0))
    texts = [update[laid.text.text] for update in steps if isinstance(update.get(laid.text.text), str)]
    assert all(text.startswith("The cat") for text in texts)
    assert len(texts[-1]) > len("The cat")
    assert steps[-1][laid.text.back]["interactive"]
    assert laid.text.take_back("The cat")[laid.text.text]["value"] == "The cat"
    assert laid.text.settle(ONE) == gr.skip()


def test_samples_differ_and_leave_the_text_alone(laid, base):
    steps = run(laid, "The cat", laid.values(base, samples=3, max_new_tokens=6, seed="3", temperature=1.0))
    assert shown(laid, steps) is None
    notes = [update[laid.text.notes] for update in steps if laid.text.notes in update][-1]
    assert notes.count("<li>") == 3
    assert all(f"seed {seed}" in notes for seed in (3, 4, 5))


def test_stop_ends_all_samples(laid, base):
    laid.text.begin("The cat", ONE)
    steps = laid.text.answer(laid.values(base, samples=3, max_new_tokens=1500, temperature=1.0), ONE)
    while not writers():
        next(steps)
    next(steps)
    laid.text.halt(ONE)
    notes = [update[laid.text.notes] for update in steps if laid.text.notes in update]
    assert notes[-1].count("<li>") == 1
    assert "stopped by you" in notes[-1]
    expect_quiet(laid)


def test_a_failure_leaves_the_text_as_it_was(laid, base):
    with pytest.raises(gr.Error, match="nothing to continue"):
        laid.text.begin("  ", ONE)
    with pytest.raises(gr.Error, match="tokens long"):
        run(laid, "cat " * 3000, laid.values(base))
    assert laid.text.settle_failure(ONE)[laid.text.text]["value"] == "cat " * 3000
    expect_quiet(laid)


@pytest.mark.parametrize("samples", [1, 2])
def test_what_had_come_when_a_model_failed_is_kept(laid, base, breaks, samples):
    breaks(9, PlaygroundError("No numbers."))
    laid.text.begin("The cat", ONE)
    values = laid.values(base, samples=samples, max_new_tokens=6 if samples > 1 else 20, temperature=1.0)
    steps = []
    with pytest.raises(gr.Error, match="No numbers"):
        steps.extend(laid.text.answer(values, ONE))
    if samples == 1:
        assert shown(laid, steps).startswith("The cat") and shown(laid, steps) != "The cat"
    else:
        assert steps[-2][laid.text.notes].count("<li>") == 2
    assert steps[-1][laid.text.go]["interactive"]
    assert laid.text.settle_failure(ONE) == gr.skip(), "nothing is taken away"
