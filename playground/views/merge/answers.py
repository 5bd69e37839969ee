"""What two parents and their merge answer, side by side, and what a merge is and took; as safe HTML.

It does not know how they were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from playground.views import statistics

if TYPE_CHECKING:  # the labs import torch, which a page that is being laid out must not wait for
    from playground.labs.chat.replies import Reply
    from playground.labs.merging.live import Update


def html(cards: Sequence[tuple[str, str, Reply | None]]) -> str:
    """One card a model: (what it is here, its title, its reply so far)."""
    shown = []
    for role, title, reply in cards:
        text = escape(reply.text) if reply else ""
        line = statistics.line(reply, title) if reply else f"{title} · waiting"
        kind = ' class="merged"' if role == "Merge" else ""
        shown.append(
            f"<li{kind}><h4>{escape(role)}</h4><p class='text'>{text}</p><p class='note'>{escape(line)}</p></li>"
        )
    return f'<ul class="written merge-answers">{"".join(shown)}</ul>'


def update(update: Update, title: str, n_bytes: int) -> str:
    """What moving to the merge took, where it is, and what it is called."""
    how = "filled in place" if update.in_place else "made ready"
    return (
        f'<p class="verdict"><b>{escape(title)}</b>, {how} in {update.seconds:.2f} s; it holds '
        f"{n_bytes / 1e6:,.0f} MB while you are here. "
        f"Its name everywhere else on this page: <code>{escape(update.reference)}</code></p>"
    )
