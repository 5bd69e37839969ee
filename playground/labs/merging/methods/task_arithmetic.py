"""Task arithmetic: what each model has learned since the base, added up (Ilharco et al. 2023, arXiv 2212.04089).

merge = base + lambda sum_i w_i (theta_i - base)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.labs.merging.methods import linear
from playground.labs.merging.methods.method import How, Method, Seen

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor


def blend(seen: Seen, how: How, facts: object) -> Tensor:
    return added(seen.origin, linear.weighted_sum(seen.deltas(), linear.shares(how)), how.scale)


def added(base: Tensor, task: Tensor, scale: float) -> Tensor:
    """base + scale * task, into `task`; the base itself, to the bit, where the scale is 0."""
    if scale == 0:
        return base
    return (task if scale == 1 else task.mul_(scale)).add_(base)


TASK_ARITHMETIC = Method(
    name="task_arithmetic",
    title="Task arithmetic",
    paper="Ilharco et al. 2023, Editing models with task arithmetic, arXiv 2212.04089",
    formula=r"\theta = \theta_0 + \lambda\sum_i w_i(\theta_i-\theta_0)",
    about="Adds what each model has learned since the base. A negative weight takes it away again.",
    blend=blend,
    needs_base=True,
    skips_base=lambda how: not how.normalize,  # divided by the sum of all weights, it would count
    parameters=("weights", "scale", "normalize"),
)
