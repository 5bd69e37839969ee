"""Which heads or layers matter to a prediction: each taken out alone, and what that does to the next token.

A part that matters alone is not all: two that stand in for each other matter only together. It does not know how a part
is taken out (`ablation`).
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.engine import passes, provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.readout import read_out
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from playground.labs.internals import ablation, contrasts, known
from playground.labs.internals.ablation import PARTS, How, Kind
from playground.labs.internals.before_after import divergence
from playground.models.progress import Report, part, quiet

_TOKENS_AT_ONCE = 2048  # rows times positions of one forward pass


@dataclass(frozen=True, eq=False)
class Sweep:
    """How much each part of a kind matters to one prediction when it is taken out alone."""

    kind: Kind
    layers: np.ndarray  # (layer,)
    divergences: np.ndarray  # (layer, head) or (layer, 1), nats: KL(original || ablated); NaN where it was stopped
    answer: int  # the most probable token without ablation
    answer_text: str
    changes: np.ndarray  # (layer, head) or (layer, 1): change of the answer's log-probability, nats
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
    started = time.perf_counter()
    contrasts.check_model(engine)
    if kind not in ("head", "attention", "mlp", "layer"):
        raise PlaygroundError(f"“{kind}” cannot be swept. Pick head, attention, mlp or layer.")
    ids = contrasts.encoded(engine, text, complete)
    position = contrasts.place(engine, ids)
    layers = [n for n in range(engine.anatomy.n_layers) if kind == "layer" or _has(engine, kind, n)]
    if not layers:
        raise PlaygroundError(f"{engine.reference} ({engine.anatomy.architecture}) has no {kind} that can be reached.")
    n_columns = engine.anatomy.n_heads if kind == "head" else 1
    divergences = np.full((len(layers), n_columns), np.nan)
    changes = np.full((len(layers), n_columns), np.nan)
    complete = True

    def said(residual: Tensor) -> Tensor:
        return read_out(engine, residual[:, position]).float().log_softmax(-1)

    try:
        blocks: list = []
        original = said(
            passes.last_residual(engine, {"input_ids": ids}, around=known.recording(engine, blocks), stop=stop)
        )
        answer = int(original[0].argmax())
        places = [n if kind == "layer" else Site(engine.anatomy.main.name, n, PARTS[kind]) for n in layers]
        skip = known.can_leave_out(engine, ids, blocks, stop)
        pools = ablation.pools(engine, places, references, stop) if how != "zero" else {}
        for number, (layer, place) in enumerate(zip(layers, places, strict=True)):
            report(number / len(layers), f"Taking out layer {layer}: {number + 1} of {len(layers)}")
            found = []
            for rows in torch.arange(n_columns, device=ids.device).split(max(1, _TOKENS_AT_ONCE // ids.shape[1])):
                # made anew, so that every head is replaced by the same draws
                edit = ablation.replacement(how, pools.get(place), torch.Generator().manual_seed(seed))
                around = known.left_out(engine, layer, blocks, len(rows)) if skip else []
                if kind == "layer":
                    watches, around = {}, [*around, (engine.anatomy.main.blocks[layer], ablation.instead(edit))]
                else:
                    watches = {place: _each_alone(edit, n_columns, rows)}
                inputs = {"input_ids": ids.expand(len(rows), -1)}
                found.append(said(passes.last_residual(engine, inputs, watches, around, stop)))
            edited = torch.cat(found)
            divergences[number] = divergence(original, edited).cpu().numpy()
            changes[number] = (edited[:, answer] - original[0, answer]).cpu().numpy()
    except passes.Stopped:
        complete = False
        if np.isnan(divergences).all():
            raise PlaygroundError("Stopped before the first layer was taken out.") from None
    return Sweep(
        kind,
        np.array(layers),
        divergences,
        answer,
        engine.tokenizer.decode([answer]),
        changes,
        complete,
        provenance.of(engine, {"text": text, "kind": kind, "how": how, "seed": seed}, time.perf_counter() - started),
    )


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
    """As `sweep`, for the attention, the MLP and the whole of each layer, one after the other.

    What the model lacks is left out. Stopped: what was begun until then.
    """
    layers = range(engine.anatomy.n_layers)
    kinds = [kind for kind in ("attention", "mlp") if any(_has(engine, kind, n) for n in layers)]
    kinds.append("layer")
    found: list[Sweep] = []
    for number, kind in enumerate(kinds):
        mine = part(report, number / len(kinds), (number + 1) / len(kinds))
        try:
            found.append(sweep(engine, text, kind, how, references, seed, mine, stop, complete))
        except PlaygroundError:
            if not found or stop is None or not stop.is_set():
                raise
        if not found[-1].complete or (stop is not None and stop.is_set()):
            break
    return tuple(found)


def _has(engine: Engine, kind: Kind, layer: int) -> bool:
    return Site(engine.anatomy.main.name, layer, PARTS[kind]) in engine.parts


def _each_alone(edit: Callable[[Tensor], Tensor], n: int, lost: Tensor) -> passes.Watch:
    """Row i of the batch loses group lost[i] of n. Values: (row, position, width)."""

    def put(values: Tensor) -> Tensor:
        groups = values.unflatten(-1, (n, -1))
        new = edit(values[:1]).unflatten(-1, (n, -1)).expand_as(groups)
        mine = (lost[:, None] == torch.arange(n, device=lost.device))[:, None, :, None]
        return torch.where(mine, new, groups).flatten(-2)

    return put
