"""Continuations of a text and what stands under them, as safe HTML. It does not know how they were drawn."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from playground.views import statistics

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.chat.replies import Reply


def html(text: str, replies: Sequence[Reply], title: str) -> str:
    """One card a reply: the text it continues, dimmed, and what the model wrote."""
    cards = "".join(
        f'<li><p><span class="given">{escape(text)}</span><b>{escape(reply.text)}</b></p>'
        f'<p class="note">{escape(statistics.line(reply, title))}</p></li>'
        for reply in replies
    )
    return f'<ol class="continuations">{cards}</ol>' if cards else ""


def note(text: str) -> str:
    """A quiet line under the text."""
    return f'<p class="note">{escape(text)}</p>'
