"""The logit lens drawn: a grid of layers by positions, one cell's most probable tokens, and a token over the layers.

It does not know how the lens is computed. Layers stand with the last on top, as nearest to the answer.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from playground.views.attention.map import LOOK, plain, short
from playground.views.colours import AMBER, GRID, TEAL
from playground.views.internals import scale
from playground.views.internals.lens_words import COLOURS, DIVERGENCE, ENTROPY, RANK, layer
from playground.views.tokens import percent, visible

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.internals.lens import Lens


def shares(seen: Lens, by: str) -> np.ndarray:
    """Where each cell lies on the colour scale, (row, column), from 0 to 1."""
    if by == ENTROPY:
        return seen.entropies / max(float(seen.entropies.max()), 1e-9)
    if by == DIVERGENCE:
        return seen.divergences / max(float(seen.divergences.max()), 1e-9)
    return seen.top_probabilities[..., 0]


def grid(seen: Lens, by: str, picked: tuple[int, int]) -> str:
    """A row a layer, a column a position; a cell is a button with `data-at="row,column"`."""
    colours = shares(seen, by)
    final = seen.top_ids[-1, :, 0]
    verb = "stands there" if seen.predicts == "same" else "comes next"
    heads = "".join(
        f'<th scope="col" title="position {at}"><span>{escape(label)}</span><small>{at}</small></th>'
        for at, label in zip(seen.positions.tolist(), seen.labels, strict=True)
    )
    rows = []
    for row in reversed(range(len(seen.layers))):
        cells = []
        for column, label in enumerate(seen.labels):
            token = visible(seen.top_texts[row][column][0])
            share = percent(float(seen.top_probabilities[row, column, 0]))
            same = seen.top_ids[row, column, 0] == final[column]
            name = f"{layer(seen, row)}, after {label}: {token} {verb}, {share}"
            at_it = (row, column) == picked
            cells.append(
                f'<td><button type="button" data-at="{row},{column}" style="{scale.cell(float(colours[row, column]))}" '
                f'class="{"same" if same else ""}" aria-pressed="{"true" if at_it else "false"}" '
                f'tabindex="{0 if at_it else -1}" title="{escape(name)}" aria-label="{escape(name)}">'
                f"<b>{escape(short(token))}</b><small>{share.replace(' %', '')}</small></button></td>"
            )
        rows.append(f'<tr><th scope="row">{escape(seen.layers[row])}</th>{"".join(cells)}</tr>')
    return (
        f"{_legend(seen, by)}<div class='lens' tabindex='0' role='region' aria-label='The lens: layers by positions'>"
        f"<table><thead><tr><th scope='col'>Layer</th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _legend(seen: Lens, by: str) -> str:
    dark, bright, _ = COLOURS[by]
    top = {ENTROPY: seen.entropies, DIVERGENCE: seen.divergences}.get(by)
    most = f" ({float(top.max()):.1f} nats)" if top is not None else ""
    return (
        f"<p class='note scale'><span>{dark}</span><i style='background:{scale.GRADIENT}'></i>"
        f"<span>{bright}{most}</span></p><p class='note'>The number is the word's probability in %. "
        f"<u>Underlined</u>: what the last layer says there.</p>"
    )


def detail(seen: Lens, row: int, column: int) -> str:
    """The most probable tokens of one cell as bars."""
    label = seen.labels[column]
    place = f"{layer(seen, row)} at <code>{escape(label)}</code><small>{int(seen.positions[column])}</small>"
    what = "would put there" if seen.predicts == "same" else "would say next"
    lines = "".join(
        f"<tr><th scope='row'><code>{escape(short(visible(text)))}</code></th>"
        f"<td><meter min='0' max='1' value='{share:.4f}' aria-hidden='true'></meter></td><td>{percent(share)}</td></tr>"
        for text, share in zip(seen.top_texts[row][column], seen.top_probabilities[row, column].tolist(), strict=True)
    )
    final = visible(seen.top_texts[-1][column][0])
    others = []
    if row < len(seen.layers) - 1:
        others.append((final, seen.final_ranks[row, column], seen.final_probabilities[row, column], "the answer here"))
    if seen.token_text and visible(seen.token_text) != final:
        followed = (seen.token_ranks[row, column], seen.token_probabilities[row, column])
        others.append((visible(seen.token_text), *followed, "followed"))
    places = "".join(
        f"<li><code>{escape(token)}</code> ({why}): place {int(rank) + 1:,}, {percent(float(share))}</li>"
        for token, rank, share, why in others
    )
    return (
        f"<h4>{place[0].upper()}{place[1:]} {what}</h4>"
        "<table class='bars'><thead><tr><th scope='col'>Token</th><th><span class='unseen'>Bar</span></th>"
        f"<th scope='col'>Probability</th></tr></thead><tbody>{lines}</tbody></table>"
        f"<ul class='note places'>{places}</ul>"
        f"<p class='note'>Entropy {float(seen.entropies[row, column]):.2f} nats: as if it chose evenly among "
        f"{_rounded(math.exp(float(seen.entropies[row, column])))} tokens. KL to the last layer: "
        f"{float(seen.divergences[row, column]):.2f} nats.</p>"
    )


def _rounded(number: float) -> str:
    return f"{number:.1f}" if number < 100 else f"{number:,.0f}"


def curves(seen: Lens, column: int, show: str) -> go.Figure:
    """Rank or probability, layer by layer at one position: of the last layer's answer there, and of the followed token.

    `show`: RANK or SHARE.
    """
    answer = visible(seen.top_texts[-1][column][0])
    drawn = [_curve(seen, seen.final_ranks, seen.final_probabilities, column, show, f"{answer} (the answer)", True)]
    if seen.token_text and visible(seen.token_text) != answer:
        name = visible(seen.token_text)
        drawn.append(_curve(seen, seen.token_ranks, seen.token_probabilities, column, show, name, False))
    plain_axis = {"gridcolor": GRID, "zeroline": False, "automargin": True}
    if show == RANK:
        most = math.log10(max(float(max(line.y)) for line in drawn)) if drawn else 0
        side = {"type": "log", "range": [most + 0.15, -0.15], "title": {"text": "Rank (1 is first)"}, "dtick": 1}
    else:
        side = {"range": [-0.03, 1.03], "title": {"text": "Probability"}, "tickformat": ".0%"}
    rows = len(seen.layers)
    step = max(1, math.ceil(rows / 8))
    ticks = [row for row in range(rows) if row == 0 or (row > step / 2 and (row - 1) % step == 0)]
    layout = go.Layout(
        height=340,
        **{**LOOK, "margin": {"l": 10, "r": 10, "t": 40, "b": 10}},
        legend={"orientation": "h", "y": 1.16, "x": 0},
        xaxis={
            "tickvals": ticks,
            "ticktext": ["emb." if row == 0 else seen.layers[row] for row in ticks],
            "tickangle": 0,
            "title": {"text": f"Layer, at position {int(seen.positions[column])}"},
            **plain_axis,
        },
        yaxis={**side, **plain_axis},
    )
    return go.Figure(drawn, layout)


def _curve(
    seen: Lens, ranks: np.ndarray, shares_: np.ndarray, column: int, show: str, name: str, first: bool
) -> go.Scatter:
    ranks, shares_ = ranks[:, column] + 1, shares_[:, column]
    hover = [
        f"{layer(seen, row)}: place {int(rank):,}, {percent(float(share))}"
        for row, (rank, share) in enumerate(zip(ranks, shares_, strict=True))
    ]
    return go.Scatter(
        x=list(range(len(seen.layers))),
        y=(ranks if show == RANK else shares_).tolist(),
        mode="lines+markers",
        name=plain(name),
        line={"color": TEAL if first else AMBER, "width": 3, "dash": "solid" if first else "dot"},
        marker={"size": 7, "symbol": "circle" if first else "diamond"},
        hovertext=hover,
        hoverinfo="text",
    )
