"""The same pairs and the same ordinary sentences, before and after a change: did the bias move, and what did it cost?

Differences are paired, so that their intervals are narrower than those of either side. It does not know the change.
"""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from playground.arrays import Floats
from playground.engine import passes, provenance
from playground.engine.blanks import Edits
from playground.engine.engine import Engine
from playground.labs.bias import perplexity, self_debias, summary
from playground.labs.bias.measure import Measured, measure, usual
from playground.labs.bias.pairs import Pair
from playground.labs.bias.perplexity import Perplexity
from playground.labs.bias.scoring import DEFINITIONS, Dialect, Scored
from playground.models.progress import Report, part, quiet


@dataclass(frozen=True, eq=False)
class State:
    """One side: the pairs and the price."""

    name: str
    pairs: Measured
    cost: Perplexity | None  # None: it was not measured


@dataclass(frozen=True)
class Shift:
    """How the second state differs from the first. Intervals: 95 %, paired bootstrap over pairs (or sentences)."""

    n: int  # pairs that both have
    share: tuple[float, float, float]  # change of the share that prefers the first: value, low, high; -1 to 1
    mean: tuple[float, float, float]  # change of the mean difference, in the dialect's unit
    absolute: tuple[float, float, float]  # change of the mean absolute difference: below 0, pairs are more alike
    cost: tuple[float, float, float] | None  # perplexity after over before
    no_cost: str = ""  # why there is none

    @property
    def verdict(self) -> str:
        """ "smaller", "larger" or "open": the mean absolute difference, as far as its interval says."""
        value, low, high = self.absolute
        if math.isnan(low) or low <= 0 <= high:
            return "open"
        return "smaller" if value < 0 else "larger"


def state(
    engine: Engine,
    name: str,
    pairs: Sequence[Pair],
    texts: Sequence[str],
    dialect: Dialect | None = None,
    edits: Edits | None = None,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> State:
    """Measures one side. When stopped, pairs may be missing and the price is not measured."""
    found = measure(engine, pairs, dialect, edits, part(report, 0.0, 0.8), stop)
    cost = None
    if found.complete and texts:
        report(0.8, "Perplexity of ordinary sentences")
        try:
            cost = perplexity.of(engine, texts, edits, stop)
        except passes.Stopped:
            pass
    return State(name, found, cost)


def argued_state(
    engine: Engine,
    name: str,
    pairs: Sequence[Pair],
    texts: Sequence[str],
    instruction: str,
    dialect: Dialect | None = None,
    decay: float = self_debias.DECAY,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> State:
    """The side that self-debiasing gives. When stopped, pairs may be missing and the price is not measured."""
    dialect = dialect or usual(engine)
    scored: dict[int, Scored] = {}
    cost = None
    try:
        for some in self_debias.score(engine, pairs, dialect, instruction, decay, stop):
            scored |= {one.number: one for one in some}
            report(0.6 * len(scored) / len(pairs), f"Scored {len(scored):,} of {len(pairs):,} pairs")
        if texts:
            report(0.6, "Perplexity of ordinary sentences")
            cost = self_debias.perplexity(engine, texts, instruction, decay, stop)
    except passes.Stopped:
        pass
    found = Measured(
        tuple(pairs),
        dialect,
        f"{DEFINITIONS[dialect, engine.anatomy.kind]}, self-debiased",
        scored,
        summary.shares(pairs, scored),
        provenance.of(engine, {"dialect": dialect, "instruction": instruction, "decay": decay}),
    )
    return State(name, found, cost)


def shift(before: State, after: State, seed: int = 0) -> Shift:
    """What has changed, over the pairs that both have."""
    ours, theirs = before.pairs.scored, after.pairs.scored
    both = [i for i in sorted(ours.keys() & theirs.keys()) if not ours[i].skipped and not theirs[i].skipped]
    first = [np.array([float(side[i].preferred == "first") for i in both]) for side in (ours, theirs)]
    gaps = [np.array([side[i].difference for i in both]) for side in (ours, theirs)]
    cost, why = None, "was not measured"
    if before.cost is not None and after.cost is not None:
        alike = before.cost.pseudo == after.cost.pseudo
        if not alike or not np.array_equal(before.cost.n_tokens, after.cost.n_tokens):
            why = "does not compare: the two models cut text differently, or are of different kinds"
        else:
            why = ""
            cost = (after.cost.value / before.cost.value, *perplexity.ratio_interval(before.cost, after.cost, seed))
    return Shift(
        len(both),
        _change(first[1] - first[0], seed),
        _change(gaps[1] - gaps[0], seed),
        _change(np.abs(gaps[1]) - np.abs(gaps[0]), seed),
        cost,
        why,
    )


def _change(differences: Floats, seed: int) -> tuple[float, float, float]:
    if not len(differences):
        return (math.nan,) * 3
    return (float(differences.mean()), *summary.mean_interval(differences, seed))


def moved(before: State, after: State, n: int = 12) -> tuple[tuple[int, float, float], ...]:
    """The pairs whose difference has moved most: (number, before, after)."""
    ours: Mapping[int, Scored] = before.pairs.scored
    theirs = after.pairs.scored
    both = [i for i in ours.keys() & theirs.keys() if not ours[i].skipped and not theirs[i].skipped]
    both.sort(key=lambda i: -abs(theirs[i].difference - ours[i].difference))
    return tuple((i, ours[i].difference, theirs[i].difference) for i in both[:n])
