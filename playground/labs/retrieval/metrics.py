"""How good a ranking is: recall, reciprocal rank and nDCG, with what chance in the choice of questions leaves open.

A ranking is given as gains: for each rank the grade of what stands there, 0 for what is not relevant. It does not know
chunks, documents or searches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playground.arrays import Floats

RESAMPLES = 5_000


def recall(gains: Sequence[float], ideal: Sequence[float], k: int) -> float:
    """Share of all relevant items among the first k. `ideal`: the grades of all that there are."""
    return sum(gain > 0 for gain in gains[:k]) / len(ideal)


def reciprocal_rank(gains: Sequence[float], k: int = 10) -> float:
    """1 / rank of the first relevant item; 0 when it is not among the first k."""
    return next((1 / rank for rank, gain in enumerate(gains[:k], 1) if gain > 0), 0.0)


def ndcg(gains: Sequence[float], ideal: Sequence[float], k: int = 10) -> float:
    """Σ gain / log2(rank + 1) over the first k, as a share of what the best order gives (Järvelin and Kekäläinen 2002).

    The grade itself is the gain, as in trec_eval and BEIR.
    """
    return dcg(gains, k) / dcg(sorted(ideal, reverse=True), k)


def dcg(gains: Sequence[float], k: int) -> float:
    first = np.asarray(gains[:k], float)
    return float((first / np.log2(np.arange(2, len(first) + 2))).sum())


@dataclass(frozen=True)
class Estimate:
    """A mean over questions."""

    mean: float
    low: float  # 95 % interval
    high: float
    n: int  # questions


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """The mean with an interval: Wilson's for rights and wrongs, else the bootstrap's percentiles (Efron 1979).

    Questions are what is drawn. Without any, the interval says nothing: 0 to 1.
    """
    from playground.labs.chat.votes import wilson

    numbers = np.asarray(values, float)
    if not len(numbers):
        return Estimate(0.0, 0.0, 1.0, 0)
    if np.isin(numbers, (0.0, 1.0)).all():
        return Estimate(float(numbers.mean()), *wilson(int(numbers.sum()), len(numbers)), len(numbers))
    low, high = np.percentile(_means(numbers, seed), [2.5, 97.5])
    return Estimate(float(numbers.mean()), float(low), float(high), len(numbers))


def difference(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Estimate:
    """Mean of a minus b on the same questions, with the paired bootstrap's 95 % interval."""
    apart = np.asarray(a, float) - np.asarray(b, float)
    low, high = np.percentile(_means(apart, seed), [2.5, 97.5])
    return Estimate(float(apart.mean()), float(low), float(high), len(apart))


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
    """Σ parts / Σ wholes, where one question may give several, like citations.

    Those of one question stand or fall together, so the interval is Wilson's for as many draws as there are questions
    that give any: an approximation, which counts a question with three citations as one with one.
    """
    from playground.labs.chat.votes import wilson

    above, below = np.asarray(parts, float), np.asarray(wholes, float)
    if not below.sum():
        return Estimate(0.0, 0.0, 1.0, 0)
    share, giving = float(above.sum() / below.sum()), int((below > 0).sum())
    return Estimate(share, *wilson(min(share * giving, giving), giving), int(below.sum()))


def _means(numbers: Floats, seed: int) -> Floats:
    """Means of resamples, (RESAMPLES,), some at a time so that memory stays small."""
    rng = np.random.default_rng(seed)
    n, size = len(numbers), max(1, 2_000_000 // len(numbers))
    return np.concatenate(
        [numbers[rng.integers(0, n, (min(size, RESAMPLES - at), n))].mean(1) for at in range(0, RESAMPLES, size)]
    )
