"""The chart holds the numbers of the result, and a token's text is never read as markup."""

import dataclasses

import numpy as np
import pytest

from playground.engine.sampling import Sampling
from playground.labs.chat.next_tokens import next_tokens
from playground.views import next_tokens as view
from tests import tiny


@pytest.fixture(scope="module")
def seen():
    return next_tokens(tiny.engine("gpt2"), "The cat sat", Sampling(temperature=0.7, top_k=4, top_p=0.8), k=8)


def test_cells_are_the_probabilities_and_empty_where_a_token_is_ruled_out(seen):
    (heatmap,) = view.figure(seen).data
    cells = np.array([[np.nan if value is None else value for value in row] for row in heatmap.z], dtype=float)
    assert cells.shape == (8, 4)
    np.testing.assert_allclose(np.nan_to_num(cells), seen.probabilities.T)
    assert np.isnan(cells[4:, 2]).all() and not np.isnan(cells[:4, 2]).any()
    assert "top-k<br>4 left" in view.figure(seen).layout.xaxis.ticktext[2]


def test_labels_show_tokens_as_they_are(seen):
    nasty = dataclasses.replace(seen, texts=("<b>x</b>", "&lt;", " a", "\n", *seen.texts[4:]))
    labels = view.figure(nasty).layout.yaxis.ticktext
    assert labels[:4] == ("<b>&lt;b&gt;x&lt;/b&gt;</b>", "<b>&amp;lt;</b>", "<b>·a</b>", "<b>⏎</b>")


def test_the_sentence_counts_what_is_left(seen):
    assert f"{seen.kept[-1]} " in view.sentence(seen, "GPT-2") and "379 tokens" in view.sentence(seen, "GPT-2")
