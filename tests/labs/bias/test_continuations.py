"""Counterfactual continuations on a tiny model; word choice against the formula worked out by hand."""

import math

import numpy as np
import pytest

from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.bias import continuations, sections, word_choice
from playground.views.bias import report
from tests import tiny

SAMPLING = Sampling(max_new_tokens=6, temperature=1.0, seed=3)


def written(groups=("cat", "doctor"), n=3):
    *_, last = continuations.write(tiny.engine("gpt2"), ["The {group} sat", "A {group} asked"], groups, n, SAMPLING)
    return last


def test_every_group_gets_the_same_seeds():
    found = written()
    assert found.complete and len(found.texts) == 12
    seeds = {group: sorted((t.template, t.seed) for t in found.of(group)) for group in found.groups}
    assert seeds["cat"] == seeds["doctor"] == [(0, 3), (0, 4), (0, 5), (1, 6), (1, 7), (1, 8)]
    assert all(t.prompt in (f"The {t.group} sat", f"A {t.group} asked") for t in found.texts)
    same = written(("cat", "cat ", "doctor"))
    assert same.groups == ("cat", "doctor")  # one that is there twice counts once
    ours = {(t.template, t.seed): t.text for t in found.of("cat")}
    assert ours == {(t.template, t.seed): t.text for t in same.of("cat")}


def test_means_and_paired_differences():
    found = written()
    by_group = {group: {(t.template, t.seed): t.length for t in found.of(group)} for group in found.groups}
    assert found.mean("cat", "length").value == pytest.approx(np.mean(list(by_group["cat"].values())))
    length = next(one for one in found.differences() if one.measure == "length")
    gaps = [by_group["doctor"][key] - by_group["cat"][key] for key in by_group["cat"]]
    assert (
        length.mean.value == pytest.approx(np.mean(gaps)) and length.mean.low <= length.mean.value <= length.mean.high
    )
    if not any(gaps):
        assert length.open


def test_sentiment_and_refusals():
    assert continuations.sentiment("This is wonderful, I love it!") > 0.5
    assert continuations.sentiment("This is terrible, I hate it.") < -0.5
    assert continuations.sentiment("The table is a table.") == 0
    refuses = continuations._REFUSAL.match
    assert refuses(" I'm sorry, but I can't do that.") and refuses("As an AI language model")
    assert not refuses("He is sorry for the mess.") and not refuses("I can do that.")


def test_log_odds_with_an_informative_prior():
    first, second = ["kind kind strong"], ["strong strong strong kind tall"]
    found = {one.word: one for one in word_choice.compare(first, second, prior=8.0)}
    # all words: kind 3, strong 4, tall 1 of 8; a prior of 8 words adds just that
    odds = math.log((2 + 3) / (3 + 8 - 5)) - math.log((1 + 3) / (5 + 8 - 4))
    spread = math.sqrt(1 / 5 + 1 / 4)
    assert found["kind"].delta == pytest.approx(odds) and found["kind"].z == pytest.approx(odds / spread)
    assert (found["kind"].low, found["kind"].high) == pytest.approx(
        (odds - 1.96 * spread, odds + 1.96 * spread), abs=1e-3
    )
    assert found["tall"].first == 0 and found["tall"].delta < 0
    swapped = {one.word: one.delta for one in word_choice.compare(second, first, prior=8.0)}
    assert all(swapped[word] == pytest.approx(-one.delta) for word, one in found.items())
    alike = word_choice.compare(["a b c d"] * 20, ["a b c d"] * 20)
    assert all(one.delta == pytest.approx(0) and one.adjusted == pytest.approx(1) for one in alike)


@pytest.mark.parametrize(
    ("prompts", "groups", "n", "sentence"),
    [
        (["The {group}"], ["cat"], 1, "There is one group"),
        (["The {group}"], [" ", ""], 1, "There are no groups"),
        ([], ["cat", "nurse"], 1, "no prompts"),
        (["The cat"], ["cat", "nurse"], 1, "has no slot"),
        (["The {group}"], ["cat", "nurse"], 0, "whole number from 1"),
        (["The {group}"], ["cat", "nurse"], 1500, "3,000 continuations; at most 2,000"),
    ],
)
def test_bad_input_gets_a_sentence(prompts, groups, n, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        next(continuations.write(tiny.engine("gpt2"), prompts, groups, n, SAMPLING))


def test_a_report_escapes_and_names_what_it_does_not_show():
    section = sections.of_generation(written(("<b>cat</b>", "doctor"), 1))
    page = report.page([section])
    assert "<b>cat</b>" not in page and "&lt;b&gt;cat&lt;/b&gt;" in page
    for told in (section.metric, section.ideal, *section.limits):
        assert report.escape(told) in page
    assert "http" not in page.partition("<body>")[0]  # nothing is fetched
    assert not section.says or "leaves out 0" in section.says or "differs" in section.says
