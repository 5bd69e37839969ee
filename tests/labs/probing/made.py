"""Vectors with a label planted in them, for tests of what probes find."""

import numpy as np

from playground.engine.provenance import Provenance
from playground.labs.internals.probing.examples import Examples
from playground.labs.internals.probing.experiment import Vectors

NOBODY = Provenance("made", "none", "cpu", "float32")


def finish(generator):
    """What a generator returns, and all that it yielded."""
    seen = []
    while True:
        try:
            seen.append(next(generator))
        except StopIteration as end:
            return end.value, seen


def texts(n: int = 120, n_classes: int = 2, per_item: int = 1) -> Examples:
    """Texts that say nothing of their labels; an item may have several, all with one label."""
    labels = [f"label {i // per_item % n_classes}" for i in range(n)]
    return Examples(
        name="made",
        texts=tuple(f"text {i}" for i in range(n)),
        labels=tuple(labels),
        words=None,
        items=tuple(f"item {i // per_item}" for i in range(n)),
        item="item",
        classes=tuple(sorted(set(labels))),
    )


def numbers(examples: Examples) -> np.ndarray:
    return np.array([examples.classes.index(label) for label in examples.labels])


def planted(examples: Examples, n_layers: int, layer: int, hidden: int = 12, seed: int = 0) -> Vectors:
    """Noise in every layer; from `layer` on, one column in each class that tells it."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_layers, len(examples), hidden)).astype(np.float32)
    values[layer:, np.arange(len(examples)), numbers(examples)] += 8
    return vectors(values, examples)


def vectors(values: np.ndarray, examples: Examples) -> Vectors:
    return Vectors(values, examples, "mean", "encoder", False, NOBODY)
