"""Changes inside a model that are meant to take a bias away: a direction removed, or one added, at chosen layers.

A direction is found between two sets of sentences that differ in a group and nothing else: the difference of their
mean residuals, or INLP (Ravfogel et al. 2020): a linear classifier of the two sets, its direction projected out,
another one, and so on. Removing takes strength times the residual's projection on the directions off, at every token;
with strength 1 nothing of it is left there (later layers may bring it back), with 0 no bit changes. It is done through
taps, for one request alone. Whether it takes a bias away is for the same measurement afterwards to say.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats, Ints
from playground.engine import passes, provenance
from playground.engine.blanks import Edits
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from playground.labs.bias import vectors
from playground.models.progress import Report, quiet

Method = Literal["mean difference", "INLP"]
METHODS: tuple[Method, ...] = get_args(Method)
STRONGEST = 10.0
MOST_DIRECTIONS = 20


@dataclass(frozen=True, eq=False)
class Directions:
    """What tells two sets of sentences apart, layer by layer."""

    bases: dict[int, Floats]  # by layer: (direction, hidden), float32, orthonormal
    differences: dict[int, Floats]  # by layer: (hidden,), mean of the first set minus mean of the second
    separation: dict[int, float]  # share of the sentences on their own side of the middle, along the mean difference
    method: Method
    provenance: Provenance


def find(
    engine: Engine,
    first: Sequence[str],
    second: Sequence[str],
    layers: Sequence[int],
    method: Method = "mean difference",
    n: int = 1,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Directions:
    """The directions between two sets of sentences after each layer.

    Args:
        n: directions of INLP; the mean difference is one.

    Raises:
        PlaygroundError: an empty set, both alike, no such layer or method; stopped.
    """
    started = time.perf_counter()
    sets = [[text.strip() for text in texts if text.strip()] for texts in (first, second)]
    if not all(sets):
        raise PlaygroundError("Both sets need at least one sentence. Write one a line.")
    if method not in METHODS:
        raise PlaygroundError(f"“{method}” is no method. There are: {', '.join(METHODS)}.")
    if method == "INLP" and min(map(len, sets)) < 2:
        raise PlaygroundError("INLP trains a classifier: both sets need at least two sentences.")
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST_DIRECTIONS:
        raise PlaygroundError(f"The number of directions is {n!r}; it must be from 1 to {MOST_DIRECTIONS}.")
    layers = sorted(set(layers))
    report(0.0, "Reading the sentences")
    try:
        seen = vectors.at_layers(engine, [*sets[0], *sets[1]], layers, stop)
    except passes.Stopped:
        raise PlaygroundError("Stopped before all sentences were read.") from None
    labels = np.array([0] * len(sets[0]) + [1] * len(sets[1]))
    bases, differences, separation = {}, {}, {}
    for layer, rows in seen.items():
        means = rows[labels == 0].mean(0), rows[labels == 1].mean(0)
        difference = means[0] - means[1]
        if np.linalg.norm(difference) < 1e-6 * np.linalg.norm(rows, axis=1).max():
            raise PlaygroundError("Both sets give the same residual, so there is no direction. Write other sentences.")
        differences[layer] = difference
        separation[layer] = float((((rows - (means[0] + means[1]) / 2) @ difference > 0) == (labels == 0)).mean())
        unit = (difference / np.linalg.norm(difference))[None]
        bases[layer] = unit.astype(np.float32) if method == "mean difference" else inlp(rows, labels, n)
    settings = {"first": sets[0], "second": sets[1], "layers": layers, "method": method, "directions": n}
    made_by = provenance.of(engine, settings, time.perf_counter() - started)
    return Directions(bases, differences, separation, method, made_by)


def inlp(rows: Floats, labels: Ints, n: int) -> Floats:
    """n orthonormal directions, (direction, hidden), each a logistic regression's on what the others left."""
    from sklearn.linear_model import LogisticRegression

    left = (rows - rows.mean(0)).astype(np.float64)
    left /= np.abs(left).max()
    basis = np.zeros((0, rows.shape[1]))
    for _ in range(n):
        weights = LogisticRegression(C=100.0, max_iter=1000).fit(left, labels).coef_[0]
        weights = weights - basis.T @ (basis @ weights)
        weights = weights - basis.T @ (basis @ weights)  # twice is enough (Kahan)
        norm = np.linalg.norm(weights)
        if norm < 1e-9:
            break  # nothing is left that tells the sets apart
        basis = np.vstack([basis, weights / norm])
        left = left - (left @ basis[-1:].T) @ basis[-1:]
    return basis.astype(np.float32)


def removal(engine: Engine, found: Directions, strength: float = 1.0) -> Edits:
    """Edits that take `strength` times the projection on the directions off, after each of their layers.

    Computed in float32; in bfloat16 what is left is rounding of the model's own precision.

    Raises:
        PlaygroundError: the strength is no usable number, or the directions are another model's.
    """
    _check(engine, found, strength)
    if strength == 0:
        return {}
    return {
        Site(engine.anatomy.main.name, layer, "block"): _remover(torch.from_numpy(basis).to(engine.device), strength)
        for layer, basis in found.bases.items()
    }


def _remover(basis: Tensor, strength: float) -> Callable[[Tensor], Tensor]:
    def remove(values: Tensor) -> Tensor:
        wide = values.float()
        return (wide - strength * (wide @ basis.T) @ basis).to(values.dtype)

    return remove


def steering(engine: Engine, found: Directions, strength: float) -> Edits:
    """Edits that add `strength` times the mean difference after each layer; below 0: towards the second set."""
    _check(engine, found, strength)
    if strength == 0:
        return {}
    edits = {}
    for layer, difference in found.differences.items():
        added = (torch.from_numpy(difference) * strength).to(engine.device, engine.dtype)
        edits[Site(engine.anatomy.main.name, layer, "block")] = lambda values, added=added: values + added
    return edits


def at_random(found: Directions, seed: int = 0) -> Directions:
    """A control: as many random directions of the same lengths. What both do says nothing about the sentences."""
    random = np.random.default_rng(seed)
    bases: dict[int, Floats] = {}
    differences: dict[int, Floats] = {}
    for layer, basis in found.bases.items():
        drawn = np.linalg.qr(random.standard_normal(basis.T.shape))[0].T
        bases[layer] = drawn.astype(np.float32)
        vector = random.standard_normal(basis.shape[1])
        length = np.linalg.norm(found.differences[layer]) / np.linalg.norm(vector)
        differences[layer] = np.asarray(vector * length, np.float32)
    nothing = dict.fromkeys(found.separation, float("nan"))
    return Directions(bases, differences, nothing, found.method, found.provenance)


def _check(engine: Engine, found: Directions, strength: float) -> None:
    if isinstance(strength, bool) or not isinstance(strength, (int, float)) or not abs(strength) <= STRONGEST:
        raise PlaygroundError(f"The strength is {strength!r}; it must be from {-STRONGEST:g} to {STRONGEST:g}.")
    width = next(iter(found.bases.values())).shape[1]
    if width != engine.anatomy.hidden_size:
        raise PlaygroundError(
            f"The directions have {width} numbers and residuals of {engine.reference} have "
            f"{engine.anatomy.hidden_size}: they were made with another model. Make them anew."
        )
