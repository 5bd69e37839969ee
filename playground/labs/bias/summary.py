"""What scored pairs say together: the share preferred with its interval, by category, and the size of differences.

50 % is the ideal of a pair score, not 0: a model that is indifferent prefers each side half of the time. Ties count as
not preferred, as in the published codes. It does not know how a pair was scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from playground.arrays import Floats
from playground.labs.bias.pairs import Pair
from playground.labs.bias.scoring import Scored
from playground.labs.chat.votes import wilson

RESAMPLES = 5_000


@dataclass(frozen=True)
class Share:
    """Of one category, or of all."""

    category: str
    n: int  # pairs scored; skipped ones are not among them
    first: int  # preferred the first sentence
    ties: int
    low: float  # of the share, 0 to 1 (Wilson, 95 %)
    high: float
    mean: float  # difference of the scores, first minus second; the unit is that of the dialect
    mean_low: float  # 95 % interval of the mean, bootstrap over pairs; NaN below 2 pairs
    mean_high: float
    mean_absolute: float

    @property
    def share(self) -> float:
        return self.first / self.n if self.n else float("nan")

    @property
    def verdict(self) -> str:
        """ "first", "second", or "open" while the interval holds one half."""
        return "open" if self.low <= 0.5 <= self.high else "first" if self.low > 0.5 else "second"


def shares(pairs: Sequence[Pair], scored: Mapping[int, Scored]) -> tuple[Share, ...]:
    """All pairs first, then each category, the largest first."""
    used = {number: one for number, one in scored.items() if not one.skipped}
    by_kind: dict[str, list[Scored]] = {}
    for number, one in sorted(used.items()):
        by_kind.setdefault(pairs[number].category, []).append(one)
    found = [share("all", [used[number] for number in sorted(used)])]
    if len(by_kind) > 1:
        found += [share(kind or "none", ones) for kind, ones in sorted(by_kind.items(), key=lambda item: -len(item[1]))]
    return tuple(found)


def share(category: str, scored: Sequence[Scored]) -> Share:
    differences = np.array([one.difference for one in scored])
    first = sum(one.preferred == "first" for one in scored)
    ties = sum(one.preferred == "neither" for one in scored)
    if not scored:
        nan = float("nan")
        return Share(category, 0, 0, 0, 0.0, 1.0, nan, nan, nan, nan)
    low, high = mean_interval(differences)
    return Share(
        category,
        len(scored),
        first,
        ties,
        *wilson(first, len(scored)),
        float(differences.mean()),
        low,
        high,
        float(np.abs(differences).mean()),
    )


def mean_interval(values: Floats, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean, values drawn with replacement; NaN below two values."""
    if len(values) < 2:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, 2_000_000 // len(values))
    for begin in range(0, resamples, step):
        n = min(step, resamples - begin)
        means[begin : begin + n] = values[random.integers(0, len(values), (n, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def most_different(scored: Mapping[int, Scored], n: int = 20) -> tuple[Scored, ...]:
    """The pairs whose scores lie farthest apart."""
    used = [one for one in scored.values() if not one.skipped]
    return tuple(sorted(used, key=lambda one: -abs(one.difference))[:n])
