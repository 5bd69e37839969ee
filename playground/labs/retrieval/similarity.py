"""How alike texts are: two of them, many against each other, the ones nearest to a query, and groups of like ones.

On vectors of length 1, so that the inner product is the cosine. It does not know where the vectors came from, except in
`of`, which makes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from playground.arrays import Floats, Ints
from playground.engine import provenance
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError

if TYPE_CHECKING:
    from playground.engine.engine import Engine

MOST = 500  # texts
LONGEST = 20_000  # characters of one


@dataclass(frozen=True)
class Compared:
    texts: tuple[str, ...]
    vectors: Floats  # (text, hidden), of length 1
    cosines: Floats  # (text, text)
    cut: tuple[int, ...]  # texts of which the model did not read the end
    provenance: Provenance


@dataclass(frozen=True)
class Groups:
    labels: tuple[int, ...]  # group of each text, from 0, the largest first
    centres: tuple[int, ...]  # of each group: the text nearest to its mean
    silhouettes: tuple[float, ...]  # of each text, -1 to 1; 0 for a text alone in its group
    silhouette: float  # their mean
    tried: tuple[tuple[int, float], ...]  # (number of groups, mean silhouette) where the number was searched for
    points: Floats  # (text, 2): the two main components
    explained: tuple[float, float]  # share of the variance that each of the two holds


def lines(text: str) -> tuple[str, ...]:
    """One text a line, without empty ones.

    Raises:
        PlaygroundError: too many, or one is too long.
    """
    found = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(found) > MOST:
        raise PlaygroundError(f"There are {len(found):,} lines; at most {MOST} are compared. Paste fewer.")
    longest = max((len(each) for each in found), default=0)
    if longest > LONGEST:
        raise PlaygroundError(f"One line has {longest:,} characters; at most {LONGEST:,} are read. Shorten it.")
    return found


def of(
    engine: "Engine", texts: Sequence[str], stopped: Callable[[], bool] = lambda: False, fewest: int = 2
) -> Compared | None:
    """Every text against every other. None: it was stopped.

    Raises:
        PlaygroundError: fewer texts than it takes, or the model does not embed.
    """
    from playground.engine import embed

    texts = tuple(texts)
    if len(texts) < fewest or not all(text.strip() for text in texts):
        raise PlaygroundError(f"There are too few texts. Give at least {fewest}, none of them empty.")
    vectors = embed.embed(engine, texts, "passage", stopped)
    if vectors is None:
        return None
    ids = engine.tokenizer(list(texts), verbose=False)["input_ids"]
    cut = tuple(at for at, each in enumerate(ids) if len(each) > embed.limit(engine))
    return Compared(texts, vectors, vectors @ vectors.T, cut, provenance.of(engine, {"texts": len(texts)}))


def nearest(vectors: Floats, query: Floats, k: int) -> list[tuple[int, float]]:
    """(text, cosine) of the k nearest to a query, best first. vectors: (text, hidden); query: (hidden,)."""
    scores = vectors @ query
    order = np.lexsort((np.arange(len(scores)), -scores))[:k]
    return [(int(at), float(scores[at])) for at in order]


def group(vectors: Floats, n: int | None = None, seed: int = 0) -> Groups:
    """Groups by k-means (scikit-learn), on vectors of length 1: squared distance is 2 - 2 · cosine.

    n: how many groups. None: the number from 2 to 10 with the largest mean silhouette (Rousseeuw 1987).

    Raises:
        PlaygroundError: too few different texts, or a number of groups that cannot be.
    """
    from sklearn.metrics import silhouette_samples

    most = len(np.unique(vectors.round(6), axis=0))
    if len(vectors) < 3 or most < 3:
        raise PlaygroundError("Groups need at least three different texts. Add some lines.")
    if n is not None and not 2 <= n <= most - 1:
        raise PlaygroundError(f"{n} groups are asked for; these texts can make 2 to {most - 1}.")
    counts = [n] if n is not None else range(2, min(10, most - 1) + 1)
    tried: list[tuple[int, float]] = []
    for count in counts:
        found = _kmeans(vectors, count, seed)
        fits = silhouette_samples(vectors, found)
        if not tried or fits.mean() > max(mean for _, mean in tried):
            labels, each = found, fits
        tried.append((count, float(fits.mean())))
    order = sorted(
        set(labels.tolist()), key=lambda label: (-int((labels == label).sum()), int(np.argmax(labels == label)))
    )
    renamed = np.array([order.index(label) for label in labels.tolist()])
    points, explained = _plane(vectors)
    return Groups(
        tuple(renamed.tolist()),
        tuple(_centre(vectors, renamed, label) for label in range(len(order))),
        tuple(each.tolist()),
        float(each.mean()),
        tuple(tried) if n is None else (),
        points,
        explained,
    )


def _kmeans(vectors: Floats, n: int, seed: int) -> Ints:
    from sklearn.cluster import KMeans

    return KMeans(n, n_init=10, random_state=seed).fit(vectors).labels_


def _centre(vectors: Floats, labels: Ints, label: int) -> int:
    """The text of a group that is nearest to its mean."""
    members = np.flatnonzero(labels == label)
    return int(members[np.argmax(vectors[members] @ vectors[members].mean(0))])


def _plane(vectors: Floats) -> tuple[Floats, tuple[float, float]]:
    """Coordinates on the two main components, and the share of the variance along each."""
    centred = vectors - vectors.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    total = float((sizes**2).sum()) or 1.0
    points = (left * sizes)[:, :2]
    if points.shape[1] < 2:
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    shares = [*(sizes[:2] ** 2 / total), 0.0, 0.0]
    return points.astype(np.float32), (float(shares[0]), float(shares[1]))
