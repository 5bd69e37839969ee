"""What taking parts out does, drawn: the next token before and after, and every part of a kind taken out alone.

It does not know how a part is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from playground.views.attention.map import LOOK, plain
from playground.views.colours import AMBER, GRID, TEAL
from playground.views.internals import effects
from playground.views.status import DTYPES
from playground.views.tokens import percent, visible

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.engine.provenance import Provenance
    from playground.labs.internals.before_after import Change
    from playground.labs.internals.random_vectors import Replacement
    from playground.labs.internals.sweep import Sweep

PARTS = {"attention": "Attention", "mlp": "MLP", "layer": "Whole layer"}
_LITTLE = 0.01  # nats: below, the prediction is called unchanged
_MOST_BARS = 10


def bars(found: Change, changed: str = "Changed") -> go.Figure:
    """The probabilities of the next token, as it is and `changed`."""
    n = min(len(found.ids), _MOST_BARS)
    # of the most probable before and after, those that are most in either
    order = np.argsort(-np.maximum(found.before, found.after), kind="stable")[:n]
    names = [f"<b>{plain(visible(found.texts[at]))}</b>" for at in order]
    places = list(range(n))
    drawn = [
        go.Bar(
            x=values[order],
            y=places,
            orientation="h",
            name=name,
            marker={"color": colour, "pattern": {"shape": shape, "fgcolor": colour, "fillmode": "overlay"}},
            text=[percent(float(value)) for value in values[order]],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"{name}: %{{text}}<extra></extra>",
        )
        for name, values, colour, shape in (
            ("As it is", found.before, TEAL, ""),
            (changed, found.after, AMBER, "/"),
        )
    ]
    most = float(max(found.before.max(), found.after.max()))
    layout = go.Layout(
        height=int(110 + 38 * n),
        **LOOK,
        barmode="group",
        bargap=0.25,
        xaxis={
            "title": {"text": "Probability", "standoff": 8},
            "tickformat": ".0%",
            "range": [0, min(most * 1.2, 1.15)],
            "gridcolor": GRID,
            "zeroline": False,
        },
        yaxis={
            "tickvals": places,
            "ticktext": names,
            "title": {"text": "Next token", "standoff": 6},
            "autorange": "reversed",
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return go.Figure(drawn, layout)


def sentence(found: Change, title: str) -> str:
    """What the change did to the prediction, as safe HTML."""
    before, after = int(found.before.argmax()), int(found.after.argmax())
    names = [f"<b>“{escape(visible(found.texts[at]))}”</b>" for at in (before, after)]
    moved = float(found.divergences[found.position])
    what = escape(_list([in_words(name) for name in found.what]))
    if moved < _LITTLE:
        told = f"{escape(title)} hardly notices: {names[0]} stays at {percent(float(found.after[before]))}."
    elif before == after:
        told = (
            f"{names[0]} stays the likeliest: {percent(float(found.before[before]))} before, "
            f"{percent(float(found.after[before]))} after."
        )
    else:
        told = (
            f"{names[0]} falls from {percent(float(found.before[before]))} to "
            f"{percent(float(found.after[before]))}, and {names[1]} comes first with "
            f"{percent(float(found.after[after]))} ({percent(float(found.before[after]))} before)."
        )
    how = {"zero": "set to zero", "mean": "replaced by its mean over other texts", "resample": "taken from other texts"}
    said = f"{what} {how[found.how]}. " if found.how in how else ""
    return f"<p>{said[:1].upper()}{said[1:]}{told} KL(as it is ‖ changed) is <b>{moved:.3f} nats</b>.</p>"


def in_words(target: str) -> str:
    """ "head 23.4" as "head 4 of layer 23", "mlp 0" as "layer 0's MLP"; other words as they are."""
    kind, _, place = target.partition(" ")
    layer, _, index = place.partition(".")
    named = {"attention": f"layer {layer}'s attention", "mlp": f"layer {layer}'s MLP"}
    return f"{kind} {index} of layer {layer}" if index.isdigit() else named.get(kind, target)


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def table(found: Change) -> str:
    """Every token that is listed, as safe HTML."""
    rows = "".join(
        f"<tr><th scope='row'><code>{escape(visible(text))}</code></th><td>{percent(float(before))}</td>"
        f"<td>{percent(float(after))}</td></tr>"
        for text, before, after in zip(found.texts, found.before, found.after, strict=True)
    )
    head = "<th scope='col'>Next token</th><th scope='col'>As it is</th><th scope='col'>Changed</th>"
    return (
        "<div class='wide' tabindex='0' role='region' aria-label='Next tokens before and after'>"
        f"<table class='numbers'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def sweep(found: Sequence[Sweep]) -> go.Figure:
    """Each part taken out alone: a row a head, or one for attention, MLP and whole layer."""
    values, layers = _grid(found)
    names = _rows(found)
    most = max(float(np.nanmax(np.abs(values))), 0.1)
    answer = plain(visible(found[0].answer_text))
    hover = [
        [
            f"layer {layer}, {_named(found, name)}: “{answer}” {change:+.2f} nats, {np.exp(change):.2g} times"
            if change == change
            else "not run"
            for layer, change in zip(layers, row, strict=True)
        ]
        for name, row in zip(names, values, strict=True)
    ]
    rows_are = "Head" if found[0].kind == "head" else "Part"
    return effects.figure(values, names, layers, hover, "Nats", most, rows_are)


def _named(found: Sequence[Sweep], row: str) -> str:
    return f"head {row}" if found[0].kind == "head" else row.lower()


def _grid(found: Sequence[Sweep]) -> tuple[np.ndarray, list[int]]:
    """(row, layer), and the layers."""
    layers = sorted({int(layer) for one in found for layer in one.layers})
    blocks = []
    for one in found:
        block = np.full((one.changes.shape[1], len(layers)), np.nan)
        block[:, [layers.index(int(layer)) for layer in one.layers]] = one.changes.T
        blocks.append(block)
    return np.concatenate(blocks), layers


def _rows(found: Sequence[Sweep]) -> list[str]:
    if found[0].kind == "head":
        return [str(head) for head in range(found[0].changes.shape[1])]
    return [PARTS[one.kind] for one in found]


def target(found: Sequence[Sweep], row: int, layer: int) -> str:
    """The part at a cell, as `labs.internals.ablation.parse` reads it."""
    if found[0].kind == "head":
        return f"head {layer}.{row}"
    return f"{found[min(row, len(found) - 1)].kind} {layer}"


def sweep_sentence(found: Sequence[Sweep], title: str) -> str:
    """Which parts matter most, as safe HTML."""
    values, layers = _grid(found)
    names, answer = _rows(found), escape(visible(found[0].answer_text))
    order = [at for at in np.argsort(np.nan_to_num(values), axis=None) if np.isfinite(values.ravel()[at])]

    def named(place: int) -> str:
        row, at = np.unravel_index(place, values.shape)
        return f"layer {layers[at]}, {_named(found, names[row])} ({values[row, at]:+.2f})"

    worst = "; ".join(named(at) for at in order[:3])
    said = (
        f"<p>{escape(title)} would say <b>“{answer}”</b>. Each cell takes out one part and says by how many nats that "
        f"changes the logarithm of its probability: orange lowers it, teal raises it (−0.69 halves it). "
        f"Most needed: {worst}."
    )
    if order and np.nan_to_num(values).ravel()[order[-1]] > 0:
        said += f" Most in the way: {named(order[-1])}."
    little = float(np.mean(np.abs(values[np.isfinite(values)]) < 0.1)) if order else 0.0
    said += (
        f" {little:.0%} of the parts change it by less than 0.1. Click a cell to take that part out and see more.</p>"
    )
    if not all(one.complete for one in found):
        said = f"<p>Stopped before all parts were tried; what is empty was not run.</p>{said}"
    return said


def sweep_table(found: Sequence[Sweep]) -> str:
    values, layers = _grid(found)
    cells = [["" if np.isnan(value) else f"{value:+.2f}" for value in row] for row in values]
    rows_are = "Head" if found[0].kind == "head" else "Part"
    return effects.table("Effects by layer", rows_are, _rows(found), layers, cells)


def noise(found: Replacement, title: str) -> str:
    """What random vectors at a word did, as safe HTML."""
    spread = found.divergences
    n = len(spread)
    return (
        f"<p>The residual of <b>“{escape(found.word)}”</b> after layer {found.layer} "
        f"(norm {', '.join(f'{norm:.0f}' for norm in found.norms)}) is replaced by a random vector of the same norm, "
        f"{n} times. KL is {spread.mean():.3f} nats on average ({spread.min():.3f} to {spread.max():.3f}); "
        f"putting its own residual back gives {found.identity:.3f}. The bars show the first draw.</p>"
        + sentence(found.result, title)
    )


def origin(made: Provenance) -> str:
    """The small print."""
    seconds = "" if made.seconds is None else f" · {made.seconds:.1f} s"
    seed = f" · seed {made.settings['seed']}" if "seed" in made.settings else ""
    facts = f"{made.reference} · {DTYPES.get(made.dtype, made.dtype)} · {made.device} · revision {made.revision[:12]}"
    return f'<p class="note">{escape(f"{facts}{seed}{seconds}")}</p>'
