"""Single neurons drawn, as safe HTML: a text coloured by one, where it is most active, which tell two groups apart.

It does not know how activations are read. Teal is above 0, orange below; the strongest colour is the largest value.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from playground.views.attention.heads import table
from playground.views.status import DTYPES

if TYPE_CHECKING:  # the labs import torch, which a page that is being laid out must not wait for
    from playground.engine.provenance import Provenance
    from playground.labs.internals.neuron_groups import Difference
    from playground.labs.internals.neurons import Activations, Active, MostActive, Unit

SIGNIFICANT = 0.05
_BREAK = "⏎"


def named(unit: Unit) -> str:
    """A unit as a person calls it."""
    what = "MLP neuron" if unit.kind == "neuron" else "residual dimension"
    return f"layer {unit.layer}, {what} {unit.index}"


def scale_of(found: Sequence[Activations]) -> float:
    """The value at which the colour is full: the largest of all, first tokens left out."""
    values = [np.abs(one.values[1:] if len(one.values) > 1 else one.values) for one in found]
    return max((float(value.max()) for value in values if value.size), default=0.0) or 1.0


def text(found: Activations, most: float) -> str:
    """One text, each token coloured by its activation, with the value under the pointer."""
    tokens = "".join(
        _token(label, value, most) + ("<br>" * label.count(_BREAK))
        for label, value in zip(found.labels, found.values.tolist(), strict=True)
    )
    return f'<div class="tokens plain">{tokens}</div>'


def _token(label: str, value: float, most: float) -> str:
    side = "speaks-for" if value >= 0 else "speaks-against"
    strength = min(abs(value) / most, 1.0)
    return (
        f'<span class="token {side}" style="--strength:{strength:.2f}" title="{value:+.3f}">'
        f"{escape(label.replace('·', ' '))}</span>"
    )


def legend(most: float) -> str:
    return (
        f'<p class="note scale"><span>−{most:.2g}</span><i class="two-ways"></i><span>+{most:.2g}</span></p>'
        '<p class="note">Point at a token for its value. First tokens, on which models rest, are left out of the '
        "scale.</p>"
    )


def caption(found: Activations, title: str) -> str:
    """Which tokens of a text a unit answers to most."""
    values = found.values[1:] if len(found.values) > 1 else found.values
    labels = found.labels[len(found.labels) - len(values) :]
    order = np.argsort(-np.abs(values), kind="stable")[:3]
    strongest = ", ".join(f"<b>{escape(labels[at])}</b> {values[at]:+.2f}" for at in order)
    first = f" The first token has {found.values[0]:+.2f}." if len(found.values) > 1 else ""
    return (
        f'<p class="note"><b>{escape(title)}</b>, {named(found.unit)}. Strongest at {strongest}; mean '
        f"{float(values.mean()):+.2f}.{first} Look for what the coloured tokens have in common.</p>"
    )


def values_table(found: Activations) -> str:
    """The same as numbers."""
    rows = [
        (f"<code>{escape(label)}</code>", str(at), f"{value:+.4f}")
        for at, (label, value) in enumerate(zip(found.labels, found.values.tolist(), strict=True))
    ]
    drawn = table(("Token", "Position", "Activation"), rows, "Activations")
    return f"<details><summary>All values</summary>{drawn}</details>"


def groups_of_texts(first: Sequence[Activations], second: Sequence[Activations]) -> str:
    """Both groups, sentence by sentence, on one scale."""
    most = scale_of([*first, *second])
    sides = "".join(
        f"<div><h4>{name}: mean {np.mean([_mean(one) for one in found]):+.2f}</h4>"
        f"{''.join(text(one, most) for one in found)}</div>"
        for name, found in (("First group", first), ("Second group", second))
    )
    return f'{legend(most)}<div class="two-groups">{sides}</div>'


def _mean(found: Activations) -> float:
    return float((found.values[1:] if len(found.values) > 1 else found.values).mean())


def most_active(found: MostActive, corpus: str) -> str:
    """Where a unit is highest and lowest, a token with its surroundings a row."""
    ends = [found.top, found.bottom]
    most = max((abs(one.value) for end in ends for one in end), default=0.0) or 1.0
    stopped = "" if found.complete else " Stopped before the end; this is what was found until then."
    said = (
        f'<p class="note">{named(found.unit)[0].upper()}{named(found.unit)[1:]} over {escape(corpus)}: '
        f"{found.n_texts:,} texts, {found.n_tokens:,} tokens, mean {found.mean:+.2f}, standard deviation "
        f"{found.deviation:.2f}. A gated neuron says something with both signs.{stopped}</p>"
    )
    lists = "".join(
        f"<div><h4>{name}</h4><table class='bars active'><thead><tr><th scope='col'>Value</th>"
        f"<th scope='col'>Token and what stands around it</th></tr></thead><tbody>"
        f"{''.join(_row(one, most) for one in end)}</tbody></table></div>"
        for name, end in (("Highest", found.top), ("Lowest", found.bottom))
    )
    return f'{said}<div class="two-groups">{lists}</div>'


def _row(one: Active, most: float) -> str:
    before, after = (escape("".join(side).replace("·", " ")) for side in (one.before, one.after))
    return (
        f"<tr><th scope='row'>{one.value:+.2f}</th><td><span class='tokens plain'>{before}"
        f"{_token(one.label, one.value, most)}{after}</span></td></tr>"
    )


def difference(found: Difference, most: int = 20) -> str:
    """The units that tell two groups apart best, a button each with `data-at` "layer,index"."""
    rows = [
        (
            f'<button type="button" data-at="{layer},{index}" aria-label="Open layer {layer}, '
            f'{"neuron" if found.kind == "neuron" else "dimension"} {index}">Layer {layer}, '
            f"{'neuron' if found.kind == 'neuron' else 'dimension'} {index}</button>",
            f"{effect:+.2f}",
            f"{one:+.2f}",
            f"{other:+.2f}",
            _p(p),
            f"<b>{_p(adjusted)}</b>" if adjusted < SIGNIFICANT else _p(adjusted),
        )
        for layer, index, effect, one, other, p, adjusted in zip(
            found.layers[:most].tolist(),
            found.indices[:most].tolist(),
            found.effects[:most].tolist(),
            found.mean_first[:most].tolist(),
            found.mean_second[:most].tolist(),
            found.p_values[:most].tolist(),
            found.adjusted[:most].tolist(),
            strict=True,
        )
    ]
    columns = ("Open", "Effect g", "Mean of the first", "Mean of the second", "p", "p, corrected")
    return table(columns, rows, "Neurons that tell the groups apart")


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"


def difference_caption(found: Difference, title: str) -> str:
    """What the comparison found, and how far to believe it."""
    what = "neurons" if found.kind == "neuron" else "residual dimensions"
    first, second = found.n_texts
    said = (
        f"<b>{escape(title)}</b>: {found.n_units:,} {what} compared over {first} against {second} sentences. The "
        "effect is the difference of the means in standard deviations (Hedges' g), positive where the first group is "
        "higher. "
    )
    if found.n_significant:
        said += (
            f"<b>{found.n_significant:,}</b> {'stands' if found.n_significant == 1 else 'stand'} out after correction "
            "for so many tests (Benjamini-Hochberg, p below 0.05, in bold): one in twenty of these is expected to be "
            "chance. "
        )
    else:
        said += (
            "<b>None</b> stands out after correction for so many tests (Benjamini-Hochberg): among so many, effects "
            "like these come by chance alone. Add sentences. "
        )
    return f'<p class="note">{said}Press one to look at it.</p>{origin(found.provenance)}'


def origin(made: Provenance) -> str:
    """The small print."""
    seconds = "" if made.seconds is None else f", {made.seconds:.1f} s"
    return (
        f'<p class="note">Looked at in {escape(DTYPES.get(made.dtype, made.dtype))} on {escape(made.device)}{seconds}; '
        f"revision {escape(str(made.revision)[:12])}.</p>"
    )
