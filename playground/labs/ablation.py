"""Ablation: what the model says when heads, neurons or whole layers are taken out of it, for this request alone.

Zero is the plainest and takes the model furthest from what it knows; the mean over other texts, or what stood at a
token of another text (resample), leaves it nearer to its usual state (Chan et al. 2022). It does not know which part is
worth taking out.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from playground.engine import passes, provenance
from playground.engine.engine import Engine
from playground.engine.observe import arounds, check_parts
from playground.engine.parts import together
from playground.engine.provenance import Provenance
from playground.engine.readout import read_out
from playground.engine.tap import Around, Site, Tap
from playground.errors import PlaygroundError
from playground.labs import contrasts, reading
from playground.models.progress import Report, quiet

Kind = Literal["head", "neuron", "attention", "mlp", "layer"]
How = Literal["zero", "mean", "resample"]
MOST = 1000  # tokens that can be listed
_PARTS = {"head": "heads", "neuron": "neurons", "attention": "attention", "mlp": "mlp"}
_SENTENCES = Path(__file__).parents[2] / "assets" / "sentences.txt"
_REFERENCE_TEXTS = 24  # of the shipped ones, for means


@dataclass(frozen=True)
class Target:
    """What is taken out. "layer": all that a block adds to the residual; "attention", "mlp": what that half adds."""

    kind: Kind
    layer: int
    index: int | None = None  # of the head or neuron

    def __str__(self) -> str:
        return f"{self.kind} {self.layer}" + ("" if self.index is None else f".{self.index}")


@dataclass(frozen=True, eq=False)
class Ablation:
    """What comes next (or fills the mask) after a text, before and after."""

    targets: tuple[str, ...]
    how: How
    labels: tuple[str, ...]  # (position,), the text's tokens
    divergences: np.ndarray  # (position,), nats: KL(original || ablated) of each position's prediction
    position: int  # where the tokens below are predicted
    ids: np.ndarray  # (n,): the k most probable before, then those of the k most probable after that are new
    texts: tuple[str, ...]  # (n,)
    before: np.ndarray  # (n,), probabilities
    after: np.ndarray  # (n,)
    provenance: Provenance


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


def parse(text: str) -> tuple[Target, ...]:
    """Targets as a person writes them: "head 5.3, neuron 6.100, layer 2".

    Raises:
        PlaygroundError: one cannot be read.
    """
    targets = []
    for word in filter(None, (part.strip().lower() for part in re.split(r"[,;\n]", text))):
        match = re.fullmatch(r"([a-z]+)\s+(\d+)(?:\s*[.:]\s*(\d+))?", word)
        if not match or match[1] not in get_args(Kind) or (match[3] is not None) != (match[1] in ("head", "neuron")):
            raise PlaygroundError(
                f"“{word}” names no part. Write head 5.3 (layer 5, head 3), neuron 6.100, attention 4, mlp 4 or "
                "layer 2, with commas between."
            )
        targets.append(Target(match[1], int(match[2]), None if match[3] is None else int(match[3])))
    if not targets:
        raise PlaygroundError("Nothing is to be taken out. Name a head, a neuron or a layer.")
    return tuple(dict.fromkeys(targets))


@cache
def sentences() -> tuple[str, ...]:
    """The shipped sentences: plain English of many kinds."""
    return tuple(_SENTENCES.read_text("utf-8").split("\n")[:-1])


def columns(engine: Engine, target: Target) -> tuple[Site | None, slice]:
    """Where a target lives: the part and which of its columns. The site of a layer is None.

    Raises:
        PlaygroundError: the model has no such head, neuron or layer.
    """
    name, n_layers = engine.anatomy.main.name, engine.anatomy.n_layers
    if target.kind not in get_args(Kind):
        raise PlaygroundError(f"“{target.kind}” is no kind of part. There are: {', '.join(get_args(Kind))}.")
    if not 0 <= target.layer < n_layers:
        raise PlaygroundError(f"{engine.reference} has no layer {target.layer}: they are 0 to {n_layers - 1}.")
    if target.kind == "layer":
        return None, slice(None)
    site = Site(name, target.layer, _PARTS[target.kind])
    check_parts(engine, [site])
    if target.kind in ("attention", "mlp"):
        return site, slice(None)
    width = engine.parts[site].width
    n, each = (engine.anatomy.n_heads, width // engine.anatomy.n_heads) if target.kind == "head" else (width, 1)
    if target.index is None or not 0 <= target.index < n:
        raise PlaygroundError(
            f"{engine.reference} has no {target.kind} {target.index} in layer {target.layer}: they are 0 to {n - 1}."
        )
    return site, slice(target.index * each, (target.index + 1) * each)


def tap(
    engine: Engine,
    targets: Sequence[Target],
    how: How = "zero",
    references: Sequence[str] = (),
    seed: int = 0,
    stop: threading.Event | None = None,
) -> Tap:
    """A Tap that takes the targets out of every pass of one request. For "resample", make one for each request.

    Args:
        references: texts whose activations stand in; the shipped sentences without. First tokens are left out of them:
            models use these as a resting place, and their activations are like no other's.
        seed: draws the tokens whose activations are resampled; heads and neurons of one layer come from the same one.

    Raises:
        PlaygroundError: no such part or way.
    """
    if how not in get_args(How):
        raise PlaygroundError(f"“{how}” is no way to take a part out. There are: {', '.join(get_args(How))}.")
    if not targets:
        raise PlaygroundError("Nothing is to be taken out. Name a head, a neuron or a layer.")
    where: dict[Site | int, list[slice]] = {}  # by part, or by number for whole layers
    for target in targets:
        site, taken = columns(engine, target)
        where.setdefault(target.layer if site is None else site, []).append(taken)
    pools = _pools(engine, list(where), references, stop) if how != "zero" else {}
    generator = torch.Generator().manual_seed(seed)
    edits = {place: _replacement(how, pools.get(place), generator) for place in where}

    def at_part(place: Site) -> passes.Watch:
        def edit(values: Tensor) -> Tensor:
            new, changed = edits[place](values), values.clone()
            for taken in where[place]:
                changed[..., taken] = new[..., taken]
            return changed

        return edit

    parts = {place: at_part(place) for place in where if isinstance(place, Site)}
    layers = [(_block(engine, place), _instead(edits[place])) for place in where if isinstance(place, int)]
    return Tap(around=together([*arounds(engine, parts).items(), *layers]))


def _block(engine: Engine, layer: int) -> nn.Module:
    return engine.anatomy.main.blocks[layer]


def _instead(edit: Callable[[Tensor], Tensor]) -> Around:
    """A block that adds something else to the residual than it would. It runs all the same: its keys are cached."""

    def around(forward: Callable, arguments: tuple, named: dict) -> object:
        output = forward(*arguments, **named)
        before = arguments[0] if arguments else next(v for v in named.values() if isinstance(v, Tensor))
        plain = isinstance(output, Tensor)
        added = (output if plain else output[0]) - before
        after = before + edit(added)
        return after if plain else (after, *output[1:])

    return around


def _replacement(how: How, pool: Tensor | None, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """A function from a part's values, (batch, position, width), to what stands there instead. pool: (token, width)."""

    def zero(values: Tensor) -> Tensor:
        return torch.zeros_like(values)

    def mean(values: Tensor) -> Tensor:
        return pool.mean(0).to(values).expand_as(values)

    def resample(values: Tensor) -> Tensor:
        rows = torch.randint(len(pool), values.shape[:-1], generator=generator)
        return pool[rows].to(values)

    return {"zero": zero, "mean": mean, "resample": resample}[how]


