"""What a masked model expects at chosen places of many texts, read together.

Rows of like length share a pass. The unembedding, which is half of a small model, is applied to the asked places alone,
and so is all of the last block that comes after its attention, where the architecture shows such a place (BERT and its
kin); so the numbers are those of one text at a time but for rounding. It does not know why a place was masked.
"""

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from playground.engine import passes
from playground.engine.engine import Engine
from playground.engine.loaded import Forward
from playground.engine.readout import read_out
from playground.engine.tap import Site, Tap, open_tap
from playground.errors import PlaygroundError

# Block sites -> what becomes of a residual there, token by token: the last block may show the asked ones alone.
Edits = Mapping[Site, Callable[[Tensor], Tensor | None]]


@dataclass(frozen=True)
class Row:
    """One text as the model reads it, its masks in place."""

    ids: tuple[int, ...]
    places: tuple[int, ...]  # whose distributions are asked for; at least one


def check_masked(engine: Engine) -> None:
    """Raises PlaygroundError when the model fills no blanks."""
    if engine.anatomy.kind != "masked" or engine.tokenizer.mask_token_id is None:
        raise PlaygroundError(
            f"{engine.reference} is a {engine.anatomy.kind} model and fills no blanks. Pick a masked model, like BERT."
        )


def read(
    engine: Engine, rows: Sequence[Row], edits: Edits | None = None, stop: threading.Event | None = None
) -> Iterator[tuple[list[int], Tensor]]:
    """Numbers of rows, and the log-probabilities at their places one row after the other, (place, vocabulary).

    Float32, on the model's device; natural logarithm. Longest rows first, so that what does not fit shows at once.

    Raises:
        PlaygroundError: a row does not fit the model, or it fills no blanks.
        passes.Stopped: `stop` was set.
    """
    check_masked(engine)
    for row in rows:
        engine.check_fits(len(row.ids))
    way = _way(engine)
    for batch in _batches([len(row.ids) for row in rows], 768 if engine.device.type == "cpu" else 16384):
        yield batch, _pass(engine, [rows[i] for i in batch], edits or {}, stop, way)


@dataclass(frozen=True, eq=False)
class _Way:
    """What of a pass can be spared."""

    by_head: bool  # the last residual read out is what the model itself says
    narrow: nn.Module | None  # from here to the end of the last block every token is on its own


def _pass(engine: Engine, rows: Sequence[Row], edits: Edits, stop: threading.Event | None, way: _Way) -> Tensor:
    longest = max(len(row.ids) for row in rows)
    filler = engine.tokenizer.pad_token_id or 0
    ids = torch.tensor([[*row.ids, *[filler] * (longest - len(row.ids))] for row in rows])
    inputs = {"input_ids": ids.to(engine.device)}
    if any(len(row.ids) < longest for row in rows):
        there = torch.tensor([[1] * len(row.ids) + [0] * (longest - len(row.ids)) for row in rows])
        inputs["attention_mask"] = there.to(engine.device)
    at = [number for number, row in enumerate(rows) for _ in row.places]
    places = [place for row in rows for place in row.places]
    with torch.inference_mode(), engine.turns.take() if engine.turns else nullcontext():
        logits = None
        if way.by_head:
            logits = read_out(engine, _residuals(engine, inputs, at, places, way.narrow, edits, stop))
        if logits is None:
            passes.check_stop(stop)
            with open_tap(Tap(residual=lambda site, values: edits[site](values) if site in edits else None)):
                logits = engine.model(**inputs).logits[at, places]
        return logits.float().log_softmax(-1)


def _residuals(
    engine: Engine,
    inputs: Mapping[str, Tensor],
    at: list[int],
    places: list[int],
    narrow: nn.Module | None,
    edits: Edits | None = None,
    stop: threading.Event | None = None,
) -> Tensor:
    """The last residual of the rows `at` at their `places`, (place, hidden)."""
    if narrow is None:
        return passes.last_residual(engine, inputs, edits, stop=stop)[at, places]

    def chosen(forward: Forward, arguments: tuple[Any, ...], named: dict[str, Any]) -> object:
        if not all(isinstance(values, Tensor) and values.ndim == 3 for values in arguments):
            return forward(*arguments, **named)
        return forward(*(values[at, places][:, None] for values in arguments), **named)

    return passes.last_residual(engine, inputs, edits, [(narrow, chosen)], stop)[:, 0]


def _way(engine: Engine) -> _Way:
    """By a trial: what can be spared without another result."""
    n = engine.anatomy.vocabulary_size
    inputs = {"input_ids": torch.tensor([[i % n for i in range(5, 9)]], device=engine.device)}
    if "attention_mask" in inspect.signature(engine.model.forward).parameters:
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    # BERT's own name for what follows its attention: output projection, sum with the residual, norm
    after = getattr(getattr(engine.anatomy.main.blocks[-1], "attention", None), "output", None)
    with torch.inference_mode():
        own = engine.model(**inputs).logits.float()
        by_head = _same(engine, read_out(engine, passes.last_residual(engine, inputs)), own)
        if not by_head or not isinstance(after, nn.Module):
            return _Way(by_head, None)
        try:
            narrow = _same(engine, read_out(engine, _residuals(engine, inputs, [0, 0], [1, 3], after)), own[0, [1, 3]])
        except (RuntimeError, ValueError, IndexError, TypeError):  # a later part of the block needs whole texts
            narrow = False
    return _Way(True, after if narrow else None)


def _same(engine: Engine, found: Tensor | None, own: Tensor) -> bool:
    if found is None or found.shape != own.shape:
        return False
    allowed = 1e-4 if engine.dtype == torch.float32 else 0.03  # rounding alone
    return ((found.float() - own).abs().max() / own.abs().max().clamp(min=1e-9)).item() <= allowed


def _batches(lengths: Sequence[int], places: int) -> Iterator[list[int]]:
    """Numbers of rows, like lengths together: at most so many places a batch, padding among them."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        longest = lengths[batch[0]] if batch else lengths[i]
        if batch and ((len(batch) + 1) * longest > places or lengths[i] < 0.8 * longest):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
