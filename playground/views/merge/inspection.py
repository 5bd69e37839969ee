"""How two models differ: one heatmap, a row a kind of weight and a column a layer, and the numbers as a table.

It does not know how they were measured.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from playground.views.attention.map import LOOK, plain
from playground.views.colours import SEQUENCE

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.merging.inspector import Inspection

WHAT = {  # title -> (attribute, unit, needs a base)
    "Angle between the weights, degrees": ("angle", "°", False),
    "Distance: |B − A| / |A|": ("distance", "", False),
    "Length: |B| / |A|": ("norm_ratio", "", False),
    "Cosine of the weights": ("cosine", "", False),
    "Cosine of what each learned": ("delta_cosine", "", True),
    "Share of changes with opposite signs": ("conflicts", "", True),
}


def figure(found: Inspection, what: str) -> go.Figure:
    """The heatmap of one number. Weights outside layers stand in the table alone."""
    attribute, unit, _ = WHAT[what]
    inside = [(layer, d) for d in found.differences if (layer := d.layer) is not None]
    parts = list(dict.fromkeys(d.part for _, d in inside))
    n_layers = max((layer for layer, _ in inside), default=-1) + 1
    values = np.full((len(parts), max(n_layers, 1)), np.nan)
    for layer, difference in inside:
        values[parts.index(difference.part), layer] = getattr(difference, attribute)
    drawn = go.Heatmap(
        z=values,
        x=list(range(max(n_layers, 1))),
        y=[plain(part) for part in parts],
        colorscale=SEQUENCE,
        colorbar={"thickness": 12, "outlinewidth": 0, "title": {"text": unit}},
        hovertemplate="layer %{x}, %{y}: %{z:.4g}" + unit + "<extra></extra>",
        xgap=1,
        ygap=1,
    )
    layout = go.Layout(
        **LOOK | {"margin": {"l": 10, "r": 10, "t": 44, "b": 44}},
        height=138 + 30 * max(len(parts), 3),
        xaxis={"title": {"text": "Layer"}, "showgrid": False, "constrain": "domain"},
        yaxis={"autorange": "reversed", "automargin": True, "showgrid": False},
    )
    return go.Figure(drawn, layout)


def summary(found: Inspection) -> str:
    """What fits, what does not and what that means, as safe HTML."""
    n = len(found.differences)
    fits = found.compatibility
    words = [f"{n:,} tensors of the architecture {escape(fits.architecture)} can be compared."]
    if found.n_same == n:
        words.append("All are the same, bit for bit: these are one model.")
    else:
        words.append(f"{found.n_same:,} are the same in both, bit for bit.")
        straight = f"<b>SLERP takes the straight line in {found.n_straight:,} of {n:,}</b>"
        words.append(f"{straight} (cosine above 0.9995): there it is the same as a linear merge.")
    conflicts = [d for d in found.differences if d.conflicts == d.conflicts]
    if conflicts:
        total = sum(d.n for d in conflicts)
        share = sum(d.conflicts * d.n for d in conflicts) / total
        words.append(f"Where both changed a weight, they pull in opposite directions {share:.0%} of the time.")
    rows = "".join(
        f"<li>{'✗ cannot be merged' if m.fatal else '! take care'}: {escape(m.sentence)}</li>" for m in fits.mismatches
    )
    verdict = "" if rows else "<li>✓ Same architecture, same shapes, same tokens.</li>"
    return f'<p class="verdict">{" ".join(words)}</p><ul class="note">{rows}{verdict}</ul>'


def rows(found: Inspection) -> list[list[Any]]:
    """The table: one line a tensor."""
    return [
        [
            d.name,
            d.n,
            _rounded(d.angle),
            _rounded(d.cosine, 6),
            _rounded(d.norm_ratio),
            _rounded(d.distance),
            _rounded(d.delta_cosine),
            _rounded(d.conflicts),
            "line" if d.is_straight else "arc",
        ]
        for d in found.differences
    ]


HEADERS = ["Tensor", "Elements", "Angle °", "Cosine", "|B|/|A|", "|B−A|/|A|", "Cosine of changes", "Conflicts", "SLERP"]


def _rounded(value: float, digits: int = 4) -> float | None:
    return None if math.isnan(value) else round(value, digits)
