"""Two rankings -> one: by reciprocal rank, or by a convex combination of scores; and one that repeats itself less.

Plain numbers in and out. It does not know where the scores came from.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from playground.arrays import Floats


def reciprocal_rank(rankings: Sequence[Sequence[int]], k: int = 60, weights: Sequence[float] = ()) -> dict[int, float]:
    """Σ weight / (k + rank), ranks from 1; what a ranking does not hold gets nothing from it.

    Cormack, Clarke and Büttcher 2009.
    """
    scores: dict[int, float] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + weight / (k + rank)
    return scores


def convex(
    dense: Mapping[int, float], lexical: Mapping[int, float], weight: float, best: tuple[float, float] | None = None
) -> dict[int, float]:
    """weight · φ(cosine) + (1 - weight) · φ(BM25), φ(s) = (s - m) / (M - m) with m the least score there can be
    (-1 for a cosine, 0 for BM25) and M the best of this query (Bruch, Gai and Ingber 2022, theoretical min-max).

    best: M of both; else the largest given.
    """
    top = best or (max(dense.values(), default=0.0), max(lexical.values(), default=0.0))

    def scaled(score: float, least: float, most: float) -> float:
        return (score - least) / (most - least) if most > least else 0.0

    return {
        item: weight * scaled(dense.get(item, -1.0), -1.0, top[0])
        + (1 - weight) * scaled(lexical.get(item, 0.0), 0.0, top[1])
        for item in dense.keys() | lexical.keys()
    }


def by_score(scores: Mapping[int, float]) -> list[int]:
    """Best first; equal ones by number, so that the order never depends on chance."""
    return sorted(scores, key=lambda item: (-scores[item], item))


def diverse(items: Sequence[int], relevance: Mapping[int, float], vectors: Floats, k: int, trade: float) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998): each next item is the one with the largest
    trade · relevance - (1 - trade) · (its largest cosine with those chosen), relevance scaled to 0..1 among the items.

    vectors: of the items, (item, hidden), of length 1.
    """
    least, most = min(relevance[i] for i in items), max(relevance[i] for i in items)
    value = np.array([(relevance[i] - least) / (most - least) if most > least else 1.0 for i in items])
    similarity = vectors @ vectors.T
    chosen: list[int] = []
    while len(chosen) < min(k, len(items)):
        again = similarity[:, chosen].max(1) if chosen else np.zeros(len(items))
        marginal = trade * value - (1 - trade) * again
        marginal[chosen] = -np.inf
        chosen.append(int(marginal.argmax()))
    return [items[i] for i in chosen]
