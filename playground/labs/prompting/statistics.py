"""Whether one prompt is better than another, or was luckier: intervals, paired tests, and how many rows would tell.

Outcomes come row by row, in the order of the table; None is a row that failed and says nothing. Wilson's interval and
the exact sign test are those of votes (`labs/chat/votes`): McNemar's exact test is the sign test on the rows that
exactly one of the two got right (McNemar 1947). It does not know prompts or models.
"""

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from playground.errors import PlaygroundError
from playground.labs.chat.votes import SURE, sign_test, wilson
from playground.labs.prompting.answers import majority
from playground.labs.prompting.prompts import Prompt
from playground.labs.prompting.scorers import Judged, Outcome

RESAMPLES = 10_000
POWER = 0.8  # how often a real difference should be found
MOST_VOTES = 100_000  # that a curve of votes counts: some seconds
MOST_NEEDED = 100_000  # rows; beyond, nobody is told a number
Outcomes = Sequence[Outcome | None]


@dataclass(frozen=True)
class Accuracy:
    correct: int
    wrong: int
    unparseable: int
    failed: int  # rows that gave nothing to judge; not part of n

    @property
    def n(self) -> int:
        return self.correct + self.wrong + self.unparseable

    @property
    def share(self) -> float:
        """Correct ones, 0 to 1; what could not be parsed is not correct. 0 without rows."""
        return self.correct / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where that share lies with 95 % confidence (Wilson)."""
        return wilson(self.correct, self.n)


def accuracy(outcomes: Outcomes) -> Accuracy:
    kinds: tuple[Outcome | None, ...] = ("correct", "wrong", "unparseable", None)
    return Accuracy(*(sum(outcome == kind for outcome in outcomes) for kind in kinds))


@dataclass(frozen=True)
class Comparison:
    """Two prompts on the same rows."""

    both: int  # rows that both got right
    only_a: int
    only_b: int
    neither: int
    low: float  # 95 % bootstrap interval of the difference, a minus b
    high: float
    p_value: float  # McNemar's exact test, two-sided
    rows_needed: int | None  # that would find a difference like this 4 times in 5; None: none was seen, or too many

    @property
    def n(self) -> int:
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Share right of a minus that of b, -1 to 1."""
        return (self.only_a - self.only_b) / self.n if self.n else 0.0

    @property
    def verdict(self) -> Literal["a", "b", "nearly", "open"]:
        """Which is better; "nearly" when only one of interval and exact test says so, "open" when neither does."""
        apart = self.low > 0 or self.high < 0
        if apart and self.p_value < SURE:
            return "a" if self.difference > 0 else "b"
        return "nearly" if apart or self.p_value < SURE else "open"


