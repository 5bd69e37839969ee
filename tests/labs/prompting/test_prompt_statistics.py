"""Intervals, tests and power against SciPy, statsmodels, scikit-learn and brute force."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from sklearn.calibration import calibration_curve
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.proportion import proportion_confint

from playground.errors import PlaygroundError
from playground.labs.prompting import statistics
from playground.labs.prompting.prompts import Example, Prompt
from playground.labs.prompting.scorers import Judged
from playground.labs.prompting.statistics import accuracy, calibration, cochran, compare, convergence, orders, voted

A = ["correct"] * 30 + ["wrong"] * 8 + ["unparseable"] * 2
B = ["correct"] * 18 + ["wrong"] * 12 + ["correct"] * 3 + ["wrong"] * 7


def test_accuracy_and_its_interval():
    found = accuracy([*A, None])
    assert (found.correct, found.wrong, found.unparseable, found.failed, found.n) == (30, 8, 2, 1, 40)
    assert found.share == 0.75
    assert found.interval == pytest.approx(proportion_confint(30, 40, method="wilson"), abs=1e-9)
    assert accuracy([]).interval == (0, 1)


def test_two_prompts_on_the_same_rows():
    found = compare([*A, None, "correct"], [*B, "correct", None])
    assert (found.both, found.only_a, found.only_b, found.neither, found.n) == (18, 12, 3, 7, 40)
    table = [[found.both, found.only_a], [found.only_b, found.neither]]
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)
    each = np.array([(a == "correct") - (b == "correct") for a, b in zip(A, B, strict=True)], float)
    peer = scipy.stats.bootstrap((each,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), abs=0.03)
    assert found.difference == pytest.approx(9 / 40)
    assert found.verdict == "a"
    assert compare(B, A).verdict == "b"
    assert compare(A, A).verdict == "open"
    assert compare(A, A).rows_needed is None
    assert compare(A, B, seed=3) == compare(A, B, seed=3)
    with pytest.raises(PlaygroundError, match="no row that both"):
        compare([None], ["correct"])


def test_a_difference_that_only_one_of_the_two_finds_is_not_a_verdict():
    found = compare(["correct"] * 5 + ["wrong"] * 20, ["wrong"] * 25)  # five to none: p = 0.0625
    assert found.low > 0
    assert found.p_value > 0.05
    assert found.verdict == "nearly"


@pytest.mark.parametrize("shares", [(0.3, 0.1), (0.05, 0.2), (0.1, 0.0)])
def test_power_is_what_enumerating_every_outcome_gives(shares):
    a, b = shares
    n = 25
    total = 0.0
    for i, j in itertools.product(range(n + 1), repeat=2):
        if i + j > n or mcnemar([[0, i], [j, 0]], exact=True).pvalue >= 0.05:
            continue
        ways = math.comb(n, i) * math.comb(n - i, j)
        total += ways * a**i * b**j * (1 - a - b) ** (n - i - j)
    assert statistics.power(n, a, b) == pytest.approx(total, abs=1e-9)


def test_rows_needed_are_the_first_that_suffice():
    for a, b in ((0.3, 0.1), (0.2, 0.15), (0.5, 0.0)):
        n = statistics.rows_needed(a, b)
        assert statistics.power(n, a, b) >= 0.8 > statistics.power(n - 1, a, b)
    # published rule for large n, for orientation: the exact test needs a few more
    rough = (1.96 * 0.35**0.5 + 0.8416 * (0.35 - 0.05**2) ** 0.5) ** 2 / 0.05**2
    assert rough < statistics.rows_needed(0.2, 0.15) < 1.1 * rough
    assert statistics.rows_needed(0.2, 0.2) is None
    assert statistics.rows_needed(0.2001, 0.2) is None


def judged(*answers: str | None, right: str = "a") -> list[Judged]:
    return [
        Judged("unparseable") if each is None else Judged("correct" if each == right else "wrong", each)
        for each in answers
    ]


def test_votes():
    assert voted(judged("a", "b", "a")) == Judged("correct", "a (2 of 3)")
    assert voted(judged("b", "a", "b")).outcome == "wrong"
    assert voted(judged("a", "b")) == Judged("unparseable", why="A tie between a, b.")
    assert voted(judged(None, "a", None)).outcome == "correct"
    similar = [
        Judged("correct", "0.91", "", 0.91),
        Judged("wrong", "0.42", "low", 0.42),
        Judged("correct", "0.88", "", 0.88),
    ]
    assert voted(similar).outcome == "correct"
    assert voted(similar).parsed == "correct (2 of 3)"
    assert voted(judged(None)).why == "None of the samples can be read."


def test_convergence_equals_the_mean_over_all_subsets():
    rows = [judged("a", "a", "b", "a", "c"), judged("b", "a", "b", None, "a"), judged("b", "b", "a", "b", "b")]
    found = convergence(rows, draws=4_000)
    for k in range(1, 6):
        exact = [voted(s).outcome == "correct" for row in rows for s in itertools.combinations(row, k)]
        assert found.shares[k - 1] == pytest.approx(np.mean(exact), abs=0.02)
    assert found.shares[4] == pytest.approx(1 / 3)
    assert found.tied[4] == pytest.approx(1 / 3)
    assert (found.low, found.high) == pytest.approx(proportion_confint(1, 3, method="wilson"), abs=1e-9)
    with pytest.raises(PlaygroundError, match="different numbers"):
        convergence([judged("a"), judged("a", "b")])
    with pytest.raises(PlaygroundError, match="no samples"):
        convergence([])


def test_orders_are_different_and_hold_the_same():
    prompt = Prompt("p", examples=tuple(Example(q, "", q) for q in "abcd"), style="few-shot")
    found = orders(prompt, 6, seed=1)
    assert found[0] == prompt
    assert len({p.examples for p in found}) == len({p.name for p in found}) == 6
    assert all(set(p.examples) == set(prompt.examples) for p in found)
    assert orders(prompt, 6, seed=1) == found
    two = Prompt("p", examples=prompt.examples[:2], style="few-shot")
    assert len(orders(two, 10)) == 2
    with pytest.raises(PlaygroundError, match="only one order"):
        orders(Prompt("p"), 3)


def test_cochran_equals_statsmodels():
    rng = np.random.default_rng(0)
    right = rng.random((30, 4)) < [0.5, 0.6, 0.7, 0.9]
    columns = [["correct" if hit else "wrong" for hit in column] for column in right.T]
    assert cochran(columns) == pytest.approx(cochrans_q(right.astype(int)).pvalue, abs=1e-12)
    assert cochran([[*columns[0], None], [*columns[1], "correct"]]) == pytest.approx(
        cochrans_q(right[:, :2].astype(int)).pvalue, abs=1e-12
    )
    assert cochran([A, A]) == 1
    with pytest.raises(PlaygroundError):
        cochran([A])


def test_calibration_equals_scikit_learn():
    rng = np.random.default_rng(0)
    confidences, right = rng.random(300), rng.random(300) < 0.6
    found = calibration(confidences, right)
    accuracies, means = calibration_curve(right, confidences, n_bins=10)
    assert [one.accuracy for one in found.bins] == pytest.approx(accuracies)
    assert [one.confidence for one in found.bins] == pytest.approx(means)
    counts = np.histogram(confidences, bins=np.linspace(0, 1, 11))[0]
    assert [one.n for one in found.bins] == counts.tolist()
    assert found.error == pytest.approx((counts * abs(accuracies - means)).sum() / 300)
    assert calibration([1.0, 0.0], [True, False]).error == 0
    with pytest.raises(PlaygroundError, match="no probabilities"):
        calibration([], [])
