"""The distribution over the next token, stage by stage, as a figure. It does not know how it was computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from playground.views.attention.map import LOOK, plain
from playground.views.colours import CERTAINTY
from playground.views.tokens import percent, visible

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.chat.next_tokens import NextTokens


def figure(seen: NextTokens) -> go.Figure:
    """One row a token, one column a stage; a cell is the token's probability there, empty where it is ruled out."""
    n = len(seen.texts)
    labels = [
        f"{stage}<br>{kept:,} left<br>{max(entropy, 0.0):.2f} nats"  # rounding may leave less than nothing
        for stage, kept, entropy in zip(seen.stages, seen.kept, seen.entropy, strict=True)
    ]
    table = seen.probabilities.T  # (token, stage)
    drawn = go.Heatmap(
        z=[[value if value > 0 else None for value in row] for row in table.tolist()],
        x=list(range(len(labels))),
        y=list(range(n)),
        text=[[percent(value) if value > 0 else "" for value in row] for row in table.tolist()],
        texttemplate="%{text}",
        hovertemplate="%{text}<extra></extra>",
        colorscale=CERTAINTY,
        zmin=0,
        zmax=1,
        xgap=2,
        ygap=2,
        colorbar={"title": "Probability", "tickformat": ".0%", "thickness": 12},
    )
    layout = go.Layout(
        height=120 + 26 * n,
        **LOOK | {"margin": {"l": 10, "r": 10, "t": 70, "b": 10}},
        xaxis={"tickvals": list(range(len(labels))), "ticktext": labels, "side": "top", "showgrid": False},
        yaxis={
            "tickvals": list(range(n)),
            "ticktext": [f"<b>{plain(visible(text))}</b>" for text in seen.texts],
            "autorange": "reversed",
            "showgrid": False,
            "title": "Next token",
        },
    )
    return go.Figure(drawn, layout)


def sentence(seen: NextTokens, title: str) -> str:
    """What to look for, in the distribution of the model that people know as `title`."""
    first, last = seen.kept[0], seen.kept[-1]
    n_beams = seen.provenance.settings.get("beams", 1)
    beams = f" {n_beams} beams add up log-probabilities of the last column and draw nothing." if n_beams > 1 else ""
    return (
        f"{title}, after {seen.prompt_tokens:,} tokens. Each column is what one setting makes of the column to its "
        f"left; an empty cell cannot be drawn any more. Of {first:,} tokens {last:,} {'is' if last == 1 else 'are'} "
        f"left. Move a slider and see its column change.{beams}"
    )
