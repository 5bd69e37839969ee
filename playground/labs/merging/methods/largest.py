"""Which elements of a long vector are its k largest by magnitude, found piece by piece: exactly k, ties in order.

The vector is never held as a whole. Magnitudes of float32 numbers are in the order of their bits, so that two
histograms of 16 bits each find the k-th; of those equal to it, the first in the vector are taken. (Weights in bfloat16
give many equal differences: whoever keeps all of them keeps 27 % when 20 % were asked for.)

Nothing here asks for the truth of single elements: on a CPU, masks of booleans take ten times as long as arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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

    def kept(self, start: int, values: Tensor) -> Tensor:
        """Those of some contiguous values that are in, 0 in the place of the others: a new tensor of the same shape."""
        import torch

        inside = int(min(max(self.last + 1 - start, 0), values.numel()))  # so many of them may be as small as `value`
        if inside == values.numel():
            return _above(values, _before(self.value))
        if inside == 0:
            return _above(values, self.value)
        flat = values.flatten()
        parts = _above(flat[:inside], _before(self.value)), _above(flat[inside:], self.value)
        return torch.cat(parts).view(values.shape)


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
        inside = _bits(values).sub_((high << 16) - 1).clamp_(0, _BINS + 1)  # the first and last bin are all others
        lower += torch.bincount(inside, minlength=_BINS + 2)[1:-1]
    low, within = _bin(lower, k - above)
    value = float(torch.tensor([high << 16 | low], dtype=torch.int32).view(torch.float32))
    equal, wanted = int(lower[low]), k - above - within
    if all_ties or equal == wanted:
        return Cut(value, float("inf"), above + within + equal)
    return Cut(value, _place(pieces, value, wanted), k)


def _bits(values: Tensor) -> Tensor:
    """Of the magnitudes, as whole numbers in the same order; their own memory."""
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
        ties = values.abs().eq_(value).flatten()  # 1 and 0
        n = int(ties.sum())
        if n >= wanted:
            return start + int(ties.nonzero()[wanted - 1])
        wanted -= n
    raise ValueError("the pieces have changed between two looks")


def _above(values: Tensor, size: float) -> Tensor:
    """Values that are larger than `size` by magnitude, 0 for others."""
    import torch

    return values.clone() if size < 0 else torch.nn.functional.hardshrink(values, size)


def _before(size: float) -> float:
    """The next smaller number of float32."""
    return float(np.nextafter(np.float32(size), np.float32(-1)))