def _pools(
    engine: Engine, places: list[Site | int], references: Sequence[str], stop: threading.Event | None
) -> dict[Site | int, Tensor]:
    """What stands at each place in the reference texts, (token, width), float32 on the CPU."""
    texts = [text for text in references if text.strip()] or sentences()[:_REFERENCE_TEXTS]
    found: dict[Site | int, list[Tensor]] = {place: [] for place in places}

    def keep(place: Site | int, values: Tensor) -> None:
        found[place].append(values[0, 1:].float().cpu())

    def added(layer: int) -> Around:
        def edit(values: Tensor) -> Tensor:
            keep(layer, values)
            return values

        return _instead(edit)

    watches = {place: (lambda values, p=place: keep(p, values)) for place in places if isinstance(place, Site)}
    around = [(_block(engine, place), added(place)) for place in places if isinstance(place, int)]
    for text in texts:
        ids = engine.encode(text)
        if engine.anatomy.kind == "seq2seq":  # it reads the text as what it has written, about the same text
            inputs = {"input_ids": ids, "decoder_input_ids": ids}
        else:
            inputs = {"input_ids": ids}
        passes.last_residual(engine, inputs, watches, around, stop)
    pools = {place: torch.cat(pieces) for place, pieces in found.items()}
    if any(len(pool) == 0 for pool in pools.values()):
        raise PlaygroundError("The reference texts are one token each; give longer ones.")
    return pools


def ablate(
    engine: Engine,
    text: str,
    targets: Sequence[Target],
    how: How = "zero",
    k: int = 10,
    references: Sequence[str] = (),
    seed: int = 0,
    stop: threading.Event | None = None,
) -> Ablation:
    """What follows `text` (or fills its mask) with and without the targets.

    Raises:
        PlaygroundError: as `tap`; no words to predict; stopped.
    """
    try:
        return compare(
            engine,
            text,
            lambda: tap(engine, targets, how, references, seed, stop),
            tuple(map(str, targets)),
            how,
            k,
            {"seed": seed, "references": len(references) or None},
            stop,
        )
    except passes.Stopped:
        raise PlaygroundError("Stopped before the model was asked again.") from None