def compare(a: Outcomes, b: Outcomes, seed: int = 0) -> Comparison:
    """Compares two prompts on the rows that both have an outcome for.

    Raises:
        PlaygroundError: there is no such row.
    """
    pairs = [(x == "correct", y == "correct") for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    if not pairs:
        raise PlaygroundError("There is no row that both prompts have answered. Run both on the same table.")
    both, only_a, only_b = (pairs.count(pair) for pair in ((True, True), (True, False), (False, True)))
    n = len(pairs)
    low, high = bootstrap(only_a, only_b, n, seed)
    needed = rows_needed(only_a / n, only_b / n)
    return Comparison(both, only_a, only_b, n - both - only_a - only_b, low, high, sign_test(only_a, only_b), needed)


def bootstrap(only_a: int, only_b: int, n: int, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the paired difference, rows drawn with replacement (Efron 1979).

    A row counts 1, -1 or 0, so a resample is a draw from the multinomial of the three.
    """
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, [only_a / n, only_b / n, 1 - (only_a + only_b) / n], RESAMPLES)
    low, high = np.percentile((counts[:, 0] - counts[:, 1]) / n, [2.5, 97.5])
    return float(low), float(high)


def rows_needed(only_a: float, only_b: float) -> int | None:
    """How many rows McNemar's exact test would need to find a difference `POWER` of the time.

    Args:
        only_a, only_b: shares of rows, 0 to 1, that exactly one of the two gets right.

    Returns:
        None: they do not differ, or it would take more than `MOST_NEEDED`.
    """
    if only_a == only_b:
        return None
    z = 1.959963984540054, 0.8416212335729143  # of 1 - SURE / 2 and POWER
    apart, difference = only_a + only_b, abs(only_a - only_b)
    # Miettinen 1968, for large n; from there the exact power decides
    rough = (z[0] * apart**0.5 + z[1] * max(apart - difference**2, 0) ** 0.5) ** 2 / difference**2
    if rough > MOST_NEEDED:
        return None
    low, high = 1, max(8, int(rough))
    while power(high, only_a, only_b) < POWER:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if power(middle, only_a, only_b) < POWER:
            low = middle
        else:
            high = middle
    return high if high <= MOST_NEEDED else None


def power(n: int, only_a: float, only_b: float) -> float:
    """How often McNemar's exact test on n rows finds (p < 0.05) what the two shares say is there, 0 to 1."""
    from scipy.stats import binom

    apart = only_a + only_b
    m = np.arange(n + 1)  # rows that exactly one got right
    # the largest count of the rarer side at which twice the lower tail is still below SURE
    most = binom.ppf(SURE / 2, m, 0.5) - 1
    most = np.where(2 * binom.cdf(most + 1, m, 0.5) < SURE, most + 1, most)
    side = only_a / apart
    found = np.where(most >= 0, binom.cdf(most, m, side) + binom.sf(m - most - 1, m, side), 0.0)
    return float((binom.pmf(m, n, apart) * found).sum())


# self-consistency


@dataclass(frozen=True)
class Convergence:
    """How the share right grows with the number of samples that vote."""

    shares: tuple[float, ...]  # by k = 1, 2, ...: mean share of rows whose majority is right
    tied: tuple[float, ...]  # mean share of rows in which the vote is a tie: they count as not right
    low: float  # Wilson's 95 % interval of the last one
    high: float


def voted(samples: Sequence[Judged]) -> Judged:
    """What the majority of several answers to one row says; a tie is unparseable, and told.

    Samples with a `value` vote with their outcome: no two cosines are alike.
    """
    samples = [sample if sample.value is None else replace(sample, parsed=sample.outcome) for sample in samples]
    vote = majority(sample.parsed if sample.outcome != "unparseable" else None for sample in samples)
    if vote.winner is None:
        tie = f"A tie between {', '.join(map(str, vote.tied))}." if vote.tied else "None of the samples can be read."
        return Judged("unparseable", why=tie)
    winner = next(s for s in samples if s.outcome != "unparseable" and s.parsed == vote.winner)
    return replace(winner, parsed=f"{winner.parsed} ({vote.votes[0][1]} of {len(samples)})")


def convergence(rows: Sequence[Sequence[Judged]], draws: int = 100, seed: int = 0) -> Convergence:
    """The accuracy of a vote among k of the samples, for every k, the mean over random choices of k.

    Raises:
        PlaygroundError: there are no rows, or rows with different numbers of samples.
    """
    if not rows or not rows[0]:
        raise PlaygroundError("There are no samples to vote. Ask for at least two samples of each row.")
    n = len(rows[0])
    if any(len(row) != n for row in rows):
        raise PlaygroundError("The rows have different numbers of samples. Run them again to the end.")
    rng = random.Random(seed)
    draws = max(1, min(draws, MOST_VOTES // (n * len(rows))))
    shares, tied = [], []
    for k in range(1, n + 1):
        right = ties = 0
        times = 1 if k == n else draws
        for row in rows:
            for _ in range(times):
                judged = voted(rng.sample(list(row), k))
                right += judged.outcome == "correct"
                ties += judged.why.startswith("A tie")
        shares.append(right / (times * len(rows)))
        tied.append(ties / (times * len(rows)))
    low, high = wilson(round(shares[-1] * len(rows)), len(rows))
    return Convergence(tuple(shares), tuple(tied), low, high)


# order of the examples


def orders(prompt: Prompt, k: int, seed: int = 0) -> tuple[Prompt, ...]:
    """The prompt with its examples in k different orders, as they stand first. Fewer if there are not so many.

    Raises:
        PlaygroundError: there is only one order.
    """
    if not prompt.few_shot or len(set(prompt.examples)) < 2:
        raise PlaygroundError(f"The examples of “{prompt.name}” have only one order. Add a second example.")
    rng, found = random.Random(seed), {prompt.examples: None}
    for _ in range(50 * k):
        if len(found) >= k:
            break
        found.setdefault(tuple(rng.sample(prompt.examples, len(prompt.examples))))
    return tuple(
        replace(prompt, name=prompt.name if i == 0 else f"{prompt.name}, order {i + 1}", examples=examples)
        for i, examples in enumerate(found)
    )


def cochran(columns: Sequence[Outcomes]) -> float:
    """Whether several prompts differ at all on the same rows: the p-value of Cochran's Q (1950).

    Raises:
        PlaygroundError: fewer than two prompts, or no row that all have answered.
    """
    from scipy.stats import chi2

    rows = [row for row in zip(*columns, strict=True) if None not in row]
    if len(columns) < 2 or not rows:
        raise PlaygroundError("There are no two prompts that have answered the same row. Run them on the same table.")
    right = np.array([[outcome == "correct" for outcome in row] for row in rows], float)  # (row, prompt)
    k, totals = right.shape[1], right.sum(1)
    spread = k * totals.sum() - (totals**2).sum()
    if spread == 0:
        return 1.0  # every row has the same outcome for all
    q = (k - 1) * (k * (right.sum(0) ** 2).sum() - totals.sum() ** 2) / spread
    return float(chi2.sf(q, k - 1))


# probabilities of labels


@dataclass(frozen=True)
class Bin:
    low: float
    high: float
    n: int
    confidence: float  # mean probability of the chosen label
    accuracy: float  # share of them that were right
    interval: tuple[float, float]  # Wilson's


@dataclass(frozen=True)
class Calibration:
    bins: tuple[Bin, ...]  # those with any rows
    error: float  # expected calibration error: mean distance of confidence and accuracy, by rows (Naeini et al. 2015)
    n: int


def calibration(confidences: Sequence[float], right: Sequence[bool], n_bins: int = 10) -> Calibration:
    """Bins of equal width of the probability that was given to the chosen label.

    Raises:
        PlaygroundError: there are no probabilities.
    """
    if not len(confidences):
        raise PlaygroundError("There are no probabilities of labels. Score with Choice to have some.")
    values, hits = np.asarray(confidences, float), np.asarray(right, bool)
    which = np.clip(np.ceil(values * n_bins).astype(int) - 1, 0, n_bins - 1)  # a bin holds its upper edge
    bins = []
    for i in range(n_bins):
        inside = which == i
        n = int(inside.sum())
        if n:
            correct = int(hits[inside].sum())
            interval = wilson(correct, n)
            bins.append(Bin(i / n_bins, (i + 1) / n_bins, n, float(values[inside].mean()), correct / n, interval))
    error = sum(one.n * abs(one.confidence - one.accuracy) for one in bins) / len(values)
    return Calibration(tuple(bins), error, len(values))


@dataclass(frozen=True)
class Leaning:
    """Which label a model prefers when the input says nothing."""

    labels: tuple[Hashable, ...]
    probabilities: tuple[float, ...]

    @property
    def favourite(self) -> Hashable:
        return self.labels[int(np.argmax(self.probabilities))]

    @property
    def excess(self) -> float:
        """How far the favourite is above an equal share, 0 to 1."""
        return max(self.probabilities) - 1 / len(self.labels)
