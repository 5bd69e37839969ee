"""A direction is the difference of means, strength 0 is nothing, and any strength is exactly that much of it."""

import numpy as np
import pytest
import torch

from playground.engine.intervene import intervene
from playground.engine.observe import observe
from playground.engine.sampling import Sampling
from playground.engine.tap import Site, open_tap
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat
from playground.labs.internals import edited, steering
from tests import tiny

SITE = Site("decoder", 1, "block")
POSITIVE, NEGATIVE = ("The cat sat on the mat", "Paris is the capital"), ("The doctor asked", "def add(a, b)")


def residual(engine, text):
    return observe(engine, {"input_ids": engine.encode(text)}, residual_layers=[1]).residuals[SITE][0]


@pytest.mark.parametrize("name", ["gpt2", "llama", "mamba"])
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_a_direction_is_the_difference_of_means(name, pooling):
    engine = tiny.engine(name)
    found = steering.direction(engine, POSITIVE, NEGATIVE, 1, pooling)
    pool = (lambda r: r[-1]) if pooling == "last" else (lambda r: r[1:].mean(0))
    means = [torch.stack([pool(residual(engine, text)) for text in texts]).mean(0) for texts in (POSITIVE, NEGATIVE)]
    np.testing.assert_allclose(found.vector, means[0] - means[1], atol=1e-5)
    assert found.norm == pytest.approx(float(np.linalg.norm(found.vector)))
    assert 0.5 <= found.separation <= 1


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "mamba"])
def test_strength_0_changes_no_bit_and_others_add_exactly_that_much(name):
    engine = tiny.engine(name)
    found = steering.direction(engine, POSITIVE, NEGATIVE, 1)
    ids = engine.encode(POSITIVE[0])
    plain = observe(engine, {"input_ids": ids}).logits

    def steered(strength):
        with torch.inference_mode(), open_tap(steering.tap(engine, found, strength)):
            return engine.model(input_ids=ids).logits

    assert torch.equal(steered(0), plain)
    with (
        torch.inference_mode(),
        intervene(engine, residuals={SITE: lambda r: r + 2.5 * torch.from_numpy(found.vector)}),
    ):
        expected = engine.model(input_ids=ids).logits
    torch.testing.assert_close(steered(2.5), expected, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(steered(2.5), plain, atol=1e-3)


def test_a_chat_steered_by_nothing_is_the_chat():
    """Bit for bit, probabilities too: the steered prompt is read anew, the other may come from what is kept."""
    engine = tiny.engine("llama")
    found = steering.direction(engine, POSITIVE, NEGATIVE, 1)
    ids = chat.prompt_ids(engine, [{"role": "user", "content": "Hello " * 20}])
    sampling = Sampling(max_new_tokens=12, temperature=1, seed=2)
    for strength in (0, 3.0):
        *_, last = edited.side_by_side(engine, ids, sampling, steering.tap(engine, found, strength))
        assert (last.original.tokens == last.edited.tokens) == (strength == 0)


def test_the_control_is_another_direction_of_the_same_length():
    engine = tiny.engine("llama")
    found = steering.direction(engine, POSITIVE, NEGATIVE, 1)
    controls = [steering.at_random(found, seed) for seed in (0, 0, 1)]
    for control in controls:
        assert np.linalg.norm(control.vector) == pytest.approx(found.norm, rel=1e-5)
        assert abs(control.vector @ found.vector) < 0.9 * found.norm**2
    np.testing.assert_array_equal(controls[0].vector, controls[1].vector)
    assert not np.array_equal(controls[0].vector, controls[2].vector)


def test_three_texts_at_once_are_each_text_alone():
    engine = tiny.engine("llama")
    found = steering.direction(engine, POSITIVE, NEGATIVE, 1)
    taps = [None, steering.tap(engine, found, 3.0), steering.tap(engine, steering.at_random(found), 3.0)]
    ids, sampling = engine.encode(POSITIVE[0]), Sampling(max_new_tokens=10, temperature=1, seed=4)
    *_, last = edited.at_once(engine, ids, sampling, taps)
    for reply, tap in zip(last, taps, strict=True):
        *_, alone = chat.resume(engine, ids, (), sampling, tap=tap)
        assert reply.tokens == alone.tokens and reply.stop_reason == alone.stop_reason
    assert len({reply.ids for reply in last}) == 3


def test_what_cannot_be_steered_is_said():
    engine = tiny.engine("llama")
    found = steering.direction(engine, POSITIVE, NEGATIVE, 1)
    for arguments, sentence in (
        ((POSITIVE, [" "], 1), "Both sets need"),
        ((POSITIVE, POSITIVE, 1), "Both sets give the same residual"),
        ((POSITIVE, NEGATIVE, 3), "they are 0 to 2"),
        ((POSITIVE, NEGATIVE, 1, "middle"), "no way to pool"),
    ):
        with pytest.raises(PlaygroundError, match=sentence):
            steering.direction(engine, *arguments)
    for strength in (float("nan"), 1e9, "much", True):
        with pytest.raises(PlaygroundError, match="The strength is"):
            steering.tap(engine, found, strength)
    with pytest.raises(PlaygroundError, match="encoder-decoder"):
        steering.direction(tiny.engine("t5"), POSITIVE, NEGATIVE, 1)
