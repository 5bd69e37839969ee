"""Which elements of a long vector are its k largest by magnitude, found piece by piece: exactly k, ties in order.

The vector is never held as a whole. Magnitudes of float32 numbers are in the order of their bits, so that two
histograms of 16 bits each find the k-th; of those equal to it, the first in the vector are taken. (Weights in bfloat16
give many equal differences: whoever keeps all of them keeps 27 % when 20 % were asked for.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor

    Pieces = Callable[[], Iterable[tuple[int, Tensor]]]  # (flat index of the first element, float32 values, any shape)


_BINS = 1 << 16


@dataclass(frozen=True)
class Cut:
    """Elements above `value` are in; of those equal to it, the ones up to the index `last`."""

    value: float
    last: float  # flat index; infinite: all of them
    n_kept: int

    def keeps(self, start: int, values: Tensor) -> Tensor:
        """Which of some values are in: booleans of the same shape."""
        sizes = values.abs()
        end = start + values.numel()
        if self.last >= end - 1:
            return sizes >= self.value
        if self.last < start:
            return sizes > self.value
        kept, ties = (sizes > self.value).flatten(), (sizes == self.value).flatten()
        inside = int(self.last) - start + 1
        kept[:inside] |= ties[:inside]
        return kept.view(values.shape)


EVERYTHING = Cut(0.0, float("inf"), -1)


def cut(pieces: Pieces, k: int, all_ties: bool = False) -> Cut:
    """The cut that keeps the `k` largest, or with `all_ties` also whatever equals the k-th."""
    if k <= 0:
        return Cut(float("inf"), -1, 0)
    import torch

    upper = torch.zeros(_BINS, dtype=torch.int64)
    for _, values in pieces():
        upper += torch.bincount(_bits(values) >> 16, minlength=_BINS)
    high, above = _bin(upper, k)
    lower = torch.zeros(_BINS, dtype=torch.int64)
    for _, values in pieces():
        bits = _bits(values)
        lower += torch.bincount(bits[(bits >> 16) == high] & (_BINS - 1), minlength=_BINS)
    low, within = _bin(lower, k - above)
    value = float(torch.tensor([high << 16 | low], dtype=torch.int32).view(torch.float32))
    equal, wanted = int(lower[low]), k - above - within
    if all_ties or equal == wanted:
        return Cut(value, float("inf"), above + within + equal)
    return Cut(value, _place(pieces, value, wanted), k)


def _bits(values: Tensor) -> Tensor:
    """Of the magnitudes, as whole numbers in the same order."""
    import torch

    return values.abs().contiguous().view(torch.int32).flatten()


def _bin(counts: Tensor, k: int) -> tuple[int, int]:
    """The bin that holds the k-th from above, and how many lie above that bin."""
    from_above = counts.flip(0).cumsum(0)
    at = int((from_above < k).sum())
    if at == len(counts):
        raise ValueError(f"there are only {int(from_above[-1])} elements, not {k}")
    return len(counts) - 1 - at, int(from_above[at - 1]) if at else 0


def _place(pieces: Pieces, value: float, wanted: int) -> int:
    """The flat index of the `wanted`-th element whose magnitude is `value`."""
    for start, values in pieces():
        ties = (values.abs() == value).flatten().nonzero().flatten()
        if len(ties) >= wanted:
            return start + int(ties[wanted - 1])
        wanted -= len(ties)
    raise ValueError("the pieces have changed between two looks")
