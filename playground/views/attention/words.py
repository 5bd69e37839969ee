"""What stands around an attention map: what it is, what was done to it, what to look for. As safe HTML.

It does not know how maps are computed or drawn.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from playground.views.status import DTYPES
from playground.views.tokens import percent

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.engine.provenance import Provenance
    from playground.labs.attention.coreference import Coreference
    from playground.labs.attention.maps import Maps
    from playground.labs.attention.pairs import Pair

BEFORE = (
    "Press Look. Each row of the map is a token that looks, each column one that is looked at; bright is much "
    "attention, and a row sums to 100 %."
)
POOLED = "So many tokens do not fit: each dot is the largest weight of a small square of the map."
_SINK = 0.3  # mean share of the first token from which it is called a sink


def caption(part: Maps, named: str, title: str, pooled: bool) -> str:
    """What one map shows: maps with one layer and one head, what they are, and the model's name."""
    what = {"cross": "cross-attention, from what is written to what was read"}.get(
        part.kind, f"{part.stack} self-attention"
    )
    said = [f"<b>{escape(title)}</b>, {escape(named)}: {what}. {_look_for(part)}"]
    said += [escape(remark) for remark in part.remarks]
    said += [POOLED] if pooled else []
    return f'<p class="note">{" ".join(said)}</p><p class="note">{origin(part.provenance)}</p>'


def _look_for(part: Maps) -> str:
    """A sentence on this very map."""
    weights = part.weights[0, 0]
    if weights.shape[-1] < 2:
        return ""
    columns = np.nanmean(weights[1:], axis=0)
    at = int(columns.argmax())
    label = f"<b>{escape(part.keys.labels[at])}</b>"
    if at == 0 and columns[0] > _SINK:
        return (
            f"The first token, {label}, gets {percent(float(columns[0]))} of the attention on average: a sink, where "
            "heads park what they do not need. Choose <i>Without the first token</i> to see the rest."
        )
    return (
        f"Most looked at is {label}, with {percent(float(columns[at]))} on average. Click a row or a token to see "
        "where it looks."
    )


def origin(provenance: Provenance) -> str:
    """Which weights, in which precision, on which device: what makes the numbers what they are."""
    precision = DTYPES.get(provenance.dtype, provenance.dtype)
    seconds = f", {provenance.seconds:.2f} s" if provenance.seconds is not None else ""
    return (
        f"Looked at in {escape(precision)} on {escape(provenance.device)}{seconds}; "
        f"revision {escape(str(provenance.revision)[:12])}. Attention says where a head reads, not why the model "
        "answers as it does."
    )


def of_all(maps: Maps, title: str, pooled: bool) -> str:
    """What the mosaic of all heads shows."""
    n_layers, n_heads = maps.weights.shape[:2]
    said = [
        f"<b>{escape(title)}</b>: {n_layers * n_heads} heads, a column a layer, a row a head. Click one to open it in "
        "Map. Look for stripes beside the diagonal (a neighbour), bright left edges (the sink) and blocks."
    ]
    said += [escape(remark) for remark in maps.remarks]
    if pooled:
        said.append(POOLED)
    return f'<p class="note">{" ".join(said)}</p><p class="note">{origin(maps.provenance)}</p>'


NOT_EXACT = (
    "Between q·k and the softmax this model adds a bias by position or caps the scores, so the product alone does not "
    "give the weights that are shown."
)


def of_frame(about: str, left_out: str, exact: str, provenance: Provenance, title: str) -> str:
    """What stands over a BertViz frame."""
    said = " ".join(escape(sentence) for sentence in (about, left_out, exact) if sentence)
    return f'<p class="note"><b>{escape(title)}</b>: {said}</p><p class="note">{origin(provenance)}</p>'


def of_pattern(sentence: str, mean: float, even: float, counted: int) -> str:
    """What a chart of one pattern shows."""
    return (
        f"{sentence} The mean of all heads is {percent(mean)}; a head that spreads evenly over all it can see would "
        f"score {percent(even)}. Counted over {counted} token{'' if counted == 1 else 's'} of this text. Click a "
        "head to open it in Map."
    )


def of_summary(entropy: bool, even: float | None) -> str:
    """What a chart of entropy or distance shows."""
    if entropy:
        return (
            "How widely each head spreads: 0 nats is one token, and a head that spreads evenly over all it can see "
            f"would have {even:.2f} nats here. Click a head to open it in Map."
        )
    return (
        "How far each head looks on average, in tokens; one that spreads evenly would have "
        f"{even:.1f} here. Click a head to open it in Map."
    )


def paragraph(said: str, title: str, provenance: Provenance) -> str:
    """A sentence on a chart, with the model and where the numbers are from."""
    return f'<p class="note"><b>{escape(title)}</b>: {escape(said)}</p><p class="note">{origin(provenance)}</p>'


def of_pair(pair: Pair) -> str:
    """What the heads between two words show."""
    over, best = len(pair.over), pair.ranked[0]
    n = len(pair.ranked)
    said = [
        f"From {pair.source.text} to {pair.target.text}: {over} of {n} heads give more than {percent(pair.threshold)}. "
        f"Most is {percent(best.weight)}, in layer {best.layer}, head {best.head}. A head that spreads evenly over all "
        f"it can see would give {percent(pair.even)}.",
        *pair.remarks,
    ]
    return " ".join(said)


def of_coreference(found: Coreference) -> str:
    """What the benchmark of pronouns found."""
    best, held_out = found.ranked[0], found.held_out
    said = [
        f"{found.n} sentences; guessing is right in 50 %. The best head, layer {best.layer}, head {best.head}, is "
        f"right in {100 * best.share:.1f} %. A head picked on half of the occupations (layer {held_out.layer}, head "
        f"{held_out.head}) is right in {100 * held_out.share:.1f} % of the other {found.n_held_out}, 95 % interval "
        f"{held_out.interval[0]:.0%} to {held_out.interval[1]:.0%}.",
        *found.remarks,
    ]
    return " ".join(said)


def side(name: str, part: Maps, named: str, title: str, text: str) -> str:
    """What one of two maps shows."""
    remarks = " ".join(escape(remark) for remark in part.remarks)
    return (
        f'<p class="note"><b>{escape(name)}</b>: {escape(title)}, {escape(named)}, “{escape(text)}”. {remarks} '
        f"{origin(part.provenance)}</p>"
    )


def difference(left: Maps, right: Maps) -> str:
    """Where two maps of like texts differ most."""
    one, other = left.weights[0, 0], right.weights[0, 0]
    if one.shape != other.shape:
        return (
            '<p class="note">Both maps share one colour scale. The texts have different lengths, so cells do not match '
            "one by one.</p>"
        )
    at = np.unravel_index(np.abs(one - other).argmax(), one.shape)
    query, key = left.queries.labels[at[0]], left.keys.labels[at[1]]
    return (
        f'<p class="note">Both maps share one colour scale. They differ most where place {at[0]} '
        f"(<b>{escape(query)}</b>) looks at place {at[1]} (<b>{escape(key)}</b>): {percent(float(one[at]))} left, "
        f"{percent(float(other[at]))} right.</p>"
    )
