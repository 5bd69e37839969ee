"""What changes on the way from one parent to the other, as one figure: a row a measure, t along the bottom.

It does not know how anything was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from playground.views.attention.map import LOOK
from playground.views.colours import AMBER, GRID, INK, TEAL

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.merging.sweep import Sweep


def figure(sweep: Sweep, picked: float | None = None) -> go.Figure:
    """The curves so far. Dashed: the straight way between both ends; dotted: the ideal, where it lies in between."""
    ts = [step.t for step in sweep.steps]
    n = len(sweep.measures)
    titles = [f"{m.title}{f', {m.unit}' if m.unit else ''}" for m in sweep.measures]
    drawn = make_subplots(rows=n, cols=1, shared_xaxes=True, vertical_spacing=0.26 / n, subplot_titles=titles)
    for row, measure in enumerate(sweep.measures, start=1):
        values = [None if v != v else v for v in sweep.column(row - 1).tolist()]
        if len(ts) == sweep.n_steps and None not in (values[0], values[-1]):
            straight = go.Scatter(
                x=[0, 1],
                y=[values[0], values[-1]],
                mode="lines",
                line={"color": AMBER, "dash": "dash", "width": 1.5},
                hoverinfo="skip",
            )
            drawn.add_trace(straight, row, 1)
        curve = go.Scatter(
            x=ts,
            y=values,
            mode="lines+markers",
            line={"color": TEAL, "width": 2},
            marker={"size": 10, "color": TEAL},
            name=measure.name,
            hovertemplate="t = %{x:.2f}: %{y:.4g}<extra></extra>",
        )
        drawn.add_trace(curve, row, 1)
        if measure.ideal is not None:
            drawn.add_hline(measure.ideal, row=row, col=1, line={"color": INK, "dash": "dot", "width": 1})
        if picked is not None and picked in ts:
            at = ts.index(picked)
            ring = go.Scatter(
                x=[picked],
                y=[values[at]],
                mode="markers",
                marker={"size": 18, "symbol": "circle-open", "color": INK, "line": {"width": 2.5}},
                hoverinfo="skip",
            )
            drawn.add_trace(ring, row, 1)
        drawn.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True, row=row, col=1)
    drawn.update_xaxes(range=[-0.03, 1.03], gridcolor=GRID, zeroline=False)
    drawn.update_xaxes(title_text="t: 0 is A, 1 is B", row=n, col=1)
    drawn.update_layout(
        **LOOK | {"margin": {"l": 10, "r": 20, "t": 66, "b": 48}}, height=116 + 150 * n, showlegend=False
    )
    drawn.update_annotations(font={"size": 13, "color": INK}, x=0, xanchor="left", align="left")
    return drawn


def sentence(sweep: Sweep) -> str:
    """What stands out, as plain text."""
    words = []
    for place, measure in enumerate(sweep.measures):
        values = sweep.column(place)
        known = [(v, s.t) for v, s in zip(values.tolist(), sweep.steps, strict=True) if v == v]
        if not known:
            continue
        if measure.name == "perplexity":
            least, t = min(known)
            words.append(f"The text surprises least at t = {t:.2f} (perplexity {least:.3g}).")
        elif measure.name == "accuracy":
            most, t = max(known)
            words.append(f"Most answers are right at t = {t:.2f} ({most:.0%}).")
        elif measure.name == "bias":
            nearest, t = min(known, key=lambda point: abs(point[0] - measure.ideal))
            words.append(f"Stereotypes are preferred in {known[0][0]:.0%} of pairs by A, {_ends(known, nearest, t)}.")
    a = next((i for i, m in enumerate(sweep.measures) if m.name == "kl_a"), None)
    if a is not None and len(sweep.steps) > 1:
        to_a, to_b = sweep.column(a), sweep.column(a + 1)
        cross = next((s.t for s, x, y in zip(sweep.steps, to_a, to_b, strict=True) if x > y), None)
        if cross is not None:
            words.append(f"From t = {cross:.2f} on the merge predicts more as B does than as A does.")
    return " ".join(words)


def _ends(known: list[tuple[float, float]], nearest: float, t: float) -> str:
    """The other end, and where it comes nearest to the ideal."""
    last = f"{known[-1][0]:.0%} at t = {known[-1][1]:.2f}"
    return f"in {last}, and nearest to one half at t = {t:.2f} ({nearest:.0%})"
