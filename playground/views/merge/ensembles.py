"""Ensembles: who was right how often, what each says of one text, and bits a token; figures and safe HTML.

It does not know how members are combined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from playground.views.attention.map import LOOK, plain
from playground.views.colours import AMBER, GREY, GRID, INK, TEAL
from playground.views.prompting.charts import SHARE

if TYPE_CHECKING:  # the labs import torch, which a page that is being laid out must not wait for
    from playground.labs.ensembles.combining import Ensemble, Judged
    from playground.labs.ensembles.next_token import Bits, NextToken

_KINDS = (("a member", GREY, "circle"), ("combined", TEAL, "diamond"), ("the merge", AMBER, "square"))


def accuracies(found: Ensemble, merge: Judged | None) -> go.Figure:
    """The share right of members, ways and the merge, with intervals."""
    groups = (found.members, found.ways, (merge,) if merge else ())
    names = [plain(one.name) for group in groups for one in group]
    drawn, at = [], 0
    for (kind, colour, symbol), group in zip(_KINDS, groups, strict=True):
        if not group:
            continue
        places = list(range(at, at + len(group)))
        at += len(group)
        drawn.append(
            go.Scatter(
                y=places,
                x=[one.accuracy.share for one in group],
                mode="markers",
                name=kind,
                marker={"color": colour, "size": 11, "symbol": symbol},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [one.accuracy.interval[1] - one.accuracy.share for one in group],
                    "arrayminus": [one.accuracy.share - one.accuracy.interval[0] for one in group],
                    "color": colour,
                    "thickness": 2,
                    "width": 6,
                },
                text=[f"{one.accuracy.correct} of {one.accuracy.n}" for one in group],
                hovertemplate="%{text} right, %{x:.0%}<extra></extra>",
            )
        )
    return go.Figure(
        drawn,
        go.Layout(
            **LOOK | {"margin": {"l": 10, "r": 20, "t": 40, "b": 44}},
            height=120 + 36 * len(names),
            xaxis={"title": {"text": "Share of rows right, with the 95 % interval"}, "range": [0, 1.03], **SHARE},
            yaxis={"tickvals": list(range(len(names))), "ticktext": names, "autorange": "reversed",
                   "automargin": True, "gridcolor": GRID},
            legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        ),
    )  # fmt: skip


def table(found: Ensemble, merge: Judged | None) -> str:
    """The same as numbers, with the log loss and the paired test against the best member."""
    lines = []
    for kind, group in (("member", found.members), ("combined", found.ways), ("merge", (merge,) if merge else ())):
        for place, one in enumerate(group):
            weight = f"{found.weights[place]:.2f}" if kind == "member" else ""
            low, high = one.accuracy.interval
            lines.append(
                f"<tr><th scope='row'>{escape(one.name)}</th><td>{kind}</td>"
                f"<td>{one.accuracy.correct} of {one.accuracy.n}</td><td>{low:.0%} to {high:.0%}</td>"
                f"<td>{'' if one.loss is None else f'{one.loss:.3f}'}</td><td>{_against(one)}</td>"
                f"<td>{weight}</td></tr>"
            )
    return (
        "<div class='wide numbers' tabindex='0' role='region' aria-label='Accuracies'><table><thead><tr>"
        "<th scope='col'>Who</th><th scope='col'>What</th><th scope='col'>Right</th><th scope='col'>95 % interval</th>"
        "<th scope='col'>Log loss (nats)</th><th scope='col'>Against the best member</th>"
        f"<th scope='col'>Weight in “weighted”</th></tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _against(one: Judged) -> str:
    if one.against_best is None:
        return "is it"
    return f"{one.against_best.difference:+.0%}, p = {one.against_best.p_value:.2g}"


def verdict(found: Ensemble, merge: Judged | None) -> str:
    """What the numbers allow to be said."""
    best_way = max(found.ways, key=lambda one: one.accuracy.share)
    best = found.members[found.best]
    against = best_way.against_best
    if against is None or against.verdict == "open":
        said = (
            f"The best way of combining (<b>{escape(best_way.name)}</b>, {best_way.accuracy.share:.0%}) and the best "
            f"member ({escape(best.name)}, {best.accuracy.share:.0%}) cannot be told apart on {best.accuracy.n} rows."
        )
    elif against.difference > 0:
        said = (
            f"<b>{escape(best_way.name)}</b> is right more often than the best member, {escape(best.name)}: "
            f"{best_way.accuracy.share:.0%} against {best.accuracy.share:.0%} (p = {against.p_value:.2g})."
        )
    else:
        said = (
            f"No way of combining reaches the best member, {escape(best.name)} ({best.accuracy.share:.0%}); the "
            f"nearest is {escape(best_way.name)} with {best_way.accuracy.share:.0%}."
        )
    if merge:
        said += (
            f" The merge of the members' weights, which runs once in place of {len(found.members)} times: "
            f"{merge.accuracy.share:.0%}."
        )
    return f"<p>{said}</p>"


def one_text(
    labels: Sequence[str], members: Sequence[str], given: np.ndarray, combined: Mapping[str, np.ndarray],
    merge: np.ndarray | None,
) -> str:  # fmt: skip
    """What each member and each way makes of one text. given: (member, label)."""
    rows = [(name, "member", p) for name, p in zip(members, given, strict=True)]
    rows += [(name, "combined", p) for name, p in combined.items()]
    rows += [("merge", "merge", merge)] if merge is not None else []
    lines = []
    for name, kind, p in rows:
        best = int(p.argmax())
        cells = "".join(
            f"<td>{'<b>' if i == best else ''}{value:.0%}{'</b>' if i == best else ''}</td>"
            for i, value in enumerate(p)
        )
        lines.append(
            f"<tr><th scope='row'>{escape(name)}</th><td>{kind}</td><td>{escape(labels[best])}</td>{cells}</tr>"
        )
    heads = "".join(f"<th scope='col'>{escape(label)}</th>" for label in labels)
    return (
        "<div class='wide numbers' tabindex='0' role='region' aria-label='One text'><table><thead><tr>"
        f"<th scope='col'>Who</th><th scope='col'>What</th><th scope='col'>Says</th>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def next_tokens(found: NextToken) -> str:
    """The most probable next tokens to each, as a table."""
    order = np.argsort(-found.probabilities.max(0))[:12]
    heads = "".join(f"<th scope='col'><code>{escape(repr(found.texts[i])[1:-1])}</code></th>" for i in order)
    lines = "".join(
        f"<tr><th scope='row'>{escape(name)}</th>" + "".join(f"<td>{row[i]:.1%}</td>" for i in order) + "</tr>"
        for name, row in zip(found.names, found.probabilities, strict=True)
    )
    return (
        "<div class='wide numbers' tabindex='0' role='region' aria-label='Next tokens'><table><thead><tr>"
        f"<th scope='col'>Who</th>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def bits(found: Bits) -> go.Figure:
    """Bits a token of the same answers; fewer is better."""
    n = len(found.names)
    members = n - 2 - ("the merge" in found.names)
    colours = [GREY] * members + [TEAL] * 2 + [AMBER] * (n - members - 2)
    mean = found.mean
    return go.Figure(
        go.Bar(
            y=[plain(name) for name in found.names],
            x=mean.tolist(),
            orientation="h",
            marker={"color": colours},
            text=[f"{value:.2f}" for value in mean],
            textposition="outside",
            textfont={"color": INK},
            hovertemplate="%{y}: %{x:.3f} bits a token<extra></extra>",
            cliponaxis=False,
        ),
        go.Layout(
            **LOOK | {"margin": {"l": 10, "r": 50, "t": 10, "b": 44}},
            height=90 + 34 * n,
            xaxis={"title": {"text": "Bits a token of the expected answers; fewer is better"}, "gridcolor": GRID,
                   "rangemode": "tozero"},
            yaxis={"autorange": "reversed", "automargin": True, "showgrid": False},
        ),
    )  # fmt: skip


def bits_told(found: Bits) -> str:
    """The best of all, and the average against the merge, as a sentence."""
    mean = found.mean
    best = int(mean.argmin())
    said = f"<b>{escape(found.names[best])}</b> needs the fewest bits: {mean[best]:.2f} a token."
    if found.names[-1] == "the merge":
        average = found.names.index("arithmetic mean")
        gap, low, high = found.difference(len(found.names) - 1, average)
        sure = "" if low > 0 or high < 0 else ": on these texts they cannot be told apart"
        said += (
            f" The merge needs {abs(gap):.2f} bits a token {'more' if gap > 0 else 'fewer'} than the average of the "
            f"probabilities (95 % interval {low:+.2f} to {high:+.2f}){sure}. It runs one model, the average "
            f"{len(found.names) - 3}."
        )
    return f"<p>{said}</p>"
