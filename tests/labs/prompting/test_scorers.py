"""Correct, wrong or unparseable; and scorers that cannot be used say so."""

import contextlib
import json
import time

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs.prompting import library, prompts, scorers
from playground.labs.prompting.scorers import Scorer, check, read, score, scored
from tests import tiny

LABELS = ("positive", "negative")


def outcome(scorer: Scorer, output: str, **row) -> tuple[str, str]:
    judged = score(scorer, output, row)
    assert bool(judged.why) == (judged.outcome != "correct")
    return judged.outcome, judged.parsed


def test_each_kind():
    assert outcome(Scorer("exact"), " Paris. ", label="paris") == ("correct", "paris")
    assert outcome(Scorer("exact"), "Rome", label="Paris") == ("wrong", "rome")
    assert outcome(Scorer("contains"), "It is in PARIS now", label="Paris") == ("correct", "Paris")
    assert outcome(Scorer("contains"), "Rome", label="Paris") == ("wrong", "")
    assert outcome(Scorer("number"), "The answer is $18.00.", label="18") == ("correct", "18")
    assert outcome(Scorer("number"), "17", label="18") == ("wrong", "17")
    assert outcome(Scorer("number"), "17 or 18", label="18") == ("unparseable", "")
    assert outcome(Scorer("written", choices=LABELS), " Negative.", label="negative") == ("correct", "negative")
    assert outcome(Scorer("written", choices=LABELS), "bad", label="negative") == ("unparseable", "")
    assert outcome(Scorer("choice", choices=LABELS), "positive", label="negative") == ("wrong", "positive")
    for kind in ("exact", "contains", "number"):
        assert outcome(Scorer(kind), " \n", label="18") == ("unparseable", "")


def test_patterns():
    grouped = Scorer("regex", pattern=r"answer is (\w+)")
    assert outcome(grouped, "The answer is Paris.", label="paris") == ("correct", "Paris")
    assert outcome(grouped, "The answer is Rome.", label="paris") == ("wrong", "Rome")
    assert outcome(grouped, "Paris", label="paris") == ("unparseable", "")
    assert outcome(Scorer("regex", pattern="(?i)sorry"), "I am SORRY") == ("correct", "SORRY")
    assert outcome(Scorer("regex", pattern="sorry"), "No") == ("wrong", "")


def test_a_catastrophic_pattern_ends_with_a_sentence():
    began = time.monotonic()
    with pytest.raises(PlaygroundError, match=r"more than 0\.2 s on the output of row 7"):
        score(Scorer("regex", pattern=r"(?:x+x+)+y"), "x" * 5_000, {}, 7)
    assert time.monotonic() - began < 5
    schema = Scorer("json", schema='{"pattern": "(x+x+)+y"}')
    with pytest.raises(PlaygroundError, match="pattern of the schema, takes more"):
        score(schema, '"' + "x" * 5_000 + '"', {})


CHAIN = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(40)} | {"d40": {}}


@pytest.mark.parametrize(
    "schema",
    [
        {"additionalProperties": False, "patternProperties": {"^(a+)+$": {}}},
        {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"}}},
        {"$ref": "#/$defs/d0", "$defs": CHAIN},
        {"properties": {"a": {"pattern": "(?:(?:a{1000}){1000}){1000}"}}},
    ],
)
def test_no_schema_takes_long(schema):
    began = time.monotonic()
    output = json.dumps({"a": "a" * 40 + "!", "a" * 40 + "!": 1})
    with pytest.raises(PlaygroundError):
        score(Scorer("json", schema=json.dumps(schema)), output, {}, 3)
    assert time.monotonic() - began < 5


def test_a_reference_to_the_whole_keeps_the_limit():
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "(?:x+x+)+y"}
    schema["additionalProperties"] = {"$ref": "#"}
    with pytest.raises(PlaygroundError, match="takes more"):
        score(Scorer("json", schema=json.dumps(schema)), json.dumps({"a": "x" * 5_000}), {})


def test_a_pattern_that_could_not_be_compiled_in_time_is_refused():
    for pattern in ("(?:(?:a{1000}){1000}){1000}", "a{ 1000 , 2000000 }", "(?:a{,300}){300}"):
        with pytest.raises(PlaygroundError, match="repeats too often"):
            check(Scorer("regex", pattern=pattern))
    check(Scorer("regex", pattern=r"\d{4}-\d{2}-\d{2}x{0}y{,}"))


def test_json_against_a_schema_that_is_filled_from_the_row():
    scorer = Scorer("json", schema='{"type": "object", "properties": {"city": {"const": "{{city}}"}}}')
    assert outcome(scorer, '{"city": "Rome"}', city="Rome") == ("correct", '{"city": "Rome"}')
    assert outcome(scorer, '{"city": "Oslo"}', city="Rome") == ("wrong", '{"city": "Oslo"}')
    assert outcome(scorer, '{"city": "a \\"b\\""}', city='a "b"') == ("correct", '{"city": "a \\"b\\""}')
    assert outcome(scorer, "city: Rome", city="Rome") == ("unparseable", "")
    assert outcome(scorer, "[" * 500 + "]" * 500, city="Rome")[0] == "wrong"


