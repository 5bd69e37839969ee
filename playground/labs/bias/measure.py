"""Pairs scored from beginning to end: progress, a stop that keeps what is done, and a run that goes on from there.

It does not know where the pairs come from or how a pair is scored.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playground.engine import passes, provenance
from playground.engine.blanks import Edits
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.labs.bias import summary
from playground.labs.bias.pairs import Pair
from playground.labs.bias.scoring import DEFINITIONS, OFFERED, Dialect, Scored, score
from playground.models.progress import Report, quiet


@dataclass(frozen=True, eq=False)
class Measured:
    """What a model makes of the pairs. `complete`: whether all were scored; go on by giving `scored` back."""

    pairs: tuple[Pair, ...]
    dialect: Dialect
    definition: str
    scored: Mapping[int, Scored]  # by number
    shares: tuple[summary.Share, ...]  # all, then by category
    provenance: Provenance

    @property
    def complete(self) -> bool:
        return len(self.scored) == len(self.pairs)


def measure(
    engine: Engine,
    pairs: Sequence[Pair],
    dialect: Dialect | None = None,
    edits: Edits | None = None,
    report: Report = quiet,
    stop: threading.Event | None = None,
    done: Mapping[int, Scored] | None = None,
) -> Measured:
    """Scores the pairs; when `stop` is set, what has been scored until then.

    Args:
        dialect: None: the usual one of this kind of model.

    Raises:
        PlaygroundError: as `scoring.score`.
    """
    started = time.perf_counter()
    dialect = dialect or usual(engine)
    scored = dict(done or {})
    try:
        report(len(scored) / len(pairs), f"Scored {len(scored)} of {len(pairs)} pairs")
        for some in score(engine, pairs, dialect, edits, stop, done):
            scored |= {one.number: one for one in some}
            report(len(scored) / len(pairs), f"Scored {len(scored):,} of {len(pairs):,} pairs")
    except passes.Stopped:
        pass
    return Measured(
        tuple(pairs),
        dialect,
        DEFINITIONS[dialect, engine.anatomy.kind],
        scored,
        summary.shares(pairs, scored),
        provenance.of(engine, {"dialect": dialect, "pairs": len(pairs)}, time.perf_counter() - started),
    )


def usual(engine: Engine) -> Dialect:
    """The dialect that a kind of model is mostly scored by."""
    return OFFERED.get(engine.anatomy.kind, ("original",))[0]
