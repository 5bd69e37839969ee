"""What changing the parts of a model does, as one cell a part: a column a layer, and colours that run both ways from 0.

It does not know what was changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from playground.views.attention.map import LOOK, MOST_LABELS
from playground.views.colours import TWO_WAYS


def figure(
    values: np.ndarray,  # (row, layer); NaN is left empty
    rows: Sequence[str],  # labels, HTML of Plotly's kind
    layers: Sequence[int],
    hover: Sequence[Sequence[str]],
    title: str,  # of the colours
    most: float,  # where both colours are full
    rows_are: str,
    ticks: Mapping[str, object] | None = None,  # of the colour bar
) -> go.Figure:
    """A click on a cell brings (row, layer)."""
    drawn = go.Heatmap(
        z=values.astype(np.float32),
        x=list(layers),
        y=list(range(len(rows))),
        hovertext=[list(row) for row in hover],
        hoverinfo="text",
        colorscale=TWO_WAYS,
        zmin=-most,
        zmax=most,
        xgap=2,
        ygap=2,
        hoverongaps=False,
        colorbar={"title": {"text": title}, "thickness": 12, "outlinewidth": 0, **(ticks or {})},
    )
    step = -(-len(rows) // MOST_LABELS)
    plain = {"showgrid": False, "zeroline": False, "automargin": True}
    layout = go.Layout(
        height=int(min(max(120 + 30 * len(rows), 240), 900)),
        **LOOK,
        xaxis={
            "tickvals": list(layers[:: max(1, len(layers) // 15)]),
            "tickangle": 0,
            "title": {"text": "Layer", "standoff": 6},
            "side": "top",
            **plain,
        },
        yaxis={
            "tickvals": list(range(0, len(rows), step)),
            "ticktext": list(rows[::step]),
            "title": {"text": rows_are, "standoff": 6},
            "autorange": "reversed",
            **plain,
        },
    )
    return go.Figure(drawn, layout)


def table(
    caption: str, rows_are: str, rows: Sequence[str], layers: Sequence[int], cells: Sequence[Sequence[str]]
) -> str:
    """The same as safe HTML: each cell is a button with `data-at` "row,layer". Rows and cells are HTML already."""
    head = "".join(f'<th scope="col">{layer}</th>' for layer in layers)
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(
            f'<td><button type="button" data-at="{at},{layer}">{cell}</button></td>'
            for layer, cell in zip(layers, row, strict=True)
        )
        + "</tr>"
        for at, (name, row) in enumerate(zip(rows, cells, strict=True))
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{caption}"><table class="numbers cells">'
        f'<thead><tr><th scope="col">{rows_are} \\ layer</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )
