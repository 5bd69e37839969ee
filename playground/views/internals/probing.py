"""A probing drawn: accuracy by layer, who was taken for whom, the texts as points; and what it means, in sentences.

It does not know how a probe is trained.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from playground.views.attention.map import LOOK, plain
from playground.views.colours import AMBER, BAND, CERTAINTY, GREY, GRID, INK, TEAL, many
from playground.views.internals.probing_texts import short
from playground.views.intervals import bars

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.internals.probing.experiment import Probing

SYMBOLS = ("circle", "diamond", "square", "cross", "triangle-up", "x", "star", "triangle-down")
RIVALS = {"words": "the words alone", "majority": "always the commonest label", "guessing": "guessing"}
WEAK = 0.1  # selectivity below which an accuracy is called little


def curve(found: Probing) -> go.Figure:
    """Accuracy by layer with its band, the control, and what does without the model; of one layer, as bars."""
    if len(found.wanted) == 1:
        return _bars(found)
    layers = list(found.layers)
    ends = [found.wanted[0], found.wanted[-1]]
    best = found.at(found.best)
    marks = "lines+markers"
    drawn = [
        go.Scatter(
            x=[*layers, *reversed(layers)],
            y=[*found.high.tolist(), *reversed(found.low.tolist())],
            mode="lines",
            fill="toself",
            fillcolor=BAND,
            line={"width": 0},
            name="95 % interval",
            hoverinfo="skip",
        ),
        go.Scatter(
            x=layers,
            y=found.accuracy,
            mode=marks,
            name="Task",
            line={"color": TEAL, "width": 3},
            marker={"size": [13 if layer == found.best else 6 for layer in layers], "symbol": "circle"},
            customdata=[[low, high] for low, high in zip(found.low, found.high, strict=True)],
            hovertemplate="layer %{x}: %{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})<extra>task</extra>",
        ),
        go.Scatter(
            x=layers,
            y=found.control,
            mode=marks,
            name="Control task",
            line={"color": AMBER, "width": 2, "dash": "dot"},
            marker={"symbol": "diamond", "size": 6},
            hovertemplate="layer %{x}: %{y:.1%}<extra>control</extra>",
        ),
        _level(ends, found.words.accuracy, "Words alone", "dash"),
        _level(ends, found.majority.accuracy, "Commonest label", "longdashdot"),
    ]
    if len(layers) == 1:  # an area of no width would not be seen
        drawn[0] = go.Scatter(
            x=layers * 2,
            y=[found.low[0], found.high[0]],
            mode="lines",
            name="95 % interval",
            line={"color": BAND, "width": 9},
            hoverinfo="skip",
        )
    layout = go.Layout(
        height=400,
        **LOOK,
        xaxis={
            "title": {"text": "Layer (0: before the first block)", "standoff": 8},
            "range": [ends[0] - 0.4, ends[1] + 0.4],
            "dtick": 1 if ends[1] - ends[0] <= 15 else 5,
            "showgrid": False,
            "zeroline": False,
        },
        yaxis=_shares("Accuracy"),
        legend={"orientation": "h", "y": 1.08, "yanchor": "bottom", "x": 0},  # on a phone it grows upwards
        annotations=[
            {
                "x": found.best,
                "y": float(found.accuracy[best]),
                "text": f"best: layer {found.best}, {found.accuracy[best]:.0%}",
                "showarrow": False,
                "yshift": 17,
                "xanchor": _anchor(found.best, ends),
                "font": {"color": INK},
            }
        ],
    )
    return go.Figure(drawn, layout)


def _bars(found: Probing) -> go.Figure:
    """One layer's accuracy with its interval, above the control and what does without the model."""
    rows = [
        (f"Layer {found.layers[0]}", float(found.accuracy[0]), TEAL, f"{found.low[0]:.1%} to {found.high[0]:.1%}"),
        ("Control task", float(found.control[0]), AMBER, "labels drawn at random"),
        ("Words alone", found.words.accuracy, GREY, "without the model"),
        ("Commonest label", found.majority.accuracy, GREY, "always the same answer"),
    ]
    drawn = [
        go.Bar(
            x=[value],
            y=[f"{name}, {value:.0%}"],
            orientation="h",
            marker={"color": colour},
            customdata=[note],
            hovertemplate="%{y} (%{customdata})<extra></extra>",
        )
        for name, value, colour, note in rows
    ]
    drawn[0].error_x = bars(drawn[0].x, found.low.tolist(), found.high.tolist(), INK)
    layout = go.Layout(
        height=230,
        **LOOK,
        barmode="overlay",
        bargap=0.35,
        showlegend=False,
        xaxis=_shares("Accuracy; the line is its 95 % interval"),
        yaxis={"autorange": "reversed", "automargin": True, "ticksuffix": "  ", "showgrid": False},
    )
    return go.Figure(drawn, layout)


def _shares(title: str) -> dict[str, object]:
    """An axis from 0 to 100 %."""
    return {
        "title": {"text": title, "standoff": 8},
        "tickformat": ".0%",
        "range": [0, 1.04],
        "gridcolor": GRID,
        "zeroline": False,
    }


def _anchor(layer: int, ends: Sequence[float]) -> str:
    """Which side of a caption stands at its layer, so that it stays inside the chart."""
    place = (layer - ends[0]) / (ends[1] - ends[0])
    return "left" if place < 0.2 else "right" if place > 0.8 else "center"


def _level(ends: Sequence[float], value: float, name: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=ends,
        y=[value, value],
        mode="lines",
        name=name,
        line={"color": INK, "width": 2, "dash": dash},
        hovertemplate=f"{name.lower()}: %{{y:.1%}}<extra></extra>",
    )


def confusion(found: Probing, layer: int) -> go.Figure:
    """Rows are what a text is, columns what it was taken for; each row sums to 100 %."""
    counts = found.confusion[found.at(layer)]
    shares = counts / counts.sum(axis=1, keepdims=True)
    names = [plain(short(name)) for name in found.examples.classes]
    places = list(range(len(names)))
    drawn = go.Heatmap(
        z=shares,
        x=places,
        y=places,
        text=[[f"{n}" for n in row] for row in counts],
        texttemplate="%{text}",
        hovertext=[
            [f"<b>{true}</b> taken for <b>{said}</b>: {n} texts" for said, n in zip(names, row, strict=True)]
            for true, row in zip(names, counts, strict=True)
        ],
        hoverinfo="text",
        colorscale=CERTAINTY,
        zmin=0,
        zmax=1,
        xgap=2,
        ygap=2,
        colorbar={"title": "Share", "tickformat": ".0%", "thickness": 12, "outlinewidth": 0},
    )
    layout = go.Layout(
        height=380,
        **LOOK,
        xaxis={"title": "Taken for", "tickvals": places, "ticktext": names, "showgrid": False, "zeroline": False},
        yaxis={
            "title": "Is",
            "tickvals": places,
            "ticktext": names,
            "autorange": "reversed",
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
        },
    )
    return go.Figure(drawn, layout)


def projection(found: Probing, layer: int) -> go.Figure:
    """The texts of one layer as points; colour and shape are the label."""
    at = found.at(layer)
    examples, points = found.examples, found.points[at]
    drawn, colours = [], many(len(examples.classes))
    for number, name in enumerate(examples.classes):
        chosen = [i for i, label in enumerate(examples.labels) if label == name]
        drawn.append(
            go.Scatter(
                x=points[chosen, 0],
                y=points[chosen, 1],
                mode="markers",
                name=plain(short(name)),
                marker={
                    "color": colours[number],
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                    "size": 7,
                    "opacity": 0.75,
                },
                text=[plain(short(examples.texts[i], 70)) for i in chosen],
                hovertemplate="%{text}<extra>%{fullData.name}</extra>",
            )
        )
    first, second = found.explained[at]
    axis = {"showgrid": False, "zeroline": False, "showticklabels": False}
    layout = go.Layout(
        height=380,
        **LOOK,
        xaxis={"title": f"First component ({first:.0%} of the variance)", **axis},
        yaxis={"title": f"Second component ({second:.0%})", **axis},
        legend={"orientation": "h", "y": 1.08, "yanchor": "bottom", "x": 0},  # on a phone it grows upwards
    )
    return go.Figure(drawn, layout)


def verdict(found: Probing, title: str) -> str:
    """What came out, in sentences, as safe HTML: the best layer, where it is above its rivals, and what to doubt."""
    sentences = [_best(found, title), _above(found), _selective(found), _code(found)]
    if found.kind == "causal" and found.settings.pooling == "first":
        sentences.insert(
            0,
            "This model reads from left to right: its first token has seen nothing of what follows, so no layer can "
            "know more here than the first word tells. Pick the last token or the mean, or a model that reads both "
            "ways, such as all-MiniLM.",
        )
    if not found.complete:
        sentences.insert(0, f"Stopped: {len(found.layers)} of {len(found.wanted)} layers are done.")
    if not found.together and found.examples.repeats:
        sentences.append(
            f"Each label has too few different items ({found.examples.item}), so that texts with the same one are in "
            "training and test alike: part of the accuracy may be learned by heart."
        )
    sentences += found.examples.notes
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _best(found: Probing, title: str) -> str:
    at = found.at(found.best)
    which = f"Layer {found.best}" if len(found.layers) == 1 else f"Best is layer {found.best}, which"
    said = (
        f"{title}: {which} tells {found.accuracy[at]:.1%} of {len(found.examples)} texts rightly when they "
        f"were not among those it learned from (95 % interval {found.low[at]:.1%} to {found.high[at]:.1%})."
    )
    if len(found.layers) > 1:
        said += (
            f" Being the best of {len(found.layers)} on these very texts flatters it a little: with the layer picked "
            f"on other folds it is {found.best_unseen:.1%}."
        )
    return said


def _above(found: Probing) -> str:
    rival = f"{RIVALS[found.rival]} ({found.rival_accuracy:.1%})"
    above = [layer for layer, is_above in zip(found.layers, found.above, strict=True) if is_above]
    if not above:
        return _not_above(found, rival)
    if above == list(found.layers):
        where = "at this layer" if len(above) == 1 else "at every layer, before the first block too"
        if found.layers[0] != 0 and len(above) > 1:
            where = "at every layer that was probed"
        return f"Clearly above {rival} {where}."
    last_below = max(layer for layer in found.layers if layer not in above)
    later = [layer for layer in above if layer > last_below]
    if later:
        earlier = [layer for layer in above if layer < last_below]
        more = f", and already at {spans(earlier, found.layers)}" if earlier else ""
        return f"Clearly above {rival} from layer {later[0]} on{more}."
    return f"Clearly above {rival} at {spans(above, found.layers)} only."


def _not_above(found: Probing, rival: str) -> str:
    one = len(found.layers) == 1
    best = found.accuracy[found.at(found.best)]
    if found.rival != "words":  # what needs no text at all does as well, so there is nothing to be had
        which = "This layer is not" if one else "No layer is"
        return f"{which} clearly above {rival}: this probe finds nothing of the task here."
    if best < found.rival_accuracy:
        which = "than this layer" if one else "than any layer"
        return f"A bag of words does better {which}: {rival} tell more texts rightly, so nothing here needs the model."
    which = "This layer is not" if one else "No layer is"
    return f"{which} clearly above {rival}, a bag of words without any model: nothing here needs the model."


def spans(layers: Sequence[int], all_layers: Sequence[int]) -> str:
    """ "layers 2 to 5 and 9": runs of layers that are neighbours among all that were probed."""
    order = {layer: i for i, layer in enumerate(all_layers)}
    runs = []
    for _, run in itertools.groupby(enumerate(layers), lambda pair: order[pair[1]] - pair[0]):
        members = [layer for _, layer in run]
        runs.append(f"{members[0]} to {members[-1]}" if len(members) > 1 else f"{members[0]}")
    joined = runs[0] if len(runs) == 1 else f"{', '.join(runs[:-1])} and {runs[-1]}"
    return f"layer{'s' if len(layers) > 1 else ''} {joined}"


def _selective(found: Probing) -> str:
    at = found.at(found.best)
    if not found.examples.repeats:
        return (
            f"Control task: {found.control[at]:.1%}. Each text is an item of its own here, so random labels cannot be "
            "learned by heart, and the control only shows chance."
        )
    said = (
        f"Control task: where each {found.examples.item} has one random label, the same probe reaches "
        f"{found.control[at]:.1%} at that layer, and {found.task_apart[at]:.1%} at the task in the same folds: "
        f"selectivity {found.selectivity[at]:+.1%}."
    )
    if found.selectivity[at] < WEAK:
        return f"{said} That is little: by learning by heart it could do nearly as well."
    return said


def _code(found: Probing) -> str:
    shortest = int(found.compression.argmax())
    return (
        f"Code length: with layer {found.layers[shortest]} the labels can be sent in {found.bits[shortest]:.0f} bits, "
        f"{found.compression[shortest]:.2f} times as short as without any model (1 means that nothing was learned)."
    )


def origin(found: Probing) -> str:
    """The small print: what made these numbers."""
    made, used = found.provenance, found.provenance.settings
    folds = f"{used['folds']} folds" + (f" by {found.examples.item}" if found.together else "")
    seconds = "" if made.seconds is None else f" · {made.seconds:.0f} s"
    facts = f"{made.reference} · {made.dtype} · {made.device} · {used['pooling']} · {used['probe']} probe"
    return f'<p class="note">{escape(f"{facts} · {folds} · seed {found.settings.seed}{seconds}")}</p>'


def table(found: Probing) -> str:
    """Every number by layer, as safe HTML."""
    head = ("Layer", "Accuracy", "95 % interval", "Above", "Control", "Selectivity", "Compression", "Bits")
    rows = []
    for at, layer in enumerate(found.layers):
        cells = (
            f"{found.accuracy[at]:.1%}",
            f"{found.low[at]:.1%} to {found.high[at]:.1%}",
            "yes" if found.above[at] else "no",
            f"{found.control[at]:.1%}",
            f"{found.selectivity[at]:+.1%}",
            f"{found.compression[at]:.2f}",
            f"{found.bits[at]:.0f}",
        )
        rows.append(_row(f"{layer}", cells, best=layer == found.best))
    for name, score in (("Words alone", found.words), ("Commonest label", found.majority)):
        cells = (f"{score.accuracy:.1%}", f"{score.low:.1%} to {score.high:.1%}", "", "", "", "", "")
        rows.append(_row(name, cells))
    heads = "".join(f'<th scope="col">{name}</th>' for name in head)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Numbers by layer"><table class="numbers">'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, cells: Sequence[str], best: bool = False) -> str:
    inside = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr{" class=best" if best else ""}><th scope="row">{name}</th>{inside}</tr>'


def progress(done: float, doing: str, seconds_left: float | None) -> str:
    """How far the work is, as safe HTML."""
    left = "" if seconds_left is None else f" · about {_duration(seconds_left)} left"
    said = escape(f"{doing}{left}")
    return (
        f'<div class="status"><p class="note">{said}</p>'
        f'<progress max="1" value="{done:.3f}" aria-label="Progress"></progress></div>'
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
