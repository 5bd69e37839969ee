"""What a prompt makes of a row, letter by letter, and what it says when it cannot."""

import json

import pytest

from playground.errors import PlaygroundError
from playground.labs.prompting.prompts import Example, Prompt, check, plain, read, rendered, stop_strings, variables

BALLS = Example("Two cans of 3 balls. How many?", "2 times 3 is 6.", "6")
ROW = {"text": "A joy.", "label": "positive"}


def few(style="few-shot", **others) -> Prompt:
    return Prompt("p", "Answer.", (BALLS,), "{{text}}", "One number.", style, **others)


def test_each_style_as_a_completion():
    head = "Answer.\nOne number.\n\n"
    asked = "Q: A joy.\nA:"
    shown = "Q: Two cans of 3 balls. How many?\nA:"
    assert rendered(few("zero-shot"), ROW) == head + asked
    assert rendered(few(), ROW) == f"{head}{shown} 6\n\n{asked}"
    assert rendered(few("zero-shot chain of thought"), ROW) == f"{head}{asked} Let's think step by step."
    reasoned = f"{head}{shown} 2 times 3 is 6. The answer is 6.\n\n{asked}"
    assert rendered(few("few-shot chain of thought"), ROW) == reasoned


def test_each_style_as_chat():
    def say(*contents):
        return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(contents)]

    head = "Answer.\nOne number.\n\n"
    assert rendered(few("zero-shot", as_chat=True), ROW) == say(head + "A joy.")
    assert rendered(few(as_chat=True), ROW) == say(f"{head}{BALLS.question}", "6", "A joy.")
    thought = say(head + "A joy.\n\nLet's think step by step.")
    assert rendered(few("zero-shot chain of thought", as_chat=True), ROW) == thought
    reasoned = say(f"{head}{BALLS.question}", "2 times 3 is 6. The answer is 6.", "A joy.")
    assert rendered(few("few-shot chain of thought", as_chat=True), ROW) == reasoned


def test_labels_may_be_others_or_none():
    prompt = Prompt("p", question_label="Text", answer_label="Sentiment")
    assert rendered(prompt, ROW) == "Text: A joy.\nSentiment:"
    assert rendered(Prompt("p", question_label="", answer_label=""), ROW) == "A joy."


def test_completions_stop_before_the_next_question():
    assert stop_strings(few()) == ("\n", "\nQ:")
    assert stop_strings(few("few-shot chain of thought")) == ("\n\n", "\nQ:")
    assert stop_strings(few(as_chat=True)) == ()


def test_values_are_put_in_once_and_as_they_are():
    prompt = Prompt("p", "For {{ who }}:", query="{{text}} / {{text}}")
    assert variables(prompt) == ("who", "text")
    assert rendered(prompt, {"who": "{{text}}", "text": "a } b"}) == "For {{text}}:\n\nQ: a } b / a } b\nA:"


def test_json_may_stand_in_a_prompt():
    prompt = Prompt("p", 'Like {"a": {"b": 1}} or {"c": {}}.', query="{{text}}")
    assert rendered(prompt, ROW).startswith('Like {"a": {"b": 1}} or {"c": {}}.')


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{{text", "braces of the query"),
        ("Say {{text} now", "without its “}}”"),
        ("text}}", "without its “{{”"),
        ("{{}}", "without a name"),
        ("{{a{{b}}", "do not match"),
        ("  ", "is empty"),
    ],
)
def test_a_template_that_is_not_whole(query, words):
    with pytest.raises(PlaygroundError, match=words):
        rendered(Prompt("p", query=query), {"text": "x", "a": "y", "b": "z"})


def test_an_unknown_variable_names_row_and_column():
    with pytest.raises(PlaygroundError, match=r"Row 2 has no column “txt”.*It has: text, label"):
        check(Prompt("p", query="{{txt}}"), [ROW | {"txt": "there"}, ROW])
    with pytest.raises(PlaygroundError, match="Row 3 has nothing in column “text”"):
        rendered(Prompt("p"), {"text": " "}, 3)


def test_tables_that_cannot_be_run():
    with pytest.raises(PlaygroundError, match="table is empty"):
        check(Prompt("p"), [])
    with pytest.raises(PlaygroundError, match="100,000 rows; at most 2,000"):
        check(Prompt("p"), [ROW] * 100_000)
    with pytest.raises(PlaygroundError, match="Row 1 makes a prompt of 200,"):
        rendered(Prompt("p"), {"text": "x" * 200_000}, 1)


def test_examples_that_are_missing_or_not_whole():
    with pytest.raises(PlaygroundError, match="has no examples"):
        rendered(Prompt("p", style="few-shot"), ROW)
    silent = Example("Why?", "", "because")
    assert "because" in rendered(Prompt("p", examples=(silent,), style="few-shot"), ROW)
    with pytest.raises(PlaygroundError, match="Example 1 of “p” has no reasoning"):
        rendered(Prompt("p", examples=(silent,), style="few-shot chain of thought"), ROW)


def test_a_prompt_comes_back_from_json():
    assert read(json.loads(json.dumps(plain(few("few-shot chain of thought", as_chat=True))))) == few(
        "few-shot chain of thought", as_chat=True
    )
    assert read({"query": "{{text}}"}) == Prompt("prompt")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "This is no prompt"),
        ({"querry": "x"}, "no field “querry”"),
        ({"query": 3}, "query is not a text"),
        ({"as_chat": "yes"}, "not true or false"),
        ({"examples": "x"}, "not a list"),
        ({"examples": [{"question": 3}]}, "Example 1 holds something"),
        ({"examples": ["x"]}, "Example 1 cannot be read"),
        ({"style": "guessing"}, "no style “guessing”"),
    ],
)
def test_what_is_no_prompt_says_so(data, words):
    with pytest.raises(PlaygroundError, match=words):
        read(data)
