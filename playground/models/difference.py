"""A model as a small difference from another one: what is packed, and how it is added again.

For each matrix that differs there is `name.int8` (row, column) and `name.scale` (row,) in float32, and `name.rows`
(row,) int32 when only some rows differ: weight = base + int8 * scale. A matrix that the base lacks is packed on a base
of zero. Vectors stand whole, in float32.

It knows tensors and names; not where they come from, nor what network they make.
"""

from collections.abc import Mapping

import torch

STEPS = 127


def pack(base: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What has to be added to `base` to give `target`, in 8 bits a number.

    Each row is scaled by its largest absolute number, so an error is at most half of 1/127 of it.
    """
    packed: dict[str, torch.Tensor] = {}
    for name, wanted in target.items():
        if wanted.ndim != 2:
            packed[name] = wanted.float().contiguous()
            continue
        change = wanted.float() - base[name].float() if name in base else wanted.float()
        rows = change.abs().amax(1).nonzero().squeeze(1)
        if not len(rows) and name in base:
            continue
        if len(rows) < len(change):
            packed[f"{name}.rows"] = rows.to(torch.int32)
            change = change[rows]
        scale = (change.abs().amax(1) / STEPS).clamp(min=torch.finfo(torch.float32).tiny)
        packed[f"{name}.scale"] = scale
        packed[f"{name}.int8"] = (change / scale[:, None]).round().to(torch.int8)
    return packed


def unpack(base: Mapping[str, torch.Tensor], packed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights that were packed, in float32: `base` with the difference added.

    Raises:
        KeyError: `packed` names rows of a matrix that `base` lacks.
    """
    weights = {name: weight.float() for name, weight in base.items()}
    for name, tensor in packed.items():
        stem, _, kind = name.rpartition(".")
        if kind == "int8":
            change = tensor.float() * packed[f"{stem}.scale"][:, None]
            rows = packed.get(f"{stem}.rows")
            if rows is not None:
                weights[stem] = weights[stem].index_add(0, rows.long(), change)
            else:
                weights[stem] = weights[stem] + change if stem in weights else change
        elif kind not in ("scale", "rows"):
            weights[name] = tensor.float()
    return weights
