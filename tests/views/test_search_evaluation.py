"""What the page shows of an evaluation and of likeness: numbers that were measured, and text as text."""

from dataclasses import replace

import numpy as np
import pytest

from playground.engine.provenance import Provenance
from playground.labs.retrieval import evaluation as lab
from playground.labs.retrieval.evaluation import Evaluation, Row
from playground.labs.retrieval.graded import Graded, Grades
from playground.labs.retrieval.questions import Question, Relevant
from playground.labs.retrieval.similarity import Compared, group
from playground.views.search import evaluation, similarity

EVIL = "<img src=x onerror=alert(1)>"
ORIGIN = Provenance("tiny", "r", "cpu", "float32")


def made() -> Evaluation:
    asked = tuple(Question(str(i), f"{EVIL} {i}", (Relevant("a"),) if i < 4 else (), EVIL) for i in range(6))
    rows = []
    for number, setting in enumerate(lab.grid()[:2]):
        values = {name: tuple(float(i >= number) for i in range(4)) for name in lab.MEASURES}
        rows.append(Row(setting, values, (None if number else 1, 1, 2, 3)))
    return Evaluation("c", asked, asked[:4], tuple(rows), (0.9, 0.8, 0.2, 0.7, 0.1, 0.6), (), ORIGIN)


def test_the_verdict_names_the_best_setting_and_what_the_threshold_does():
    told = evaluation.verdict(made(), 0.4)
    assert "<b>BM25</b> has the highest" in told and "cannot be told from dense" in told
    assert "1 of 2" in told and "by mistake 1 of 4" in told


def test_the_axis_begins_below_the_lowest_interval():
    found = made()
    low = min(row.estimate(name).low for row in found.rows for name in evaluation.DRAWN)
    first, last = evaluation.settings(found).layout.xaxis.range
    assert 0 <= first <= low < first + 0.13 and last > 1


def test_text_of_questions_is_never_markup():
    found = made()
    grades = [Grades(EVIL, (Graded(found.questions[0], EVIL, False, True, True, 1, 1, 1),), 2)] * 2
    told = evaluation.table(found) + evaluation.questions(found) + evaluation.grades(grades)
    assert EVIL not in told and "&lt;img" in told
    figures = [evaluation.settings(found), evaluation.thresholds(found, 0.4), evaluation.answered(grades)]
    assert all("<img" not in figure.to_json().replace("\\u003c", "<") for figure in figures)


def test_the_curve_of_refusals_falls_where_the_confidences_lie():
    curves = {trace.name: trace for trace in evaluation.thresholds(made(), 0.4).data}
    refused = dict(zip(curves["unanswerable, refused"].x, curves["unanswerable, refused"].y, strict=True))
    assert (refused[0.1], refused[0.11], refused[0.6], refused[0.61]) == (0, 0.5, 0.5, 1)


def test_grades_of_each_setting_are_drawn_and_told_with_their_intervals():
    row = Graded(made().questions[0], "x", False, True, True, 1, 1, 0)
    half = Grades("half", (row, replace(row, right=False, supported=0, holding=1)), 2)
    found = [half, Grades("all", (row, row), 2)]
    silent = evaluation.answered([Grades("none cites", (replace(row, cited=0, supported=0, holding=0),), 1)])
    assert [list(trace.x) for trace in silent.data] == [[1.0], [None], [None]]
    figure = evaluation.answered(found)
    accuracy, precision, source = figure.data
    assert list(accuracy.x) == [0.5, 1.0] and list(precision.x) == [0.5, 1.0] and list(source.x) == [0.5, 0.0]
    assert accuracy.error_x.arrayminus[1] == pytest.approx(1 - 2 / (2 + 1.959964**2))  # Wilson of 2 of 2
    told = evaluation.grades(found)
    assert "0.50 <small>(0.09 to 0.91, 2)</small>" in told and "1.00 <small>(0.34 to 1.00, 2)</small>" in told


def test_lines_of_ones_own_are_never_markup():
    vectors = np.eye(5, dtype=np.float32)[[0, 0, 1, 1, 2]] + 0.01 * np.arange(25, dtype=np.float32).reshape(5, 5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = tuple(f"{EVIL} {i}" for i in range(5))
    found = Compared(texts, vectors, vectors @ vectors.T, (), ORIGIN)
    groups = group(vectors, 3)
    told = similarity.table(found) + similarity.groups(texts, groups) + similarity.ranked(EVIL, texts, [(0, 0.5)])
    assert EVIL not in told and "&lt;img" in told
    figures = [similarity.matrix(found), similarity.plane(texts, groups)]
    assert all("<img" not in figure.to_json().replace("\\u003c", "<") for figure in figures)


def test_few_lines_are_named_in_the_plane_and_many_are_not():
    vectors = np.eye(5, dtype=np.float32)[[0, 0, 1, 1, 2, 2]] + 0.01 * np.arange(30, dtype=np.float32).reshape(6, 5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    figure = similarity.plane([f"text {i}" for i in range(6)], group(vectors, 3))
    assert sorted(text for trace in figure.data for text in trace.text) == [f"text {i}" for i in range(6)]
    assert all(trace.mode == "markers+text" for trace in figure.data)
    many = np.tile(vectors, (3, 1)) + 0.01 * np.random.default_rng(0).normal(size=(18, 5)).astype(np.float32)
    many /= np.linalg.norm(many, axis=1, keepdims=True)
    assert {trace.mode for trace in similarity.plane(["x"] * 18, group(many, 3)).data} == {"markers"}
