"""Ablation: what the model says when heads, neurons or whole layers are taken out of it, for this request alone.

Zero is the plainest and takes the model furthest from what it knows; the mean over other texts, or what stood at a
token of another text (resample), leaves it nearer to its usual state (Chan et al. 2022). It does not know which part is
worth taking out.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from playground.assets import ASSETS
from playground.engine import passes
from playground.engine.engine import Engine
from playground.engine.loaded import Forward
from playground.engine.observe import arounds, check_parts
from playground.engine.parts import together
from playground.engine.tap import Around, PartKind, Site, Tap
from playground.errors import PlaygroundError
from playground.labs.internals import before_after
from playground.labs.internals.before_after import Change

Kind = Literal["head", "neuron", "attention", "mlp", "layer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
How = Literal["zero", "mean", "resample"]
PARTS: dict[str, PartKind] = {"head": "heads", "neuron": "neurons", "attention": "attention", "mlp": "mlp"}
_SENTENCES = ASSETS / "sentences.txt"
_REFERENCE_TEXTS = 24  # of the shipped ones, for means


@dataclass(frozen=True)
class Target:
    """What is taken out. "layer": all that a block adds to the residual; "attention", "mlp": what that half adds."""

    kind: Kind
    layer: int
    index: int | None = None  # of the head or neuron

    def __str__(self) -> str:
        return f"{self.kind} {self.layer}" + ("" if self.index is None else f".{self.index}")


def parse(text: str) -> tuple[Target, ...]:
    """Targets as a person writes them: "head 5.3, neuron 6.100, layer 2".

    Raises:
        PlaygroundError: one cannot be read.
    """
    targets = []
    for word in filter(None, (part.strip().lower() for part in re.split(r"[,;\n]", text))):
        match = re.fullmatch(r"([a-z]+)\s+(\d+)(?:\s*[.:]\s*(\d+))?", word)
        kind = next((kind for kind in KINDS if match and match[1] == kind), None)
        if not match or kind is None or (match[3] is not None) != (kind in ("head", "neuron")):
            raise PlaygroundError(
                f"“{word}” names no part. Write head 5.3 (layer 5, head 3), neuron 6.100, attention 4, mlp 4 or "
                "layer 2, with commas between."
            )
        targets.append(Target(kind, int(match[2]), None if match[3] is None else int(match[3])))
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
    if target.kind not in KINDS:
        raise PlaygroundError(f"“{target.kind}” is no kind of part. There are: {', '.join(KINDS)}.")
    if not 0 <= target.layer < n_layers:
        raise PlaygroundError(f"{engine.reference} has no layer {target.layer}: they are 0 to {n_layers - 1}.")
    if target.kind == "layer":
        return None, slice(None)
    site = Site(name, target.layer, PARTS[target.kind])
    check_parts(engine, [site])
    if target.kind in ("attention", "mlp"):
        return site, slice(None)
    width = engine.parts[site].width
    n = (engine.anatomy.n_heads or 1) if target.kind == "head" else width
    each = width // n
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
        PlaygroundError: no such part or way; stopped.
    """
    if how not in get_args(How):
        raise PlaygroundError(f"“{how}” is no way to take a part out. There are: {', '.join(get_args(How))}.")
    if not targets:
        raise PlaygroundError("Nothing is to be taken out. Name a head, a neuron or a layer.")
    where: dict[Site | int, list[slice]] = {}  # by part, or by number for whole layers
    for target in targets:
        site, taken = columns(engine, target)
        where.setdefault(target.layer if site is None else site, []).append(taken)
    try:
        stock = pools(engine, list(where), references, stop) if how != "zero" else {}
    except passes.Stopped:
        raise PlaygroundError("Stopped before the other texts were read.") from None
    generator = torch.Generator().manual_seed(seed)
    edits = {place: replacement(how, stock.get(place), generator) for place in where}

    def at_part(place: Site) -> passes.Watch:
        def edit(values: Tensor) -> Tensor:
            new, changed = edits[place](values), values.clone()
            for taken in where[place]:
                changed[..., taken] = new[..., taken]
            return changed

        return edit

    parts = {place: at_part(place) for place in where if isinstance(place, Site)}
    layers = [(_block(engine, place), instead(edits[place])) for place in where if isinstance(place, int)]
    return Tap(around=together([*arounds(engine, parts).items(), *layers]))


def _block(engine: Engine, layer: int) -> nn.Module:
    return engine.anatomy.main.blocks[layer]


def instead(edit: Callable[[Tensor], Tensor], rows: Tensor | None = None) -> Around:
    """A block that adds something else to the residual than it would. It runs all the same: its keys are cached.

    rows: (row,) bool, those of the batch in which it does; all without.
    """

    def around(forward: Forward, arguments: tuple[Any, ...], named: dict[str, Any]) -> object:
        output = forward(*arguments, **named)
        before = arguments[0] if arguments else next(v for v in named.values() if isinstance(v, Tensor))
        plain = isinstance(output, Tensor)
        residual = output if plain else output[0]
        added = residual - before
        if rows is None:
            after = before + edit(added)
        else:  # one draw for all rows, as if each were alone
            after = torch.where(rows[:, None, None], before + edit(added[:1]), residual)
        return after if plain else (after, *output[1:])

    return around


def replacement(how: How, pool: Tensor | None, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """A function from a part's values, (batch, position, width), to what stands there instead. pool: (token, width)."""

    if how == "zero":
        return torch.zeros_like
    if pool is None:
        raise ValueError(f"{how} is made of what reference texts have there")

    def mean(values: Tensor) -> Tensor:
        return pool.mean(0).to(values).expand_as(values)

    def resample(values: Tensor) -> Tensor:
        rows = torch.randint(len(pool), values.shape[:-1], generator=generator)
        return pool[rows].to(values)

    return {"mean": mean, "resample": resample}[how]


def pools(
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

        return instead(edit)

    watches = {place: (lambda values, p=place: keep(p, values)) for place in places if isinstance(place, Site)}
    around = [(_block(engine, place), added(place)) for place in places if isinstance(place, int)]
    for text in texts:
        ids = engine.encode(text)
        if engine.anatomy.kind == "seq2seq":  # it reads the text as what it has written, about the same text
            inputs = {"input_ids": ids, "decoder_input_ids": ids}
        else:
            inputs = {"input_ids": ids}
        passes.last_residual(engine, inputs, watches, around, stop)
    stock = {place: torch.cat(pieces) for place, pieces in found.items()}
    if any(len(pool) == 0 for pool in stock.values()):
        raise PlaygroundError("The reference texts are one token each; give longer ones.")
    return stock


def ablate(
    engine: Engine,
    text: str,
    targets: Sequence[Target],
    how: How = "zero",
    k: int = 10,
    references: Sequence[str] = (),
    seed: int = 0,
    stop: threading.Event | None = None,
    complete: bool = False,
) -> Change:
    """What follows `text` (or fills its mask) with and without the targets.

    complete: special tokens are in the text already.

    Raises:
        PlaygroundError: as `tap`; no words to predict; stopped.
    """
    try:
        return before_after.compare(
            engine,
            text,
            lambda: tap(engine, targets, how, references, seed, stop),
            tuple(map(str, targets)),
            how,
            k,
            {"seed": seed, "references": len(references) or None},
            stop,
            complete,
        )
    except passes.Stopped:
        raise PlaygroundError("Stopped before the model was asked again.") from None
