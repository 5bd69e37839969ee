"""Which neurons tell two groups of texts apart: every unit compared, with effect sizes, corrected for so many tests.

With tens of thousands of units and a few texts, large differences come by chance alone; the adjusted p-values say so.
It does not know what the groups have in common.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from torch import Tensor

from playground.arrays import Floats, Ints
from playground.engine import passes, provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from playground.labs.internals.neurons import Kind, Unit, site_of
from playground.models.progress import Report, quiet

Pooling = Literal["mean", "max", "last"]
# What is active for praise and not for complaint.
EXAMPLE = (("I love this!", "Amazing!", "Great work!"), ("I hate this.", "Terrible.", "Worst ever."))


@dataclass(frozen=True, eq=False)
class Difference:
    """All units of a kind, ranked by how well they tell two groups of texts apart."""

    kind: Kind
    layers: Ints  # (rank,): the unit's layer, largest effect first
    indices: Ints  # (rank,): its number in the layer
    effects: Floats  # (rank,): Hedges' g, in pooled standard deviations; positive: higher in the first group
    mean_first: Floats  # (rank,)
    mean_second: Floats  # (rank,)
    p_values: Floats  # (rank,): Welch's t-test, two-sided
    adjusted: Floats  # (rank,): Benjamini-Hochberg over all units: the share of false finds down to this one
    n_units: int  # all that were tested
    n_significant: int  # adjusted below 0.05
    n_texts: tuple[int, int]
    provenance: Provenance


def difference(
    engine: Engine,
    first: Sequence[str],
    second: Sequence[str],
    kind: Kind = "neuron",
    pooling: Pooling = "mean",
    most: int = 100,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Difference:
    """Compares two groups of texts over every unit of every layer.

    A text counts once, by its pooled activation (over its tokens but the first). With few texts an effect can be large
    by chance: the adjusted p-value says how much of a list is to be expected from chance.

    Raises:
        PlaygroundError: fewer than two texts in a group, no units, stopped.
    """
    started = time.perf_counter()
    groups = [[text for text in texts if text.strip()] for texts in (first, second)]
    if min(map(len, groups)) < 2:
        raise PlaygroundError("Each group needs at least two texts: one has no spread to compare with. Add some.")
    if pooling not in get_args(Pooling):
        raise PlaygroundError(f"“{pooling}” is no way to pool. There are: {', '.join(get_args(Pooling))}.")
    layers = [n for n in range(engine.anatomy.n_layers) if kind == "dimension" or _has_neurons(engine, n)]
    sites = {layer: site_of(engine, Unit(kind, layer, 0)) for layer in layers or [0]}
    sides = (Moments(), Moments())
    n_done, n_texts = 0, sum(map(len, groups))
    try:
        for side, texts in enumerate(groups):
            for text in texts:
                report(n_done / n_texts, f"Reading text {n_done + 1} of {n_texts}")
                sides[side].add(_pooled(engine, text, sites, pooling, stop))
                n_done += 1
    except passes.Stopped:
        raise PlaygroundError("Stopped before all texts were read.") from None
    width = {
        layer: engine.parts[site].width if kind == "neuron" else engine.anatomy.hidden_size
        for layer, site in sites.items()
    }
    owner = np.concatenate([np.full(n, layer) for layer, n in width.items()])
    index = np.concatenate([np.arange(n) for n in width.values()])
    a, b = sides
    effects, p_values = hedges_g(a, b), welch(a, b)
    adjusted = benjamini_hochberg(p_values)
    order = np.argsort(-np.abs(effects), kind="stable")[:most]
    return Difference(
        kind,
        owner[order],
        index[order],
        effects[order],
        a.mean[order],
        b.mean[order],
        p_values[order],
        adjusted[order],
        len(effects),
        int((adjusted < 0.05).sum()),
        (a.n, b.n),
        provenance.of(
            engine,
            {"first": groups[0], "second": groups[1], "kind": kind, "pooling": pooling},
            time.perf_counter() - started,
        ),
    )


def _has_neurons(engine: Engine, layer: int) -> bool:
    return Site(engine.anatomy.main.name, layer, "neurons") in engine.parts


def _pooled(
    engine: Engine, text: str, sites: dict[int, Site], pooling: Pooling, stop: threading.Event | None
) -> Floats:
    """A text's pooled activation in every unit, (unit,), layer after layer, float64."""
    found: dict[int, Floats] = {}

    def keep(layer: int) -> passes.Watch:
        def watch(values: Tensor) -> None:
            rest = values[0, 1:] if values.shape[1] > 1 else values[0]
            rest = rest.double()
            one = rest.mean(0) if pooling == "mean" else rest.amax(0) if pooling == "max" else rest[-1]
            found[layer] = one.cpu().numpy()

        return watch

    ids = engine.encode(text)
    passes.last_residual(engine, {"input_ids": ids}, {site: keep(n) for n, site in sites.items()}, stop=stop)
    return np.concatenate([found[layer] for layer in sites])


class Moments:
    """Mean and variance by unit, text after text (Welford 1962), so that no text's activations need be kept."""

    def __init__(self) -> None:
        self.n = 0
        self.mean = np.zeros(1)  # (unit,)
        self._squares = np.zeros(1)  # (unit,), summed squares of distances from the mean

    def add(self, values: Floats) -> None:
        """values: (unit,)."""
        self.n += 1
        away = values - self.mean
        self.mean = self.mean + away / self.n
        self._squares = self._squares + away * (values - self.mean)

    @property
    def variance(self) -> Floats:
        """(unit,), of the population that the texts are a sample of."""
        return self._squares / (self.n - 1)


def hedges_g(a: Moments, b: Moments) -> Floats:
    """Cohen's d with Hedges' correction for small groups, by unit.

    d is the difference of means in pooled standard deviations; the correction is exact (gamma functions, Hedges 1981).
    A unit that is the same in every text has effect 0.
    """
    from scipy.special import gammaln

    free = a.n + b.n - 2
    variance = ((a.n - 1) * a.variance + (b.n - 1) * b.variance) / free
    gap = a.mean - b.mean
    d = np.divide(gap, np.sqrt(variance), out=np.zeros_like(gap), where=variance > 0)
    return d * np.exp(gammaln(free / 2) - gammaln((free - 1) / 2)) / np.sqrt(free / 2)


def welch(a: Moments, b: Moments) -> Floats:
    """Two-sided p-values of Welch's t-test by unit; 1 for a unit that is the same in every text."""
    from scipy.special import stdtr

    errors = a.variance / a.n, b.variance / b.n
    total = errors[0] + errors[1]
    able = total > 0
    t = np.divide(a.mean - b.mean, np.sqrt(total), out=np.zeros_like(total), where=able)
    spread = errors[0] ** 2 / (a.n - 1) + errors[1] ** 2 / (b.n - 1)
    free = np.divide(total**2, spread, out=np.ones_like(total), where=spread > 0)
    return np.where(able, 2 * stdtr(free, -np.abs(t)), 1.0)


def benjamini_hochberg(p_values: Floats) -> Floats:
    """P-values adjusted for many tests (Benjamini and Hochberg 1995), in the given order.

    Below 0.05 in the result: of all that are, one in twenty is expected to be a false find.
    """
    order = np.argsort(p_values)
    scaled = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1)
    return adjusted[np.argsort(order, kind="stable")]
