"""What a steering direction is beside what it is added to, in words. It does not know how it was found."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.internals.steering import Direction

_LARGE = 1.0  # times the residual's own norm, from which what is added drowns what was there


def sentence(found: Direction, strength: float) -> str:
    """How long the direction is, how much of it is added, and how well it separates the prompts; safe HTML."""
    share = found.norm / found.residual_norm
    added = abs(strength) * share
    said = (
        f"Layer {found.layer}: the direction is {found.norm:.1f} long, a residual there {found.residual_norm:.1f} "
        f"({share:.0%}). At strength {strength:g}, <b>{added:.0%}</b> of a residual's length is added at every token. "
        f"The direction puts {found.separation:.0%} of the prompts on their own side; 50 % is chance, and these are "
        "the prompts it was made from."
    )
    if strength == 0:
        said += " At strength 0 nothing is added, and the texts are the same bit for bit."
    elif added >= _LARGE:
        said += (
            " That is as much as was there: expect broken text, and look whether the random direction breaks it too."
        )
    return f"<p>{said}</p>"


def origin(found: Direction) -> str:
    from playground.views.internals.ablation import origin

    pooling = escape(str(found.provenance.settings["pooling"]))
    return origin(found.provenance).replace("</p>", f" · pooling: {pooling}</p>")
