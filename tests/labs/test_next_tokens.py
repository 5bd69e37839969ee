"""The next-token distribution against a plain forward pass of transformers and its own processors."""

import numpy as np
import pytest
import torch
from transformers.generation import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.next_tokens import next_tokens
from tests import tiny

TEXT = "The cat sat on the mat because"
PLAIN = Sampling(temperature=1, top_p=1, top_k=0)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2", "mamba"])
def test_the_models_own_probabilities(architecture):
    engine = tiny.engine(architecture)
    seen = next_tokens(engine, TEXT, PLAIN, k=20)
    with torch.no_grad():
        expected = engine.model(engine.encode(TEXT)).logits[0, -1].softmax(-1)
    best = expected.topk(20)
    np.testing.assert_allclose(expected[seen.ids.tolist()].numpy(), best.values.numpy(), atol=1e-6)
    np.testing.assert_allclose(seen.probabilities[0], best.values.numpy(), atol=1e-5)
    assert seen.stages == ("model", "temperature") and seen.kept.tolist() == [len(expected)] * 2
    assert seen.entropy[0] == pytest.approx(float(-(expected * expected.log()).sum()), abs=1e-3)


def test_each_stage_is_what_transformers_makes_of_the_one_before():
    engine = tiny.engine("llama")
    seen = next_tokens(engine, TEXT, Sampling(temperature=1.7, top_k=30, top_p=0.6), k=50)
    assert seen.stages == ("model", "temperature", "top-k", "top-p")
    with torch.no_grad():
        scores = engine.model(engine.encode(TEXT)).logits[:, -1]
    for row, processor in enumerate([TemperatureLogitsWarper(1.7), TopKLogitsWarper(30), TopPLogitsWarper(0.6)], 1):
        scores = processor(None, scores)
        expected = scores.softmax(-1)[0]
        np.testing.assert_allclose(seen.probabilities[row], expected[seen.ids.tolist()].numpy(), atol=1e-5)
        assert seen.kept[row] == int((expected > 0).sum())


def test_texts_are_the_tokens():
    engine = tiny.engine("gpt2")
    seen = next_tokens(engine, TEXT, PLAIN, k=5)
    assert list(seen.texts) == [engine.tokenizer.decode([i]) for i in seen.ids]
    assert seen.prompt_tokens == engine.encode(TEXT).shape[1] and seen.provenance.settings["k"] == 5


def test_greedy_leaves_one():
    seen = next_tokens(tiny.engine("gpt2"), TEXT, Sampling(temperature=0), k=3)
    assert seen.kept.tolist()[-1] == 1 and seen.probabilities[-1].tolist() == [1, 0, 0]


@pytest.mark.parametrize("k", [0, -1, 10**6, 2.5, "5", None, True])
def test_an_absurd_k_is_refused(k):
    with pytest.raises(PlaygroundError, match="it must be a whole number from 1 to"):
        next_tokens(tiny.engine("gpt2"), TEXT, PLAIN, k)


def test_nothing_to_read_and_a_model_that_does_not_write():
    with pytest.raises(PlaygroundError, match="There is no text"):
        next_tokens(tiny.engine("gpt2"), "  ", PLAIN)
    with pytest.raises(PlaygroundError, match="it has no next token"):
        next_tokens(tiny.engine("bert"), TEXT, PLAIN)
