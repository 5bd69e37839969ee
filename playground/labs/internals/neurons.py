"""Single neurons: how active one is over a text, and where in a corpus it is most active.

A neuron is an input of an MLP's down projection; a dimension of the residual after a layer can be asked for too. What
a neuron "means" is not known here: texts that make it active are evidence, and taking it out is a test.
"""

import heapq
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine import passes, provenance
from playground.engine.engine import Engine
from playground.engine.observe import check_parts
from playground.engine.provenance import Provenance
from playground.engine.tap import Site, Tap
from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.internals import ablation, contrasts
from playground.models.progress import Report, quiet

Kind = Literal["neuron", "dimension"]  # of an MLP; of the residual after a layer
MOST = 1000  # most active tokens that are kept
_AROUND = 8  # tokens shown before and after an active one


@dataclass(frozen=True)
class Unit:
    kind: Kind
    layer: int
    index: int

    def __str__(self) -> str:
        return f"{self.kind} {self.layer}.{self.index}"


@dataclass(frozen=True, eq=False)
class Activations:
    """One unit over one text."""

    unit: Unit
    labels: tuple[str, ...]  # (position,)
    values: Floats  # (position,), as the model computes them, no unit
    provenance: Provenance


@dataclass(frozen=True)
class Active:
    """A token at which a unit is active."""

    value: float
    text: int  # which text of the corpus, from 0
    position: int
    before: tuple[str, ...]  # labels of the tokens around it
    label: str
    after: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MostActive:
    """Where a unit is most active in a corpus, first tokens of texts left out."""

    unit: Unit
    top: tuple[Active, ...]  # strongest first
    bottom: tuple[Active, ...]  # most negative first; gated neurons say something with both signs
    n_texts: int
    n_tokens: int
    mean: float  # over all tokens
    deviation: float
    complete: bool
    provenance: Provenance


def site_of(engine: Engine, unit: Unit) -> Site:
    """Where a unit is seen.

    Raises:
        PlaygroundError: the model has no such unit.
    """
    if unit.kind not in get_args(Kind):
        raise PlaygroundError(f"“{unit.kind}” is no kind of unit. There are: {', '.join(get_args(Kind))}.")
    if engine.anatomy.kind == "seq2seq":
        raise PlaygroundError(
            f"{engine.reference} is an encoder-decoder; neurons are looked at in models with one stack."
        )
    name, n_layers = engine.anatomy.main.name, engine.anatomy.n_layers
    if not 0 <= unit.layer < n_layers:
        raise PlaygroundError(f"{engine.reference} has no layer {unit.layer}: they are 0 to {n_layers - 1}.")
    site = Site(name, unit.layer, "neurons" if unit.kind == "neuron" else "block")
    if unit.kind == "neuron":
        check_parts(engine, [site])
    width = engine.parts[site].width if unit.kind == "neuron" else engine.anatomy.hidden_size
    if not 0 <= unit.index < width:
        raise PlaygroundError(
            f"{engine.reference} has no {unit.kind} {unit.index} in layer {unit.layer}: they are 0 to {width - 1}."
        )
    return site


def activations(
    engine: Engine, text: str, unit: Unit, stop: threading.Event | None = None, complete: bool = False
) -> Activations:
    """The unit at each token of a text. complete: special tokens are in it already.

    Raises:
        PlaygroundError: no such unit, no text, stopped.
    """
    started = time.perf_counter()
    site = site_of(engine, unit)
    ids = contrasts.encoded(engine, text, complete)
    try:
        values = _values(engine, ids, site, unit.index, stop)
    except passes.Stopped:
        raise PlaygroundError("Stopped before the text was read.") from None
    return Activations(
        unit,
        reading.of_ids(engine, ids[0].tolist()).labels,
        values,
        provenance.of(engine, {"text": text, "unit": str(unit)}, time.perf_counter() - started),
    )


