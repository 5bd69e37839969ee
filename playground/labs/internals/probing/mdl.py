"""Minimum description length: how short the labels become for somebody who has the features.

The online code of Voita and Titov (2020, "Information-Theoretic Probing with Minimum Description Length"): the first
block of labels is sent uniformly, each later one with a probe trained on all before it. A probe that needs little to
learn gives a short code, so ease counts and not only final accuracy. It does not know what the features are.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from playground.arrays import Floats, Ints
from playground.labs.internals.probing import classifiers
from playground.labs.internals.probing.classifiers import Kind
from playground.labs.internals.probing.folds import Split

FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)  # of the texts, at the end of each block
Predictor = Callable[[Ints, Ints], Floats]  # (numbers before, numbers of the block) -> (text, class)


def order(items: Ints, seed: int = 0) -> Ints:
    """Numbers of the texts in the order in which they are sent: by chance, texts with the same item in a row."""
    names, numbers = np.unique(items, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(len(names))
    within = np.random.default_rng(seed + 1).permutation(len(items))
    return np.lexsort((within, rank[numbers]))


def blocks(n: int, n_classes: int) -> list[int]:
    """How many texts have been sent at the end of each block; the first has at least twice as many as classes."""
    return sorted({min(max(round(fraction * n), 2 * n_classes), n) for fraction in FRACTIONS})


def codelength(labels: Ints, sequence: Ints, n_classes: int, predict: Predictor) -> Iterator[float]:
    """Bits for the labels, (text,), sent in `sequence`, block by block; their sum is the length of the code."""
    ends = blocks(len(sequence), n_classes)
    yield ends[0] * np.log2(n_classes)
    for start, end in itertools.pairwise(ends):
        now = sequence[start:end]
        probabilities = predict(sequence[:start], now)
        yield float(-np.log2(probabilities[np.arange(len(now)), labels[now]]).sum())


def uniform(n: int, n_classes: int) -> float:
    """Bits for `n` labels without any features. A code of this length has compression 1."""
    return n * np.log2(n_classes)


def inner_folds(
    labels: Ints, items: Ints | None, sequence: Ints, n_classes: int, seed: int = 0
) -> dict[int, list[Split]]:
    """By how many texts have been sent: the folds inside them, for choosing the strength of the probe."""
    return {
        end: classifiers.inner_folds(labels[sequence[:end]], None if items is None else items[sequence[:end]], seed)
        for end in blocks(len(sequence), n_classes)[:-1]
    }


def of_probe(
    kind: Kind,
    features: Floats,
    labels: Ints,
    inner: dict[int, list[Split]],
    n_classes: int,
    seed: int = 0,
    go_on: Callable[[], None] = lambda: None,
) -> Predictor:
    """Predicts each block by a probe trained on what came before; labels it has not seen keep a small share.

    go_on: as in `strength.best`.
    """

    def predict(before: Ints, now: Ints) -> Floats:
        known = np.unique(labels[before])
        share = np.zeros((len(now), n_classes))
        if len(known) == 1:
            share[:, known] = 1.0
        else:
            folds = inner[len(before)]
            probe = classifiers.chosen(kind, features[before], labels[before], folds, True, go_on)
            go_on()
            share[:, known] = probe.fit(features[before], labels[before], seed).predict_proba(features[now])
        mixed = 1 / (len(before) + 1)  # of the uniform: no label may cost infinitely many bits
        return (1 - mixed) * share + mixed / n_classes

    return predict
