"""Whether a row of a matrix product gets the same bits whatever the number of rows: it depends on the machine.

Libraries choose how a sum is added up by the shape of the product, so one row can be rounded otherwise alone than among
others. It is tried on sums that are zero but for rounding, whose results show nothing but the order of their terms. It
does not know what the rows are.
"""

import functools

import torch
from torch import Tensor
from torch.nn import functional

MOST = 8  # rows, up to which it is tried: beyond, the products of a CPU are no longer nearly free
_BYTES = 64_000_000  # that the weights of one trial take at most: a larger layer is tried on its first outputs
_DIFFERENT = 64  # outputs that are no copies of others


def int8_product(rows: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """(row, in) in bfloat16, (out, in) in int8, (out,) -> (row, out). `in` must be a multiple of 16."""
    return torch._weight_int8pack_mm(rows, weight, scale)


def least_rows(dtype: torch.dtype, sizes: tuple[int, ...], width: int, biased: bool = False) -> int | None:
    """From how many rows on, 1 or 2, up to `MOST` a row's bits do not depend on how many there are, nor on its place.

    They are also the same in the product of each layer and in the joint product of all. None: neither holds.

    Args:
        dtype: of the weights; int8 is for `int8_product`, others are for `torch.nn.functional.linear`.
        sizes: outputs of the layers that read the same rows.
        width: of a row.
        biased: whether the product adds biases.
    """
    if not width or not all(sizes):
        return None
    most = max(1, _BYTES // (len(sizes) * width * dtype.itemsize))
    return _tried(dtype, tuple(min(size, most) for size in sizes), width, biased, torch.get_num_threads())


@functools.cache
def _tried(dtype: torch.dtype, sizes: tuple[int, ...], width: int, biased: bool, _threads: int) -> int | None:
    with torch.inference_mode():
        rows, weight = _cancelling(dtype, sum(sizes), width)

        def multiplied(some: Tensor, part: Tensor) -> Tensor:
            if dtype == torch.int8:
                return int8_product(some, part, some.new_ones(len(part)))
            return functional.linear(some, part, some.new_zeros(len(part)) if biased else None)

        expected = multiplied(rows, weight)

        def agree(n: int) -> bool:
            if not all(torch.equal(multiplied(rows[at], weight), expected[at]) for at in (slice(n), slice(-n, None))):
                return False
            if len(sizes) == 1:
                return True
            apart = [multiplied(rows[:n], part) for part in weight.split(sizes)]
            return torch.equal(torch.cat(apart, dim=1), expected[:n])

        if not all(map(agree, range(2, MOST + 1))):
            return None
        return 1 if agree(1) else 2


def _cancelling(dtype: torch.dtype, outputs: int, width: int) -> tuple[Tensor, Tensor]:
    """Rows, (MOST, width), and weights, (outputs, width), whose exact products are zero.

    Each term of a sum stands once more in it with the other sign, at a place chosen at random. Rows of int8 weights are
    bfloat16.
    """
    generator = torch.Generator().manual_seed(0)
    half, order = width // 2, torch.randperm(width, generator=generator)

    def made(n: int, sign: int) -> Tensor:
        terms = torch.randn(n, half, generator=generator)
        return torch.cat([terms, sign * terms, terms.new_zeros(n, width - 2 * half)], dim=1)[:, order]

    weight, rows = made(min(outputs, _DIFFERENT), 1), made(MOST, -1)
    if dtype == torch.int8:
        weight, rows = (40 * weight).round_().clamp_(-127, 127), rows.to(torch.bfloat16)
    weight = weight.to(dtype).repeat(-(-outputs // len(weight)), 1)[:outputs]
    return rows.to(torch.bfloat16 if dtype == torch.int8 else dtype).contiguous(), weight.contiguous()