def test_a_schema_fetches_nothing():
    scorer = Scorer("json", schema='{"$ref": "http://127.0.0.1:9/schema.json"}')
    with pytest.raises(PlaygroundError, match="schema cannot be used"):
        score(scorer, "{}", {})


@pytest.mark.parametrize(
    ("scorer", "words"),
    [
        (Scorer("guess"), "no scorer “guess”"),
        (Scorer("written", choices=("a",)), "Fewer than two labels"),
        (Scorer("choice", choices=("a", "A")), "twice"),
        (Scorer("written", choices=("a", "b")), "Row 1 has the answer “7”, which is none"),
        (Scorer("regex", pattern="(a"), "cannot be read"),
        (Scorer("regex"), "pattern is empty"),
        (Scorer("regex", pattern="a" * 2_000), "at most 1,000"),
        (Scorer("json", schema="{"), "no JSON"),
        (Scorer("json", schema='{"type": "objekt"}'), "not valid"),
        (Scorer("json", schema='"{{x}"'), "braces of the schema"),
        (Scorer("exact", expected="answer"), "Row 1 has no column “answer”"),
        (Scorer("similarity"), "No model is named"),
        (Scorer("similarity", threshold=2), "threshold is 2"),
        (Scorer("judge", reference="x", judge="Well?"), "does not show the answer"),
    ],
)
def test_scorers_that_are_not_whole(scorer, words):
    with pytest.raises(PlaygroundError, match=words):
        check(scorer, [{"label": "7"}])


def test_an_expected_number_that_is_none_names_the_row():
    with pytest.raises(PlaygroundError, match="Row 2 has “many”"):
        check(Scorer("number"), [{"label": "1"}, {"label": "many"}])


def test_a_scorer_comes_from_plain_values():
    assert read({"kind": "written", "choices": ["a", "b"]}) == Scorer("written", choices=("a", "b"))
    for data, words in (([], "no scorer"), ({"kinds": 1}, "no field"), ({"threshold": "x"}, "wrong kind")):
        with pytest.raises(PlaygroundError, match=words):
            read(data)


def test_similarity_is_the_cosine_of_the_mean_states():
    engine = tiny.engine("bert")
    lend = lambda reference: contextlib.nullcontext(engine)  # noqa: E731
    scorer = Scorer("similarity", threshold=0.999, reference="x")
    same, other, none = scored(scorer, ["a b", "b c", ""], [{"label": "a b"}] * 3, lend)
    assert (same.outcome, none.outcome) == ("correct", "unparseable")
    assert same.value == pytest.approx(1, abs=1e-6)

    def mean(text):
        import torch

        ids = engine.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            return engine.model(**ids, output_hidden_states=True).hidden_states[-1][0].mean(0).numpy()

    a, b = mean("b c"), mean("a b")
    assert other.value == pytest.approx(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), abs=1e-5)


def test_a_judge_is_shown_the_whole_case_and_read_strictly():
    scorer = Scorer("judge", expected="label", reference="x")
    row = {"text": "Capital of France?", "label": "Paris"}
    asked = scorers.judge_prompt(scorer, "It is {{Paris}}.", "Paris", row)
    assert asked == (
        "Is the answer to the question right? Compare it with the reference.\nQuestion: Capital of France?\n"
        "Reference: Paris\nAnswer: It is {{Paris}}.\nSay yes or no.\nVerdict:"
    )
    judged = scored(scorer, ["Paris", ""], [row, row], lambda _: contextlib.nullcontext(tiny.engine("llama")))
    assert judged[0].outcome in scorers.get_args(scorers.Outcome)  # a random model may write anything
    assert judged[1].outcome == "unparseable"


# the library


@pytest.mark.parametrize("worked", library.worked(), ids=lambda worked: worked.name)
def test_every_worked_prompt_can_be_run_and_scored(worked):
    table = library.rows(worked.data.name)
    check(worked.scorer, table)
    for prompt in worked.prompts:
        prompts.check(prompt, table)
        if worked.name != "three_problems":
            assert not library.leaked(prompt, table)


def test_data_sets_are_large_and_balanced_enough():
    sentiment = [row["label"] for row in library.rows("sentiment")]
    assert len(sentiment) >= 48
    assert sentiment.count("positive") * 2 == len(sentiment)
    assert len({row["text"] for row in library.rows("sentiment")}) == len(sentiment)
    assert len(library.rows("arithmetic")) == 40


def test_drawn_examples_are_not_asked_about():
    prompt = library.worked()[0].prompts[0]
    table = library.rows("sentiment")
    drawn, left = library.drawn(prompt, table, "label", 6, seed=3)
    assert [example.answer for example in drawn.examples].count("positive") == 3
    assert len(left) == len(table) - 6
    assert library.leaked(drawn, left) == ()
    assert len(library.leaked(drawn, table)) == 6
    assert library.drawn(prompt, table, "label", 6, seed=3)[0] == drawn
    assert library.drawn(prompt, table, "label", 6, seed=4)[0] != drawn
    twice = (*table, *({**row, "text": f" {row['text'].upper()}"} for row in table))
    drawn, left = library.drawn(prompt, twice, "label", 6, seed=3)
    assert len(left) == len(twice) - 12
    assert library.leaked(drawn, left) == ()
    with pytest.raises(PlaygroundError, match="cannot be drawn"):
        library.drawn(prompt, table[:3], "label", 3, 0)
