"""A text as tokens: labels, places and words, on every kind of tokenizer."""

import pytest

from playground.labs import reading
from tests import tiny

TEXT = "The cat's mat.\n\n你好 👩‍🚀 <script>"


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "bert", "t5"])
@pytest.mark.parametrize("text", [TEXT, "a", "  two  spaces", "世界世界"])
def test_every_token_has_a_label_a_place_and_a_word(architecture, text):
    seen = reading.read(tiny.engine(architecture), text)
    n = len(seen.ids)
    assert len(seen.labels) == len(seen.words) == len(seen.special) == len(seen.segment) == len(seen.offsets) == n
    assert all(label and "\ufffd" not in label and "Ġ" not in label and "Ċ" not in label for label in seen.labels)
    assert set(seen.words) == set(range(seen.n_words))
    assert all(0 <= a <= b <= len(text) for a, b in seen.offsets)


def test_labels_of_bytes_white_space_and_pieces():
    seen = reading.read(tiny.engine("llama"), "cat\n 猫\tsat")
    assert "".join(seen.labels).startswith("cat⏎·") and "⇥" in "".join(seen.labels)
    split = [label for label in seen.labels if "猫" in label]
    assert len(split) > 1 and split[-1] == f"猫[{len(split)}/{len(split)}]"
    pieces = reading.read(tiny.engine("bert"), "uncomfortable").labels
    assert pieces[0] == "[CLS]" and pieces[-1] == "[SEP]" and any(p.startswith("##") for p in pieces[1:-1])


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "bert"])
def test_words_are_the_words_of_the_text(architecture):
    seen = reading.in_words(reading.read(tiny.engine(architecture), "The doctor asked: can't it, Paris?"))
    words = [label for label, special in zip(seen.labels, seen.special, strict=True) if not special]
    assert words == ["The", "doctor", "asked", ":", "can't", "it", ",", "Paris", "?"]


def test_bytes_of_one_character_are_one_word():
    seen = reading.in_words(reading.read(tiny.engine("gpt2"), "The 🦊 sat"))
    assert seen.labels == ("The", "🦊", "sat")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I ❤\ufe0fcats ❤\ufe0f", ["I", "❤\ufe0f", "cats", "❤\ufe0f"]),  # the second character says: in colour
        ("ok 👍🏽no", ["ok", "👍🏽", "no"]),
        ("می\u200cخواهم بروم", ["می\u200cخواهم", "بروم"]),
        ("cafe\u0301 葛\U000e0100城", ["cafe\u0301", "葛\U000e0100", "城"]),
    ],
)
def test_marks_and_joiners_stay_with_their_character(text, words):
    seen = reading.in_words(reading.read(tiny.engine("gpt2"), text))
    assert list(seen.labels) == words


def test_special_tokens_that_stand_in_a_complete_text():
    seen = reading.read(tiny.engine("llama"), "<|im_start|>user\nHello<|im_end|>", complete=True)
    marked = [label for label, special in zip(seen.labels, seen.special, strict=True) if special]
    assert marked == ["<|im_start|>", "<|im_end|>"]


def test_a_tokenizer_that_does_not_say_where_tokens_stand():
    """What is found without offsets is what the tokenizer says itself, where it can be known."""
    tokenizer = tiny.engine("gpt2").tokenizer
    ids = tokenizer("The doctor 🦊 asked").input_ids
    told = tokenizer("The doctor 🦊 asked", return_offsets_mapping=True)
    expected = reading.describe(tokenizer, ("The doctor 🦊 asked",), ids, told.sequence_ids(), told.offset_mapping)
    found = reading.describe(tokenizer, ("The doctor 🦊 asked",), ids, None, None)
    assert found.words.tolist() == expected.words.tolist() and found.labels == expected.labels
