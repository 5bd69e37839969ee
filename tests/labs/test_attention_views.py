"""Averages, words, hidden tokens, rollout and entropies against closed forms."""

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs.attention import maps as attention
from playground.labs.attention import views as attention_views
from tests import tiny
from tests.labs.maps import maps_of, random_rows, text_of

TEXT = "The doctor asked the nurse to help; uncomfortable."


def test_means():
    weights = random_rows(3, 4, 5, 5)
    heads, layers = (f(maps_of(weights)) for f in (attention_views.mean_over_heads, attention_views.mean_over_layers))
    np.testing.assert_allclose(heads.weights[:, 0], weights.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(layers.weights[0], weights.mean(axis=0), atol=1e-6)
    assert heads.heads == () and heads.layers == (0, 1, 2) and layers.layers == () and layers.heads == (0, 1, 2, 3)
    assert "all 4 heads" in heads.remarks[-1] and "all 3 layers" in layers.remarks[-1]
    assert attention_views.mean_over_heads(heads) is heads


def test_words_sum_over_what_is_looked_at_and_average_over_who_looks():
    """Worked by hand: tokens a, b1, b2 with b1 and b2 one word."""
    weights = [[[[0.2, 0.3, 0.5], [0.6, 0.4, 0.0], [0.1, 0.2, 0.7]]]]
    seen = attention_views.words(maps_of(weights, text_of(["a", "b1", "b2"], words=[0, 1, 1])))
    np.testing.assert_allclose(seen.weights[0, 0], [[0.2, 0.8], [0.35, 0.65]], atol=1e-6)
    assert seen.queries.labels == ("a", "b1 b2") and seen.queries is seen.keys


@pytest.mark.parametrize("architecture", ["llama", "bert"])
def test_words_of_a_model_keep_rows_at_one(architecture):
    seen = attention_views.words(attention.attention(tiny.engine(architecture), TEXT))
    np.testing.assert_allclose(seen.weights.sum(-1), 1, atol=1e-5)
    assert "uncomfortable" in seen.keys.labels and seen.weights.shape[-1] == len(seen.keys) == seen.keys.n_words


def test_hiding_scales_rows_back_and_says_what_was_hidden():
    weights = random_rows(2, 2, 4, 4)
    labels = text_of(["[CLS]", "a", "b", "[SEP]"], special=["[CLS]", "[SEP]"])
    seen = attention_views.without(maps_of(weights, labels), "special")
    inner = weights[:, :, 1:3, 1:3]
    np.testing.assert_allclose(seen.weights, inner / inner.sum(-1, keepdims=True), atol=1e-6)
    hidden = 100 * (1 - inner.sum(-1).mean())
    assert seen.keys.labels == ("a", "b") and f"{hidden:.0f} % of the attention" in seen.remarks[-1]
    first = attention_views.without(maps_of(weights, labels), "first")
    assert first.keys.labels == ("a", "b", "[SEP]")
    np.testing.assert_allclose(first.weights.sum(-1), 1, atol=1e-6)
    with pytest.raises(PlaygroundError, match="nothing of this text is left"):
        attention_views.without(maps_of(random_rows(1, 1, 1, 1)), "first")
    with pytest.raises(PlaygroundError, match="Choose one of: special, first"):
        attention_views.without(maps_of(weights), "last")
    assert "nothing was hidden" in attention_views.without(maps_of(weights), "special").remarks[-1]


def test_a_row_that_looked_at_hidden_tokens_alone_is_empty_and_said_to_be():
    weights = np.full((1, 1, 3, 3), 1 / 3)
    weights[0, 0, 2] = [1, 0, 0]
    seen = attention_views.without(maps_of(weights), "first")
    np.testing.assert_allclose(seen.weights[0, 0], [[0.5, 0.5], [0, 0]], atol=1e-6)
    assert "1 rows had nothing else" in seen.remarks[-1]


def test_rollout_of_identity_is_identity():
    seen = attention_views.rollout(maps_of(np.tile(np.eye(5), (3, 2, 1, 1))))
    np.testing.assert_allclose(seen.weights, np.tile(np.eye(5), (3, 1, 1, 1)), atol=1e-7)


def test_rollout_of_uniform_attention_is_the_closed_form():
    n_layers, n = 6, 5
    seen = attention_views.rollout(maps_of(np.full((n_layers, 3, n, n), 1 / n)))
    for layer in range(n_layers):
        kept = 0.5 ** (layer + 1)
        expected = kept * np.eye(n) + (1 - kept) / n
        np.testing.assert_allclose(seen.weights[layer, 0], expected, atol=1e-6)


def test_rollout_is_the_product_from_the_last_layer_to_the_first():
    weights = random_rows(2, 3, 4, 4)
    first, second = (0.5 * layer.mean(axis=0) + 0.5 * np.eye(4) for layer in weights)
    np.testing.assert_allclose(attention_views.rollout(maps_of(weights)).weights[1, 0], second @ first, atol=1e-6)
    assert not np.allclose(first @ second, second @ first, atol=1e-3)


def test_rollout_refuses_what_it_does_not_apply_to():
    with pytest.raises(PlaygroundError, match="within one text"):
        attention_views.rollout(maps_of(random_rows(1, 2, 3, 4), kind="cross"))
    engine = tiny.engine("llama")
    with pytest.raises(PlaygroundError, match="every layer from the first on"):
        attention_views.rollout(attention.attention(engine, TEXT, layers=[1, 2]))
    with pytest.raises(PlaygroundError, match="all 4 heads"):
        attention_views.rollout(attention.attention(engine, TEXT, heads=[1, 2]))
    seen = attention_views.rollout(attention.attention(engine, TEXT))
    np.testing.assert_allclose(seen.weights.sum(-1), 1, atol=1e-5)
    assert not np.triu(seen.weights, 1).any()


def test_summaries_against_closed_forms():
    n = 6
    identity, uniform = np.eye(n), np.full((n, n), 1 / n)
    previous = np.eye(n, k=-1)
    previous[0, 0] = 1
    seen = attention_views.summary(maps_of([[identity, uniform, previous]]))
    np.testing.assert_allclose(seen.entropy[0], [0, np.log(n), 0], atol=1e-6)
    np.testing.assert_allclose(seen.distance[0], [0, (n * n - 1) / (3 * n), (n - 1) / n], atol=1e-6)
    assert seen.even_entropy == pytest.approx(np.log(n)) and seen.even_distance == pytest.approx((n * n - 1) / (3 * n))
    causal = attention_views.summary(maps_of([[identity]], causal=True))
    assert causal.even_entropy == pytest.approx(np.log(np.arange(1, n + 1)).mean())
    assert attention_views.summary(maps_of(random_rows(1, 2, 3, 4), kind="cross")).distance is None
