"""Tokens as safe HTML: coloured by how probable they were, one of them looked at, and what the model was given.

It does not know what a click does: buttons carry `data-at`, and `data-instead` where a token could be another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.tokens import Inspection, SeenToken

SCALE = {  # what the colour can show: (caption of the pale end, caption of the strong end)
    "probability": ("certain", "improbable"),
    "entropy": ("one choice", "wide open"),
}
_MOST_ENTROPY = 6.0  # nats: where the colour is full; choosing evenly among 400 tokens


def written(seen: Inspection, colour: str, chosen: int | None = None) -> str:
    """The reply, one button a token. `colour` is a key of `SCALE`; `chosen` is marked."""
    buttons = []
    for at, text in enumerate(seen.texts):
        probability = math.exp(seen.scores.logprobs[at])
        if colour == "entropy":
            strength = min(seen.scores.entropies[at] / _MOST_ENTROPY, 1)
        else:
            strength = 1 - probability
        label = f"{visible(text)}: probability {percent(probability)}, rank {seen.scores.ranks[at] + 1}"
        pressed = ' aria-pressed="true"' if at == chosen else ""
        buttons.append(
            f'<button type="button" class="token" data-at="{at}" style="--strength:{strength:.2f}"{pressed} '
            f'title="{escape(label)}" aria-label="{escape(label)}">{escape(visible(text))}</button>'
            + ("<br>" * text.count("\n"))
        )
    pale, strong = SCALE[colour]
    legend = f'<p class="note scale"><span>{pale}</span><i></i><span>{strong}</span> Click a token.</p>'
    return f'{legend}<div class="tokens">{"".join(buttons)}</div>'


def alternatives(seen: Inspection, at: int) -> str:
    """What could have stood at one place, with a button to go on from each."""
    scores = seen.scores
    rows = []
    for token, text, logprob in zip(scores.top_ids[at], seen.top_texts[at], scores.top_logprobs[at], strict=True):
        probability = math.exp(logprob)
        here = int(token) == int(scores.ids[at])
        action = (
            "drawn"
            if here
            else f'<button type="button" class="act" data-at="{at}" data-instead="{int(token)}" '
            f'aria-label="{escape(f"Branch here with {visible(text)}")}">Branch here</button>'
        )
        rows.append(
            f"<tr><th scope='row'><code>{escape(visible(text))}</code></th>"
            f"<td><meter min='0' max='1' value='{probability:.4f}' aria-hidden='true'></meter></td>"
            f"<td>{percent(probability)}</td><td>{action}</td></tr>"
        )
    return (
        f"<h4>Token {at + 1}: <code>{escape(visible(seen.texts[at]))}</code></h4>"
        f"<p>Probability {percent(math.exp(scores.logprobs[at]))}, rank {scores.ranks[at] + 1:,}, "
        f"entropy {scores.entropies[at]:.2f} nats: as if it chose evenly among {math.exp(scores.entropies[at]):.1f} "
        "tokens. The model's own numbers, before temperature and the like.</p>"
        "<table><thead><tr><th scope='col'>Could have been</th><th><span class='unseen'>Bar</span></th>"
        f"<th scope='col'>Probability</th><th><span class='unseen'>Action</span></th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def given(seen: Sequence[SeenToken], n_written: int, limit: int | None) -> str:
    """What the model was given, with ids, special tokens marked; and how much of its context that takes."""
    total = len(seen) + n_written
    room = f"of {limit:,} that it holds" if limit else "; this model sets no limit"
    parts = [
        f'<span class="token{" special" if token.special else ""}" title="id {token.id}">{escape(visible(token.text))}'
        f"<small>{token.id}</small></span>" + ("<br>" * token.text.count("\n"))
        for token in seen
    ]
    return (
        f'<p class="note">{len(seen):,} tokens were given and {n_written:,} written: {total:,} {room}. Special tokens, '
        f'which mark roles and ends, have a frame.</p><div class="tokens">{"".join(parts)}</div>'
    )


def visible(text: str) -> str:
    """A token's text with its white space to be seen."""
    return text.replace("\n", "⏎").replace("\t", "⇥").replace(" ", "·") or "∅"


def percent(probability: float) -> str:
    """Two digits that mean something: 98 %, 4.2 %, 0.03 %; tiny ones as a power of ten."""
    share = 100 * probability
    if share == 0:
        return "0 %"
    if share >= 99.95:
        return "100 %"
    if share >= 10:
        return f"{share:.0f} %"
    if share >= 1:
        return f"{share:.1f} %"
    return f"{share:.2f} %" if share >= 0.01 else f"{share:.0e} %"
