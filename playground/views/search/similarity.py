"""Likeness of texts as a matrix, a list and a map of groups. It computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from playground.views.attention.map import LOOK, plain
from playground.views.colours import SEQUENCE, many
from playground.views.continuations import note
from playground.views.internals.scale import cell

if TYPE_CHECKING:
    from playground.labs.retrieval.similarity import Compared, Groups

SHAPES = ("circle", "diamond", "square", "triangle-up", "x", "star", "cross", "hexagon", "pentagon", "bowtie")
_MOST_CELLS = 12  # a side, as a table
_MOST_NAMED = 12  # texts in the plane
_SHORT = 34


def matrix(found: Compared) -> go.Figure:
    """A row and a column a text."""
    names = [f"{at} {plain(_short(text))}" for at, text in enumerate(found.texts, 1)]
    n = len(names)
    drawn = go.Heatmap(
        z=found.cosines.round(4),
        x=names,
        y=names,
        colorscale=SEQUENCE,
        zmin=min(0.0, float(found.cosines.min())),
        zmax=1,
        colorbar={"title": {"text": "Cosine", "side": "right"}, "thickness": 12, "outlinewidth": 0},
        hovertemplate="%{y}<br>%{x}<br>cosine %{z:.3f}<extra></extra>",
    )
    labelled = n <= 40
    layout = go.Layout(
        **LOOK | {"margin": {"l": 10, "r": 10, "t": 10, "b": 10}},
        height=int(min(max(260, 150 + 26 * n), 900)),
        xaxis={
            "showticklabels": labelled, "tickvals": names, "ticktext": [str(at) for at in range(1, n + 1)],
            "title": {"text": "Text, by number"}, "showgrid": False,
        },
        yaxis={"showticklabels": labelled, "autorange": "reversed", "automargin": True, "showgrid": False},
    )  # fmt: skip
    return go.Figure(drawn, layout)


def table(found: Compared) -> str:
    """The matrix as numbers, of the first texts."""
    n = min(len(found.texts), _MOST_CELLS)
    head = "".join(f'<th scope="col">{at}</th>' for at in range(1, n + 1))
    rows = "".join(
        f'<tr><th scope="row">{at + 1} {escape(_short(found.texts[at]))}</th>'
        + "".join(
            f'<td style="{cell(float(found.cosines[at, other]))}">{found.cosines[at, other]:.2f}</td>'
            for other in range(n)
        )
        + "</tr>"
        for at in range(n)
    )
    said = note(f"The first {n} of {len(found.texts)}; all are in the file.") if n < len(found.texts) else ""
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Cosines"><table class="numbers">'
        f'<thead><tr><th scope="col">Text</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>{said}'
    )


def two(cosine: float, cut: bool) -> str:
    """Two texts in a sentence, with a bar."""
    said = (
        "They point the same way."
        if cosine > 0.8
        else "They have something in common."
        if cosine > 0.4
        else ("To this model they have little in common.")
    )
    lost = note("The model did not read the end of one of them.") if cut else ""
    return (
        f'<p class="cosine"><b>{cosine:.3f}</b> cosine similarity, of at most 1. {said}</p>'
        f'<meter min="0" max="1" value="{max(cosine, 0):.3f}" aria-label="Cosine similarity"></meter>{lost}'
        + note("Likeness of meaning, not agreement: “the test passed” and “the test failed” are alike.")
    )


def ranked(query: str, texts: Sequence[str], found: Sequence[tuple[int, float]]) -> str:
    """Lines nearest to a query, best first."""
    items = "".join(f"<li><b>{score:.3f}</b> {escape(texts[at])}</li>" for at, score in found)
    return f"<p>Nearest to “{escape(query)}”, by inner product of vectors of length 1:</p><ol>{items}</ol>"


def groups(texts: Sequence[str], found: Groups) -> str:
    """Each group with its texts, named by the one in its middle."""
    parts, colours = [], many(len(found.centres))
    for label, centre in enumerate(found.centres):
        members = [at for at, each in enumerate(found.labels) if each == label]
        members.sort(key=lambda at: at != centre)
        items = "".join(f"<li>{escape(texts[at])} <small>{found.silhouettes[at]:.2f}</small></li>" for at in members)
        mark = f'<span style="color:{colours[label]}" aria-hidden="true">■</span>'
        parts.append(f"<h4>{mark} Group {label + 1}, around “{escape(_short(texts[centre], 60))}”</h4><ul>{items}</ul>")
    how = f"Mean silhouette {found.silhouette:.2f} (1: far apart, 0: touching)"
    if found.tried:
        how += "; of the numbers tried: " + ", ".join(f"{n}: {score:.2f}" for n, score in found.tried)
    return "".join(parts) + note(
        how + ". The number behind a text is its own silhouette; below 0 it fits another group."
    )


def plane(texts: Sequence[str], found: Groups) -> go.Figure:
    """The texts on the two main components, a colour and shape a group; where there are few, with their first words."""
    few, drawn, colours = len(texts) <= _MOST_NAMED, [], many(len(found.centres))
    for label in range(len(found.centres)):
        members = [at for at, each in enumerate(found.labels) if each == label]
        drawn.append(
            go.Scatter(
                x=[float(found.points[at, 0]) for at in members],
                y=[float(found.points[at, 1]) for at in members],
                mode="markers+text" if few else "markers",
                text=[plain(_short(texts[at], 18)) if few else "" for at in members],
                textposition=_beside(found.points[members]),
                textfont={"size": 11},
                cliponaxis=False,
                name=f"Group {label + 1}",
                marker={
                    "color": colours[label], "symbol": SHAPES[label % len(SHAPES)], "size": 12,
                },
                hovertext=[plain(texts[at][:120]) for at in members],
                hoverinfo="text+name",
            )
        )  # fmt: skip
    first, second = found.explained
    low, high = float(found.points[:, 0].min()), float(found.points[:, 0].max())
    margin = 0.25 * (high - low)  # for words beside the outermost
    layout = go.Layout(
        **LOOK | {"margin": {"l": 10, "r": 10, "t": 30, "b": 40}},
        height=380,
        xaxis={
            "title": {"text": f"First component ({first:.0%} of the variance)"},
            "zeroline": False,
            "range": [low - margin, high + margin],
        },
        yaxis={"title": {"text": f"Second component ({second:.0%})"}, "zeroline": False},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return go.Figure(drawn, layout)


def _beside(points: np.ndarray) -> list[str]:
    """Where the words of each point of a group, (point, 2), stand: above the highest, below the lowest, and of the
    others on the side where their nearest neighbour is not."""
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    away = np.where(points[gaps.argmin(1), 0] > points[:, 0], "middle left", "middle right").tolist()
    away[int(points[:, 1].argmin())] = "bottom center"
    away[int(points[:, 1].argmax())] = "top center"
    return away


def _short(text: str, most: int = _SHORT) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
