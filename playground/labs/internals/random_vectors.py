"""A causal test at a word: its residual replaced by random vectors as long as the one that stood there.

If nothing downstream used what stood there, the prediction would stay. It does not know what the word means.
"""

import threading
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine import passes
from playground.engine.engine import Engine
from playground.engine.intervene import Edit, edits
from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.internals import before_after, contrasts
from playground.labs.internals.before_after import Change
from playground.labs.internals.neurons import Unit, site_of

EXAMPLE = {"text": "The cat is happy because it", "word": "happy", "layer": 6}


@dataclass(frozen=True, eq=False)
class Replacement:
    """What follows a text when the residual at one word is replaced by random vectors of the same norm."""

    word: str
    layer: int
    result: Change  # of the first draw
    divergences: Floats  # (draw,), nats: KL(original || replaced) of the next token
    identity: float  # the same for the residual's own value put back: what no change looks like
    positions: tuple[int, ...]  # of the word
    norms: Floats  # (position of the word,)


def replace_at_random(
    engine: Engine,
    text: str,
    word: str,
    layer: int,
    draws: int = 8,
    k: int = 10,
    seed: int = 0,
    stop: threading.Event | None = None,
) -> Replacement:
    """Puts random vectors, as long as the residual that stood there, in place of the residual at a word after a layer.

    Args:
        word: as it stands in the text; its last occurrence is taken, with all its tokens.
        draws: how many random vectors are tried; the result's tokens are those of the first.

    Raises:
        PlaygroundError: the word or layer is not there, or the numbers are out of range.
    """
    site = site_of(engine, Unit("dimension", layer, 0))
    contrasts.check_model(engine)
    if not isinstance(draws, int) or isinstance(draws, bool) or not 1 <= draws <= 100:
        raise PlaygroundError(f"draws is {draws!r}; it must be a whole number from 1 to 100. Change it and try again.")
    positions = _positions_of(engine, text, word)
    random = torch.Generator().manual_seed(seed)
    norms: list[Floats] = []

    def another(residual: Tensor) -> Tensor:
        own = residual[0, positions]
        norms.append(own.float().norm(dim=-1).cpu().numpy())
        new = torch.randn(own.shape, generator=random).to(own)
        changed = residual.clone()
        changed[0, positions] = new * (own.norm(dim=-1, keepdim=True) / new.norm(dim=-1, keepdim=True))
        return changed

    def run(change: Edit) -> Change:
        what = (f"random vector at “{word}”, layer {layer}",)
        return before_after.compare(
            engine, text, lambda: edits(engine, residuals={site: change}), what, "random", k, {"seed": seed}, stop
        )

    try:
        results = [run(another) for _ in range(draws)]
        same = run(lambda residual: residual.clone())
    except passes.Stopped:
        raise PlaygroundError("Stopped before all draws were made.") from None
    at = results[0].position
    return Replacement(
        word,
        layer,
        results[0],
        np.array([result.divergences[at] for result in results]),
        float(same.divergences[at]),
        tuple(positions),
        norms[0],
    )


def _positions_of(engine: Engine, text: str, word: str) -> list[int]:
    """The tokens of the last occurrence of a word in a text."""
    read = reading.read(engine, text)
    begin = text.rfind(word.strip()) if word.strip() else -1
    if begin < 0:
        raise PlaygroundError(f"“{word}” does not stand in the text. Write it as it stands there.")
    end = begin + len(word.strip())
    found = [i for i, (first, last) in enumerate(read.offsets) if first < end and last > begin and not read.special[i]]
    if not found:
        raise PlaygroundError(f"{engine.reference} has no token for “{word}” in this text. Name another word.")
    return found
