"""One attention map as a figure: a row a token that looks, a column a token that is looked at.

It does not know which head it is, or how heads were put together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from playground.views.colours import INK, MANY, SEQUENCE
from playground.views.tokens import percent

MOST_LABELS = 64  # more would be drawn over one another
MOST_SIDE = 1000  # cells; a screen has no more dots for them, and 4 MB are enough to send
MOST_HOVERS = 160  # tokens: beyond, the words under the pointer would be most of what the page is sent
_LONGEST = 14  # characters of a label


def figure(
    values: np.ndarray,  # (query, key); NaN where there is nothing
    queries: Sequence[str],
    keys: Sequence[str],
    most: float | None = None,
    unit: str = "Attention",
) -> go.Figure:
    """The map as one heatmap. `most` is where the colour is full; None: the largest value.

    Of a long text each cell is the largest weight of a small square, and stands where the middle of the square does.
    """
    ceiling = most if most is not None else float(np.nanmax(values, initial=0.0)) or 1.0
    hover: dict[str, object] = {"hoverinfo": "none"}
    if max(values.shape) <= MOST_HOVERS:
        names = [plain(text) for text in keys]
        hover = {
            "hovertext": [
                [
                    f"<b>{plain(query)}</b> looks at <b>{name}</b>: {percent(value)}" if value == value else "left out"
                    for name, value in zip(names, row, strict=True)
                ]
                for query, row in zip(queries, values.tolist(), strict=True)
            ],
            "hoverinfo": "text",
        }
    small, by = values, [-(-n // MOST_SIDE) for n in values.shape]
    y, x = (np.arange(n, dtype=np.int32) for n in values.shape)
    if is_pooled(values):
        small = pooled(values, *by)
        y, x = (
            np.arange(n, dtype=np.float32) * a_cell + (a_cell - 1) / 2
            for n, a_cell in zip(small.shape, by, strict=True)
        )
    drawn = go.Heatmap(
        z=small.astype(np.float32),
        x=x,
        y=y,
        colorscale=SEQUENCE,
        zmin=0,
        zmax=ceiling,
        xgap=1 if values.shape[1] <= MOST_LABELS else 0,
        ygap=1 if values.shape[0] <= MOST_LABELS else 0,
        colorbar={"title": {"text": unit, "side": "right"}, "tickformat": ".0%", "thickness": 12, "outlinewidth": 0},
        **hover,
    )
    rows = values.shape[0]
    layout = go.Layout(
        height=int(min(max(130 + 26 * rows, 320), 760)),
        **LOOK,
        xaxis=_axis(keys, "is looked at", side="top", tickangle=-45),
        yaxis=_axis(queries, "looks", autorange="reversed"),
    )
    return go.Figure(drawn, layout)


def is_pooled(values: np.ndarray) -> bool:
    """Whether a map, (query, key), has more cells than are drawn."""
    return max(values.shape) > MOST_SIDE


def pooled(weights: np.ndarray, by_query: int, by_key: int) -> np.ndarray:
    """Weights, (..., query, key), made smaller: a cell is the largest of by_query x by_key; NaN where there is none."""
    *others, n_queries, n_keys = weights.shape
    rows, columns = -(-n_queries // by_query), -(-n_keys // by_key)
    padded = np.full((*others, rows * by_query, columns * by_key), -1.0, dtype=np.float32)
    padded[..., :n_queries, :n_keys] = np.nan_to_num(weights, nan=-1.0)
    largest = padded.reshape(*others, rows, by_query, columns, by_key).max((-3, -1))
    return np.where(largest < 0, np.nan, largest)


LOOK = {
    "colorway": MANY,
    "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": INK, "size": 13, "family": "IBM Plex Sans, system-ui, sans-serif"},
    "modebar": {"remove": ["pan", "zoomIn", "zoomOut", "autoScale"], "bgcolor": "rgba(0,0,0,0)", "color": INK},
    "hoverlabel": {"font": {"size": 13}},
}


def _axis(labels: Sequence[str], title: str, **more: object) -> dict[str, object]:
    """An axis of tokens. Their places are numbers: the same word may come twice."""
    step = -(-len(labels) // MOST_LABELS)
    return {
        "tickvals": list(range(0, len(labels), step)),
        "ticktext": [plain(short(text)) for text in labels[::step]],
        "title": {"text": title, "standoff": 6},
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
        **more,
    }


def short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def plain(text: str) -> str:
    """A token as text of a Plotly label, which reads a little HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
