"""Ways of combining: against worked numbers and other software, and no row judged by what was learned from it."""

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs.ensembles import combining

LABELS = ("positive", "negative")


def made(n: int = 60, seed: int = 0, skill=(0.9, 0.75, 0.6)):
    """Members that give the right label a higher probability with the given share, apart from each other."""
    rng = np.random.default_rng(seed)
    right = np.arange(n) % 2
    p = np.empty((len(skill), n, 2))
    for member, share in enumerate(skill):
        sure = rng.uniform(0.55, 0.95, n)
        knows = rng.random(n) < share
        p[member, np.arange(n), right] = np.where(knows, sure, 1 - sure)
        p[member, np.arange(n), 1 - right] = 1 - p[member, np.arange(n), right]
    return p, right, [LABELS[i] for i in right]


def test_a_worked_vote_and_average():
    p = np.array([[[0.6, 0.4]], [[0.55, 0.45]], [[0.1, 0.9]]])  # two are hardly for, one is strongly against
    shares, elected = combining.vote(p)
    np.testing.assert_allclose(shares, [[2 / 3, 1 / 3]])
    assert elected.tolist() == [0]
    assert p.mean(0).argmax(1).tolist() == [1]
    tied = combining.vote(p[1:])
    assert tied[0].tolist() == [[0.5, 0.5]]
    assert tied[1].tolist() == [1]  # of equals the one with the higher mean probability


def test_weights_are_the_optimum_of_the_log_likelihood():
    """Against scipy's constrained search for the same maximum."""
    from scipy.optimize import minimize

    p, right, _ = made()
    given = p[:, np.arange(len(right)), right]

    def loss(free):
        weights = np.exp(free) / np.exp(free).sum()
        return -np.log(weights @ given).mean()

    found = minimize(loss, np.zeros(3), tol=1e-12)
    expected = np.exp(found.x) / np.exp(found.x).sum()
    np.testing.assert_allclose(combining.mixture_weights(p, right, 20_000), expected, atol=2e-3)
    assert combining.mixture_weights(p, right).sum() == pytest.approx(1)


def test_everything_is_judged_on_the_same_rows():
    p, right, truth = made(100)
    found = combining.combine(["a", "b", "c"], p, LABELS, truth)
    assert [one.accuracy.correct for one in found.members] == [(m.argmax(1) == right).sum() for m in p]
    assert found.best == 0
    assert found.members[0].against_best is None
    assert [one.name for one in found.ways] == ["vote", "average", "weighted", "stacking"]
    for one in found.ways:
        np.testing.assert_allclose(one.probabilities.sum(1), 1)
        assert one.accuracy.n == 100
    average = found.ways[1]
    assert average.loss == pytest.approx(-np.log(p.mean(0)[np.arange(100), right]).mean())
    assert found.weights[0] > found.weights[2]


def test_no_row_is_answered_by_what_it_taught():
    """Labels drawn by chance: stacking judged on rows that it was fitted on would be right far too often."""
    rng = np.random.default_rng(5)
    shares = []
    for seed in range(8):
        p = rng.dirichlet((1, 1), (9, 60))
        truth = [LABELS[i] for i in rng.permutation(np.arange(60) % 2)]
        shares.append(combining.combine("abcdefghi", p, LABELS, truth, seed).ways[3].accuracy.share)
    assert np.mean(shares) < 0.6
    stacker = combining.Stacker(p, np.array([LABELS.index(t) for t in truth]), 2)
    fitted = stacker.predict(p).argmax(1) == np.array([LABELS.index(t) for t in truth])
    assert fitted.mean() > 0.6  # as it would have looked


def test_stacking_mends_a_member_that_is_always_wrong():
    p, _, truth = made(100, skill=(0.05, 0.5))
    found = combining.combine(["contrary", "chance"], p, LABELS, truth)
    assert found.ways[3].accuracy.share > 0.85 > found.ways[1].accuracy.share


def test_one_more_text():
    p, _, truth = made(40)
    found = combining.combine(["a", "b", "c"], p, LABELS, truth)
    new = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    said = combining.one(found, p, new)
    np.testing.assert_allclose(said["average"], [0.8, 0.2])
    np.testing.assert_allclose(said["vote"], [1, 0])
    np.testing.assert_allclose(said["weighted"], found.weights @ new)
    assert all(value.argmax() == 0 for value in said.values())


@pytest.mark.parametrize(("truth", "words"), [(["positive"] * 5, "at least"), (["good"] * 20, "no label")])
def test_what_cannot_be_judged_is_refused(truth, words):
    p = np.full((2, len(truth), 2), 0.5)
    with pytest.raises(PlaygroundError, match=words):
        combining.combine(["a", "b"], p, LABELS, truth)


def test_rows_of_one_label_do_not_stop_it():
    p = np.full((2, 20, 2), 0.5)
    p[:, :, 0] = 0.7
    p[:, :, 1] = 0.3
    found = combining.combine(["a", "b"], p, LABELS, ["positive"] * 20)
    assert found.ways[3].accuracy.correct == 20
