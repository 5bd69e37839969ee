"""Associations by worked vectors, by all partitions counted one by one, and by SciPy."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from playground.errors import PlaygroundError
from playground.labs.bias import associations, vectors, weat
from tests import tiny


def at(*degrees: float) -> np.ndarray:
    return np.array([[np.cos(np.radians(d)), np.sin(np.radians(d))] for d in degrees])


X, Y, A, B = at(10, 20, 30, 40), at(50, 60, 70, 80), at(0, 15), at(90, 75)


def test_the_worked_vectors_in_both_conventions():
    assert weat.associate(X, Y, A, B, ddof=1).effect == pytest.approx(1.645443, abs=1e-6)
    assert weat.associate(X, Y, A, B, ddof=0).effect == pytest.approx(1.759053, abs=1e-6)
    found = weat.associate(X, Y, A, B)
    assert (found.p_value, found.partitions, found.exact) == (pytest.approx(1 / 70), 70, True)
    assert weat.associate(Y, X, A, B).p_value == 1.0 and weat.associate(Y, X, A, B).effect == pytest.approx(-1.645443)
    assert weat.associate(3 * X, 7 * Y, A, 2 * B).effect == pytest.approx(1.645443, abs=1e-6)  # lengths say nothing


def test_p_is_the_share_of_partitions_counted_one_by_one():
    random = np.random.default_rng(1)
    x, y, a, b = (random.normal(size=(n, 6)) for n in (4, 4, 3, 5))
    found = weat.associate(x, y, a, b)
    s = np.concatenate([found.x, found.y])
    observed = s[:4].sum() - s[4:].sum()
    larger = 0
    for chosen in itertools.combinations(range(8), 4):
        rest = [i for i in range(8) if i not in chosen]
        larger += s[list(chosen)].sum() - s[rest].sum() >= observed - 1e-12
    assert found.p_value == larger / 70


def test_many_partitions_are_sampled_and_never_give_0():
    random = np.random.default_rng(2)
    x, y = random.normal(size=(12, 4)) + 1, random.normal(size=(12, 4)) - 1
    found = weat.associate(x, y, np.ones((3, 4)), -np.ones((3, 4)))
    assert not found.exact and found.p_value >= 1 / found.partitions
    assert weat.associate(x, y, np.ones((3, 4)), -np.ones((3, 4))).p_value == found.p_value  # the same seed
    same = weat.associate(x[:, :2], np.roll(x[:, :2], 1, axis=0), np.ones((3, 2)), -np.ones((3, 2)))
    assert same.p_value > 0.3  # the same words in both sets


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: weat.associate(X, Y[:3], A, B), "4 and 3 words"),
        (lambda: weat.associate(X, Y, A[:0], B), "A set has no words"),
        (lambda: weat.associate(X[:1], Y[:1], A, B), "one word; at least two"),
        (lambda: weat.associate(X * 0, Y, A, B), "without a direction"),
        (lambda: weat.associate(X, Y, A, A), "equally near"),
        (lambda: weat.associate(X, Y, A, B, ddof=2), "must be 0 or 1"),
        (lambda: associations.weat(tiny.engine("bert"), "XYAB", [["cat"], [], ["a"], ["b"]]), "set “Y” has no words"),
        (lambda: vectors.at_layers(tiny.engine("bert"), ["a"], [3]), "has no layer 3: they are 0 to 2"),
        (lambda: vectors.embeddings(tiny.engine("bert"), ["日本"]), "not in the vocabulary"),
        (lambda: associations.axis(tiny.engine("bert"), ["cat"], ["cat"]), "the same"),
        (lambda: associations.axis(tiny.engine("bert"), [], ["cat"]), "Both ends of the axis need words"),
    ],
)
def test_bad_input_gets_a_sentence(make, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        make()


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_vectors_are_those_of_plain_transformers(architecture):
    engine = tiny.engine(architecture)
    texts = ["The cat sat", "The doctor asked the nurse", "a"]
    found = vectors.at_layers(engine, texts, [0, 1])
    for number, text in enumerate(texts):
        ids = engine.tokenizer(text, add_special_tokens=architecture == "bert").input_ids
        ids = ids if architecture == "bert" else [engine.tokenizer.bos_token_id, *ids]
        with torch.inference_mode():
            states = engine.model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
        own = states[1][0, 1:-1] if architecture == "bert" else states[1][0, 1:]
        np.testing.assert_allclose(found[0][number], own.mean(0), atol=1e-5)
    word = engine.tokenizer(" doctor", add_special_tokens=False).input_ids
    table = engine.model.get_input_embeddings().weight
    np.testing.assert_allclose(vectors.embeddings(engine, ["doctor"])[0], table[word].mean(0), atol=1e-6)


def test_correlations_are_scipys():
    random = np.random.default_rng(0)
    x = random.normal(size=60)
    y = np.round(x + random.normal(size=60), 1)
    r, low, high = associations.correlation(x, y)
    expected = stats.pearsonr(x, y)
    interval = expected.confidence_interval(0.95)
    assert (r, low, high) == pytest.approx((expected.statistic, interval.low, interval.high))
    assert associations.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_the_axis_is_the_cosine_with_the_difference_of_means():
    engine = tiny.engine("gpt2")
    found = associations.axis(engine, ["cat", "doctor"], ["nurse", "mat"])
    ends = vectors.embeddings(engine, ["cat", "doctor", "nurse", "mat"])
    direction = ends[:2].mean(0) - ends[2:].mean(0)
    jobs = vectors.embeddings(engine, [one.name for one in found.occupations])
    jobs = jobs - jobs.mean(0)
    for place, job in zip(found.places, jobs, strict=True):
        assert place == pytest.approx(job @ direction / np.linalg.norm(job) / np.linalg.norm(direction), abs=1e-5)
    women = [one.women for one in found.occupations]
    assert found.pearson == pytest.approx(stats.pearsonr(found.places, women).statistic)
