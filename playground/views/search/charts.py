"""Ranks side by side, tokens against tokens, and the map of chunks, as Plotly figures. It computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from playground.views.attention.map import LOOK, plain
from playground.views.colours import AMBER, GREY, GRID, SEQUENCE, TEAL, TWO_WAYS

if TYPE_CHECKING:
    from playground.labs.retrieval.microscope import Map, Tokens
    from playground.labs.retrieval.search import Found
    from playground.labs.retrieval.store import Collection

_MOST_TOKENS = 120
_LONGEST = 28  # characters of a heading beside its line


def ranks(found: Found, collection: Collection, picked: int | None, n: int = 10) -> go.Figure:
    """A line a chunk: its number by words, by meaning, and as shown. What a ranking does not have stands below it."""
    figure = go.Figure()
    columns = ["by words (BM25)", "by meaning (vectors)", "as shown"]
    worst, labels = n + 1, {}
    for hit in found.hits[:n]:
        chunk = collection.chunks[hit.id]
        values = [hit.bm25_rank, hit.dense_rank, hit.rank]
        heights = [min(value or worst, worst) for value in values]
        own = hit.id == picked
        label = chunk.heading.rsplit("›", 1)[-1].strip() or chunk.document
        label = label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
        labels[hit.rank] = f"{hit.rank}. {plain(label)}"
        said = [f"number {value}" if value else "not among the candidates" for value in values]
        figure.add_scatter(
            x=columns, y=heights, mode="lines+markers", showlegend=False, cliponaxis=False,
            line=dict(color=AMBER if own else TEAL, width=4 if own else 2),
            marker=dict(size=11, symbol="diamond" if own else "circle"),
            customdata=said, hovertemplate=f"{plain(chunk.place)}<br>%{{x}}: %{{customdata}}<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(
        range=[worst + 0.5, 0.5], title="Rank (1 is best)", tickvals=[*range(1, n + 1), worst],
        ticktext=[*map(str, range(1, n + 1)), f"> {n}"], gridcolor=GRID, zeroline=False,
    )  # fmt: skip
    figure.update_xaxes(side="top", range=[-0.25, 2.1], tickvals=columns, showgrid=False)
    # the names are an axis of their own, for which room is made however narrow the page is
    figure.add_scatter(x=columns[:1], y=[1], yaxis="y2", opacity=0, hoverinfo="skip", showlegend=False)
    names = dict(tickvals=list(labels), ticktext=list(labels.values()), automargin=True, showgrid=False, zeroline=False)
    names |= dict(overlaying="y", side="right", range=[worst + 0.5, 0.5])
    return figure.update_layout(**LOOK | dict(height=430, margin=dict(l=60, r=10, t=50, b=20), yaxis2=names))


def tokens(seen: Tokens, parts: bool) -> go.Figure:
    """A row a token of the query, a column a token of the chunk."""
    values = seen.parts if parts and seen.parts is not None else seen.cosines
    values = values[:, :_MOST_TOKENS]
    most = float(np.abs(values).max()) or 1.0
    both = bool(values.min() < 0)
    title = "Part of the cosine" if parts and seen.parts is not None else "Cosine of the two tokens"
    columns = [f"{i} {plain(token)}" for i, token in enumerate(seen.chunk[:_MOST_TOKENS])]
    rows = [f"{i} {plain(token)}" for i, token in enumerate(seen.query)]
    figure = go.Figure(
        go.Heatmap(
            z=values, x=columns, y=rows,
            colorscale=TWO_WAYS if both else SEQUENCE, zmin=-most if both else 0, zmax=most,
            colorbar=dict(title=dict(text=title, side="right"), thickness=12),
            hovertemplate="%{y} × %{x}: %{z:.4f}<extra></extra>",
        )
    )  # fmt: skip
    step = max(1, len(columns) // 60)
    shown = columns[::step]
    figure.update_xaxes(title="Tokens of the chunk", tickvals=shown, ticktext=[c.split(" ", 1)[1] for c in shown],
                        tickangle=-60)  # fmt: skip
    figure.update_yaxes(
        title="Tokens of the question", autorange="reversed", tickvals=rows, ticktext=[r.split(" ", 1)[1] for r in rows]
    )
    return figure.update_layout(**LOOK | dict(height=180 + 22 * len(rows), margin=dict(l=90, r=10, t=20, b=110)))


def plane(seen: Map, collection: Collection, found: Found, picked: int | None) -> go.Figure:
    """Each chunk a point, those found bigger, the query a star."""
    ranks_of = {hit.id: hit.rank for hit in found.hits}
    figure = go.Figure()
    for name, wanted, colour, size in (("other chunks", False, GREY, 6), ("found", True, TEAL, 12)):
        chosen = [i for i, id in enumerate(seen.ids.tolist()) if (id in ranks_of) == wanted]
        ids = [int(seen.ids[i]) for i in chosen]
        figure.add_scatter(
            x=seen.points[chosen, 0], y=seen.points[chosen, 1], name=name, mode="markers+text" if wanted else "markers",
            text=[str(ranks_of.get(id, "")) for id in ids], textposition="top center",
            marker=dict(size=size, color=colour, symbol="circle", line=dict(width=1, color="white"),
                        opacity=0.9 if wanted else 0.5),
            customdata=[[id, plain(collection.chunks[id].place), plain(collection.chunks[id].text[:90])] for id in ids],
            hovertemplate="%{customdata[1]}<br>%{customdata[2]}…<extra></extra>",
        )  # fmt: skip
    if picked is not None and picked in seen.ids:
        at = seen.points[int(np.flatnonzero(seen.ids == picked)[0])]
        figure.add_scatter(
            x=[at[0]], y=[at[1]], mode="markers", name="under the microscope", hoverinfo="skip",
            marker=dict(size=18, color="rgba(0,0,0,0)", symbol="square", line=dict(width=3, color=AMBER)),
        )  # fmt: skip
    if seen.query is not None:
        figure.add_scatter(
            x=[seen.query[0]], y=[seen.query[1]], mode="markers", name="the question",
            marker=dict(size=18, color=AMBER, symbol="star", line=dict(width=1, color="black")), hoverinfo="name",
        )  # fmt: skip
    figure.update_xaxes(
        title=f"First principal component ({seen.shares[0]:.0%} of the spread)", zeroline=False, showgrid=False
    )
    figure.update_yaxes(title=f"Second ({seen.shares[1]:.0%})", zeroline=False, showgrid=False)
    look = LOOK | dict(
        height=480, margin=dict(l=60, r=10, t=20, b=60), legend=dict(orientation="h", y=1.08), showlegend=True
    )
    return figure.update_layout(**look)
