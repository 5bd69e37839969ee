"""Which tokens a word stands for, as safe HTML. It does not know what is done to them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from playground.views.continuations import note
from playground.views.tokens import visible

if TYPE_CHECKING:  # the engine imports torch, which a page that is being laid out must not wait for
    from playground.engine.words import FirstToken

FIRST_ONLY = (
    "A word of several tokens can only be pushed at its first, "
    "and with it every other word that begins with that token."
)


def meant(words: Sequence[tuple[str, float, Sequence[FirstToken]]]) -> str:
    """Each word with its bias and the tokens that it can begin with."""
    rows = []
    for word, bias, tokens in words:
        what = {-100.0: "never", 100.0: "only this"}.get(bias, f"{bias:+g}")
        shown = ", ".join(
            f"<code>{escape(visible(token.text))}</code> {token.id}"
            + (f" (1 of {token.n_tokens})" if token.n_tokens > 1 else "")
            for token in tokens
        )
        rows.append(f"<li><b>{escape(word)}</b> {escape(what)}: {shown}</li>")
    several = any(token.n_tokens > 1 for _, _, tokens in words for token in tokens)
    return f'<p class="note">Tokens that are meant, with their ids:</p><ul class="note">{"".join(rows)}</ul>' + (
        note(FIRST_ONLY) if several else ""
    )
