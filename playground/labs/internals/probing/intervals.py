"""How sure an accuracy is. It does not know what was right or wrong about what."""

import numpy as np

from playground.arrays import Bools, Floats, Ints

Z95 = 1.959963984540054  # of the normal distribution


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of Wilson (1927) for a share of `n` independent trials."""
    middle = share + Z95**2 / (2 * n)
    half = Z95 * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    below, above = (middle - half) / (1 + Z95**2 / n), (middle + half) / (1 + Z95**2 / n)
    return max(float(below), 0.0), min(float(above), 1.0)


def design_effect(right: Bools | Floats, items: Ints) -> float:
    """By how much texts that share an item count for less than so many texts, (text,) each; at least 1.

    The variance of the share right, with whole items drawn, over that with single texts drawn (Kish 1965).
    """
    share = right.mean()
    if share in (0, 1):
        return 1.0
    _, numbers = np.unique(items, return_inverse=True)
    of_item = np.bincount(numbers, right - share)
    n_items = len(of_item)
    if n_items < 2:
        return 1.0
    by_items = (of_item**2).sum() * n_items / (n_items - 1) / len(right) ** 2
    by_texts = share * (1 - share) / len(right)
    return max(float(by_items / by_texts), 1.0)


def interval(right: Bools | Floats, items: Ints) -> tuple[float, float]:
    """The 95 % interval of a share of texts, where those that share an item are not independent."""
    return wilson(float(right.mean()), len(right) / design_effect(right, items))


def exceeds(right: Bools | Floats, rival: Floats, items: Ints) -> bool:
    """Whether one is right more often than its rival, text by text, (text,) each, by more than chance would explain.

    The mean difference against 1.96 of its standard errors, whole items taken as independent.
    """
    difference = right - rival
    mean = difference.mean()
    _, numbers = np.unique(items, return_inverse=True)
    of_item = np.bincount(numbers, difference - mean)
    n_items = len(of_item)
    if n_items < 2:
        return False
    error = np.sqrt((of_item**2).sum() * n_items / (n_items - 1)) / len(difference)
    return bool(mean > Z95 * error)
