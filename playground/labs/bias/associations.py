"""Associations inside a model: word sets by their vectors (WEAT, SEAT), and occupations along an axis.

The axis is the mean vector of one set of words minus that of the other; an occupation's place on it is the cosine with
the axis. It is compared with the share of women in the occupation by U.S. labour statistics. A correlation says how
both go together over these occupations; not how the model treats anybody. It does not know a model's layers.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playground.arrays import Floats
from playground.engine import passes, provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.bias import data, vectors
from playground.labs.bias.fill import named
from playground.labs.bias.weat import Association, associate


@dataclass(frozen=True, eq=False)
class Weat:
    names: tuple[str, ...]  # of X, Y, A, B
    words: tuple[tuple[str, ...], ...]
    found: Association
    layer: int | None  # of the sentences; None: input embeddings
    template: str
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class Axis:
    occupations: tuple[data.Occupation, ...]
    places: Floats  # (occupation,), cosine with the axis; above 0: towards the first set
    first: tuple[str, ...]
    second: tuple[str, ...]
    layer: int | None
    pearson: float
    low: float  # 95 % interval of the correlation, by Fisher's z
    high: float
    spearman: float
    provenance: Provenance


def weat(
    engine: Engine,
    names: Sequence[str],
    words: Sequence[Sequence[str]],
    layer: int | None = None,
    template: str = vectors.TEMPLATE,
    ddof: int = 1,
    seed: int = 0,
    stop: threading.Event | None = None,
) -> Weat:
    """The association of X and Y with A and B.

    Args:
        names, words: of X, Y, A and B.
        layer: after which sentences with the words are read (SEAT); None: input embeddings of the words (WEAT).
        template: the sentence, with {word}.

    Raises:
        PlaygroundError: as `weat.associate` and `vectors`.
    """
    started = time.perf_counter()
    sets = tuple(named(part) for part in words)
    for name, part in zip(names, sets, strict=True):
        if not part:
            raise PlaygroundError(f"The set “{name}” has no words. Write at least two.")
    flat = [word for part in sets for word in part]
    found = of_words(engine, flat, layer, template, stop)
    ends = np.cumsum([len(part) for part in sets])[:-1]
    x, y, a, b = np.split(found, ends)
    result = associate(x, y, a, b, ddof, seed)
    settings = {"sets": dict(zip(names, map(list, sets), strict=True)), "layer": layer, "ddof": ddof, "seed": seed}
    made_by = provenance.of(engine, settings | {"template": template}, time.perf_counter() - started)
    return Weat(tuple(names), sets, result, layer, template if layer is not None else "", made_by)


def of_words(
    engine: Engine, words: Sequence[str], layer: int | None, template: str, stop: threading.Event | None = None
) -> Floats:
    """(word, dimension)."""
    if layer is None:
        return vectors.embeddings(engine, words)
    if "{word}" not in template:
        raise PlaygroundError("The sentence has no slot. Put {word} where the words go.")
    try:
        texts = [template.replace("{word}", word) for word in words]
        return vectors.at_layers(engine, texts, [layer], stop)[layer]
    except passes.Stopped:
        raise PlaygroundError("Stopped before all words were read.") from None


def axis(
    engine: Engine,
    first: Sequence[str],
    second: Sequence[str],
    layer: int | None = None,
    template: str = "The {word} was here.",
    stop: threading.Event | None = None,
) -> Axis:
    """Where the occupations that ship lie between two sets of words."""
    started = time.perf_counter()
    first, second = named(first), named(second)
    if not first or not second:
        raise PlaygroundError("Both ends of the axis need words. Write at least one of each.")
    known = data.occupations()
    ends = of_words(engine, [*first, *second], layer, template, stop)
    direction = ends[: len(first)].mean(0) - ends[len(first) :].mean(0)
    if np.linalg.norm(direction) < 1e-9:
        raise PlaygroundError("Both ends of the axis are the same. Write different words.")
    jobs = of_words(engine, [one.name for one in known], layer, template, stop)
    jobs = jobs - jobs.mean(0)  # what all occupations have in common says nothing about any
    places = jobs @ direction / (np.linalg.norm(jobs, axis=1) * np.linalg.norm(direction))
    women = np.array([one.women for one in known])
    pearson, low, high = correlation(places, women)
    settings = {"first": list(first), "second": list(second), "layer": layer, "template": template}
    made_by = provenance.of(engine, settings, time.perf_counter() - started)
    return Axis(known, places, first, second, layer, pearson, low, high, spearman(places, women), made_by)


def correlation(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Pearson's r and its 95 % interval by Fisher's z; the interval is NaN below 4 points."""
    r = float(np.corrcoef(x, y)[0, 1])
    if len(x) < 4 or abs(r) >= 1:
        return r, float("nan"), float("nan")
    half = 1.959963984540054 / np.sqrt(len(x) - 3)
    return r, float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


def spearman(x: Floats, y: Floats) -> float:
    """Spearman's rank correlation; equal values share their rank."""
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
