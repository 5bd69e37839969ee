"""Results of the Bias tab as Plotly figures. It does not know how they were measured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from playground.labs.bias.associations import Axis, Weat
from playground.labs.bias.before_after import State
from playground.labs.bias.continuations import MEASURES, Written
from playground.labs.bias.grid import Grid
from playground.labs.bias.summary import Share
from playground.views.attention.map import LOOK, plain
from playground.views.colours import AMBER, GREY, GRID, INK, TEAL, TWO_WAYS_WRITTEN
from playground.views.intervals import bars

_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def grid(found: Grid, corrected: bool = True) -> go.Figure:
    """Words by templates, swapped copies behind them; purple towards the first of the two, orange the second."""
    values = found.corrected if corrected else found.raw
    order = values.mean(0).argsort()
    copies = [copy.raw - copy.prior if corrected else copy.raw for copy in found.copies]
    values = np.vstack([values, *copies])[:, order].T  # (word, template)
    most = float(np.abs(values).max()) or 1.0
    names = [plain(found.words[i]) for i in order]
    texts = [*found.templates, *(f"⇄ {copy.text}" for copy in found.copies)]
    labels = ["<br>".join(map(plain, textwrap.wrap(text, 20, max_lines=3, placeholder=" …"))) for text in texts]
    drawn = go.Heatmap(
        z=values,
        x=list(range(len(labels))),
        y=list(range(len(names))),
        zmin=-most,
        zmax=most,
        colorscale=TWO_WAYS_WRITTEN,
        xgap=2,
        ygap=1,
        text=[[f"{value:+.1f}" for value in row] for row in values],
        texttemplate="%{text}",
        textfont={"size": 12},
        colorbar={"title": {"text": f"nats<br>+ {plain(found.first)}<br>- {plain(found.second)}"}, "thickness": 12},
        hovertemplate="%{text} nats<extra></extra>",
    )
    layout = go.Layout(
        **LOOK,
        height=120 + 26 * len(names),
        xaxis={
            "tickvals": list(range(len(labels))),
            "ticktext": labels,
            "side": "top",
            "automargin": True,
            "showgrid": False,
        },
        yaxis={"tickvals": list(range(len(names))), "ticktext": names, "automargin": True, "showgrid": False},
    )
    return go.Figure(drawn, layout)


def shares(found: Sequence[Share]) -> go.Figure:
    """The share of pairs in which the first sentence is preferred, by category, with 50 % marked as the ideal."""
    shown = [one for one in found if one.n][:30]
    drawn = go.Scatter(
        x=[one.share for one in shown],
        y=list(range(len(shown))),
        mode="markers",
        marker={
            "size": 11,
            "color": [INK if one.verdict == "open" else TEAL if one.verdict == "first" else AMBER for one in shown],
            "symbol": ["circle-open" if one.verdict == "open" else "diamond" for one in shown],
        },
        error_x=bars([s.share for s in shown], [s.low for s in shown], [s.high for s in shown], INK),
        customdata=[[one.n, one.ties] for one in shown],
        hovertemplate="%{x:.1%} of %{customdata[0]} pairs, %{customdata[1]} ties<extra></extra>",
    )
    layout = go.Layout(
        **LOOK | {"margin": {"l": 10, "r": 20, "t": 40, "b": 50}},
        height=140 + 30 * len(shown),
        showlegend=False,
        xaxis={
            "title": {"text": "First sentence preferred (95 % interval)"},
            "range": [-0.02, 1.02],
            "tickformat": ".0%",
            "gridcolor": GRID,
            "zeroline": False,
        },
        yaxis={
            "tickvals": list(range(len(shown))),
            "zeroline": False,
            "ticktext": [plain(f"{one.category} ({one.n})") for one in shown],
            "autorange": "reversed",
            "automargin": True,
            "showgrid": False,
        },
        shapes=[_line(x=0.5)],
        annotations=[_note(0.5, "50 %: the ideal")],
    )
    return go.Figure(drawn, layout)


def axis(found: Axis) -> go.Figure:
    """Occupations by their place on the axis and the share of women in them."""
    women = [one.women for one in found.occupations]
    slope, base = np.polyfit(women, found.places, 1)
    drawn = [
        go.Scatter(
            x=women,
            y=found.places,
            mode="markers+text",
            text=[plain(one.name) for one in found.occupations],
            textposition=["top center" if rank % 2 else "bottom center" for rank in np.argsort(np.argsort(women))],
            textfont={"size": 10, "color": INK},
            marker={"size": 8, "color": TEAL},
            hovertemplate="%{text}: %{x:.0f} % women, %{y:.3f}<extra></extra>",
        ),
        go.Scatter(
            x=[0, 100],
            y=[base, base + 100 * slope],
            mode="lines",
            line={"dash": "dash", "color": INK, "width": 1},
            hoverinfo="skip",
        ),
    ]
    ends = f"{plain(found.second[0])} ← cosine with the axis → {plain(found.first[0])}"
    layout = go.Layout(
        **LOOK,
        height=520,
        showlegend=False,
        xaxis={
            "title": {"text": "Women in the occupation, % (U.S. labour statistics)"},
            "range": [-4, 104],
            "gridcolor": GRID,
            "zeroline": False,
        },
        yaxis={"title": {"text": ends}, "gridcolor": GRID, "zerolinecolor": GRID},
    )
    return go.Figure(drawn, layout)


def associations(found: Weat) -> go.Figure:
    """Every target word by how much nearer it lies to the first attributes than to the second."""
    x, y, a, b = found.names
    drawn = []
    for name, words, values, colour, symbol in (
        (x, found.words[0], found.found.x, TEAL, "circle"),
        (y, found.words[1], found.found.y, AMBER, "diamond"),
    ):
        order = np.argsort(values)
        drawn.append(
            go.Scatter(
                x=values[order],
                y=[plain(words[i]) for i in order],
                mode="markers",
                name=plain(name),
                marker={"size": 11, "color": colour, "symbol": symbol},
                hovertemplate="%{y}: %{x:.3f}<extra></extra>",
            )
        )
    n = len(found.found.x) + len(found.found.y)
    layout = go.Layout(
        **LOOK | {"margin": {"l": 10, "r": 20, "t": 40, "b": 50}},
        height=140 + 24 * n,
        legend=_LEGEND,
        xaxis={
            "title": {"text": f"{plain(b)} ← mean cosine difference → {plain(a)}"},
            "gridcolor": GRID,
            "zeroline": False,
        },
        yaxis={"automargin": True, "showgrid": False, "type": "category"},
        shapes=[_line(x=0)],
    )
    return go.Figure(drawn, layout)


def means(found: Written) -> go.Figure:
    """The mean of each measure by group, one panel a measure, one under the other: a phone is narrow."""
    from plotly.subplots import make_subplots

    n = len(MEASURES)
    height = 70 + n * (70 + 30 * len(found.groups))
    figure = make_subplots(
        rows=n, cols=1, subplot_titles=list(MEASURES.values()), vertical_spacing=min(0.9 / max(n - 1, 1), 70 / height)
    )
    for row, measure in enumerate(MEASURES, 1):
        values = [found.mean(group, measure) for group in found.groups]
        figure.add_trace(
            go.Scatter(
                x=[one.value for one in values],
                y=[plain(group) for group in found.groups],
                mode="markers",
                marker={"size": 11, "color": TEAL},
                error_x=bars([v.value for v in values], [v.low for v in values], [v.high for v in values], INK),
                hovertemplate="%{y}: %{x:.3f}<extra></extra>",
            ),
            row=row,
            col=1,
        )
    figure.update_layout(**LOOK | {"margin": {"l": 10, "r": 20, "t": 50, "b": 30}}, height=height, showlegend=False)
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    for row, measure in enumerate(MEASURES, 1):  # the same for every run, so that two can be compared
        ends = {"sentiment": {"range": [-1.02, 1.02]}, "refused": {"range": [-0.02, 1.02]}}
        figure.update_xaxes(ends.get(measure, {"rangemode": "tozero"}), row=row, col=1)
    figure.update_yaxes(showgrid=False, automargin=True, autorange="reversed")
    figure.update_annotations(font={"size": 13, "color": INK})
    return figure


def before_after(states: Sequence[State]) -> go.Figure:
    """Each pair's difference on every side, and the means with their intervals."""
    drawn = []
    for place, one in enumerate(states):
        total = one.pairs.shares[0]
        values = [scored.difference for scored in one.pairs.scored.values() if not scored.skipped]
        colour = (GREY, TEAL, AMBER)[place % 3]
        drawn += [
            go.Scatter(
                x=values,
                y=[place + 0.22 * np.sin(7.1 * i) for i in range(len(values))],
                mode="markers",
                marker={"size": 6, "color": colour, "opacity": 0.45},
                hovertemplate="%{x:.2f}<extra></extra>",
            ),
            go.Scatter(
                x=[total.mean],
                y=[place],
                mode="markers",
                marker={"size": 14, "color": colour, "symbol": "diamond", "line": {"color": "white", "width": 1}},
                error_x=bars([total.mean], [total.mean_low], [total.mean_high], colour, 3, 8),
                hovertemplate="mean %{x:.2f}<extra></extra>",
            ),
        ]
    layout = go.Layout(
        **LOOK | {"margin": {"l": 10, "r": 20, "t": 40, "b": 50}},
        height=150 + 80 * len(states),
        showlegend=False,
        xaxis={
            "title": {"text": "Score of the first sentence minus the second, a point a pair"},
            "gridcolor": GRID,
            "zeroline": False,
        },
        yaxis={
            "tickvals": list(range(len(states))),
            "ticktext": [plain(one.name) for one in states],
            "autorange": "reversed",
            "automargin": True,
            "showgrid": False,
        },
        shapes=[_line(x=0)],
        annotations=[_note(0, "0: no preference")],
    )
    return go.Figure(drawn, layout)


def _line(x: float) -> dict[str, object]:
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": {"dash": "dash", "color": INK}}


def _note(x: float, text: str) -> dict[str, object]:
    return {
        "x": x,
        "y": 1.0,
        "yref": "paper",
        "yanchor": "bottom",
        "text": text,
        "showarrow": False,
        "font": {"color": INK},
    }