def compare(
    engine: Engine,
    text: str,
    make_tap: Callable[[], Tap],
    names: tuple[str, ...],
    how: str,
    k: int = 10,
    settings: dict | None = None,
    stop: threading.Event | None = None,
) -> Ablation:
    """What follows a text without and with any tap. `names`, `how`: what the result says of it."""
    started = time.perf_counter()
    contrasts.check_model(engine)
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MOST:
        raise PlaygroundError(f"k is {k!r}; it must be a whole number from 1 to {MOST:,}. Change it and try again.")
    ids = contrasts.encoded(engine, text)
    position = contrasts.place(engine, ids)
    around = make_tap()  # first, so that what cannot be taken out is refused at once
    original = passes.last_residual(engine, {"input_ids": ids}, stop=stop)[0]
    edited = _tapped(engine, ids, around, stop)[0]
    divergences = []
    for piece in range(0, ids.shape[1], 64):
        passes.check_stop(stop)
        pair = (read_out(engine, r[piece : piece + 64]).float().log_softmax(-1) for r in (original, edited))
        divergences.append(_divergence(*pair))
    before, after = (
        read_out(engine, r[position : position + 1])[0].float().softmax(-1).cpu() for r in (original, edited)
    )
    best = [p.topk(min(k, len(p))).indices.tolist() for p in (before, after)]
    listed = list(dict.fromkeys(best[0] + best[1]))
    return Ablation(
        names,
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
            {"text": text, "targets": list(names), "how": how, "k": k} | (settings or {}),
            time.perf_counter() - started,
        ),
    )


def _tapped(engine: Engine, ids: Tensor, tap: Tap, stop: threading.Event | None) -> Tensor:
    """The last residual of `ids`, (row, position, hidden), through a tap that is made elsewhere."""
    watches = {}
    if tap.residual is not None:
        sites = [Site(engine.anatomy.main.name, layer, "block") for layer in range(engine.anatomy.n_layers)]
        watches = {site: (lambda values, s=site: tap.residual(s, values)) for site in sites}
    return passes.last_residual(engine, {"input_ids": ids}, watches, tap.around.items(), stop)


def _divergence(original: Tensor, edited: Tensor) -> Tensor:
    """KL(original || edited) in nats, (...), of logarithms, (..., vocabulary)."""
    return (original.exp() * (original - edited)).nansum(-1).clamp(min=0)


def sweep(
    engine: Engine,
    text: str,
    kind: Kind = "head",
    how: How = "zero",
    references: Sequence[str] = (),
    seed: int = 0,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Sweep:
    """Takes out each head (or attention, MLP, layer) alone and asks what follows `text`. A layer's heads are a batch.

    Raises:
        PlaygroundError: as `tap`; "neuron" (there are too many to try each: see `neurons`).
    """
    started = time.perf_counter()
    contrasts.check_model(engine)
    if kind not in ("head", "attention", "mlp", "layer"):
        raise PlaygroundError(f"“{kind}” cannot be swept. Pick head, attention, mlp or layer.")
    ids = contrasts.encoded(engine, text)
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
        original = said(passes.last_residual(engine, {"input_ids": ids}, stop=stop))
        answer = int(original[0].argmax())
        places = [n if kind == "layer" else Site(engine.anatomy.main.name, n, _PARTS[kind]) for n in layers]
        pools = _pools(engine, places, references, stop) if how != "zero" else {}
        for number, (layer, place) in enumerate(zip(layers, places, strict=True)):
            report(number / len(layers), f"Taking out layer {layer}: {number + 1} of {len(layers)}")
            edit = _replacement(how, pools.get(place), torch.Generator().manual_seed(seed))
            if kind == "layer":
                rows, watches, around = 1, {}, [(_block(engine, layer), _instead(edit))]
            else:
                rows, watches, around = n_columns, {place: _each_alone(edit, n_columns)}, ()
            inputs = {"input_ids": ids.expand(rows, -1)}
            edited = said(passes.last_residual(engine, inputs, watches, around, stop))
            divergences[number] = _divergence(original, edited).cpu().numpy()
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


def _has(engine: Engine, kind: Kind, layer: int) -> bool:
    return Site(engine.anatomy.main.name, layer, _PARTS[kind]) in engine.parts


def _each_alone(edit: Callable[[Tensor], Tensor], n: int) -> passes.Watch:
    """Row i of the batch loses group i of n. Values: (n, position, width)."""

    def put(values: Tensor) -> Tensor:
        groups = values.unflatten(-1, (n, -1))
        new = edit(values[:1]).unflatten(-1, (n, -1)).expand_as(groups)
        mine = torch.eye(n, dtype=torch.bool, device=values.device)[:, None, :, None]
        return torch.where(mine, new, groups).flatten(-2)

    return put


def listed(targets: Iterable[Target]) -> str:
    """Targets in the form that `parse` reads."""
    return ", ".join(map(str, targets))
