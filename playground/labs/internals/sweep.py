"""Which heads or layers matter to a prediction: each taken out alone, and what that does to the next token.

A part that matters alone is not all: two that stand in for each other matter only together. It does not know how a part
is taken out (`ablation`).
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats, Ints
from playground.engine import passes, provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.readout import logits_of
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from playground.labs.internals import ablation, contrasts, known
from playground.labs.internals.ablation import PARTS, How, Kind
from playground.labs.internals.before_after import divergence
from playground.models.progress import Report, quiet

_TOKENS_AT_ONCE = 2048  # rows times positions of one forward pass


@dataclass(frozen=True, eq=False)
class Sweep:
    """How much each part of a kind matters to one prediction when it is taken out alone."""

    kind: Kind
    layers: Ints  # (layer,)
    divergences: Floats  # (layer, head) or (layer, 1), nats: KL(original || ablated); NaN where it was stopped
    answer: int  # the most probable token without ablation
    answer_text: str
    changes: Floats  # (layer, head) or (layer, 1): change of the answer's log-probability, nats
    complete: bool
    provenance: Provenance


def sweep(
    engine: Engine,
    text: str,
    kind: Kind = "head",
    how: How = "zero",
    references: Sequence[str] = (),
    seed: int = 0,
    report: Report = quiet,
    stop: threading.Event | None = None,
    complete: bool = False,
) -> Sweep:
    """Takes out each head (or attention, MLP, layer) alone and asks what follows `text`.

    A layer's heads are rows of a batch, and blocks before it are not computed anew.

    complete: special tokens are in the text already.

    Raises:
        PlaygroundError: as `tap`; "neuron" (there are too many to try each: see `neurons`).
    """
    if kind not in ("head", "attention", "mlp", "layer"):
        raise PlaygroundError(f"“{kind}” cannot be swept. Pick head, attention, mlp or layer.")
    return _sweep(engine, text, (kind,), how, references, seed, report, stop, complete)[0]


def sweep_layers(
    engine: Engine,
    text: str,
    how: How = "zero",
    references: Sequence[str] = (),
    seed: int = 0,
    report: Report = quiet,
    stop: threading.Event | None = None,
    complete: bool = False,
) -> tuple[Sweep, ...]:
    """As `sweep`, for the attention, the MLP and the whole of each layer: all that a layer has, in one pass.

    What the model lacks is left out. Stopped: the layers that were tried until then.
    """
    layers = range(engine.anatomy.n_layers)
    parts: tuple[Kind, ...] = ("attention", "mlp")
    kinds = [kind for kind in parts if any(_has(engine, kind, n) for n in layers)]
    return _sweep(engine, text, (*kinds, "layer"), how, references, seed, report, stop, complete)


def _sweep(
    engine: Engine,
    text: str,
    kinds: Sequence[Kind],
    how: How,
    references: Sequence[str],
    seed: int,
    report: Report,
    stop: threading.Event | None,
    is_complete_text: bool,
) -> tuple[Sweep, ...]:
    """A `Sweep` a kind. Whatever of these kinds a layer has are rows of a batch."""
    started = time.perf_counter()
    contrasts.check_model(engine)
    ids = contrasts.encoded(engine, text, is_complete_text)
    position = contrasts.place(engine, ids)
    every = range(engine.anatomy.n_layers)
    layers = {kind: [n for n in every if kind == "layer" or _has(engine, kind, n)] for kind in kinds}
    for kind in kinds:
        if not layers[kind]:
            raise PlaygroundError(
                f"{engine.reference} ({engine.anatomy.architecture}) has no {kind} that can be reached."
            )
    n_columns = {kind: (engine.anatomy.n_heads or 0) if kind == "head" else 1 for kind in kinds}
    shapes = {kind: (len(layers[kind]), n_columns[kind]) for kind in kinds}
    divergences = {kind: np.full(shapes[kind], np.nan) for kind in kinds}
    changes = {kind: np.full(shapes[kind], np.nan) for kind in kinds}
    tried = sorted(set().union(*layers.values()))
    complete = True

    def said(residual: Tensor) -> Tensor:
        return logits_of(engine, residual[:, position]).log_softmax(-1)

    try:
        blocks: list[Any] = []
        original = said(
            passes.last_residual(engine, {"input_ids": ids}, around=known.recording(engine, blocks), stop=stop)
        )
        answer = int(original[0].argmax())
        places = [_place(engine, kind, n) for kind in kinds for n in layers[kind]]
        skip = known.can_leave_out(engine, ids, blocks, stop)
        pools = ablation.pools(engine, places, references, stop) if how != "zero" else {}
        for number, layer in enumerate(tried):
            report(number / len(tried), f"Taking out layer {layer}: {number + 1} of {len(tried)}")
            parts = [(kind, column) for kind in kinds if layer in layers[kind] for column in range(n_columns[kind])]
            found = []
            for start in range(0, len(parts), max(1, _TOKENS_AT_ONCE // ids.shape[1])):
                rows = parts[start : start + max(1, _TOKENS_AT_ONCE // ids.shape[1])]
                watches: dict[Site, passes.Watch] = {}
                around = known.left_out(engine, layer, blocks, len(rows)) if skip else []
                for kind in dict.fromkeys(kind for kind, _ in rows):
                    # which of its groups each row loses; -1: none. Edits are made anew for the same draws everywhere
                    lost = torch.tensor([column if k == kind else -1 for k, column in rows], device=ids.device)
                    place = _place(engine, kind, layer)
                    edit = ablation.replacement(how, pools.get(place), torch.Generator().manual_seed(seed))
                    if isinstance(place, Site):
                        watches[place] = _each_alone(edit, n_columns[kind], lost)
                    else:
                        instead = ablation.instead(edit, lost >= 0)
                        around = [*around, (engine.anatomy.main.blocks[layer], instead)]
                inputs = {"input_ids": ids.expand(len(rows), -1)}
                found.append(said(passes.last_residual(engine, inputs, watches, around, stop)))
            edited = torch.cat(found)
            apart = divergence(original, edited).cpu().numpy()
            change = (edited[:, answer] - original[0, answer]).cpu().numpy()
            for row, (kind, column) in enumerate(parts):
                at = layers[kind].index(layer), column
                divergences[kind][at], changes[kind][at] = apart[row], change[row]
    except passes.Stopped:
        complete = False
        if all(np.isnan(values).all() for values in divergences.values()):
            raise PlaygroundError("Stopped before the first layer was taken out.") from None
    seconds = time.perf_counter() - started
    return tuple(
        Sweep(
            kind,
            np.array(layers[kind]),
            divergences[kind],
            answer,
            engine.tokenizer.decode([answer]),
            changes[kind],
            complete,
            provenance.of(engine, {"text": text, "kind": kind, "how": how, "seed": seed}, seconds),
        )
        for kind in kinds
    )


def _place(engine: Engine, kind: Kind, layer: int) -> Site | int:
    """As `ablation.pools` names places."""
    return layer if kind == "layer" else Site(engine.anatomy.main.name, layer, PARTS[kind])


def _has(engine: Engine, kind: Kind, layer: int) -> bool:
    return Site(engine.anatomy.main.name, layer, PARTS[kind]) in engine.parts


def _each_alone(edit: Callable[[Tensor], Tensor], n: int, lost: Tensor) -> passes.Watch:
    """Row i of the batch loses group lost[i] of n, or nothing if that is -1. Values: (row, position, width)."""

    def put(values: Tensor) -> Tensor:
        groups = values.unflatten(-1, (n, -1))
        new = edit(values[:1]).unflatten(-1, (n, -1)).expand_as(groups)
        mine = (lost[:, None] == torch.arange(n, device=lost.device))[:, None, :, None]
        return torch.where(mine, new, groups).flatten(-2)

    return put
