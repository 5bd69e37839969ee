"""SLERP: from one model to the other along the arc between them instead of straight through (Shoemake 1985).

    merge = sin((1 - t) theta) / sin(theta) A + sin(t theta) / sin(theta) B,   cos(theta) = A.B / (|A| |B|)

Each tensor is one long vector. Where |cos(theta)| > 0.9995, the straight line is taken: (1 - t) A + t B. Fine-tuned
copies of one model are mostly that close.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.labs.merging.methods import angles
from playground.labs.merging.methods.angles import Angle
from playground.labs.merging.methods.method import How, Look, Method, Seen

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor

STRAIGHT = 0.9995  # cosine from which on the arc is taken for a line, as mergekit does


def is_straight(angle: Angle) -> bool:
    return angle.cosine is None or abs(angle.cosine) > STRAIGHT


def measure(look: Look, how: How) -> Angle:
    return angles.between(look)


def blend(seen: Seen, how: How, angle: Angle) -> Tensor:
    t, (a, b) = how.t, seen.models
    if angle.cosine is None or is_straight(angle):
        return angles.along(a, b, (1 - t, t))
    return angles.along(a, b, angles.coefficients(angle.cosine, t))


SLERP = Method(
    name="slerp",
    title="SLERP",
    paper="Shoemake 1985, Animating rotation with quaternion curves",
    formula=(
        r"\theta = \frac{\sin((1-t)\Omega)}{\sin\Omega}A + \frac{\sin(t\Omega)}{\sin\Omega}B,"
        r"\quad \cos\Omega=\frac{A\cdot B}{|A||B|}"
    ),
    about="From A to B along the arc, which keeps the length of weights that point in different directions.",
    blend=blend,
    measure=measure,
    exactly_two=True,
    parameters=("t",),
)
