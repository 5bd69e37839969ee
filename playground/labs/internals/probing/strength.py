"""How strongly the linear probe is held back, chosen in folds inside its training texts.

The same loss as scikit-learn's LogisticRegression, minimised without its checks at every step: choosing takes ten
times as many fits as probing itself. A test holds the two together. It does not know what the features are.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_expit, log_softmax

from playground.arrays import Floats, Ints
from playground.labs.internals.probing.folds import Split

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # C: larger is freer


def best(
    features: Floats,
    labels: Ints,
    inner: Sequence[Split],
    by_bits: bool = False,
    go_on: Callable[[], None] = lambda: None,
) -> float:
    """The strength that does best on average in `inner`, by accuracy or by bits a label; the smallest of equals.

    Args:
        features: (text, hidden), standardised.
        labels: (text,), numbers from 0, each of which is in every training part.
        go_on: called before every step of a fit; raises when nobody wants the result any more.
    """
    worth = np.zeros(len(STRENGTHS))
    n_classes = int(labels.max()) + 1
    for train, test in inner:
        seen, asked = np.ascontiguousarray(features[train]), features[test]
        weights = None
        for i, strength in enumerate(STRENGTHS):
            weights = fit(seen, labels[train], n_classes, strength, weights, go_on)
            logs = log_probabilities(asked, weights)
            if by_bits:
                worth[i] += logs[np.arange(len(test)), labels[test]].mean()
            else:
                worth[i] += (logs.argmax(axis=1) == labels[test]).mean()
    return STRENGTHS[int(worth.argmax())]


def fit(
    features: Floats,
    labels: Ints,
    n_classes: int,
    strength: float,
    start: Floats | None = None,
    go_on: Callable[[], None] = lambda: None,
) -> Floats:
    """Weights, (hidden + 1, class), the last row not held back; (hidden + 1, 1) for two classes."""
    n, width = features.shape
    columns = 1 if n_classes == 2 else n_classes
    truth = labels[:, None] == (1 if columns == 1 else np.arange(n_classes))

    def loss(flat: Floats) -> tuple[float, Floats]:
        go_on()
        weights = flat.reshape(width + 1, columns)
        logits = features @ weights[:-1].astype(features.dtype) + weights[-1]
        if columns == 1:
            logs = np.where(truth, log_expit(logits), log_expit(-logits))
            error = np.exp(log_expit(logits)) - truth
        else:
            shares = log_softmax(logits, axis=1)
            logs, error = shares[truth], np.exp(shares) - truth
        gradient = np.empty_like(weights)
        gradient[:-1] = features.T @ error.astype(features.dtype) + weights[:-1] / strength
        gradient[-1] = error.sum(axis=0)
        total = -logs.sum() + (weights[:-1] ** 2).sum() / (2 * strength)
        return total / n, gradient.ravel() / n

    start = np.zeros((width + 1, columns)) if start is None else start
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300, "gtol": 1e-4})
    return found.x.reshape(width + 1, columns)


def log_probabilities(features: Floats, weights: Floats) -> Floats:
    """(text, class), natural logarithms."""
    logits = features @ weights[:-1].astype(features.dtype) + weights[-1]
    return np.hstack([log_expit(-logits), log_expit(logits)]) if logits.shape[1] == 1 else log_softmax(logits, axis=1)
