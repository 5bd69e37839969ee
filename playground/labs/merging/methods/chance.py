"""Chance that comes out the same every time: numbers for a place in a tensor, from the recipe's seed alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Size, Tensor

_STEPS = 1 << 16  # probabilities are rounded to one in so many


def generator(seed: int, name: str, model: int, start: int) -> np.random.Generator:
    """For the piece of one model's tensor that begins at the flat index `start`."""
    digest = hashlib.sha256(f"{seed}/{name}/{model}/{start}".encode()).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest[:16], "little")))


def kept(seed: int, name: str, model: int, start: int, shape: Size, probability: float) -> Tensor:
    """Booleans, each true with `probability`."""
    import torch

    n = shape.numel()
    drawn = generator(seed, name, model, start).bit_generator.random_raw(-(-n // 4)).view(np.uint16)[:n]
    return torch.from_numpy(drawn < round(probability * _STEPS)).view(shape)


def drop(values: Tensor, mask: Tensor) -> Tensor:
    """In place, 0 where a mask of booleans says no. By multiplying, which is ten times as fast as filling."""
    import torch

    return values.mul_(mask.view(torch.int8).float())


def uniform(seed: int, name: str, model: int, start: int, shape: Size) -> Tensor:
    """Numbers from 0 to 1, float32."""
    import torch

    return torch.from_numpy(generator(seed, name, model, start).random(shape.numel(), np.float32)).view(shape)
