"""Model stock: how far towards the average, by the angle between what the models learned (Jang et al. 2024).

    c = mean cosine between task vectors;   t = N c / (1 + (N - 1) c);   merge = t mean(theta_i) + (1 - t) base

arXiv 2403.19522, tensor by tensor. It has nothing to set.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

from playground.labs.merging.methods import linear
from playground.labs.merging.methods.method import How, Look, Method, Seen

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor


def measure(look: Look, how: How) -> float:
    """t."""
    import torch

    n = len(how.weights)
    products = torch.zeros(n, n, dtype=torch.float64)
    for seen in look():
        deltas = torch.stack([delta.double().flatten() for delta in seen.deltas()])
        products += deltas @ deltas.T
    norms = products.diagonal().sqrt()
    cosines = [
        float(products[i, j] / (norms[i] * norms[j])) if norms[i] and norms[j] else 1.0
        for i, j in combinations(range(n), 2)
    ]
    cosine = math.fsum(cosines) / len(cosines)
    return ratio(cosine, n)


def ratio(cosine: float, n: int) -> float:
    """t of `n` models; from 0 to 1. Where task vectors point away from each other, the base is the best guess."""
    cosine = max(0.0, min(1.0, cosine))
    return n * cosine / (1 + (n - 1) * cosine)


def blend(seen: Seen, how: How, t: float) -> Tensor:
    n = len(seen.models)
    mean = linear.weighted_sum(list(seen.models), [1 / n] * n)
    return linear.weighted_sum([mean, seen.origin], [t, 1 - t]) if t else seen.origin


MODEL_STOCK = Method(
    name="model_stock",
    title="Model stock",
    paper="Jang et al. 2024, Model Stock, arXiv 2403.19522",
    formula=(
        r"\theta = t\,\bar\theta+(1-t)\,\theta_0,\quad t=\frac{Nc}{1+(N-1)c},"
        r"\quad c=\overline{\cos(\tau_i,\tau_j)}"
    ),
    about="Goes from the base towards the average as far as the models agree on the direction. Nothing to set.",
    blend=blend,
    measure=measure,
    needs_base=True,
)
