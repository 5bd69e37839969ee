"""NuSLERP: SLERP with weights instead of t, the arc also where the angle is small, and, with a base, between deltas.

    t = w_B / (w_A + w_B);   as SLERP, or   base + slerp(A - base, B - base, t)

The straight line is taken only where |sin(theta)| < 1e-8. Row by row on request. (As mergekit defines it.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from playground.labs.merging.methods import angles
from playground.labs.merging.methods.angles import Angle
from playground.labs.merging.methods.method import How, Look, Method, Seen

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor


def measure(look: Look, how: How) -> Angle | None:
    if how.row_wise:
        return None  # each piece has whole rows
    return angles.between(look, deltas=next(look()).base is not None)


def share(how: How) -> float:
    """t."""
    total = sum(how.weights)
    return how.weights[1] / total if abs(total) >= 1e-6 else 0.5


def blend(seen: Seen, how: How, angle: Angle | None) -> Tensor:
    t = share(how)
    if t in (0.0, 1.0):
        return seen.models[int(t)]  # the parent itself, not base + (parent - base)
    a, b = seen.models if seen.base is None else seen.deltas()
    if angle is None:
        first, second = angles.row_coefficients(a, b, t)
        merged = a.mul_(first).add_(b.mul_(second))
    elif angle.cosine is None or math.sqrt(max(0.0, 1 - angle.cosine**2)) < 1e-8:
        merged = angles.along(a, b, (1 - t, t))
    else:
        merged = angles.along(a, b, angles.coefficients(angle.cosine, t))
    return merged if seen.base is None else merged.add_(seen.base)


NUSLERP = Method(
    name="nuslerp",
    title="NuSLERP",
    paper="mergekit; after Shoemake 1985",
    formula=r"t=\frac{w_B}{w_A+w_B},\quad \theta = \theta_0 + \mathrm{slerp}(A-\theta_0,\,B-\theta_0,\,t)",
    about="SLERP by weights. With a base, the arc runs between what the two have learned since, where angles are wide.",
    blend=blend,
    measure=measure,
    measures=lambda how: how.row_wise,
    exactly_two=True,
    parameters=("weights", "row_wise"),
)
