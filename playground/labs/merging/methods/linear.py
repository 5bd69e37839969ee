"""Linear: the weighted average of weights, also known as a model soup (Wortsman et al. 2022, arXiv 2203.05482).

merge = sum_i w_i theta_i / sum_i w_i      (not divided where normalize is off)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from playground.errors import PlaygroundError
from playground.labs.merging.methods.method import How, Method, Seen

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor


def blend(seen: Seen, how: How, facts: object) -> Tensor:
    return weighted_sum(seen.models, shares(how))


def shares(how: How) -> list[float]:
    """The weights as they count."""
    total = sum(how.weights) if how.normalize else 1.0
    if abs(total) < 1e-8:
        raise PlaygroundError(
            "The weights add up to nothing, so there is no average. Raise one, or turn normalize off."
        )
    return [weight / total for weight in how.weights]


def weighted_sum(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Into the first tensor with a weight. What has weight 0 is left out, so that it cannot turn -0 into 0."""
    total = None
    for tensor, weight in zip(tensors, weights, strict=True):
        if weight == 0:
            continue
        total = tensor.mul_(weight) if total is None else total.add_(tensor, alpha=weight)
    return tensors[0].zero_() if total is None else total


LINEAR = Method(
    name="linear",
    title="Linear",
    paper="Wortsman et al. 2022, Model soups, arXiv 2203.05482",
    formula=r"\theta = \frac{\sum_i w_i\,\theta_i}{\sum_i w_i}",
    about="The weighted average of all weights. Plain, and hard to beat for models that were tuned from one base.",
    blend=blend,
    parameters=("weights", "normalize"),
    normalize=True,
    keeps_common=lambda how: how.normalize,
)
