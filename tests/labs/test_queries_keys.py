"""Queries and keys as they were multiplied: their softmax is the attention that the model computed."""

import numpy as np
import pytest

from playground.engine.observe import observe
from playground.errors import PlaygroundError
from playground.labs.attention import maps as attention
from playground.labs.attention.queries_keys import queries_keys
from tests import tiny

TEXT = "The cat sat on the mat because it was comfortable."


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2", "bert", "roberta", "distilbert"])
def test_their_softmax_is_the_attention(architecture):
    engine = tiny.engine(architecture)
    seen = queries_keys(engine, TEXT, layer=1)
    maps = attention.attention(engine, TEXT, layers=[1])
    scores = seen.queries @ seen.keys.transpose(0, 2, 1) / seen.queries.shape[-1] ** 0.5
    if maps.causal:
        scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
    np.testing.assert_allclose(softmax(scores), maps.weights[0], atol=2e-6)
    assert np.array_equal(seen.weights, maps.weights[0])
    assert seen.exact
    assert seen.causal == maps.causal
    assert seen.looking.labels == maps.queries.labels
    assert seen.queries.shape[0] == seen.keys.shape[0] == engine.anatomy.n_heads


def test_where_something_comes_between_it_is_said():
    assert not queries_keys(tiny.engine("t5"), TEXT, layer=0).exact, "T5 adds a bias by position"
    capped = queries_keys(tiny.engine("gemma2"), TEXT, layer=1)
    assert not capped.exact, "Gemma 2 caps the scores"
    cross = queries_keys(tiny.engine("t5"), TEXT, layer=0, text_pair="The doctor", kind="cross")
    assert cross.weights.shape[1:] == (len(cross.looking), len(cross.looked_at))
    assert cross.exact, "T5's cross-attention has no bias"


def test_seeing_them_changes_nothing():
    engine = tiny.engine("llama")
    inputs = {"input_ids": engine.encode(TEXT)}
    before = observe(engine, inputs).logits
    queries_keys(engine, TEXT, layer=2)
    assert (observe(engine, inputs).logits == before).all()


@pytest.mark.parametrize(
    ("architecture", "layer", "sentence"),
    [("mamba", 0, "shows no attention"), ("llama", 7, "no such attention in layer 7")],
)
def test_what_cannot_be_seen_is_said(architecture, layer, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        queries_keys(tiny.engine(architecture), TEXT, layer)
