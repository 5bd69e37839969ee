"""Associations of two sets of target words with two sets of attributes: WEAT, and SEAT on sentences.

Caliskan et al. 2017: s(w) = mean cos(w, a) - mean cos(w, b); the statistic is the sum of s over X minus that over Y,
the effect size the difference of the means over the standard deviation of s over X and Y together. Published codes
differ in that deviation: with n - 1 (ddof 1; May et al. 2019) or with n (ddof 0; WEFE). The p-value is the share of
equal partitions of X and Y whose statistic is at least the observed one: exact where there are few, else sampled, with
the observed one counted in (Phipson and Smyth 2010). It does not know where the vectors come from.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from playground.arrays import Floats
from playground.errors import PlaygroundError

EXACT = 20_000  # partitions that are all tried
SAMPLES = 9_999  # where there are more


@dataclass(frozen=True, eq=False)
class Association:
    effect: float  # above 0: X goes with A; in standard deviations
    ddof: int
    p_value: float  # one-sided: X goes with A
    partitions: int  # that were tried; all of them, or a sample and the observed one
    exact: bool
    x: Floats  # (word of X,), s: above 0 nearer to A than to B
    y: Floats  # (word of Y,)


def associate(x: Floats, y: Floats, a: Floats, b: Floats, ddof: int = 1, seed: int = 0) -> Association:
    """All: (word, dimension).

    Raises:
        PlaygroundError: an empty set, X and Y of different sizes, a vector without a direction, all s alike.
    """
    if min(map(len, (x, y, a, b))) == 0:
        raise PlaygroundError("A set has no words. Write at least one in each.")
    if len(x) != len(y):
        raise PlaygroundError(
            f"The two target sets have {len(x)} and {len(y)} words; WEAT wants as many of each. Add or remove some."
        )
    if len(x) < 2:
        raise PlaygroundError("A target set has one word; at least two are needed. Add some.")
    if ddof not in (0, 1):
        raise PlaygroundError(f"ddof is {ddof!r}; it must be 0 or 1.")
    x, y, a, b = map(_unit, (x, y, a, b))
    s_x, s_y = (side @ a.T for side in (x, y)), (side @ b.T for side in (x, y))
    s_x, s_y = (to_a.mean(1) - to_b.mean(1) for to_a, to_b in zip(s_x, s_y, strict=True))
    both = np.concatenate([s_x, s_y])
    spread = both.std(ddof=ddof)
    if spread < 1e-12:
        raise PlaygroundError("All words are equally near to both attribute sets. Take other words.")
    p_value, partitions, exact = _p_value(both, len(x), seed)
    return Association(float((s_x.mean() - s_y.mean()) / spread), ddof, p_value, partitions, exact, s_x, s_y)


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if (norms == 0).any() or not np.isfinite(norms).all():
        raise PlaygroundError("A word has a vector without a direction. Take another word or layer.")
    return np.asarray(vectors, float) / norms


def _p_value(both: Floats, n: int, seed: int) -> tuple[float, int, bool]:
    """(p, partitions tried, whether all). The sum over X decides, since that over Y is the rest."""
    total = math.comb(len(both), n)
    observed = both[:n].sum()
    margin = 1e-9 * np.abs(both).sum()  # sums of the same numbers in another order are equal
    if total <= EXACT:
        chosen = np.array(list(itertools.combinations(range(len(both)), n)))
        return float((both[chosen].sum(1) >= observed - margin).mean()), total, True
    random = np.random.default_rng(seed)
    order = np.argsort(random.random((SAMPLES, len(both))), axis=1)[:, :n]
    larger = int((both[order].sum(1) >= observed - margin).sum())
    return (larger + 1) / (SAMPLES + 1), SAMPLES + 1, False
