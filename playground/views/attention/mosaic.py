"""Every head of every layer in one figure: a mosaic of small maps, a column a layer, a row a head.

One heatmap with empty gutters: a grid of many figures would take a browser seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from playground.views.attention import map as attention_map
from playground.views.attention.map import LOOK
from playground.views.colours import SEQUENCE

MOST_CELLS = 300_000  # of the whole mosaic, 4 bytes each


def figure(weights: np.ndarray, layers: Sequence[int] | None = None, most: float = 1.0) -> go.Figure:
    """The mosaic of weights, (layer, head, query, key); NaN is left empty.

    A tile spans half a step to either side of its layer and its head, so that whoever clicks rounds to find them.
    """
    small = pooled(weights)
    _, n_heads, n_queries, n_keys = small.shape
    numbers = list(layers if layers is not None else range(len(small)))
    n_columns = max(numbers) + 1  # a layer without attention leaves its column empty
    canvas = np.full((n_heads * (n_queries + 1) - 1, n_columns * (n_keys + 1) - 1), np.nan, dtype=np.float32)
    for layer, maps in zip(numbers, small, strict=True):
        for head, tile in enumerate(maps):
            top, left = head * (n_queries + 1), layer * (n_keys + 1)
            canvas[top : top + n_queries, left : left + n_keys] = tile
    drawn = go.Heatmap(
        z=canvas,
        x=_centres(n_columns, n_keys),
        y=_centres(n_heads, n_queries),
        colorscale=SEQUENCE,
        zmin=0,
        zmax=most,
        hovertemplate="layer %{x:.0f}, head %{y:.0f}: %{z:.0%}<extra></extra>",
        colorbar={
            "title": {"text": "Attention", "side": "right"},
            "tickformat": ".0%",
            "thickness": 12,
            "outlinewidth": 0,
        },
    )
    plain = {"showgrid": False, "zeroline": False, "automargin": True}
    layout = go.Layout(
        height=int(min(max(90 + n_heads * 44, 330), 900)),
        **LOOK,
        xaxis={
            "tickvals": numbers,
            "tickangle": 0,
            "title": {"text": "Layer", "standoff": 6},
            "side": "top",
            **plain,
        },
        yaxis={
            "tickvals": list(range(n_heads)),
            "title": {"text": "Head", "standoff": 6},
            "autorange": "reversed",
            **plain,
        },
    )
    return go.Figure(drawn, layout)


def is_pooled(weights: np.ndarray) -> bool:
    return _squares(weights) != (1, 1)


def _squares(weights: np.ndarray) -> tuple[int, int]:
    """How many queries and keys are drawn as one cell."""
    n_layers, n_heads, n_queries, n_keys = weights.shape
    side = max(int((MOST_CELLS / (n_layers * n_heads)) ** 0.5) - 1, 2)
    return -(-n_queries // side), -(-n_keys // side)


def pooled(weights: np.ndarray) -> np.ndarray:
    """The maps, made smaller where the mosaic would be too large: each cell is the largest weight of a square."""
    return attention_map.pooled(weights, *_squares(weights)) if is_pooled(weights) else weights


def _centres(n_tiles: int, n_cells: int) -> np.ndarray:
    """Where the cells of a row of tiles stand, gutters among them, in steps of a tile."""
    step = 1 / (n_cells + 1)
    return (np.arange(n_tiles * (n_cells + 1) - 1) + 1) * step - 0.5
