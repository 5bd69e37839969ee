"""What two that answer the same are called, and where their replies part."""

from types import SimpleNamespace

import pytest

from playground.labs.chat.votes import Contestant
from playground.views.duel import comparison, first_difference, names


def test_a_name_holds_what_sets_it_apart_and_no_more():
    cold = Contestant("m", "", (("temperature", 0.2), ("top_k", 50), ("top_p", 0.9)))
    warm = Contestant("m", "Be a pirate. " * 9, (("temperature", 0), ("top_k", 50), ("top_p", 1.0)))
    a, b = names(cold, warm, str.upper)
    assert a == "M · temperature 0.2 · top-p 0.9 · no system prompt"
    assert b.startswith("M · greedy · top-p 1 · told “Be a pirate. Be a pirate.")
    assert b.endswith(" …”")
    assert names(cold, cold, str.upper) == ("M", "M")


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("one two", "one two", "letter for letter"),
        ("one two", "one  two", "only the white space"),
        ("one two x", "one two y z", "The first 2 words are the same; then A says “x” and B “y”."),
        ("one x", "one", "The first word is the same; then B ends."),
        ("x", "y", "from the first word on: A says “x” and B “y”."),
        ("", "y", "A says nothing."),
    ],
)
def test_where_two_texts_part(a, b, said):
    assert said in first_difference(a, b)


def reply(n, speed, text="x", device="cpu"):
    made = SimpleNamespace(device=device)
    return SimpleNamespace(new_tokens=n, tokens_per_second=speed, text=text, provenance=made)


def test_length_and_speed():
    assert comparison(reply(9, 4.0), reply(8, 8.0)).startswith(
        "A is 1 token longer (9 and 8). B was 2.0 times as quick (4.0 and 8.0 tokens/s"
    )
    said = comparison(reply(1, None), reply(1, 3.0))
    assert said.startswith("Both are 1 token long. The texts are")
    assert "tokens/s while both shared this machine" in comparison(reply(5, 4.0), reply(5, 4.1))
    assert "Equally quick" in comparison(reply(5, 4.0), reply(5, 4.1))
    assert "this machine" not in comparison(reply(5, 4.0), reply(5, 4.1, device="elsewhere"))
