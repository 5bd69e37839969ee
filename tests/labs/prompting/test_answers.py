"""Answers read out of awkward outputs, and votes over them."""

from fractions import Fraction

import pytest

from playground.labs.prompting import answers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("11", 11),
        ("The answer is 11.", 11),
        ("$18.00", 18),
        ("The final price is $18.00.", 18),
        ("eleven", 11),
        ("Eleven balls.", 11),
        ("twenty-three", 23),
        ("one hundred and five", 105),
        ("two thousand three hundred", 2300),
        ("minus four", -4),
        ("1,234", 1234),
        ("1,234,567.5 kg", Fraction("1234567.5")),
        ("-5", -5),
        ("−5", -5),
        ("The answer is -$5.", -5),
        ("(-7)", -7),
        ("3/4", Fraction(3, 4)),
        ("1 1/2 cups", Fraction(3, 2)),
        ("-1/2", Fraction(-1, 2)),
        ("0.5", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("2e3", 2000),
        ("5 + 6 = 11.", 11),
        ("10 - 3 = 7", 7),
        ("10 -3 = 7", 7),
        ("First 2 times 3 is 6. Then 5 + 6 = 11. The answer is 11.", 11),
        ("The answer is 11. There were 5 at first.", 11),
        ("The answer is clear.\n12", 12),
        ("Answer: 12 apples\nQ: There are 30", 12),
        ("#### 42", 42),
        ("20 % of 25 is 5", 5),
        ("The answer is 11, or 11.0", 11),
        ("12 shirts and one hat", 12),
        ("18 dollars", 18),
        ("The answer is 5 + 6 = 11.", 11),
        ("The answer is 10 - 3 = 7", 7),
        ("The answer is 2 boxes of 4 = 8 tulips.", 8),
        ("The answer is 1,000 + 5 * 2 = 1,000 + 10 = 1,010.", 1010),
        ("The answer is 12 because 5 + 6 = 11", 12),
        ("The answer is 11. 3 + 4 = 7", 11),
        ("The answer is x = 5", 5),
        ("The answer is 5 + 6", None),
        ("The answer is 10 - 3.", None),
        ("1" * 5_000, None),
        ("The answer is 1/" + "3" * 5_000, None),
        ("11" + " " * 20_000 + "12", 12),
        ("It costs 18,50", None),
        ("11 or 12", None),
        ("The answer is 11 or 12.", None),
        ("11, maybe 12", None),
        ("between 11 and 12", None),
        ("11-12", None),
        ("11 / 12 / 13", None),
        ("eleven or twelve", None),
        ("3/0", None),
        ("", None),
        ("I do not know.", None),
        ("everyone and someone", None),
    ],
)
def test_numbers(text, value):
    parsed = answers.number(text)
    assert parsed.value == value
    assert bool(parsed.why) == (value is None)


def test_numbers_are_written_as_people_do():
    assert [answers.written(Fraction(n)) for n in ("11", "-1/2", "1/3", "1234", "100.25")] == [
        "11",
        "-0.5",
        "1/3",
        "1,234",
        "100.25",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" positive", "positive"),
        ("The sentiment is NEGATIVE.", "negative"),
        ("positively", None),
        ("positive or negative", None),
        ("", None),
        ("neither", None),
    ],
)
def test_labels(text, value):
    assert answers.label(text, ("positive", "negative")).value == value


def test_a_label_inside_a_longer_one_is_not_meant():
    assert answers.label("It is very good", ("good", "very good")).value == "very good"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Here: {"a": {"b": [1, 2]}} done', {"a": {"b": [1, 2]}}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("3", 3),
        ("[1, 2", None),
        ("{a: 1}", None),
        ("[" * 100_000, None),
        ("no", None),
    ],
)
def test_json(text, value):
    parsed = answers.json_value(text)
    assert parsed.value == (None if value is None else (value,))


def test_majority_and_ties():
    vote = answers.majority([11, 12, 11, None, 11])
    assert (vote.winner, vote.votes, vote.unreadable, vote.tied) == (11, ((11, 3), (12, 1)), 1, ())
    tie = answers.majority(["a", "b", "b", "a", "c"])
    assert (tie.winner, tie.tied) == (None, ("a", "b"))
    assert answers.majority([None, None]) == answers.Vote(None, (), 2)
    half = answers.number("1/2").value
    assert answers.majority([half, answers.number("0.5").value, answers.number("0.50").value]).winner == half
