"""How two models differ, tensor by tensor: angle, length, distance, and how often they pull in opposite directions.

Read from the files, piece by piece; no model is loaded. Sums are in float64.
"""

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.errors import PlaygroundError
from playground.labs.merging.methods import slerp
from playground.labs.merging.parents import Compatibility, compatibility
from playground.labs.merging.recipe import Depths
from playground.models.progress import Report, quiet
from playground.models.weights import Tensors

PIECE = 1 << 18  # elements that are widened at once


@dataclass(frozen=True)
class Difference:
    """Of one tensor in two models."""

    name: str
    layer: int | None  # None: it is in no layer
    part: str  # the name without its layer, such as "self_attn.q_proj"
    n: int  # elements
    cosine: float  # of the tensors as vectors; NaN where one is all zeros
    norm_ratio: float  # |B| / |A|
    distance: float  # |B - A| / |A|
    delta_cosine: float  # of what each has learned since the base; NaN without a base or where one learned nothing
    conflicts: float  # share of elements changed in both whose changes differ in sign; NaN without a base
    same: bool  # bit for bit in float32

    @property
    def angle(self) -> float:
        """Degrees."""
        return math.degrees(math.acos(max(-1.0, min(1.0, self.cosine)))) if self.cosine == self.cosine else math.nan

    @property
    def is_straight(self) -> bool:
        """Whether SLERP, as mergekit defines it, takes the straight line here."""
        return not abs(self.cosine) <= slerp.STRAIGHT


@dataclass(frozen=True)
class Inspection:
    parents: tuple[str, str]
    base: str | None
    compatibility: Compatibility
    differences: tuple[Difference, ...]
    revisions: tuple[str, ...]  # of the parents, and of the base

    @property
    def n_straight(self) -> int:
        return sum(difference.is_straight for difference in self.differences)

    @property
    def n_same(self) -> int:
        return sum(difference.same for difference in self.differences)


def inspect(
    parents: Mapping[str, Tensors],
    a: str,
    b: str,
    base: str | None = None,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Inspection:
    """Compares two models of one architecture, and what each learned since a base if there is one.

    Raises:
        PlaygroundError: no tensor of the two can be compared, or it was stopped.
    """
    first, second, origin = parents[a], parents[b], parents[base] if base else None
    chosen = {name: parents[name] for name in dict.fromkeys((a, b, *([base] if base else [])))}
    found = compatibility(chosen)
    names = [name for name, shape in first.shapes.items() if second.shapes.get(name) == shape]
    if origin is not None:
        names = [name for name in names if origin.shapes.get(name) == first.shapes[name]]
    if not names:
        raise PlaygroundError(
            f"{a} and {b} have no weights of the same name and shape. "
            + next((m.sentence for m in found.mismatches), "Pick models of one architecture.")
        )
    depths, differences = Depths.of(names), []
    for i, name in enumerate(names):
        if stop is not None and stop.is_set():
            raise PlaygroundError("Stopped.")
        if i % 8 == 0:
            report(i / len(names), f"Comparing {name}")
        tensors = [weights.read(name).flatten() for weights in (first, second, *([origin] if origin else []))]
        differences.append(_difference(name, depths.layer(name), tensors))
    revisions = tuple(weights.files.revision for weights in chosen.values())
    return Inspection((a, b), base, found, tuple(differences), revisions)


def part_of(name: str) -> str:
    """A tensor's name without the stack and the layer it is in."""
    pieces = name.removesuffix(".weight").split(".")
    numbers = [i for i, piece in enumerate(pieces) if piece.isdigit()]
    return ".".join(pieces[numbers[0] + 1 :] if numbers else pieces[-2:])


def _difference(name: str, layer: int | None, tensors: list[Tensor]) -> Difference:
    ab = aa = bb = dd = xx = yy = xy = 0.0
    both = opposed = 0
    same = True
    for pieces in _pieces(tensors):
        a, b = pieces[:2]
        same = same and torch.equal(a, b)
        wide_a, wide_b = a.double(), b.double()
        ab += float(wide_a @ wide_b)
        aa += float(wide_a @ wide_a)
        bb += float(wide_b @ wide_b)
        gap = wide_b - wide_a
        dd += float(gap @ gap)
        if len(pieces) == 3:
            x, y = wide_a - pieces[2], wide_b - pieces[2]
            xx += float(x @ x)
            yy += float(y @ y)
            xy += float(x @ y)
            product = x * y
            both += int((product != 0).sum())
            opposed += int((product < 0).sum())
    with_base = len(tensors) == 3
    return Difference(
        name,
        layer,
        part_of(name),
        tensors[0].numel(),
        _ratio(ab, math.sqrt(aa * bb)),
        _ratio(math.sqrt(bb), math.sqrt(aa)),
        _ratio(math.sqrt(dd), math.sqrt(aa)),
        _ratio(xy, math.sqrt(xx * yy)) if with_base else math.nan,
        _ratio(opposed, both) if with_base else math.nan,
        same,
    )


def _pieces(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    for start in range(0, tensors[0].numel(), PIECE):
        yield [tensor[start : start + PIECE].float() for tensor in tensors]


def _ratio(one: float, other: float) -> float:
    return one / other if other else math.nan
