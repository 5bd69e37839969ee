"""The probes: a linear one, and a small network. Both see features standardised by what they were trained on.

They do not know what the features are or which text is which. Nothing here runs long: a stop is heeded between fits.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from playground.arrays import Floats, Ints
from playground.labs.internals.probing import folds, strength
from playground.labs.internals.probing.folds import Split

Kind = Literal["linear", "mlp"]
KINDS: tuple[Kind, ...] = get_args(Kind)
N_INNER = 3
FREE = 1e-2  # where there are too few texts to choose
PENALTY = 1.0  # alpha of the network


@dataclass(frozen=True)
class Probe:
    """A kind of probe with its strength chosen, ready to be fitted to anything."""

    kind: Kind
    strength: float  # C of the linear probe; of no use to the network

    def fit(self, features: Floats, labels: Ints, seed: int = 0) -> Pipeline:
        """A fitted pipeline: features, (text, hidden), and labels, (text,), as numbers."""
        if self.kind == "linear":
            last = LogisticRegression(C=self.strength, max_iter=300)
        else:
            last = MLPClassifier((32,), solver="lbfgs", alpha=PENALTY, max_iter=40, random_state=seed)
        return _quietly(make_pipeline(StandardScaler(), last), features, labels)


def inner_folds(labels: Ints, items: Ints | None, seed: int = 0) -> list[Split]:
    """Folds inside training texts for `chosen`; none where some label has too few texts."""
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) == 1 or counts.min() < N_INNER:
        return []
    return folds.complete(folds.splits(labels, items, N_INNER, seed), labels)


def chosen(
    kind: Kind,
    features: Floats,
    labels: Ints,
    inner: list[Split],
    by_bits: bool = False,
    go_on: Callable[[], None] = lambda: None,
) -> Probe:
    """The probe whose strength does best in folds inside the training texts, by accuracy or by bits a label.

    go_on: as in `strength.best`.
    """
    if kind == "mlp" or not inner:
        return Probe(kind, FREE)
    # standardised once for all inner folds: by training texts, never by those that the probe is asked about
    numbers = np.unique(labels, return_inverse=True)[1]
    return Probe(kind, strength.best(StandardScaler().fit_transform(features), numbers, inner, by_bits, go_on))


def _quietly(pipeline: Pipeline, features: Floats, labels: Ints) -> Pipeline:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a probe that has not quite settled is still a probe
        return pipeline.fit(features, labels)
