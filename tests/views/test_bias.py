"""Views of the Bias tab: what is drawn is what was measured, and what a person typed stays text."""

import numpy as np

from playground.engine.provenance import Provenance
from playground.labs.bias.grid import Grid
from playground.labs.bias.sections import Section
from playground.labs.bias.summary import Share
from playground.views.bias import charts, report, tables

MADE = Provenance("model", "1", "cpu", "float32")
EVIL = "<img src=x onerror=alert(1)>"


def test_a_grid_keeps_words_beside_their_numbers():
    raw, prior = np.array([[3.0, -1.0, 0.5]]), np.array([[1.0, 1.0, 1.0]])
    found = Grid(("The {word} [MASK]",), ("a", "b", EVIL), "he", "she", raw, prior, "", MADE)
    (heat,) = charts.grid(found).data
    names = charts.grid(found).layout.yaxis.ticktext
    assert dict(zip(names, np.ravel(heat.z), strict=True)) == {
        "b": -2.0,
        "&lt;img src=x onerror=alert(1)&gt;": -0.5,
        "a": 2.0,
    }
    assert -heat.zmin == heat.zmax == 2.0  # 0 stands in the middle of the colours
    (heat,) = charts.grid(found, corrected=False).data
    assert sorted(np.ravel(heat.z)) == [-1.0, 0.5, 3.0]


def test_shares_have_their_intervals_and_the_ideal():
    found = [Share("all", 10, 7, 0, 0.4, 0.9, 0.1, 0.0, 0.2, 0.3), Share("x", 0, 0, 0, 0.0, 1.0, *[float("nan")] * 4)]
    figure = charts.shares(found)
    (drawn,) = figure.data
    assert list(drawn.x) == [0.7]  # a category without pairs is left out
    assert np.allclose(drawn.error_x.array, [0.2]) and np.allclose(drawn.error_x.arrayminus, [0.3])
    assert drawn.marker.symbol == ("circle-open",)  # open: its interval holds one half
    assert figure.layout.shapes[0].x0 == 0.5


def test_what_was_typed_stays_text():
    section = Section(EVIL, EVIL, EVIL, EVIL, EVIL, (EVIL,), ((EVIL, EVIL),), EVIL, (EVIL,), {"model": EVIL})
    for shown in (tables.section(section), tables.numbers(section), report.page([section])):
        assert "<img" not in shown and "&lt;img" in shown


def test_long_tables_say_that_they_are_cut():
    rows = [(str(i), "x") for i in range(300)]
    shown = tables.table(("a", "b"), rows, "rows")
    assert shown.count("<tr>") == 1 + tables.MOST_ROWS and "The first 200 of 300" in shown
