"""Every head as one cell of a chart, a column a layer, a row a head; and lists of heads with a button each.

It does not know how heads are scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from playground.views.attention.map import LOOK
from playground.views.colours import SEQUENCE
from playground.views.tokens import percent

if TYPE_CHECKING:
    from playground.labs.attention.coreference import Coreference
    from playground.labs.attention.heads import HeadScores, Ranked


def figure(
    scores: np.ndarray,  # (layer, head)
    layers: Sequence[int],
    heads: Sequence[int],
    name: str,
    most: float | None = 1.0,  # where the colour is full; None: the largest score
    least: float = 0.0,
    shares: bool = True,  # whether scores are shares of 1
) -> go.Figure:
    """One cell a head. A click on it brings (head, layer)."""
    form = ".0%" if shares else ".2f"
    drawn = go.Heatmap(
        z=scores.T.astype(np.float32),
        x=list(layers),
        y=list(heads),
        colorscale=SEQUENCE,
        zmin=least,
        zmax=most if most is not None else float(scores.max()) or 1.0,
        xgap=2,
        ygap=2,
        hovertemplate=f"layer %{{x:.0f}}, head %{{y:.0f}}: %{{z:{'.1%' if shares else '.2f'}}}<extra></extra>",
        colorbar={"title": {"text": name, "side": "right"}, "tickformat": form, "thickness": 12, "outlinewidth": 0},
    )
    plain = {"showgrid": False, "zeroline": False, "automargin": True}
    layout = go.Layout(
        height=int(min(max(110 + 26 * len(heads), 280), 700)),
        **LOOK,
        xaxis={"tickvals": list(layers), "tickangle": 0, "title": {"text": "Layer"}, "side": "top", **plain},
        yaxis={"tickvals": list(heads), "title": {"text": "Head"}, "autorange": "reversed", **plain},
    )
    return go.Figure(drawn, layout)


def button(layer: int, head: int) -> str:
    """A button that opens a head in Map."""
    return (
        f'<button type="button" class="open-head" data-at="{layer},{head}" '
        f'aria-label="Open layer {layer}, head {head} in Map">Layer {layer}, head {head}</button>'
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A table of cells that are HTML already. The first column names its row."""
    head = "".join(f"<th scope='col'>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr><th scope='row'>{first}</th>{''.join(f'<td>{cell}</td>' for cell in rest)}</tr>" for first, *rest in rows
    )
    return (
        f"<div class='wide' tabindex='0' role='region' aria-label='{escape(caption)}'>"
        f"<table class='bars'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def interesting(ranked: Sequence[Ranked]) -> str:
    """The heads that stand out, pattern by pattern."""
    rows = [
        (
            button(found.layer, found.head),
            escape(found.pattern),
            percent(found.score),
            percent(found.mean),
            percent(found.even),
            f"{found.deviations:.1f} σ",
        )
        for found in ranked
    ]
    columns = ("Head", "Pattern", "Score", "Mean of all heads", "If spread evenly", "Above the mean by")
    return table(columns, rows, "Heads that stand out")


def definitions(scores: HeadScores) -> str:
    """What each pattern is, and why some are not there."""
    rows = [
        (
            f"<b>{escape(pattern.name)}</b>",
            escape(pattern.sentence),
            f"<code>{escape(pattern.formula)}</code>",
            escape(pattern.source),
        )
        for pattern in scores.patterns
    ]
    missing = "".join(f"<li><b>{escape(name)}</b>: {escape(why)}</li>" for name, why in scores.left_out)
    left_out = f"<p>Not scored here:</p><ul>{missing}</ul>" if missing else ""
    drawn = table(("Pattern", "What it is", "How it is scored", "After"), rows, "Patterns and their definitions")
    return f"<details><summary>How the patterns are defined</summary>{drawn}{left_out}</details>"


def best_at_coreference(found: Coreference) -> str:
    """The heads that most often find the right antecedent, with how sure that is."""

    def span(interval: tuple[float, float]) -> str:
        return f"{interval[0]:.0%} to {interval[1]:.0%}"

    rows = [
        (button(best.layer, best.head), f"{100 * best.share:.1f} %", span(best.interval), span(best.corrected))
        for best in found.ranked
    ]
    columns = ("Head", "Right in", "95 % interval", "The same, for all heads at once")
    return table(columns, rows, "Heads that find the antecedent")
