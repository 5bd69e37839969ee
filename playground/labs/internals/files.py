"""What interventions found as files: CSV for a table, JSON for everything.

It does not know where the files go.
"""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from playground.labs.internals.before_after import Change
from playground.labs.internals.patching import Patching
from playground.labs.internals.sweep import Sweep


def as_json(**results: Any) -> str:
    """Results of labs by name: dataclasses, arrays, lists and plain values. What was not computed is null."""
    return json.dumps(_plain(results), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, Tensor)):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def patching_csv(found: Patching) -> str:
    """A row a patch."""
    by_head = found.site == "head"
    two = found.contrast
    head = ("layer", "head") if by_head else ("layer", "position", "clean token", "corrupted token")
    rows = []
    for (at, column), effect in np.ndenumerate(found.effects):
        where = (column,) if by_head else (column, two.clean_labels[column], two.corrupted_labels[column])
        control = math.nan if found.control is None else found.control[at, column]
        numbers = (effect, control, found.differences[at, column], *found.probabilities[at, column])
        rows.append((found.layers[at], *where, *map(_number, numbers)))
    names = ("effect", "control", "logit difference", "probability of answer", "probability of wrong answer")
    return table_csv((*head, *names), rows)


def change_csv(found: Change) -> str:
    """A row a token that could come next."""
    rows = zip(found.ids.tolist(), found.texts, found.before.tolist(), found.after.tolist(), strict=True)
    return table_csv(("id", "token", "before", "after"), [(i, text, _number(b), _number(a)) for i, text, b, a in rows])


def sweep_csv(found: Sequence[Sweep]) -> str:
    """A row a part that was taken out."""
    rows = []
    for one in found:
        for at, index in np.ndindex(one.changes.shape):
            number = index if one.kind == "head" else ""
            numbers = _number(one.changes[at, index].item()), _number(one.divergences[at, index].item())
            rows.append((one.kind, one.layers[at], number, *numbers))
    return table_csv(("part", "layer", "number", "change of log-probability, nats", "KL, nats"), rows)


def table_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV, with a line of column names. Texts that a spreadsheet would run as formulas begin with a '."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(head)
    table.writerows(map(_harmless, row) for row in rows)
    return written.getvalue()


def _harmless(cell: object) -> object:
    if not isinstance(cell, str) or not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
