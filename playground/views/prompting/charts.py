"""Accuracies of prompts and what lies behind them, as Plotly figures. It does not know how they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from playground.labs.prompting.results import Results
from playground.labs.prompting.statistics import Calibration, Convergence
from playground.views.attention.map import LOOK, plain
from playground.views.colours import AMBER, FAINT, GRID, INK, TEAL, many

SHARE = {"tickformat": ".0%", "gridcolor": GRID, "zeroline": False}
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def accuracies(results: Results) -> go.Figure:
    """A bar a variant, in three parts: right, unparseable, wrong; the interval of the share right over it."""
    found = [results.accuracy(i) for i in range(len(results.variants))]
    names = [plain(_short(variant.name)) for variant in results.variants]
    places = list(range(len(names)))
    parts = (
        ("right", [one.correct for one in found], TEAL, ""),
        ("unparseable", [one.unparseable for one in found], AMBER, "/"),
        ("wrong", [one.wrong for one in found], FAINT, ""),
    )
    drawn: list[Any] = [
        go.Bar(
            y=places,
            x=[n / one.n if one.n else 0 for n, one in zip(counts, found, strict=True)],
            name=name,
            orientation="h",
            marker={"color": colour, "pattern": {"shape": pattern}},
            customdata=counts,
            hovertemplate=f"%{{customdata}} {name}, %{{x:.0%}}<extra></extra>",
            width=0.46,
        )
        for name, counts, colour, pattern in parts
    ]
    drawn.append(
        go.Scatter(
            y=[place + 0.36 for place in places],  # below the bar, where it can be seen
            x=[one.share for one in found],
            mode="markers",
            name="95 % interval (Wilson)",
            marker={"color": INK, "size": 9, "symbol": "diamond"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [one.interval[1] - one.share for one in found],
                "arrayminus": [one.share - one.interval[0] for one in found],
                "color": INK,
                "thickness": 2,
                "width": 7,
            },
            hovertemplate="%{x:.1%} right<extra></extra>",
        )
    )
    layout = go.Layout(
        **LOOK | {"margin": {"l": 10, "r": 20, "t": 46, "b": 44}},
        height=150 + 70 * len(names),
        barmode="stack",
        xaxis={"title": {"text": "Share of rows"}, "range": [0, 1], **SHARE},
        yaxis={"tickvals": places, "ticktext": names, "autorange": "reversed", "automargin": True, "showgrid": False},
        legend=_LEGEND | {"traceorder": "normal"},
    )
    return go.Figure(drawn, layout)


def spending(results: Results) -> go.Figure:
    """Accuracy against the tokens that a row takes."""
    found = [results.accuracy(i) for i in range(len(results.variants))]
    drawn = go.Scatter(
        x=[results.tokens(i) for i in range(len(found))],
        y=[one.share for one in found],
        mode="markers+text",
        text=[plain(_short(variant.name, 24)) for variant in results.variants],
        textposition="top center",
        textfont={"color": INK},
        marker={"size": 12, "color": TEAL},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [one.interval[1] - one.share for one in found],
            "arrayminus": [one.share - one.interval[0] for one in found],
            "color": TEAL,
        },
        hovertemplate="%{text}: %{x:,.0f} tokens a row, %{y:.0%} right<extra></extra>",
    )
    layout = go.Layout(
        **LOOK,
        height=340,
        xaxis={"title": {"text": "Tokens a row, read and written"}, "rangemode": "tozero", "gridcolor": GRID},
        yaxis={"title": {"text": "Accuracy"}, "range": [0, 1.12], **SHARE},
    )
    return go.Figure(drawn, layout)


def votes(found: Sequence[tuple[str, Convergence]]) -> go.Figure:
    """The accuracy of a vote by the number of samples, a line a variant."""
    drawn = []
    for (name, one), colour, dash in zip(found, many(len(found)), _dashes(len(found)), strict=True):
        counts = list(range(1, len(one.shares) + 1))
        drawn.append(
            go.Scatter(
                x=counts,
                y=one.shares,
                mode="lines+markers",
                name=plain(_short(name)),
                line={"color": colour, "dash": dash, "width": 2},
                customdata=one.tied,
                hovertemplate="%{x} samples: %{y:.1%} right, %{customdata:.1%} tied<extra></extra>",
            )
        )
    layout = go.Layout(
        **LOOK,
        height=340,
        xaxis={"title": {"text": "Samples that vote"}, "dtick": 1, "gridcolor": GRID},
        yaxis={"title": {"text": "Accuracy"}, "range": [0, 1.04], **SHARE},
        legend=_LEGEND,
    )
    return go.Figure(drawn, layout)


def reliability(found: Sequence[tuple[str, Calibration]]) -> go.Figure:
    """How often the chosen label was right, by the probability that it was given."""
    drawn: list[Any] = [
        go.Scatter(x=[0, 1], y=[0, 1], mode="lines", name="calibrated", line={"color": INK, "dash": "dash", "width": 1})
    ]
    for (name, one), colour in zip(found, many(len(found)), strict=True):
        drawn.append(
            go.Scatter(
                x=[b.confidence for b in one.bins],
                y=[b.accuracy for b in one.bins],
                mode="lines+markers",
                name=f"{plain(_short(name))}, ECE {one.error:.2f}",
                line={"color": colour, "width": 2},
                marker={"size": [6 + 2 * b.n**0.5 for b in one.bins]},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [b.interval[1] - b.accuracy for b in one.bins],
                    "arrayminus": [b.accuracy - b.interval[0] for b in one.bins],
                    "thickness": 1,
                    "color": colour,
                },
                customdata=[b.n for b in one.bins],
                hovertemplate="%{customdata} rows, mean probability %{x:.0%}: %{y:.0%} right<extra></extra>",
            )
        )
    layout = go.Layout(
        **LOOK,
        height=380,
        xaxis={"title": {"text": "Probability of the chosen label"}, "range": [0, 1.03], **SHARE},
        yaxis={"title": {"text": "Share right"}, "range": [0, 1.03], **SHARE},
        legend=_LEGEND,
    )
    return go.Figure(drawn, layout)


def leanings(results: Results) -> go.Figure:
    """What each variant answers when the input says nothing."""
    choices = results.scorer.choices if results.scorer else ()
    names = [plain(_short(variant.name)) for variant in results.variants]
    drawn = [
        go.Bar(
            x=names,
            y=[leaning[k] if leaning else None for leaning in results.leanings],
            name=plain(choice),
            marker={"color": colour},
            hovertemplate=f"{plain(choice)}: %{{y:.1%}}<extra></extra>",
        )
        for k, (choice, colour) in enumerate(zip(choices, many(len(choices)), strict=True))
    ]
    fair = 1 / max(len(choices), 1)
    layout = go.Layout(
        **LOOK,
        height=320,
        barmode="group",
        xaxis={"showgrid": False},
        yaxis={"title": {"text": "Probability"}, "range": [0, 1.03], **SHARE},
        legend=_LEGEND,
        shapes=[
            {
                "type": "line",
                "x0": 0,
                "x1": 1,
                "xref": "paper",
                "y0": fair,
                "y1": fair,
                "line": {"dash": "dash", "color": INK},
            }
        ],
    )
    return go.Figure(drawn, layout)


def _dashes(n: int) -> list[str]:
    return [("solid", "dash", "dot", "dashdot")[i % 4] for i in range(n)]


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
