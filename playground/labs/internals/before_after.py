"""What a text makes the model predict, before and after something inside is changed.

It does not know what is changed: a Tap says it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats, Ints
from playground.engine import passes, provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.readout import logits_of
from playground.engine.tap import Site, Tap
from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.internals import contrasts

MOST = 1000  # tokens that can be listed


@dataclass(frozen=True, eq=False)
class Change:
    """What comes next (or fills the mask) after a text, before and after."""

    what: tuple[str, ...]  # was changed
    how: str
    labels: tuple[str, ...]  # (position,), the text's tokens
    divergences: Floats  # (position,), nats: KL(original || ablated) of each position's prediction
    position: int  # where the tokens below are predicted
    ids: Ints  # (n,): the k most probable before, then those of the k most probable after that are new
    texts: tuple[str, ...]  # (n,)
    before: Floats  # (n,), probabilities
    after: Floats  # (n,)
    provenance: Provenance


def compare(
    engine: Engine,
    text: str,
    make_tap: Callable[[], Tap],
    what: tuple[str, ...],
    how: str,
    k: int = 10,
    settings: dict[str, Any] | None = None,
    stop: threading.Event | None = None,
    complete: bool = False,
) -> Change:
    """What follows a text without and with any tap. `what`, `how`: what the result says of it.

    complete: special tokens are in the text already.
    """
    started = time.perf_counter()
    contrasts.check_model(engine)
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MOST:
        raise PlaygroundError(f"k is {k!r}; it must be a whole number from 1 to {MOST:,}. Change it and try again.")
    ids = contrasts.encoded(engine, text, complete)
    position = contrasts.place(engine, ids)
    around = make_tap()  # first, so that what cannot be taken out is refused at once
    original = passes.last_residual(engine, {"input_ids": ids}, stop=stop)[0]
    edited = _tapped(engine, ids, around, stop)[0]
    divergences = []
    for piece in range(0, ids.shape[1], 64):
        passes.check_stop(stop)
        pair = (logits_of(engine, r[piece : piece + 64]).log_softmax(-1) for r in (original, edited))
        divergences.append(divergence(*pair))
    before, after = (logits_of(engine, r[position : position + 1])[0].softmax(-1).cpu() for r in (original, edited))
    best = [p.topk(min(k, len(p))).indices.tolist() for p in (before, after)]
    listed = list(dict.fromkeys(best[0] + best[1]))
    return Change(
        what,
        how,
        reading.of_ids(engine, ids[0].tolist()).labels,
        torch.cat(divergences).cpu().numpy(),
        position,
        np.array(listed),
        tuple(engine.tokenizer.decode([token]) for token in listed),
        before[listed].numpy(),
        after[listed].numpy(),
        provenance.of(
            engine,
            {"text": text, "what": list(what), "how": how, "k": k} | (settings or {}),
            time.perf_counter() - started,
        ),
    )


def _tapped(engine: Engine, ids: Tensor, tap: Tap, stop: threading.Event | None) -> Tensor:
    """The last residual of `ids`, (row, position, hidden), through a tap that is made elsewhere."""
    watches: dict[Site, passes.Watch] = {}
    if tap.residual is not None:
        sites = [Site(engine.anatomy.main.name, layer, "block") for layer in range(engine.anatomy.n_layers)]
        watches = {site: partial(tap.residual, site) for site in sites}
    return passes.last_residual(engine, {"input_ids": ids}, watches, tap.around.items(), stop)


def divergence(original: Tensor, edited: Tensor) -> Tensor:
    """KL(original || edited) in nats, (...), of logarithms, (..., vocabulary)."""
    return (original.exp() * (original - edited)).nansum(-1).clamp(min=0)
