"""What is typed into the controls of sampling, and what it says of itself."""

import pytest

from playground.engine.words import first_tokens
from playground.errors import PlaygroundError
from playground.tabs.chat import sampling
from tests.tabs.conftest import visitor

ONE = visitor("one")


@pytest.mark.parametrize(
    ("typed", "stops"),
    [
        ("", ()),
        (None, ()),
        ("###", ("###",)),
        (r"\n\n", ("\n\n",)),
        ("a b\n\n c", ("a b", " c")),
        (r"\t|\\n", ("\t|\\n",)),
        (r"C:\dir", (r"C:\dir",)),
    ],
)
def test_stop_strings_one_a_line(typed, stops):
    assert sampling.stop_strings(typed) == stops


def test_words_and_numbers_one_a_line():
    typed = "Paris: -5\n\n  a:b : 2.5 \n你好:100\nx: \N{MINUS SIGN}1"
    assert sampling.word_biases(typed) == (("Paris", -5), ("a:b", 2.5), ("你好", 100), ("x", -1))
    assert sampling.word_biases("") == sampling.word_biases(None) == ()


@pytest.mark.parametrize("wrong", ["Paris", "Paris: high", ": 5", "Paris: 200", "Paris: nan", "Paris:", "ok: 2"])
def test_a_bad_line_is_named(wrong):
    with pytest.raises(PlaygroundError, match=r"^Line 3 of the logit bias .*(like Paris: -5|a second time)"):
        sampling.word_biases(f"ok: 1\n\n{wrong}")


def test_the_controls_are_read_into_settings(laid, chatty):
    values = laid.values(chatty, stop="END\n" + r"\n", word_bias="Paris: -100", beams=3.0, length_penalty=0.5)
    read = laid.controls.read(values)
    assert read.stop == ("END", "\n") and read.word_bias == (("Paris", -100.0),)
    assert read.beams == 3 and read.length_penalty == 0.5 and read.early_stopping is False
    defaults = laid.controls.read(laid.values(chatty))
    assert defaults.stop == defaults.word_bias == () and defaults.beams == 1


def test_the_page_says_which_tokens_are_meant(laid, chatty):
    say = sampling.meaning
    assert say(laid.page, "", str(chatty)) == ""
    assert "shown when the model is loaded" in say(laid.page, "cat: 2", str(chatty))
    with laid.page.models.lease(str(chatty)) as engine:
        html = say(laid.page, "cat: 2", str(chatty))
        assert all(f"</code> {token.id}" in html for token in first_tokens(engine.tokenizer, "cat"))
        assert "Line 1 of the logit bias" in say(laid.page, "<i>", str(chatty))
        assert "<i>" not in say(laid.page, "<i>", str(chatty))


def test_a_reply_by_beams_with_a_stop_string_says_so_under_itself(laid, base):
    laid.text.begin("The cat", ONE)
    steps = list(laid.text.answer(laid.values(base, max_new_tokens=6, beams=3), ONE))
    notes = [update[laid.text.notes] for update in steps if laid.text.notes in update]
    assert any("best of 3 beams so far: it may still change" in note for note in notes[:-1])
    assert "best of 3 beams ·" in notes[-1] and "seed" not in notes[-1]
