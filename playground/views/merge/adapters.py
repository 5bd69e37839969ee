"""Adapters, what is composed of them, where prompts are routed and what an extraction misses: figures and safe HTML.

It does not know how any of it was computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from playground.models.adapters import Listed
from playground.views.attention.map import LOOK, plain
from playground.views.colours import AMBER, GREY, GRID, INK, TEAL

if TYPE_CHECKING:  # the labs import torch, which a page that is being laid out must not wait for
    from playground.labs.adapters.composing import Composition
    from playground.labs.adapters.extracting import Extraction
    from playground.labs.adapters.mixed import Row, Texts
    from playground.labs.adapters.routing import Decision


def catalogue(listed: Sequence[Listed]) -> str:
    """A table of adapters with their held-out figures."""
    if not listed:
        return '<p class="note">No adapter is shipped with this copy. Name a folder or a hub id below.</p>'
    rows = "".join(
        f"<tr><th scope='row'>{escape(one.name)}</th><td>{escape(one.about)}</td><td>{_held(one, 'base')}</td>"
        f"<td>{_held(one, 'adapter')}</td><td>{one.rank}</td><td>{one.n_bytes / 1e6:.1f} MB</td></tr>"
        for one in listed
    )
    return (
        "<div class='wide numbers' tabindex='0' role='region' aria-label='Adapters'><table><thead><tr>"
        "<th scope='col'>Adapter</th><th scope='col'>What it was trained for</th>"
        "<th scope='col'>Right without it</th><th scope='col'>Right with it</th>"
        "<th scope='col'>Rank</th><th scope='col'>Size</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        "<p class='note'>Right: on rows that were held out of training, with the 95 % interval. Each card says what "
        "counts as right, and where the figures come from.</p>"
    )


def _held(one: Listed, side: str) -> str:
    found = one.measured.get(side)
    if not found:
        return "not measured"
    low, high = found["interval"]
    return f"{found['right']} of {found['n']} ({low:.0%} to {high:.0%})"


def told(found: Composition) -> str:
    """What a composition is and how far it is from the exact sum, as sentences."""
    parts = ", ".join(
        f"{weight:g} × {escape(name)}" for name, weight in zip(found.names, found.weights, strict=True) if weight
    )
    verdict = (
        "It is the exact sum; what is left is rounding."
        if found.error < 1e-5
        else f"{found.error:.1%} of the sum is missing or wrong (Frobenius norm over all layers)."
    )
    pruned = f", density {found.density:g}" if found.density is not None else ""
    seed = f", seed {found.seed}" if found.seed is not None else ""
    return (
        f"<p><b>{escape(found.method)}</b> of {parts}{pruned}{seed}: {verdict}</p>"
        f"<p class='note'>One adapter of rank {found.rank} with {found.n_parameters:,} parameters.</p>"
    )


def errors(found: Sequence[Composition], picked: str = "") -> go.Figure:
    """A bar a method: how far it is from the exact sum."""
    names = [plain(one.method) for one in found]
    return go.Figure(
        go.Bar(
            y=names,
            x=[one.error for one in found],
            orientation="h",
            marker={"color": [AMBER if one.method == picked else TEAL for one in found]},
            text=[f"{one.error:.1%}" if one.error >= 1e-5 else "exact" for one in found],
            textposition="outside",
            textfont={"color": INK},
            customdata=[one.rank for one in found],
            hovertemplate="%{y}: %{x:.3%} off, rank %{customdata}<extra></extra>",
            cliponaxis=False,
        ),
        go.Layout(
            **LOOK | {"margin": {"l": 10, "r": 60, "t": 10, "b": 44}},
            height=90 + 30 * len(names),
            xaxis={
                "title": {"text": "Distance from the exact sum"},
                "tickformat": ".0%",
                "gridcolor": GRID,
                "rangemode": "tozero",
            },
            yaxis={"autorange": "reversed", "automargin": True, "showgrid": False},
        ),
    )


def by_layer(found: Composition) -> go.Figure:
    """The same for each layer that the adapters touch."""
    paths = list(found.by_layer)
    return go.Figure(
        go.Scatter(
            x=list(range(len(paths))),
            y=[found.by_layer[path] for path in paths],
            mode="markers",
            marker={"color": TEAL, "size": 6},
            text=[plain(path) for path in paths],
            hovertemplate="%{text}: %{y:.2%} off<extra></extra>",
        ),
        go.Layout(
            **LOOK,
            height=260,
            xaxis={"title": {"text": "Linear layer, from the first to the last"}, "gridcolor": GRID},
            yaxis={"title": {"text": "Distance"}, "tickformat": ".0%", "gridcolor": GRID, "rangemode": "tozero"},
        ),
    )


def routes(found: Decision) -> go.Figure:
    """A bar a route: how near its nearest example is; the threshold as a line."""
    names = [plain(name) for name in found.names]
    colours = [TEAL if place == found.chosen else GREY for place in range(len(names))]
    return go.Figure(
        go.Bar(
            y=names,
            x=found.scores.tolist(),
            orientation="h",
            marker={"color": colours},
            text=[f"{score:.2f}" for score in found.scores],
            textposition="outside",
            textfont={"color": INK},
            customdata=[plain(text) for text in found.nearest],
            hovertemplate="%{y}: cosine %{x:.3f} with “%{customdata}”<extra></extra>",
            cliponaxis=False,
        ),
        go.Layout(
            **LOOK | {"margin": {"l": 10, "r": 50, "t": 30, "b": 44}},
            height=120 + 38 * len(names),
            xaxis={
                "title": {"text": "Cosine with the nearest example prompt"},
                "gridcolor": GRID,
                "range": [min(0.0, float(found.scores.min())), 1.05],
            },
            yaxis={"autorange": "reversed", "automargin": True, "showgrid": False},
            shapes=[
                dict(type="line", x0=found.threshold, x1=found.threshold, y0=0, y1=1, yref="paper",
                     line={"dash": "dash", "color": INK, "width": 1})
            ],
            annotations=[
                dict(x=found.threshold, y=1, yref="paper", yanchor="bottom", showarrow=False, text="threshold",
                     font={"color": INK, "size": 11})
            ],
        ),
    )  # fmt: skip


def decision(found: Decision) -> str:
    """Where the prompt goes and why, as sentences."""
    if found.chosen is None:
        best = int(found.scores.argmax())
        return (
            f"<p>To <b>the model as it is</b>: the nearest route is {escape(found.names[best])} with a cosine of "
            f"{found.scores[best]:.2f}, below the threshold of {found.threshold:.2f}.</p>"
        )
    adapter = found.adapters[found.chosen]
    where = f"the adapter {escape(adapter)}" if adapter else "the model as it is"
    return (
        f"<p>To <b>{escape(found.names[found.chosen])}</b>, which means {where}: the prompt is most like "
        f"“{escape(found.nearest[found.chosen])}” (cosine {found.scores[found.chosen]:.2f}), "
        f"{found.margin:.2f} ahead of the next.</p>"
    )


def batch(rows: Sequence[Row], names: Sequence[str], found: Texts | None) -> str:
    """The rows of one batch, each with its adapters and what is written so far."""
    cards = []
    for place, row in enumerate(rows):
        used = [f"{w:g} × {n}" if w != 1 else n for n, w in zip(names, row.weights, strict=True) if w]
        text = found.texts[place] if found else ""
        state = ("done" if found.done[place] else "writing …") if found else "reading …"
        cards.append(
            f"<li><h4>{escape(', '.join(used) or 'as it is')}</h4>"
            f'<p class="note">{escape(row.prompt)}</p><p class="text">{escape(text)}</p>'
            f'<p class="note">{state}</p></li>'
        )
    told = ""
    if found:
        rate = found.n_tokens / found.seconds if found.seconds else 0.0
        told = (
            f'<p class="note">{found.n_tokens} tokens in {found.n_passes} forward passes, '
            f"{found.seconds:.1f} s, {rate:.0f} tokens/s for all rows together.</p>"
        )
    return f'<ul class="written">{"".join(cards)}</ul>{told}'


def misses(found: Extraction, rank: int) -> go.Figure:
    """What a LoRA of each rank misses of the difference."""
    ranks = list(range(len(found.errors)))
    return go.Figure(
        [
            go.Scatter(
                x=ranks,
                y=found.errors.tolist(),
                mode="lines+markers",
                marker={"color": TEAL, "size": 5},
                line={"color": TEAL, "width": 2},
                hovertemplate="rank %{x}: %{y:.2%} missed<extra></extra>",
                showlegend=False,
            ),
            go.Scatter(
                x=[rank],
                y=[float(found.errors[rank])],
                mode="markers",
                marker={"color": AMBER, "size": 13, "symbol": "diamond"},
                hovertemplate="picked: rank %{x}, %{y:.2%} missed<extra></extra>",
                showlegend=False,
            ),
        ],
        go.Layout(
            **LOOK,
            height=340,
            xaxis={"title": {"text": "Rank of the LoRA"}, "gridcolor": GRID},
            yaxis={
                "title": {"text": "Share of the difference missed"},
                "tickformat": ".0%",
                "gridcolor": GRID,
                "rangemode": "tozero",
            },
        ),
    )


def extracted(found: Extraction, rank: int) -> str:
    """What was found and what a LoRA cannot hold, as sentences."""
    half = next((r for r, error in enumerate(found.errors) if error <= 0.1), None)
    enough = (
        f" Rank {half} misses less than a tenth."
        if half is not None
        else " No rank up to the highest comes within a tenth."
    )
    lost = (
        f"<p class='note'>{len(found.lost)} other parameters differ too ({escape(', '.join(found.lost[:3]))}"
        f"{' …' if len(found.lost) > 3 else ''}), {found.lost_share:.1%} of the squared difference: no LoRA on linear "
        "layers holds them.</p>"
        if found.lost
        else "<p class='note'>Nothing but linear layers differs.</p>"
    )
    return (
        f"<p>{len(found.layers)} linear layers differ and {found.unchanged} are the same. A LoRA of rank <b>{rank}</b> "
        f"misses <b>{found.errors[rank]:.1%}</b> of the difference.{enough}</p>{lost}"
    )