def _values(engine: Engine, ids: Tensor, site: Site, index: int, stop: threading.Event | None) -> Floats:
    """(position,), float32."""
    kept = []
    watch = {site: lambda values: kept.append(values[0, :, index].float().cpu())}
    passes.last_residual(engine, {"input_ids": ids}, watch, stop=stop)
    return kept[0].numpy()


def most_active(
    engine: Engine,
    unit: Unit,
    texts: Iterable[str] | None = None,
    n: int = 20,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> MostActive:
    """The tokens of a corpus at which a unit is highest and lowest; the shipped sentences without `texts`.

    Keeps 2 n tokens and their surroundings, however long the corpus is. Texts longer than the model reads are cut into
    pieces of what it reads.

    Raises:
        PlaygroundError: no such unit, no texts, an n out of range.
    """
    started = time.perf_counter()
    site = site_of(engine, unit)
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MOST:
        raise PlaygroundError(f"n is {n!r}; it must be a whole number from 1 to {MOST:,}. Change it and try again.")
    texts = ablation.sentences() if texts is None else texts
    total = len(texts) if isinstance(texts, Sequence) else None
    # heaps by sign: (signed value, count, Active), the weakest first
    best: dict[int, list[tuple[float, int, Active]]] = {1: [], -1: []}
    count, n_texts, sums, complete = 0, 0, np.zeros(3), True
    try:
        for number, text in enumerate(texts):
            report(number / total if total else None, f"Reading text {number + 1}" + (f" of {total}" if total else ""))
            passes.check_stop(stop)
            if not text.strip():
                continue
            n_texts += 1
            for ids in _pieces(engine, text):
                values = _values(engine, ids, site, unit.index, stop)[1:]
                sums += len(values), values.sum(dtype=float), (values.astype(float) ** 2).sum()
                labels: tuple[str, ...] = ()
                for sign, heap in best.items():
                    for at in np.argsort(-sign * values, kind="stable")[:n]:
                        value = float(values[at])
                        if len(heap) == n and sign * value <= heap[0][0]:
                            break
                        labels = labels or reading.of_ids(engine, ids[0].tolist()).labels
                        heapq.heappush(
                            heap, (sign * value, -(count := count + 1), _active(value, number, at + 1, labels))
                        )
                        if len(heap) > n:
                            heapq.heappop(heap)
    except passes.Stopped:
        complete = False
    if not sums[0]:
        raise PlaygroundError("There are no tokens to look at: each text needs at least two. Give longer texts.")
    mean = sums[1] / sums[0]
    top, bottom = (tuple(entry[2] for entry in sorted(best[sign], reverse=True)) for sign in (1, -1))
    return MostActive(
        unit,
        top,
        bottom,
        n_texts,
        int(sums[0]),
        float(mean),
        float(max(sums[2] / sums[0] - mean**2, 0) ** 0.5),
        complete,
        provenance.of(engine, {"unit": str(unit), "n": n, "texts": n_texts}, time.perf_counter() - started),
    )


def _pieces(engine: Engine, text: str) -> tuple[Tensor, ...]:
    """The ids of a text, (1, position) each, of at most what the model reads at once."""
    ids = engine.tokenizer(text, return_tensors="pt", verbose=False).input_ids.to(engine.device, torch.long)
    return ids.split(min(engine.anatomy.context_length or 1024, 1024), dim=1)


def _active(value: float, text: int, position: int, labels: tuple[str, ...]) -> Active:
    position = int(position)
    before = labels[max(position - _AROUND, 0) : position]
    return Active(value, text, position, before, labels[position], labels[position + 1 : position + 1 + _AROUND])


def without(engine: Engine, unit: Unit, how: ablation.How = "zero", **options: Any) -> Tap:
    """A Tap that takes a neuron out; options as in `ablation.tap`.

    Raises:
        PlaygroundError: the unit is a dimension of the residual.
    """
    if unit.kind != "neuron":
        raise PlaygroundError("Only neurons can be taken out; along a dimension of the residual you can steer.")
    return ablation.tap(engine, [ablation.Target("neuron", unit.layer, unit.index)], how, **options)
