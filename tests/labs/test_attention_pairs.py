"""From word to word: against the maps themselves, and in plain words where it cannot be."""

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.attention import maps as attention
from playground.labs.attention import pairs as attention_pairs
from playground.labs.attention import views as attention_views
from tests import tiny

TEXT = "The cat sat on the mat because the uncomfortable cat liked it."


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "bert"])
def test_a_pair_is_a_cell_of_the_map_of_words(architecture):
    engine = tiny.engine(architecture)
    seen = attention_pairs.pair(engine, TEXT, "Liked", "uncomfortable", threshold=0.05)
    words = attention_views.words(attention.attention(engine, TEXT))
    row, column = words.queries.labels.index("liked"), words.keys.labels.index("uncomfortable")
    np.testing.assert_allclose(seen.weights, words.weights[:, :, row, column], atol=1e-6)
    assert len(seen.target.tokens) > 1 and seen.source.text == "liked"
    assert [link.weight for link in seen.ranked] == sorted(seen.weights.ravel().tolist(), reverse=True)
    best = seen.ranked[0]
    assert seen.weights[best.layer, best.head] == pytest.approx(best.weight)
    assert {(o.layer, o.head) for o in seen.over} == {tuple(map(int, c)) for c in np.argwhere(seen.weights > 0.05)}


def test_occurrences_are_counted_whatever_their_case():
    side = reading.read(tiny.engine("llama"), TEXT)
    the = [(w.text, w.occurrence, w.of) for w in attention_pairs.words_of(side) if w.text.lower() == "the"]
    assert the == [("The", 1, 3), ("the", 2, 3), ("the", 3, 3)]
    first, second = (attention_pairs.find(side, "cat", n).tokens for n in (1, 2))
    assert first[0] < second[0]
    with pytest.raises(PlaygroundError, match=r"'cat' stands 2 times in this text; there is no occurrence 3"):
        attention_pairs.find(side, "cat", 3)


def test_a_causal_model_cannot_look_forward_and_says_so():
    seen = attention_pairs.pair(tiny.engine("gpt2"), TEXT, "sat", "mat")
    assert not seen.weights.any() and "cannot look forward" in seen.remarks[-1] and seen.even == 0
    both_ways = attention_pairs.pair(tiny.engine("bert"), TEXT, "sat", "mat")
    assert both_ways.weights.all() and not both_ways.remarks and both_ways.even > 0


def test_cross_attention_goes_from_what_is_written_to_what_was_read():
    engine = tiny.engine("t5")
    seen = attention_pairs.pair(engine, "The cat sat", "doctor", "cat", text_pair="The doctor asked", kind="cross")
    words = attention_views.words(attention.attention(engine, "The cat sat", "The doctor asked", kind="cross"))
    row, column = words.queries.labels.index("doctor"), words.keys.labels.index("cat")
    np.testing.assert_allclose(seen.weights, words.weights[:, :, row, column], atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("dog", "cat"), "'dog' is not a word of this text. Its words are: The, cat, sat, on, the, mat"),
        (("", "cat"), "No word was named. Its words are"),
        (("cat", "<b>"), "'<b>' is not a word"),
        (("cat", "mat", 7), "threshold is 7"),
    ],
)
def test_words_that_are_not_there(arguments, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        attention_pairs.pair(tiny.engine("llama"), TEXT, *arguments)
