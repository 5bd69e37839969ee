"""Colours and sentences on neurons are true of the numbers, and no text reaches the page as HTML."""

import dataclasses
import re

import numpy as np
import pytest

from playground.labs.internals import neuron_groups, neurons
from playground.labs.internals.neurons import Active, Unit
from playground.views.internals import neuron_files
from playground.views.internals import neurons as view
from tests import tiny

BAD = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def found():
    return neurons.activations(tiny.engine("llama"), "The cat sat on the mat", Unit("neuron", 1, 5))


@pytest.fixture(scope="module")
def apart():
    texts = ("The cat sat on it.", "Paris is the capital.", "It was comfortable."), ("def add(a, b):", "the mat")
    return neuron_groups.difference(tiny.engine("llama"), *texts, most=30)


def test_colour_is_the_share_of_the_largest_value_and_its_side_the_sign(found):
    values = np.array([9.0, -0.5, 0.25, 0.0, 0.1, -0.05])[: len(found.values)]
    labels = ("a", "b", "c", "d", "e", "f")[: len(values)]
    given = dataclasses.replace(found, values=values, labels=labels)
    most = view.scale_of([given])
    assert most == 0.5, "the first token is left out"
    drawn = re.findall(r'class="token (\S+)" style="--strength:(\S+)" title="(\S+)"', view.text(given, most))
    assert drawn[:4] == [
        ("speaks-for", "1.00", "+9.000"),
        ("speaks-against", "1.00", "-0.500"),
        ("speaks-for", "0.50", "+0.250"),
        ("speaks-for", "0.00", "+0.000"),
    ]
    assert "<b>b</b> -0.50" in view.caption(given, "Tiny") and "first token has +9.00" in view.caption(given, "Tiny")
    alone = dataclasses.replace(found, values=np.zeros(1), labels=("a",))
    assert view.scale_of([alone]) == 1.0 and "mean +0.00" in view.caption(alone, "Tiny")


def test_a_comparison_says_how_far_it_can_be_believed(apart):
    none = view.difference_caption(dataclasses.replace(apart, n_significant=0), "Tiny")
    some = view.difference_caption(dataclasses.replace(apart, n_significant=3), "Tiny")
    assert "<b>None</b> stands out" in none and "192 neurons compared over 3 against 2" in none
    assert "<b>3</b> stand out" in some
    buttons = re.findall(r'data-at="(\d+),(\d+)"', view.difference(apart))
    assert buttons == [(str(a), str(b)) for a, b in zip(apart.layers[:20], apart.indices, strict=False)]
    bold = [row for row in view.difference(apart).split("<tr>") if "<b>" in row]
    assert len(bold) == int((apart.adjusted[:20] < view.SIGNIFICANT).sum())


def test_the_file_holds_the_ranking(apart):
    lines = neuron_files.difference_csv(apart).splitlines()
    assert len(lines) == 1 + len(apart.layers) and lines[0].startswith("kind,layer,number")
    first = lines[1].split(",")
    assert first[:3] == ["neuron", str(apart.layers[0]), str(apart.indices[0])]
    assert float(first[3]) == pytest.approx(apart.effects[0], rel=1e-5)


def test_nothing_is_html_that_was_text(found):
    evil = dataclasses.replace(found, labels=(BAD,) * len(found.labels))
    one = Active(1.0, 0, 3, (BAD,), BAD, (BAD,))
    corpus = neurons.most_active(tiny.engine("llama"), found.unit, ["The cat sat on the mat"], 2)
    corpus = dataclasses.replace(corpus, top=(one,), bottom=(one,))
    drawn = view.text(evil, 1.0) + view.caption(evil, BAD) + view.values_table(evil)
    drawn += view.most_active(corpus, BAD) + view.groups_of_texts([evil], [evil])
    assert "<img" not in drawn and "&lt;img" in drawn


def test_a_search_that_was_stopped_says_so(found):
    corpus = neurons.most_active(tiny.engine("llama"), found.unit, ["The cat sat on the mat"], 2)
    assert "Stopped" not in view.most_active(corpus, "x")
    assert "Stopped before the end" in view.most_active(dataclasses.replace(corpus, complete=False), "x")
