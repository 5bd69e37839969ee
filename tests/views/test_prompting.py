"""Sentences, tables and charts of the Prompt lab."""

import dataclasses

import pytest

from playground.labs.prompting import statistics
from playground.labs.prompting.prompts import Example, Prompt
from playground.labs.prompting.results import Cell, Results, Variant
from playground.labs.prompting.scorers import Judged, Scorer
from playground.views.prompting import charts, tables, words

EVIL = "<script>x</script>"


def made(first: str, second: str, **others) -> Results:
    """Results by letters: c correct, w wrong, u unparseable, - not run, f failed."""
    kinds = {"c": "correct", "w": "wrong", "u": "unparseable"}

    def cell(letter: str) -> Cell | None:
        if letter == "-":
            return None
        return Cell(error=EVIL) if letter == "f" else Cell((EVIL,), (Judged(kinds[letter], EVIL, EVIL),), 10, 2)

    rows = tuple({"text": EVIL, "label": EVIL} for _ in first)
    variants = tuple(Variant(name, Prompt(name), "m", 0.0) for name in (f"A{EVIL}", "B"))
    return Results(rows, variants, (tuple(map(cell, first)), tuple(map(cell, second))), Scorer(), **others)


def test_the_verdict_says_what_the_numbers_allow():
    def said(a: str, b: str) -> str:
        found = made(a, b)
        return words.verdict(statistics.compare(found.outcomes(0), found.outcomes(1)), "few", "zero")

    sure = said("c" * 40 + "w" * 10, "c" * 10 + "w" * 40)
    assert "few is better than zero on these rows: by 60 points" in sure
    assert "30 rows only few got right, 0 only zero; both or neither: 20 of 50." in sure
    assert "zero is better than few on these rows: by 60 points" in said("w" * 30 + "c" * 20, "c" * 50)
    few = said("cccww", "cwwww")
    assert "Not enough data to tell whether few is better than zero: 40 points apart" in few
    assert "rows would tell 4 times in 5" in few
    assert "No difference between few and zero was seen" in said("cw", "cw")


@pytest.mark.parametrize(
    ("difference", "text"), [(0.39, "39 points"), (0.01, "1 point"), (0.004, "0.4 points"), (0, "0 points")]
)
def test_points(difference, text):
    assert words.points(difference) == text


def test_nothing_that_a_model_wrote_is_html():
    found = made("cwuf", "wc-f")
    shown = [
        tables.disagreements(found, 0, 1),
        tables.outputs(found),
        words.overview(found),
        words.remarks(found, [EVIL]),
        words.shown_prompt(EVIL),
        words.shown_prompt([{"role": EVIL, "content": EVIL}]),
        words.answer(EVIL, EVIL),
        words.verdict(statistics.compare(found.outcomes(0), found.outcomes(1)), EVIL, EVIL),
    ]
    for html in shown:
        assert "<script>" not in html
        assert "&lt;script&gt;" in html
    assert "2 rows they disagree on" in shown[0]
    assert "not run" in shown[1]
    assert words.UNFINISHED in shown[3]


def test_the_chart_draws_counts_and_intervals():
    found = made("ccccu", "ccwww")
    figure = charts.accuracies(found)
    bars = {trace.name: list(trace.x) for trace in figure.data}
    assert bars["right"] == [0.8, 0.4]
    assert bars["unparseable"] == [0.2, 0]
    whiskers = figure.data[3].error_x
    low, high = found.accuracy(0).interval
    assert whiskers.array[0] == pytest.approx(high - 0.8)
    assert whiskers.arrayminus[0] == pytest.approx(0.8 - low)
    assert "<script>" not in figure.to_json()
    assert list(charts.spending(found).data[0].x) == [12, 12]


def test_charts_of_votes_and_probabilities():
    votes = statistics.convergence([[Judged("correct", "a"), Judged("wrong", "b"), Judged("correct", "a")]])
    assert list(charts.votes([("x", votes)]).data[0].y) == list(votes.shares)
    calibration = statistics.calibration([0.9, 0.6, 0.95], [True, False, True])
    assert list(charts.reliability([("x", calibration)]).data[1].y) == [b.accuracy for b in calibration.bins]
    found = made("cw", "wc", leanings=((0.7, 0.3), (0.5, 0.5)))
    found = dataclasses.replace(found, scorer=Scorer("choice", choices=("yes", "no")))
    assert list(charts.leanings(found).data[0].y) == [0.7, 0.5]
    assert "yes gets 70 %, 20 points more" in words.leanings(found)


def test_orders_of_the_same_examples_are_tested_together():
    found = made("cccc", "cwww")
    examples = (Example("a", "", "a"), Example("b", "", "b"))
    variants = tuple(
        Variant(name, Prompt(name, examples=order, style="few-shot"), "m", 0.0)
        for name, order in (("one", examples), ("two", examples[::-1]))
    )
    assert words.spread(found) == ""
    said = words.spread(dataclasses.replace(found, variants=variants))
    assert "2 orders of the same examples: from 25 % to 100 % right" in said
