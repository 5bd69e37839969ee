"""A patching drawn: the map of effects, one patch looked at, the two texts token by token, and what it means in words.

It does not know how patches are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from playground.views.attention.map import plain, short
from playground.views.internals import effects
from playground.views.status import DTYPES
from playground.views.tokens import percent, visible

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.internals.contrasts import Contrast, Proposal
    from playground.labs.internals.patching import Patching

SITES = {
    "residual": "the residual after a layer",
    "attention": "what a layer's attention adds",
    "mlp": "what a layer's MLP adds",
    "head": "what one head adds, at every position",
}
MUCH = 0.5  # effect from which a patch is called decisive
_MOST_NAMED = 4
_SCALE = {"tickvals": [-1, -0.5, 0, 0.5, 1]}


def figure(found: Patching, control: bool = False) -> go.Figure:
    """The effects, a column a layer, a row a token or head. `control`: of patches from a wrong place instead."""
    values = found.control if control else found.effects
    if values is None:
        raise ValueError("No control was run.")
    names = [plain(label) for label in rows(found)]
    hover = [
        [_hover(found, at, column, values[at, column]) for at in range(len(found.layers))]
        for column in range(len(found.columns))
    ]
    return effects.figure(
        values.T, names, found.layers.tolist(), hover, "Effect", 1.0, _rows_are(found), _SCALE
    )  # fmt: skip


def _rows_are(found: Patching) -> str:
    return "Head" if found.site == "head" else "Token"


def rows(found: Patching) -> list[str]:
    """What the rows are called: where the texts differ, both tokens."""
    if found.site == "head":
        return list(found.columns)
    two = found.contrast
    return [
        short(clean) if clean == corrupted else f"{short(clean)} | {short(corrupted)}"
        for clean, corrupted in zip(two.clean_labels, two.corrupted_labels, strict=True)
    ]


def _hover(found: Patching, at: int, column: int, value: float) -> str:
    name = plain(rows(found)[column])
    name = f"head {name}" if found.site == "head" else f"<b>{name}</b>, position {column}"
    if np.isnan(value):
        return f"layer {found.layers[at]}, {name}: not run"
    return f"layer {found.layers[at]}, {name}: effect {value:+.2f}"


def cell(found: Patching, column: int, layer: int) -> str:
    """One patch, as safe HTML: its effect, the logits and both probabilities beside those of the unpatched runs."""
    at = int(np.abs(found.layers - layer).argmin())
    column = min(max(column, 0), len(found.columns) - 1)
    where = f"layer {found.layers[at]}, "
    name = rows(found)[column]
    where += f"head {name}" if found.site == "head" else f"token “{name}” (position {column})"
    effect = found.effects[at, column]
    if np.isnan(effect):
        return f"<p>{escape(where)}: stopped before it was patched.</p>"
    two = found.contrast
    said = f"<p><b>{escape(where)}</b>: effect <b>{effect:+.3f}</b>"
    if column < found.first:
        said += ". Nothing before this token differs between the texts, so a patch here is no change"
    elif found.control is not None:
        said += f"; from a wrong position {found.control[at, column]:+.3f} (control)"
    unpatched = (("Clean text", found.clean), ("Corrupted text", found.corrupted))
    numbers = [(name, (reading.difference, reading.answer, reading.wrong)) for name, reading in unpatched]
    numbers.insert(1, ("Patched", (found.differences[at, column], *found.probabilities[at, column])))
    body = "".join(
        f"<tr{' class=best' if name == 'Patched' else ''}><th scope='row'>{name}</th><td>{difference:+.2f}</td>"
        f"<td>{percent(float(answer))}</td><td>{percent(float(wrong))}</td></tr>"
        for name, (difference, answer, wrong) in numbers
    )
    good, bad = (f"“{escape(visible(text))}”" for text in (two.answer_text, two.wrong_text))
    return (
        f"{said}.</p><div class='wide' tabindex='0' role='region' aria-label='The patch in numbers'>"
        f"<table class='numbers'><thead><tr><th scope='col'>Run</th><th scope='col'>Logit {good} − {bad}</th>"
        f"<th scope='col'>P({good})</th><th scope='col'>P({bad})</th></tr></thead><tbody>{body}</tbody></table></div>"
    )


def alignment(clean: Sequence[str], corrupted: Sequence[str]) -> str:
    """Both texts token by token, as safe HTML; places where they differ are marked."""

    def line(labels: Sequence[str], others: Sequence[str]) -> str:
        return "".join(
            f"<td>{escape(label)}</td>" if label == other else f"<td><mark>{escape(label)}</mark></td>"
            for label, other in zip(labels, others, strict=True)
        )

    places = "".join(f"<th scope='col'>{at}</th>" for at in range(len(clean)))
    n = sum(a != b for a, b in zip(clean, corrupted, strict=True))
    same = f"{len(clean)} tokens each; {'one differs' if n == 1 else f'{n} differ'}, marked."
    return (
        f"<p class='note'>Aligned: {same}</p>"
        "<div class='wide' tabindex='0' role='region' aria-label='Both texts token by token'>"
        f"<table class='aligned'><thead><tr><th scope='col'>Position</th>{places}</tr></thead><tbody>"
        f"<tr><th scope='row'>Clean</th>{line(clean, corrupted)}</tr>"
        f"<tr><th scope='row'>Corrupted</th>{line(corrupted, clean)}</tr></tbody></table></div>"
    )


def proposals(found: Sequence[tuple[Proposal, Contrast]]) -> str:
    """Counterfactuals to choose from, as safe HTML: a button each, what the model makes of it, and the alignment."""
    cards = []
    for at, (one, two) in enumerate(found):
        answer, wrong = (f"“{escape(visible(text))}”" for text in (one.answer, one.wrong))
        cards.append(
            f'<li><button type="button" data-at="{at}">{escape(one.word)} → {escape(one.replacement)}</button>'
            f"<p>{answer} leads {wrong} by {one.clean_difference:.1f} logits in the clean text, and trails it by "
            f"{-one.corrupted_difference:.1f} in “{escape(one.corrupted)}”.</p>"
            f"{alignment(two.clean_labels, two.corrupted_labels)}</li>"
        )
    return (
        "<p class='note'>One word swapped for one of its kind with as many tokens; the clearest change first. "
        f"Press one to put it into the boxes.</p><ul class='proposals'>{''.join(cards)}</ul>"
    )


def verdict(found: Patching, title: str) -> str:
    """What came out, in sentences, as safe HTML."""
    two = found.contrast
    answer, wrong = visible(two.answer_text), visible(two.wrong_text)
    sentences = [
        f"{title} gives “{answer}” {percent(found.clean.answer)} in the clean text and "
        f"{percent(found.corrupted.answer)} in the corrupted one; “{wrong}” {percent(found.clean.wrong)} and "
        f"{percent(found.corrupted.wrong)}.",
        _direction(found, answer),
        _carriers(found) if found.site == "residual" else _strongest(found),
    ]
    if found.clean_difference <= 0 or found.corrupted_difference >= 0:
        sentences.insert(
            1,
            "The model does not prefer the right answer in one text and the wrong one in the other, so read the map "
            "with care, or let a counterfactual be proposed.",
        )
    if found.control is not None and found.control_level is not None:
        sentences.append(_control(found.effects, found.control, found.control_level))
    if not found.complete:
        done = int((~np.isnan(found.whole)).sum())
        sentences.insert(0, f"Stopped: {done} of {len(found.layers)} layers are done.")
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in filter(None, sentences))


def _direction(found: Patching, answer: str) -> str:
    if found.direction == "denoising":
        return (
            f"Denoising: {SITES[found.site]} is taken from the clean run and put into the corrupted one. An effect of "
            f"1 brings the whole lead of “{answer}” back: this place is enough. 0 changes nothing."
        )
    return (
        f"Noising: {SITES[found.site]} is taken from the corrupted run and put into the clean one. An effect of 1 "
        f"takes the whole lead of “{answer}” away: it needs this place. 0 changes nothing."
    )


def _carriers(found: Patching) -> str:
    """Where the residual carries the difference, from layer to layer."""
    done = ~np.isnan(found.whole)
    best = [int(row.argmax()) if row.max() >= MUCH else None for row in found.effects[done]]
    layers = found.layers[done].tolist()
    runs = []
    for column, run in groupby(zip(layers, best, strict=True), lambda pair: pair[1]):
        members = [layer for layer, _ in run]
        span = f"layers {members[0]} to {members[-1]}" if len(members) > 1 else f"layer {members[0]}"
        name = "no single token" if column is None else f"“{rows(found)[column]}” (position {column})"
        runs.append(f"{name} in {span}")
    if not runs:
        return ""
    more = "" if len(runs) <= _MOST_NAMED else f", and {len(runs) - _MOST_NAMED} more turns"
    return f"What tells the texts apart is carried mostly by {', then by '.join(runs[:_MOST_NAMED])}{more}."


def _strongest(found: Patching) -> str:
    """The patches with the largest effects."""
    flat = np.abs(np.nan_to_num(found.effects)).ravel().argsort()[::-1][:_MOST_NAMED]
    named = []
    for place in flat:
        at, column = np.unravel_index(place, found.effects.shape)
        name = rows(found)[column]
        where = f"head {name}" if found.site == "head" else f"“{name}” (position {column})"
        named.append(f"layer {found.layers[at]}, {where} ({found.effects[at, column]:+.2f})")
    return f"Largest effects: {'; '.join(named)}."


def _control(measured: np.ndarray, control: np.ndarray, level: float) -> str:
    ran = ~np.isnan(control)
    outside = int((np.abs(measured[ran]) > level).sum())
    return (
        f"Control: the same patches with values from a random wrong position. 95 % of these stay within "
        f"{level:.2f} from 0; {outside} of {int(ran.sum())} real patches lie outside. A wrong value can "
        "have an effect too, since it wipes out what stood there."
    )


def origin(found: Patching) -> str:
    """The small print."""
    made = found.provenance
    seconds = "" if made.seconds is None else f" · {made.seconds:.1f} s"
    control = f" · control seed {made.settings['seed']}" if found.control is not None else ""
    facts = f"{made.reference} · {DTYPES.get(made.dtype, made.dtype)} · {made.device} · revision {made.revision[:12]}"
    return f'<p class="note">{escape(f"{facts}{control}{seconds}")}</p>'


def table(found: Patching) -> str:
    """Every effect, a button each."""
    cells = [["" if np.isnan(value) else f"{value:+.2f}" for value in column] for column in found.effects.T]
    names = [escape(name) for name in rows(found)]
    return effects.table("Effects by layer", _rows_are(found), names, found.layers.tolist(), cells)
