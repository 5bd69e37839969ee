"""What is said of a lens is true of its numbers, and no text reaches the page as HTML."""

import dataclasses

import numpy as np
import pytest

from playground.labs.internals import lens as lab
from playground.views.internals import lens as view
from playground.views.internals import lens_words, scale
from tests import tiny

TEXT = "The cat sat on the mat"


@pytest.fixture(scope="module")
def seen():
    return lab.lens(tiny.engine("llama"), TEXT, k=3, follow="cat")


def with_ranks(seen, ranks):
    """The same with the answer's ranks at the last position as given, embedding first."""
    changed = seen.final_ranks.copy()
    changed[:, -1] = ranks
    return dataclasses.replace(seen, final_ranks=changed)


@pytest.mark.parametrize(
    ("ranks", "row", "sentence"),
    [
        ((9, 0, 0, 0), 1, "is first from layer 0 on."),
        ((0, 4, 0, 0), 2, "is first from layer 1 on."),
        ((9, 70, 1400, 0), 3, "is first only in the last layer; in layer 1 it was in place 1,401 of the vocabulary."),
        ((0, 0, 0, 0), 0, "is first from the embedding on."),
    ],
)
def test_from_where_the_answer_stands(seen, ranks, row, sentence):
    changed = with_ranks(seen, ranks)
    assert lens_words.settled(changed, len(seen.labels) - 1) == row
    assert sentence in lens_words.caption(changed, "Tiny", lens_words.PROBABILITY)


def test_underlined_is_what_the_last_layer_says(seen):
    import re

    classes = dict(re.findall(r'data-at="(\d+,\d+)".*?class="(.*?)"', view.grid(seen, lens_words.ENTROPY, (0, 0))))
    for at, said in classes.items():
        row, column = map(int, at.split(","))
        assert (said == "same") == (seen.top_ids[row, column, 0] == seen.top_ids[-1, column, 0])


def test_ranks_are_drawn_from_one_on_a_scale_turned_round(seen):
    figure = view.curves(seen, 2, lens_words.RANK)
    low, high = figure.layout.yaxis.range
    assert figure.layout.yaxis.type == "log" and low > high
    most = max(max(line.y) for line in figure.data)
    assert min(min(line.y) for line in figure.data) >= 1 and 10**low > most


def test_nothing_is_html_that_was_text(seen):
    bad = "<img src=x onerror=alert(1)>"
    texts = tuple(tuple((bad,) * 3 for _ in row) for row in seen.top_texts)
    evil = dataclasses.replace(seen, labels=(bad,) * len(seen.labels), top_texts=texts, token_text=bad)
    drawn = view.grid(evil, lens_words.ENTROPY, (0, 0)) + view.detail(evil, 0, 0)
    drawn += lens_words.caption(evil, bad, lens_words.ENTROPY) + lens_words.curve_note(evil, 0, "Rank")
    assert "<img" not in drawn and "&lt;img" in drawn
    assert "<img" not in view.curves(evil, 0, "Rank").to_json()


def test_ink_can_be_read_on_every_colour():
    for share in np.linspace(-0.1, 1.1, 97):
        ground = scale.luminance(scale.colour(float(share)))
        ink = 0.0 if scale.cell(float(share)).endswith("color:#000") else 1.0
        contrast = (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05)
        assert contrast >= 4.5
    assert scale.luminance((255, 255, 255)) == pytest.approx(1) and scale.colour(1.0) == (0xFD, 0xE7, 0x25)
