"""A comparison of two groups as a file to take along. It does not know where it is written."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playground.labs.internals.neuron_groups import Difference

COLUMNS = ("kind", "layer", "number", "effect_g", "mean_first", "mean_second", "p", "p_adjusted")


def difference_csv(found: Difference) -> str:
    """A row a unit, largest effect first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    numbers = (found.effects, found.mean_first, found.mean_second, found.p_values, found.adjusted)
    for layer, index, *rest in zip(found.layers.tolist(), found.indices.tolist(), *numbers, strict=True):
        writer.writerow([found.kind, layer, index, *(f"{float(value):.6g}" for value in rest)])
    return out.getvalue()
