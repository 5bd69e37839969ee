"""Activation patching: what one text has at a place is put into the run of another, and the answer watched.

Denoising puts the clean text's activation into the corrupted run: what restores the answer is enough for it. Noising
puts the corrupted text's into the clean run: what destroys the answer is needed for it (Zhang and Nanda 2024, whose
advice the measure follows: a difference of logits, and a swapped word rather than noise). It does not choose the texts
(`contrasts`).
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats, Ints
from playground.engine import passes, provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.readout import logits_of
from playground.engine.tap import Site, SiteKind
from playground.errors import PlaygroundError
from playground.labs.internals import known
from playground.labs.internals.contrasts import Contrast
from playground.models.progress import Report, quiet

SiteName = Literal["residual", "attention", "mlp", "head"]
Direction = Literal["denoising", "noising"]
# Tried on the starter: the country's token carries the answer up to layer 21 or so, then the last token does.
EXAMPLE = (
    *("The capital of France is the city of", "The capital of Italy is the city of"),
    *("Paris", "Rome"),
)
_KINDS: dict[SiteName, SiteKind] = {"residual": "block", "attention": "attention", "mlp": "mlp", "head": "heads"}
_TOKENS_AT_ONCE = 2048  # rows times positions of one forward pass


class Reading(NamedTuple):
    """What the model makes of the two answers."""

    difference: float  # logit of the answer minus logit of the wrong one
    answer: float  # probabilities
    wrong: float


@dataclass(frozen=True, eq=False)
class Patching:
    """What each patch does. An effect of 0: as if nothing were patched. 1: as the text that the patch came from.

    NaN where it was stopped before.
    """

    site: SiteName
    direction: Direction
    layers: Ints  # (layer,), from 0; those that have the site
    columns: tuple[str, ...]  # the axis "column": token labels of the clean text, or heads from 0
    effects: Floats  # (layer, column)
    differences: Floats  # (layer, column): logit of the answer minus logit of the wrong one, patched
    probabilities: Floats  # (layer, column, 2): of the answer and of the wrong one, patched
    control: Floats | None  # (layer, column): effects of patches from a wrong position; NaN before `first`
    control_level: float | None  # 95 % of the controls stay within this distance from 0
    whole: Floats  # (layer,): effect of patching every column of a layer at once; 1 for the residual
    first: int  # the first column that was run; before it both runs are the same, so that a patch is no change
    clean: Reading  # unpatched
    corrupted: Reading
    contrast: Contrast
    complete: bool  # False: stopped on the way
    provenance: Provenance

    @property
    def clean_difference(self) -> float:
        return self.clean.difference

    @property
    def corrupted_difference(self) -> float:
        return self.corrupted.difference


@dataclass(frozen=True, eq=False)
class _Rows:
    """The patches of one layer, one a row: a column each, then a control each, then all columns at once.

    Rows are made when they are run: all of a long text's together would take the square of its length.
    """

    first: int  # column
    n: int  # columns from there on
    by_head: bool
    own: Tensor  # (position,) int: 0, 1, 2 ...
    wrong: Tensor | None  # (position,) int: where a control takes its values from

    def __len__(self) -> int:
        return self.n * (1 if self.wrong is None else 2) + 1

    def split(self, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """At most `step` rows at a time.

        Where is patched, (row, position, group) bool, groups being heads, or one; and the position of the source that
        is put there, (row, position) int.
        """
        for start in range(0, len(self), step):
            row = torch.arange(start, min(start + step, len(self)), device=self.own.device)
            every, control = row == len(self) - 1, (row >= self.n) & (row < len(self) - 1)
            column = row % self.n
            if self.by_head:
                heads = torch.arange(self.n, device=row.device)
                where = (column[:, None] == heads)[:, None, :].expand(-1, len(self.own), -1)
            else:
                where = (column[:, None] + self.first == self.own)[..., None]
            taken_from = self.own.expand(len(row), -1)
            if self.wrong is not None:
                taken_from = torch.where(control[:, None], self.wrong, taken_from)
            yield where | every[:, None, None], taken_from


@dataclass(frozen=True, eq=False)
class _Run:
    """A text that ran unpatched. Tensors where the model is."""

    ids: Tensor  # (1, position)
    values: dict[int, Tensor]  # layer -> (position, width) at the site
    blocks: list[Any]  # what each block gave out, as it gave it
    reading: Reading


def patch(
    engine: Engine,
    contrast: Contrast,
    site: SiteName = "residual",
    direction: Direction = "denoising",
    control: bool = True,
    seed: int = 0,
    layers: Sequence[int] | None = None,
    rows_at_once: int | None = None,
    skip: bool = True,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Patching:
    """Patches each position of each layer in turn (site "head": each head of each layer, at all positions).

    The patches of a layer are rows of one batch, and blocks before the patch are not computed anew. Nor are positions
    before the first at which the texts differ, in models that read from left to right: nothing differs there, so that
    a patch changes nothing.

    Args:
        control: also take, for each patch, the source's activation at another position: drawn for each position from
            all others but the first (which models use as a resting place, unlike any other), with `seed`.
        layers: which to patch; all that have the site without.
        rows_at_once: rows of a batch.
        skip: False runs every block and every position; with rows_at_once=1 the plain way, for comparison.

    Raises:
        PlaygroundError: the model lacks the site or a layer, or gives both texts the same difference.
    """
    started = time.perf_counter()
    if site not in get_args(SiteName) or direction not in get_args(Direction):
        names = ", ".join((*get_args(SiteName), *get_args(Direction)))
        raise PlaygroundError(f"“{site}”, “{direction}”: the sites and directions are {names}. Pick from these.")
    able = layers_with(engine, site)
    layers = able if layers is None else list(dict.fromkeys(layers))
    if not layers or set(layers) - set(able):
        raise PlaygroundError(f"Layers to patch in {engine.reference} are {able[0]} to {able[-1]}. Pick from these.")
    n_positions = contrast.clean_ids.shape[1]
    n_heads = engine.anatomy.n_heads if site == "head" else None
    first = min(contrast.differing) if skip and not n_heads and engine.anatomy.kind == "causal" else 0
    rows = _rows(n_positions, n_heads, control, seed, engine.device, first)
    n_run = (n_heads or n_positions) - first
    found = np.full((len(layers), len(rows), 3), np.nan)  # a `Reading` each
    complete = True
    try:
        clean, corrupted = (_unpatched(engine, contrast, ids, site, layers, stop) for ids in _texts(contrast))
        _check_apart(clean.reading.difference, corrupted.reading.difference, contrast)
        source, target = (clean, corrupted) if direction == "denoising" else (corrupted, clean)
        skip = skip and known.can_leave_out(engine, target.ids, target.blocks, stop)
        for number, layer in enumerate(layers):
            report(number / len(layers), f"Patching layer {layer}: {number + 1} of {len(layers)}")
            values = _patched(engine, contrast, site, layer, source, target, rows, rows_at_once, skip, stop)
            found[number] = list(values)
    except passes.Stopped:
        if np.isnan(found).all():
            raise PlaygroundError("Stopped before the first layer was patched.") from None
        complete = False
    unpatched = target.reading
    span = source.reading.difference - unpatched.difference
    effects = (found[..., 0] - unpatched.difference) / span
    controls = _widened(effects[:, n_run : 2 * n_run], first, np.nan) if control else None
    patched = _widened(found[:, :n_run], first, np.array(unpatched))
    return Patching(
        site=site,
        direction=direction,
        layers=np.array(layers),
        columns=tuple(map(str, range(n_heads))) if n_heads else contrast.clean_labels,
        effects=_widened(effects[:, :n_run], first, 0.0),
        differences=patched[..., 0],
        probabilities=patched[..., 1:],
        control=controls,
        control_level=None if controls is None else float(np.nanquantile(np.abs(controls), 0.95)),
        whole=effects[:, -1],
        first=first,
        clean=clean.reading,
        corrupted=corrupted.reading,
        contrast=contrast,
        complete=complete,
        provenance=provenance.of(
            engine,
            {
                **dict(clean=contrast.clean, corrupted=contrast.corrupted, answer=contrast.answer_text),
                **dict(wrong=contrast.wrong_text, site=site, direction=direction, control=control, seed=seed),
            },
            time.perf_counter() - started,
        ),
    )


def _widened(values: Floats, first: int, nothing: float | Floats) -> Floats:
    """With `first` columns more, in which a patch does `nothing`; NaN in layers that were not reached.

    values: (layer, column) or (layer, column, 3).
    """
    before = np.empty((len(values), first, *values.shape[2:]))
    before[:] = nothing
    before[np.isnan(values[:, 0]).reshape(len(values), -1).any(1)] = np.nan
    return np.concatenate([before, values], axis=1)


def layers_with(engine: Engine, site: SiteName) -> list[int]:
    """Layers of the main stack that have a site.

    Raises:
        PlaygroundError: none has.
    """
    name, kind = engine.anatomy.main.name, _KINDS[site]
    layers = [n for n in range(engine.anatomy.n_layers) if kind == "block" or Site(name, n, kind) in engine.parts]
    if not layers:
        able = ["residual", *(s for s, k in _KINDS.items() if any(place.kind == k for place in engine.parts))]
        raise PlaygroundError(
            f"{engine.reference} ({engine.anatomy.architecture}) has no {site} that can be reached. "
            f"It has: {', '.join(able)}."
        )
    return layers


def _texts(contrast: Contrast) -> tuple[Tensor, Tensor]:
    return contrast.clean_ids, contrast.corrupted_ids


def _check_apart(clean: float, corrupted: float, contrast: Contrast) -> None:
    if abs(clean - corrupted) < 1e-3 * max(1.0, abs(clean), abs(corrupted)):
        raise PlaygroundError(
            f"Both texts give “{contrast.answer_text}” over “{contrast.wrong_text}” the same lead "
            f"({clean:.3f} and {corrupted:.3f} in logits), so there is no effect to divide up. "
            "Change the text or the answers."
        )


def _rows(
    n_positions: int, n_heads: int | None, control: bool, seed: int, device: torch.device, first: int = 0
) -> _Rows:
    """One row a column from the `first` on, then one a control, then one that patches all."""
    wrong = torch.from_numpy(wrong_positions(n_positions, seed)).to(device) if control else None
    own = torch.arange(n_positions, device=device)
    return _Rows(first, n_heads or n_positions - first, n_heads is not None, own, wrong)


def wrong_positions(n_positions: int, seed: int) -> Ints:
    """For each position another one, never itself and, in texts of more than two tokens, never the first."""
    random = np.random.default_rng(seed)
    every = np.arange(n_positions)
    able = every[1:] if n_positions > 2 else every
    return np.array([random.choice(able[able != position]) if n_positions > 1 else 0 for position in every])


def _unpatched(
    engine: Engine, contrast: Contrast, ids: Tensor, site: SiteName, layers: list[int], stop: threading.Event | None
) -> _Run:
    values: dict[int, Tensor] = {}
    blocks: list[Any] = []
    name = engine.anatomy.main.name

    def keep(layer: int) -> passes.Watch:
        def watch(seen: Tensor) -> None:
            values[layer] = seen[0].clone()

        return watch

    watches = {Site(name, layer, _KINDS[site]): keep(layer) for layer in layers}
    around = known.recording(engine, blocks)
    residual = passes.last_residual(engine, {"input_ids": ids}, watches, around, stop)
    return _Run(ids, values, blocks, _readings(engine, contrast, residual)[0])


def _readings(engine: Engine, contrast: Contrast, residual: Tensor) -> list[Reading]:
    """By row of the last residual, (row, position, hidden)."""
    logits = logits_of(engine, residual[:, contrast.position])
    both = [contrast.answer, contrast.wrong]
    differences = logits[:, contrast.answer] - logits[:, contrast.wrong]
    probabilities = logits.softmax(-1)[:, both]
    return [Reading(*row) for row in torch.cat([differences[:, None], probabilities], dim=1).tolist()]


def _patched(
    engine: Engine,
    contrast: Contrast,
    site: SiteName,
    layer: int,
    source: _Run,
    target: _Run,
    rows: _Rows,
    rows_at_once: int | None,
    skip: bool,
    stop: threading.Event | None,
) -> Iterator[Reading]:
    """Row by row."""
    n_positions = target.ids.shape[1]
    step = rows_at_once or max(1, _TOKENS_AT_ONCE // n_positions)
    place = Site(engine.anatomy.main.name, layer, _KINDS[site])
    n_known = (
        layer + 1 if site == "residual" else layer
    )  # the patched block's own output is known too, before the patch
    for where, taken_from in rows.split(step):

        def put(values: Tensor, where: Tensor = where, taken_from: Tensor = taken_from) -> Tensor:
            n_groups = where.shape[-1]
            there = values.unflatten(-1, (n_groups, -1))
            new = source.values[layer].unflatten(-1, (n_groups, -1))[taken_from]
            return torch.where(where[..., None], new, there).flatten(-2)

        around = known.left_out(engine, n_known, target.blocks, len(where)) if skip else ()
        inputs = {"input_ids": target.ids.expand(len(where), -1)}
        yield from _readings(engine, contrast, passes.last_residual(engine, inputs, {place: put}, around, stop))
