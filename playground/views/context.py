"""How full a model's context is, as safe HTML. It does not know what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the lab imports the engine, which a page that is being laid out must not wait for
    from playground.labs.chat.context import Overflow

WORTH_SAYING = 0.5  # share of the context from which on it is shown
SHOWN = 60  # characters of a message


def meter(used: int, limit: int | None) -> str:
    """One line; nothing while there is plenty of room."""
    if not limit or used < WORTH_SAYING * limit:
        return ""
    share = min(used / limit, 1)
    return (
        f'<p class="note context"><meter min="0" max="1" high="0.9" value="{share:.3f}" aria-hidden="true"></meter> '
        f"Context {share * 100:.0f} % full: {used:,} of {limit:,} tokens</p>"
    )


def full(overflow: Overflow, oldest: Sequence[str], title: str) -> str:
    """What does not fit (`labs.chat.context.Overflow`), and which messages could be left out."""
    first, last = escape(_short(oldest[0])), escape(_short(oldest[-1]))
    which = (
        f"the oldest {len(oldest)} messages, from “{first}” to “{last}”"
        if len(oldest) > 1
        else f"the oldest message, “{first}”"
    )
    return (
        f"<p><b>The context is full.</b> The conversation is {overflow.n_tokens:,} tokens long; {escape(title)} holds "
        f"{overflow.limit:,}, its reply included. To go on, it must do without {which}. "
        "They stay on the page and in what is kept.</p>"
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
