"""What one token looks at, as safe HTML: the text coloured by it, and the tokens that get most as bars.

It does not know what a click does: the tokens that can be picked are buttons with `data-at`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from playground.views.tokens import percent

MOST_BARS = 8


def text(
    queries: Sequence[str],
    special: Sequence[bool],
    row: np.ndarray | None,  # (key,): what the picked token looks at; None: nothing is picked
    picked: int | None,
    keys: Sequence[str] | None = None,
) -> str:
    """The tokens that look as buttons, and their colours; with `keys`, those that are looked at stand below."""
    shares = strengths(row) if row is not None else np.empty(0)
    own = keys is None
    buttons = []
    for at, label in enumerate(queries):
        strength = f" style='--strength:{shares[at]:.2f}'" if own and row is not None else ""
        pressed = f' aria-pressed="{"true" if at == picked else "false"}"'
        told = f": gets {percent(float(row[at]))}" if own and row is not None and row[at] == row[at] else ""
        name = escape(f"Token {at}, {label}{told}")
        kind = "token special" if special[at] else "token"
        buttons.append(
            f'<button type="button" class="{kind}" data-at="{at}"{strength}{pressed} title="{name}" '
            f'aria-label="{name}">{escape(label)}</button>'
        )
    legend = '<p class="note scale"><span>no attention</span><i></i><span>most</span> Pick a token that looks.</p>'
    drawn = f'{legend}<div class="tokens">{" ".join(buttons)}</div>'
    if keys is None or row is None:
        return drawn
    seen = " ".join(
        f'<span class="token" style="--strength:{share:.2f}">{escape(label)}</span>'
        for label, share in zip(keys, shares, strict=True)
    )
    return f'{drawn}<p class="note">It looks at:</p><div class="tokens looked-at">{seen}</div>'


def strengths(row: np.ndarray) -> np.ndarray:
    """From 0 to 1, the largest weight of the row being 1."""
    values = np.nan_to_num(row)
    return values / values.max() if values.max() > 0 else values


def bars(row: np.ndarray, keys: Sequence[str], looker: str) -> str:
    """The tokens that the picked one looks at most, with their weights."""
    order = [int(at) for at in np.argsort(-np.nan_to_num(row, nan=-1.0), kind="stable")[:MOST_BARS] if row[at] > 0]
    lines = "".join(
        f"<tr><th scope='row'><code>{escape(keys[at])}</code><small>{at}</small></th>"
        f"<td><meter min='0' max='1' value='{min(float(row[at]), 1):.4f}' aria-hidden='true'></meter></td>"
        f"<td>{percent(float(row[at]))}</td></tr>"
        for at in order
    )
    rest = float(np.nansum(row)) - sum(float(row[at]) for at in order)
    left = f"<p class='note'>All others together: {percent(rest)}.</p>" if rest > 5e-4 else ""
    head = (
        "<thead><tr><th scope='col'>Token</th><th><span class='unseen'>Bar</span></th>"
        "<th scope='col'>Weight</th></tr></thead>"
    )
    return f"<p>{sentence(row, keys, looker)}</p><table class='bars'>{head}<tbody>{lines}</tbody></table>{left}"


def sentence(row: np.ndarray, keys: Sequence[str], looker: str, n: int = 3) -> str:
    """'from it: mat 31 %, cat 12 %', as HTML."""
    order = [at for at in np.argsort(-np.nan_to_num(row, nan=-1.0), kind="stable")[:n] if row[at] > 0]
    named = ", ".join(f"<b>{escape(keys[at])}</b> {percent(float(row[at]))}" for at in order)
    return f"From <b>{escape(looker)}</b>: {named or 'nothing'}"
