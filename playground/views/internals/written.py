"""Texts that were written side by side, as safe HTML: what was given, what each model made of it, where they part.

It does not know what was changed in which.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from playground.views import statistics

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.chat.replies import Reply


def side_by_side(given: str, names: Sequence[str], replies: Sequence[Reply | None], title: str) -> str:
    """One card a text; in all but the first, what differs from the first is marked from the first word that does.

    given: the text that is continued; empty for a reply to a message.
    """
    plain = replies[0].text if replies[0] else ""
    cards = []
    for at, (name, reply) in enumerate(zip(names, replies, strict=True)):
        text = reply.text if reply else ""
        same = len(text) if at == 0 else together(plain, text)
        shown = escape(text[:same]) + (f"<mark>{escape(text[same:])}</mark>" if text[same:] else "")
        note = statistics.line(reply, title) if reply else "Reading …"
        cards.append(
            f'<li><h4>{escape(name)}</h4><p class="text"><span class="given">{escape(given)}</span>{shown}</p>'
            f'<p class="note">{escape(note)}</p></li>'
        )
    return f'<ul class="written">{"".join(cards)}</ul>'


def together(one: str, other: str) -> int:
    """How many characters of `other` both begin with, up to a word's end."""
    n = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    if n is None:
        return min(len(one), len(other))
    while n and not other[n - 1].isspace():
        n -= 1
    return n


def parting(replies: Sequence[Reply | None], names: Sequence[str]) -> str:
    """Whether the others say what the first says, once all have ended; plain text."""
    ended = [reply for reply in replies if reply is not None and reply.stop_reason is not None]
    if len(ended) < len(replies):
        return ""
    first, *others = ended
    same = [name for name, reply in zip(names[1:], others, strict=True) if reply.text == first.text]
    if not same:
        return ""
    return f"Word for word the same as “{names[0]}”: {', '.join(same)}."
