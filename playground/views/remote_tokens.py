"""Tokens of a model that runs elsewhere as safe HTML: what its server tells of them, and no more.

It does not know ranks beyond the few alternatives that were sent, nor entropies. A click does what the page decides.
"""

import math
from collections.abc import Sequence
from html import escape

from playground.models.remote import RemoteToken
from playground.views.tokens import percent, visible


def written(tokens: Sequence[RemoteToken], chosen: int | None = None) -> str:
    """The reply, one button a token, coloured by probability; `chosen` is marked."""
    buttons = []
    for at, token in enumerate(tokens):
        label = f"{visible(token.text)}: probability {percent(math.exp(token.logprob))}"
        pressed = ' aria-pressed="true"' if at == chosen else ""
        buttons.append(
            f'<button type="button" class="token" data-at="{at}" '
            f'style="--strength:{1 - math.exp(token.logprob):.2f}"{pressed} '
            f'title="{escape(label)}" aria-label="{escape(label)}">{escape(visible(token.text))}</button>'
            + ("<br>" * token.text.count("\n"))
        )
    return (
        '<p class="note scale"><span>certain</span><i></i><span>improbable</span> Click a token. '
        f'The numbers are its server\'s.</p><div class="tokens">{"".join(buttons)}</div>'
    )


def alternatives(tokens: Sequence[RemoteToken], at: int) -> str:
    """What could have stood at one place, as far as the server told."""
    token = tokens[at]
    head = f"<h4>Token {at + 1}: <code>{escape(visible(token.text))}</code></h4>"
    said = f"<p>Probability {percent(math.exp(token.logprob))}, as its server says. "
    if not token.alternatives:
        return f"{head}{said}It tells of no others.</p>"
    rows = "".join(
        f"<tr><th scope='row'><code>{escape(visible(text))}</code></th>"
        f"<td><meter min='0' max='1' value='{math.exp(logprob):.4f}' aria-hidden='true'></meter></td>"
        f"<td>{percent(math.exp(logprob))}</td></tr>"
        for text, logprob in token.alternatives
    )
    return (
        f"{head}{said}To go on from another one needs the weights.</p>"
        "<table><thead><tr><th scope='col'>Could have been</th><th><span class='unseen'>Bar</span></th>"
        f"<th scope='col'>Probability</th></tr></thead><tbody>{rows}</tbody></table>"
    )
