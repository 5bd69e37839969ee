"""Heads planted by hand must score what their pattern says, and a head that spreads evenly what is said of it."""

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs.attention import heads
from playground.labs.attention import maps as attention
from playground.labs.attention import views as attention_views
from tests import tiny
from tests.labs.maps import maps_of, random_rows, text_of

LABELS = ["a", "b", ".", "a", "c", "b", ".", "d"]
N = len(LABELS)
CAUSAL = np.tril(np.ones((N, N))) / np.arange(1, N + 1)[:, None]


def planted(places) -> np.ndarray:
    """A causal head that gives all its attention to one place, which `places` says for some tokens; others: itself."""
    weights = np.eye(N)
    for query, key in places.items():
        weights[query] = np.eye(N)[key]
    return weights


PLANTED = {
    "previous token": planted({i: i - 1 for i in range(1, N)}),
    "first token": planted(dict.fromkeys(range(1, N), 0)),
    "same token": planted({}),
    "duplicate token": planted({3: 0, 5: 1, 6: 2}),
    "induction": planted({3: 1, 5: 2, 6: 3}),
    "separator": planted(dict.fromkeys(range(2, N), 2)),
    "broad": CAUSAL,
}


def scored(weights, causal=True, labels=LABELS):
    return heads.score(maps_of(weights, text_of(labels, special=["[CLS]", "[SEP]"]), causal=causal))


def test_a_planted_head_scores_one_in_its_pattern_and_stands_first():
    found = scored([list(PLANTED.values())])
    assert {p.name for p in found.patterns} == set(PLANTED)
    for n, pattern in enumerate(found.patterns):
        head = list(PLANTED).index(pattern.name)
        assert found.scores[n, 0, head] == pytest.approx(1, abs=1e-6)
        assert (np.delete(found.scores[n, 0], head) < 0.95).all(), pattern.name
        top = next(r for r in heads.interesting(found) if r.pattern == pattern.name)
        assert (top.layer, top.head) == (0, head) and top.score > top.mean and top.deviations > 0


def test_what_an_even_head_scores_is_what_is_said_of_it():
    found = scored([[CAUSAL]])
    np.testing.assert_allclose(found.scores[:, 0, 0], found.even, atol=1e-6)
    names = [p.name for p in found.patterns]
    assert found.even[names.index("previous token")] == pytest.approx(np.mean([1 / (i + 1) for i in range(1, N)]))
    assert found.even[names.index("induction")] == pytest.approx(np.mean([1 / 4, 1 / 6, 1 / 7]))
    assert found.counted[names.index("induction")] == 3
    assert all(r.pattern == "broad" for r in heads.interesting(found))  # nothing stands out


def test_models_that_read_both_ways_have_their_own_patterns():
    labels = ["[CLS]", "a", "b", "a", "[SEP]"]
    after = np.eye(5, k=1)
    after[4, 4] = 1
    to_end = np.tile(np.eye(5)[4], (5, 1))
    found = scored([[after, to_end]], causal=False, labels=labels)
    names = [p.name for p in found.patterns]
    assert "induction" not in names and "reads both ways" in dict(found.left_out)["induction"]
    assert found.scores[names.index("next token"), 0, 0] == pytest.approx(1)
    assert found.scores[names.index("separator"), 0].tolist() == pytest.approx([0.4, 1])
    assert "no token sees the next" in dict(scored([[CAUSAL]]).left_out)["next token"]
    assert "no token is repeated" in dict(scored([[CAUSAL]], labels=list("abcdefgh")).left_out)["induction"]


def test_streamed_scores_are_those_of_the_maps():
    engine = tiny.engine("llama")
    text = "The cat sat. The cat sat. The cat"
    streamed, stored = heads.heads(engine, text), heads.score(attention.attention(engine, text))
    names = [p.name for p in streamed.patterns]
    rest = [n for n, name in enumerate(names) if name != "induction, random tokens"]
    np.testing.assert_allclose(streamed.scores[rest], stored.scores, atol=1e-6)
    assert len(names) == len(stored.patterns) + 1 and streamed.seed == 0
    summary = attention_views.summary(attention.attention(engine, text))
    np.testing.assert_allclose(streamed.summary.entropy, summary.entropy, atol=1e-6)
    np.testing.assert_allclose(streamed.summary.distance, summary.distance, atol=1e-6)
    assert streamed.summary.even_distance == pytest.approx((len(streamed.reading) - 1) / 4)
    again = heads.heads(engine, text)
    assert np.array_equal(again.scores, streamed.scores)
    assert not np.array_equal(heads.heads(engine, text, seed=1).scores, streamed.scores)


@pytest.mark.parametrize("architecture", ["gpt2", "bert", "t5", "gemma2"])
def test_every_architecture_is_scored(architecture):
    found = heads.heads(tiny.engine(architecture), "The cat sat. The cat sat.")
    assert found.scores.shape == (len(found.patterns), 3, 4)
    assert (found.scores >= 0).all() and (found.scores <= 1 + 1e-5).all()


def test_what_cannot_be_scored():
    with pytest.raises(PlaygroundError, match="single token"):
        heads.heads(tiny.engine("llama"), "a")
    with pytest.raises(PlaygroundError, match="cross-attention joins two"):
        heads.score(maps_of(random_rows(1, 1, 2, 3), kind="cross"))
    with pytest.raises(PlaygroundError, match="shows no attention"):
        heads.heads(tiny.engine("mamba"), "a b c")
