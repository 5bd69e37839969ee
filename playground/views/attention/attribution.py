"""Which tokens speak for an answer, as safe HTML: the text in two colours, and bars beside what attention says.

It does not know how scores are computed.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from playground.views.tokens import percent, visible

if TYPE_CHECKING:
    from playground.labs.attention.attribution import Attribution

WARNING = (
    "Attention is not an explanation: it says where heads read from, and the scores say what moves the answer. Where "
    "the two columns differ, believe the scores, and those only as far as their method goes."
)


def text(found: Attribution) -> str:
    """The tokens, coloured by how much they speak for the answer or against it."""
    most = float(np.abs(found.scores).max()) or 1.0
    tokens = " ".join(
        f'<span class="token {"speaks-for" if score >= 0 else "speaks-against"}" '
        f'style="--strength:{abs(score) / most:.2f}" title="{score:+.3f} logits">{escape(label)}</span>'
        for label, score in zip(found.reading.labels, found.scores.tolist(), strict=True)
    )
    legend = (
        '<p class="note scale"><span>against the answer</span><i class="two-ways"></i><span>for the answer</span></p>'
    )
    return f'{legend}<div class="tokens">{tokens}</div>'


def table(found: Attribution) -> str:
    """Every token with its score, and beside it the attention that the answer's place pays to it."""
    most = float(np.abs(found.scores).max()) or 1.0
    rows = []
    for at, (label, score) in enumerate(zip(found.reading.labels, found.scores.tolist(), strict=True)):
        side = "for" if score >= 0 else "against"
        bar = f"<span class='two-way {side}' style='--share:{abs(score) / most:.3f}' aria-hidden='true'></span>"
        attention = ""
        if found.attention is not None:
            share = float(found.attention[at])
            attention = (
                f"<td><meter min='0' max='1' value='{share:.4f}' aria-hidden='true'></meter></td>"
                f"<td>{percent(share)}</td>"
            )
        rows.append(
            f"<tr><th scope='row'><code>{escape(label)}</code><small>{at}</small></th><td>{bar}</td>"
            f"<td>{score:+.2f}</td>{attention}</tr>"
        )
    beside = "<th><span class='unseen'>Bar</span></th><th scope='col'>Attention, mean of all heads</th>"
    head = (
        "<thead><tr><th scope='col'>Token</th><th><span class='unseen'>Bar</span></th>"
        f"<th scope='col'>Score, logits</th>{beside if found.attention is not None else ''}</tr></thead>"
    )
    return (
        "<div class='wide' tabindex='0' role='region' aria-label='Tokens and their scores'>"
        f"<table class='bars'>{head}<tbody>{''.join(rows)}</tbody></table></div>"
    )


def sentence(found: Attribution) -> str:
    """What was asked, and whether the scores add up. Plain text."""
    answer = found.answer
    asked = f"the {'class' if found.position is None else 'token'} “{visible(answer.label)}”"
    asked += f" ({percent(answer.probability)})"
    if found.against is not None:
        asked += f" rather than “{visible(found.against.label)}” ({percent(found.against.probability)})"
    said = [f"What speaks for {asked}, by {found.method}: positive scores raise its logit, negative ones lower it."]
    if found.error is not None:
        difference = found.value - (found.neutral_value or 0.0)
        holds = "which is complete" if found.complete else "which is not complete"
        said.append(
            f"Completeness: the scores add up to {float(found.scores.sum()):.3f}, and the text changes the logit by "
            f"{difference:.3f} from a neutral one (“{found.neutral}” for every token that is scored); they differ by "
            f"{found.error:.3f}, {holds} to 1 %. {found.steps} points on the way."
        )
    elif found.neutral:
        said.append(f"Each token was replaced by “{found.neutral}”. Such scores need not add up to anything.")
    else:
        said.append("One gradient at this text: quick and local. Such scores need not add up to anything.")
    if found.against is None:
        said.append(
            "One logit also rises and falls with all others; name a second answer under “rather than” to see what "
            "tells the two apart."
        )
    said += [f"Computed in {found.precision}.", *found.remarks]
    return " ".join(said)
