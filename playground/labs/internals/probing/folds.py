"""How texts are divided into those a probe is trained on and those it is asked about.

It does not know what is probed.
"""

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from playground.arrays import Ints

Split = tuple[Ints, Ints]  # numbers of the texts to train on, and to test on
N_FOLDS = 5


def splits(labels: Ints, items: Ints | None, n: int = N_FOLDS, seed: int = 0) -> list[Split]:
    """At most `n` folds with all labels in each, (text,) each; texts with the same item stay together.

    `items`: None where texts need not stay together. Fewer folds where a label has fewer texts or items than that.
    """
    n = max(min(n, *(_n_apart(labels, items, label) for label in np.unique(labels))), 2)
    if items is None:
        return list(StratifiedKFold(n, shuffle=True, random_state=seed).split(labels, labels))
    return list(StratifiedGroupKFold(n, shuffle=True, random_state=seed).split(labels, labels, items))


def for_two(labels: Ints, others: Ints, n: int = N_FOLDS, seed: int = 0) -> list[Split]:
    """Folds, as like each other as can be in two ways of labelling the same texts, (text,) each."""
    pairs = np.unique(np.stack([labels, others]), axis=1, return_inverse=True)[1].ravel()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a pair that is rarer than folds are many is not in each
        return list(StratifiedKFold(n, shuffle=True, random_state=seed).split(pairs, pairs))


def can_keep_together(labels: Ints, items: Ints) -> bool:
    """Whether every label has enough items that each part of a fold, and of a fold in a fold, can have some."""
    return all(_n_apart(labels, items, label) >= 4 for label in np.unique(labels))


def _n_apart(labels: Ints, items: Ints | None, label: int) -> int:
    of_label = labels == label
    return int(of_label.sum()) if items is None else len(np.unique(items[of_label]))


def complete(parts: list[Split], labels: Ints) -> list[Split]:
    """The splits whose training part has every label that there is."""
    every = len(np.unique(labels))
    return [split for split in parts if len(np.unique(labels[split[0]])) == every]
