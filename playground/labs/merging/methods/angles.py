"""The angle between two tensors, and the way along it: spherical linear interpolation (Shoemake 1985)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playground.labs.merging.methods.linear import weighted_sum
from playground.labs.merging.methods.method import Look

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor


@dataclass(frozen=True)
class Angle:
    """Of two tensors seen as one long vector each; sums in float64."""

    dot: float
    norms: tuple[float, float]

    @property
    def cosine(self) -> float | None:
        """None: one of them is all zeros."""
        product = self.norms[0] * self.norms[1]
        return max(-1.0, min(1.0, self.dot / product)) if product else None


def between(look: Look, deltas: bool = False) -> Angle:
    """The angle of the first two models, or of their task vectors."""
    dot = first = second = 0.0
    for seen in look():
        a, b = (t.double().flatten() for t in (seen.deltas() if deltas else seen.models))
        dot += float(a @ b)
        first += float(a @ a)
        second += float(b @ b)
    return Angle(dot, (math.sqrt(first), math.sqrt(second)))


def coefficients(cosine: float, t: float) -> tuple[float, float]:
    """What two vectors are multiplied with at the share `t` of the angle between them; 1, 0 and 0, 1 at the ends."""
    theta = math.acos(cosine)
    return math.sin((1 - t) * theta) / math.sin(theta), math.sin(t * theta) / math.sin(theta)


def row_coefficients(a: Tensor, b: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """As `coefficients`, for each row of (row, column) by its own angle; where there is none, the straight line."""
    import torch

    a, b = a.double(), b.double()
    cosine = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))
    theta = cosine.clamp(-1, 1).acos()
    sine = theta.sin()
    straight = ~(sine.abs() >= 1e-8)  # NaN too: a row of zeros
    first = torch.where(straight, 1 - t, ((1 - t) * theta).sin() / sine)
    second = torch.where(straight, t, (t * theta).sin() / sine)
    return first.float()[:, None], second.float()[:, None]


def along(a: Tensor, b: Tensor, coefficients: tuple[float, float]) -> Tensor:
    return weighted_sum([a, b], list(coefficients))
