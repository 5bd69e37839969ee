"""Blocks whose output is known already are not computed again: what comes before a change is as it was without it.

It does not know what is changed.
"""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from playground.engine import passes
from playground.engine.engine import Engine
from playground.engine.loaded import Forward
from playground.engine.tap import Around


def recording(engine: Engine, outputs: list[Any]) -> list[tuple[nn.Module, Around]]:
    """Functions that append what each block of the main stack gives out to `outputs`, as it gives it."""

    def note(forward: Forward, arguments: tuple[Any, ...], named: dict[str, Any]) -> object:
        outputs.append(forward(*arguments, **named))
        return outputs[-1]

    return [(block, note) for block in engine.anatomy.main.blocks]


def can_leave_out(engine: Engine, ids: Tensor, outputs: Sequence[Any], stop: threading.Event | None = None) -> bool:
    """Whether blocks can be left out when what they gave for `ids`, (1, position), is known.

    Only if nothing else passes between blocks. It is tried: with half of them left out, the last must give the same.

    Raises:
        Stopped: `stop` was set.
    """
    blocks = engine.anatomy.main.blocks
    if len(blocks) != len(outputs) or any(hidden(output) is None for output in outputs):
        return False
    around = left_out(engine, len(blocks) // 2, outputs, 1)
    try:
        residual = passes.last_residual(engine, {"input_ids": ids}, around=around, stop=stop)
    except (RuntimeError, TypeError, KeyError, IndexError, AttributeError):
        return False  # a later block looked for what an earlier one had left for it
    last = hidden(outputs[-1])
    return last is not None and torch.equal(residual, last)


def hidden(output: Any) -> Tensor | None:
    """What a block gives to the next, (row, position, hidden); None where it gives more than that."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple) and output and all(other is None for other in output[1:]):
        return output[0]
    return None


def left_out(engine: Engine, n: int, outputs: Sequence[Any], n_rows: int) -> list[tuple[nn.Module, Around]]:
    """Functions in place of the first `n` blocks: they give out, for `n_rows` rows, what the last of them gave."""
    blocks = engine.anatomy.main.blocks[:n]
    last = hidden(outputs[n - 1]) if n else None
    again = None if last is None else last.expand(n_rows, -1, -1).contiguous()

    def give(output: Any) -> Around:  # only what the last of them gives is read by anybody
        same = again if isinstance(output, Tensor) else (again, *output[1:])
        return lambda forward, arguments, named: same

    return [(block, give(output)) for block, output in zip(blocks, outputs, strict=False)]
