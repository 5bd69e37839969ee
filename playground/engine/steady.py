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
_ENOUGH = 16_384  # outputs of a layer that are tried; it has more of the same
_DIFFERENT = 64  # outputs that are no copies of others


@functools.cache
def least_rows(dtype: torch.dtype, sizes: tuple[int, ...], width: int) -> int | None:
    """From how many rows on, 1 or 2, up to `MOST` a row's bits do not depend on how many there are, nor on its place.

    They are also the same in the product of each layer and in the joint product of all. None: neither holds.

    Args:
        sizes: outputs of the layers that read the same rows.
        width: of a row.
    """
    sizes = tuple(min(size, _ENOUGH) for size in sizes)
    with torch.inference_mode():
        rows, weight = _cancelling(dtype, sum(sizes), width)
        expected = functional.linear(rows, weight)
        parts = (weight, *weight.split(sizes)) if len(sizes) > 1 else (weight,)

        def agree(n: int) -> bool:
            some = slice(0, n), slice(MOST - n, MOST)
            whole = all(torch.equal(functional.linear(rows[at], weight), expected[at]) for at in some)
            if not whole or len(parts) == 1:
                return whole
            apart = torch.cat([functional.linear(rows[:n], part) for part in parts[1:]], dim=1)
            return torch.equal(apart, expected[:n])

        if not all(map(agree, range(2, MOST + 1))):
            return None
        return 1 if agree(1) else 2


def _cancelling(dtype: torch.dtype, outputs: int, width: int) -> tuple[Tensor, Tensor]:
    """Rows, (MOST, width), and weights, (outputs, width), whose exact products are zero.

    Each term of a sum stands once more in it with the other sign, at a place chosen at random.
    """
    generator = torch.Generator().manual_seed(0)
    half, order = width // 2, torch.randperm(width, generator=generator)
    rest = width - 2 * half

    def made(n: int, sign: int) -> Tensor:
        terms = torch.randn(n, half, generator=generator).to(dtype)
        return torch.cat([terms, sign * terms, terms.new_zeros(n, rest)], dim=1)[:, order]

    weight = made(min(outputs, _DIFFERENT), 1)
    return made(MOST, -1).contiguous(), weight.repeat(-(-outputs // len(weight)), 1)[:outputs].contiguous()
