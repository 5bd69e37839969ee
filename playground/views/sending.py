"""A row that offers to send something to other tabs, as safe HTML. It does not know the tabs."""

from collections.abc import Mapping, Sequence
from html import escape


def row(offered: Mapping[str, Sequence[str]], name: str) -> str:
    """What can be sent, one of it picked, and a button for each place where that can go.

    A button's `data-at` is "number of what is sent,number of the place".

    Args:
        offered: what can be sent -> the names of the places.
        name: of the row, for the elements' ids.
    """
    groups = "".join(
        f'<span data-of="{i}"{"" if i == 0 else " hidden"}>{_buttons(i, places)}</span>'
        for i, places in enumerate(offered.values())
    )
    return f'<div class="sending">Send {_what(list(offered), name)} to {groups}</div>'


def _what(captions: Sequence[str], name: str) -> str:
    if len(captions) == 1:
        return escape(captions[0])
    options = "".join(f'<option value="{i}">{escape(caption)}</option>' for i, caption in enumerate(captions))
    return f'<select aria-label="What is sent" id="{escape(name)}-what">{options}</select>'


def _buttons(what: int, places: Sequence[str]) -> str:
    return "".join(
        f'<button type="button" data-at="{what},{i}">{escape(place)}</button>' for i, place in enumerate(places)
    )
