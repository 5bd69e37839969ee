"""What stands around a lens: what it is, what to look for in this very one, what made it. As safe HTML.

It does not know how the lens is computed or drawn.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from playground.views.status import DTYPES
from playground.views.tokens import percent, visible

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.internals.lens import Lens

PROBABILITY, ENTROPY, DIVERGENCE = "Probability of its word", "Entropy", "KL to the last layer"
COLOURS = {  # what the colour of a cell can be: (caption of the dark end, caption of the bright end, what to look for)
    PROBABILITY: ("0 %", "100 %", "Bright cells are sure of the word they show."),
    ENTROPY: ("sure of one word", "undecided", "Dark cells have narrowed it down, bright ones have not."),
    DIVERGENCE: ("like the answer", "unlike it", "Dark cells already say nearly what the last layer says."),
}
RANK, SHARE = "Rank", "Probability"
SOURCE = "https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens"
ABOUT = (
    "<p>A model builds its answer layer by layer. The <b>logit lens</b> stops after each layer and reads off which "
    "token the model would name there: the layer's vector (the residual) goes through the last norm and the "
    "unembedding, as if no layer followed. Beware of early layers: they are read through a norm and a readout that "
    "were not made for them, so a strange word there is not what the model “thinks”. After "
    f'<a href="{SOURCE}" target="_blank" rel="noopener noreferrer">nostalgebraist (2020)</a>.</p>'
)


def caption(seen: Lens, title: str, by: str, warning: str = "") -> str:
    """What the grid shows, what to look for in this very one, and what made it. `warning`: what could not be done."""
    column = answer_column(seen)
    verb = "stands" if seen.predicts == "same" else "comes next"
    said = [
        f"<b>{escape(title)}</b>: the top row is the model's own answer, below it each layer, down to the embedding. "
        f"{COLOURS[by][2]} {_story(seen, column)} Click a cell for its ten most probable tokens."
        if column is not None
        else f"<b>{escape(title)}</b>: each cell says which token {verb} there. {COLOURS[by][2]}"
    ]
    if len(seen.labels) < seen.n_positions:
        first, last = int(seen.positions[0]), int(seen.positions[-1])
        said.append(
            f"The text has {seen.n_positions:,} tokens; positions {first:,} to {last:,} are shown, all were read."
        )
    warned = f'<p class="note warning">{escape(warning)}</p>' if warning else ""
    return f'{warned}<p class="note">{" ".join(said)}</p><p class="note">{origin(seen)}</p>'


def answer_column(seen: Lens) -> int | None:
    """The column at which the answer is read; None when it is not among those shown."""
    found = np.flatnonzero(seen.positions == seen.answer_position)
    return int(found[0]) if len(found) else None


def last_cell(seen: Lens) -> tuple[int, int]:
    """The cell that is looked at first, (row, column): the model's answer, or the last one shown."""
    column = answer_column(seen)
    return len(seen.layers) - 1, len(seen.labels) - 1 if column is None else column


def settled(seen: Lens, column: int) -> int:
    """The lowest row from which on every row's first choice is what the last row says."""
    ranks = seen.final_ranks[:, column]
    other = np.flatnonzero(ranks > 0)
    return int(other[-1]) + 1 if len(other) else 0


def _story(seen: Lens, column: int) -> str:
    """From where on the answer stands, in the numbers of this text."""
    ranks, shares_ = seen.final_ranks[:, column], seen.final_probabilities[:, column]
    token, last = visible(seen.top_texts[-1][column][0]), len(seen.layers) - 1
    row = settled(seen, column)
    before = ranks[:row]
    said = (
        f"At <b>{escape(seen.labels[column])}</b> the answer, <b>{escape(token)}</b> ({percent(float(shares_[-1]))}), "
        f"is first from {layer(seen, row)} on"
    )
    if row == last:
        said = (
            f"At <b>{escape(seen.labels[column])}</b> the answer, <b>{escape(token)}</b> "
            f"({percent(float(shares_[-1]))}), is first only in the last layer"
        )
    if not len(before):
        return f"{said}."
    middle = len(seen.layers) // 2
    if row <= middle:
        return f"{said}."
    return f"{said}; in {layer(seen, middle)} it was in place {int(ranks[middle]) + 1:,} of the vocabulary."


def layer(seen: Lens, row: int) -> str:
    return "the embedding" if seen.layers[row] == "embedding" else f"layer {seen.layers[row]}"


def curve_note(seen: Lens, column: int, show: str) -> str:
    """What the curves show, and what to look for."""
    where = f"<b>{escape(seen.labels[column])}</b> ({int(seen.positions[column])})"
    look = (
        "Rank 1 is the word that the layer would name; the scale is logarithmic. Look for layers where a curve climbs"
        if show == RANK
        else "Look for layers where a word is suddenly believed"
    )
    return f'<p class="note">At {where}, layer by layer. {look}: what they add brings the word forward.</p>'


def origin(seen: Lens) -> str:
    """Which weights, in which precision, and how far the last row is from the model's own logits."""
    made = seen.provenance
    precision = escape(DTYPES.get(made.dtype, made.dtype))
    seconds = "" if made.seconds is None else f", {made.seconds:.2f} s"
    return (
        f"Looked at in {precision} on {escape(made.device)}{seconds}; revision {escape(str(made.revision)[:12])}. "
        f"The top row {_exact(seen.deviation)} the model's own logits."
    )


def _exact(deviation: float) -> str:
    return "equals" if deviation == 0 else f"differs by at most {deviation:.1g} from"
