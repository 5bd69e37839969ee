"""How settings compare and what a threshold refuses, as Plotly figures and safe HTML. It measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from playground.labs.retrieval import report
from playground.labs.retrieval.evaluation import MEASURES
from playground.views.attention.map import LOOK, plain
from playground.views.colours import AMBER, BLUE, GRID, INK, TEAL
from playground.views.continuations import note
from playground.views.intervals import bars

if TYPE_CHECKING:
    from playground.labs.retrieval.evaluation import Evaluation
    from playground.labs.retrieval.graded import Graded, Grades
    from playground.labs.retrieval.metrics import Estimate

_LOOKS = ((TEAL, "circle"), (AMBER, "diamond"), (BLUE, "square"))
DRAWN = ("recall@5", "MRR@10", "nDCG@10")
DRAWN_ANSWERS = {
    "accuracy": "answers right",
    "citation_precision": "citations supported",
    "citation_source": "right source cited",
}
_MOST_QUESTIONS = 200
WORDS = {
    "accuracy": "Right answers",
    "accuracy_given": "… of those given the passage",
    "citation_precision": "Citing sentences that are supported",
    "citation_source": "… that cite the right passage",
    "refused": "Unanswerable, refused",
    "falsely_refused": "Answerable, refused",
}


def settings(found: Evaluation) -> go.Figure:
    """A line a setting, with recall, MRR and nDCG and their intervals."""
    names = [row.setting.name for row in found.rows]
    return _dots(names, {measure: [row.estimate(measure) for row in found.rows] for measure in DRAWN}, "questions")


def answered(found: Sequence[Grades]) -> go.Figure:
    """A line a setting, with how many answers are right and how many citations hold."""
    measured = {caption: [getattr(each, name) for each in found] for name, caption in DRAWN_ANSWERS.items()}
    return _dots([each.setting for each in found], measured, "answers")


def _dots(names: Sequence[str], measured: Mapping[str, Sequence[Estimate]], over: str) -> go.Figure:
    """Estimates with their intervals, a line a setting. measured: by measure, at most three."""
    names = [plain(name) for name in names]
    drawn = []
    for number, ((measure, estimates), (colour, symbol)) in enumerate(zip(measured.items(), _LOOKS, strict=False)):
        drawn.append(
            go.Scatter(
                x=[each.mean if each.n else None for each in estimates],  # of nothing there is no share
                y=[at + 0.22 * (number - 1) for at in range(len(names))],
                mode="markers",
                name=measure,
                marker={"color": colour, "size": 10, "symbol": symbol},
                error_x=bars(
                    [e.mean for e in estimates], [e.low for e in estimates], [e.high for e in estimates], colour, 1.5, 4
                ),
                customdata=[[each.low, each.high, each.n] for each in estimates],
                hovertemplate=f"{measure} %{{x:.3f}}, %{{customdata[0]:.3f}} to %{{customdata[1]:.3f}}, of "
                "%{customdata[2]}<extra></extra>",
            )
        )
    lowest = min((each.low for estimates in measured.values() for each in estimates if each.n), default=0.0)
    layout = go.Layout(
        **LOOK | {"margin": {"l": 10, "r": 20, "t": 46, "b": 44}},
        height=140 + 52 * len(names),
        xaxis={"title": {"text": f"Mean over {over}, with 95 % intervals"}, "gridcolor": GRID,
               "range": [max(np.floor(10 * lowest) / 10 - 0.02, 0), 1.02]},
        yaxis={
            "tickvals": list(range(len(names))), "ticktext": names, "autorange": "reversed", "automargin": True,
            "showgrid": False, "zeroline": False,
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return go.Figure(drawn, layout)


def thresholds(found: Evaluation, threshold: float) -> go.Figure:
    """Share refused of each kind of question, by the threshold."""
    steps = [at / 100 for at in range(101)]
    told = [found.refusal(step) for step in steps]
    curves = []
    if told[0].n_unanswerable:
        curves.append(("unanswerable, refused", [t.refused / t.n_unanswerable for t in told], TEAL, "solid"))
    if told[0].n_answerable:
        curves.append(("answerable, refused by mistake", [t.falsely / t.n_answerable for t in told], AMBER, "dash"))
    drawn = [
        go.Scatter(
            x=steps, y=values, mode="lines", name=name, line={"color": colour, "width": 2, "dash": dash, "shape": "hv"},
            hovertemplate=f"below %{{x:.2f}}: %{{y:.0%}} {name}<extra></extra>",
        )
        for name, values, colour, dash in curves
    ]  # fmt: skip
    layout = go.Layout(
        **LOOK | {"margin": {"l": 10, "r": 20, "t": 46, "b": 44}},
        height=320,
        xaxis={"title": {"text": "Refuse below this confidence of the best chunk"}, "range": [0, 1], "gridcolor": GRID},
        yaxis={"title": {"text": "Share refused"}, "range": [0, 1.03], "tickformat": ".0%", "gridcolor": GRID},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        shapes=[
            {"type": "line", "x0": threshold, "x1": threshold, "y0": 0, "y1": 1, "line": {"color": INK, "dash": "dot"}}
        ],
    )
    return go.Figure(drawn, layout)


def verdict(found: Evaluation, threshold: float) -> str:
    """What to make of it, in words."""
    best = max(range(len(found.rows)), key=lambda at: found.rows[at].estimate("nDCG@10").mean)
    name = escape(found.rows[best].setting.name)
    said = [f"<b>{name}</b> has the highest nDCG@10 of {len(found.rows)} settings on {_n(len(found.measured))}."]
    if len(found.rows) > 1:
        open_ = []
        for other in range(len(found.rows)):
            if other != best and report.against(found, best, "nDCG@10", other).low <= 0:
                open_.append(escape(found.rows[other].setting.name))
        if open_:
            said.append(
                f"It cannot be told from {', '.join(open_)}: the interval of the difference, question by question, "
                "holds 0. More questions would tell."
            )
        else:
            said.append("It is better than each of the others on these questions, by the paired interval.")
    told = found.refusal(threshold)
    if told.n_unanswerable:
        said.append(
            f"Refusing below a confidence of {threshold:.2f} turns away {told.refused} of {told.n_unanswerable} "
            f"questions that nothing answers, and by mistake {told.falsely} of {told.n_answerable} others."
        )
    said += [escape(each) for each in found.notes]
    return "<p>" + " ".join(said) + "</p>"


def _n(count: int) -> str:
    return "one question" if count == 1 else f"{count:,} questions"


def table(found: Evaluation) -> str:
    """Every measure of every setting, with intervals; below it, recall by kind of question."""
    head = "".join(f'<th scope="col">{measure}</th>' for measure in MEASURES)
    rows = "".join(
        f'<tr><th scope="row">{escape(row.setting.name)}</th>'
        + "".join(f"<td>{_estimate(row.estimate(measure))}</td>" for measure in MEASURES)
        + "</tr>"
        for row in found.rows
    )
    first = _table("Measures by setting", f'<th scope="col">Setting</th>{head}', rows)
    kinds = list(report.by_kind(found, 0, "recall@5"))
    if not kinds:
        return first
    head = "".join(f'<th scope="col">{escape(kind)}</th>' for kind in kinds)
    rows = "".join(
        f'<tr><th scope="row">{escape(row.setting.name)}</th>'
        + "".join(f"<td>{each['mean']:.2f} <small>of {each['n']}</small></td>" for each in parts.values())
        + "</tr>"
        for row, parts in ((row, report.by_kind(found, at, "recall@5")) for at, row in enumerate(found.rows))
    )
    return (
        first
        + "<h4>Recall@5 by kind of question</h4>"
        + _table("Recall by kind of question", f'<th scope="col">Setting</th>{head}', rows)
    )


def questions(found: Evaluation) -> str:
    """The rank of the first relevant passage for each question and setting."""
    head = '<th scope="col">Question</th><th scope="col">Kind</th>' + "".join(
        f'<th scope="col">{escape(row.setting.name)}</th>' for row in found.rows
    )
    lines = "".join(
        f'<tr><th scope="row">{escape(question.text[:200])}</th><td>{escape(question.kind)}</td>'
        + "".join(f"<td>{row.ranks[at] or '&gt; 10'}</td>" for row in found.rows)
        + "</tr>"
        for at, question in enumerate(found.measured[:_MOST_QUESTIONS])
    )
    rest = len(found.measured) - _MOST_QUESTIONS
    said = note(f"{rest:,} more are in the file.") if rest > 0 else ""
    return _table("Rank of the first relevant passage", head, lines) + said


def grades(found: Sequence[Grades], names: Sequence[str] = report.GRADES) -> str:
    """What was measured on answers so far, a row a setting, and each answer."""
    if not found or not found[0].rows:
        return note("No question has been answered yet.")
    head = '<th scope="col">Setting</th>' + "".join(f'<th scope="col">{WORDS[name]}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{escape(each.setting)}</th>'
        + "".join(f"<td>{_share(getattr(each, name))}</td>" for name in names)
        + "</tr>"
        for each in found
    )
    said = note(
        f"{len(found[0].rows)} of {found[0].total} questions are answered. In brackets: 95 % interval, of how many."
    )
    columns = "".join(
        f'<th scope="col">{name}</th>' for name in ("Question", "Judged", "Answer", "Citations supported")
    )
    lists = "".join(
        f"<details{' open' if len(found) == 1 else ''}><summary>Answers: {escape(each.setting)}</summary>"
        + _table(f"Answers: {escape(each.setting)}", columns, _lines(each))
        + "</details>"
        for each in found
    )
    return said + _table("Measures of answers by setting", head, rows) + lists


def _lines(found: Grades) -> str:
    return "".join(
        f'<tr><th scope="row">{escape(row.question.text[:200])}</th><td>{_mark(row)}</td>'
        f"<td>{escape(row.text[:400])}</td><td>{row.supported} of {row.cited}</td></tr>"
        for row in found.rows[:_MOST_QUESTIONS]
    )


def _mark(row: Graded) -> str:
    if not row.question.relevant:
        return "refused, rightly" if row.refused else "answered, though nothing does"
    if row.refused:
        return "refused by mistake"
    found = "" if row.given else "; the passage was not found"
    return ("not judged" if row.right is None else "right" if row.right else "wrong") + found


def _share(each: Estimate) -> str:
    return (
        f"{each.mean:.2f} <small>({each.low:.2f} to {each.high:.2f}, {each.n})</small>" if each.n else "none to measure"
    )


def _estimate(each: Estimate) -> str:
    return f"{each.mean:.3f} <small>{each.low:.2f} to {each.high:.2f}</small>"


def _table(caption: str, head: str, rows: str) -> str:
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{caption}"><table class="numbers">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
