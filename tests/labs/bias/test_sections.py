"""What a section says goes no further than its interval, and names what it does not show."""

import json
from dataclasses import replace

import pytest

from playground.engine.provenance import Provenance
from playground.labs.bias import before_after, files, measure, sections, summary
from playground.labs.bias.pairs import Pair
from tests import tiny

MADE = Provenance("org/model", "1", "cpu", "float32")


def share(first, n):
    return summary.Share("all", n, first, 0, *summary.wilson(first, n), 0.1, 0.0, 0.2, 0.3)


@pytest.mark.parametrize(("first", "n", "says"), [(11, 20, "not enough to tell"), (70, 90, "the first sentences")])
def test_pairs_are_told_with_their_interval(first, n, says):
    told = sections.verdict(share(first, n))
    assert says in told and "95 % interval" in told and f"of {n} pairs" in told
    assert ("not enough to tell" in told) == (says == "not enough to tell")


@pytest.mark.parametrize(
    ("absolute", "cost", "says"),
    [
        ((-1.0, -1.5, -0.5), (1.1, 1.05, 1.2), ("more alike", "1.10 times what it was")),
        ((1.0, 0.5, 1.5), (1.0, 0.9, 1.1), ("drifted apart", "no price in perplexity can be seen")),
        ((-0.1, -0.5, 0.3), None, ("cannot be told", "was not measured")),
    ],
)
def test_a_change_is_told_with_its_intervals(absolute, cost, says):
    told = sections.shift_says(before_after.Shift(20, (0, 0, 0), (0, 0, 0), absolute, cost))
    assert all(part in told for part in says)


def test_results_of_the_masked_starter_say_what_it_is():
    assert not sections.limits(MADE)
    (told,) = sections.limits(replace(MADE, reference="starter:minilm-mlm#int8"))
    assert "not a stand-in for BERT" in told


def test_crows_pairs_come_with_the_warning_and_the_files_with_everything():
    pairs = [Pair("The cat sat.", "The nurse sat.", "x", "stereo"), Pair("The cat", "The mat", "y", "antistereo")]
    found = measure.measure(tiny.engine("bert"), pairs)
    section = sections.of_pairs(found)
    assert any("Blodgett" in limit for limit in section.limits) and section.ideal.startswith("50 %")
    rows = files.pairs_csv(found).splitlines()
    assert len(rows) == 3 and rows[2].split(",")[-2] == "antistereo"
    told = json.loads(files.report_json([section]))["sections"][0]
    assert told["definition"] == section.definition and told["provenance"]["model"] == found.provenance.reference
