"""A context of 256 tokens: what must be left out is counted against the tokenizer itself, and summaries fit."""

import pytest

from playground.errors import PlaygroundError
from playground.labs.chat import context
from playground.labs.chat import replies as chat
from tests import tiny


def talk(n_turns: int, words: int = 4) -> list[dict]:
    said = [("user", "assistant")[n % 2] for n in range(2 * n_turns)]
    messages = [{"role": role, "content": f"message {n} " + "cat " * words} for n, role in enumerate(said)]
    return [*messages, {"role": "user", "content": "And now?"}]


def test_counts_are_those_of_the_prompt_that_the_model_is_given():
    engine = tiny.engine("llama")
    messages = talk(2)
    assert context.count(engine, messages, "Be kind.") == chat.prompt_ids(engine, messages, "Be kind.").shape[1]


def test_what_fits_is_left_alone():
    assert context.overflow(tiny.engine("llama"), talk(1), "", wanted=100) is None


@pytest.mark.parametrize("n_turns", [8, 12, 30])
@pytest.mark.parametrize("wanted", [1, 40, 2000])
def test_as_few_as_needed_are_left_out(n_turns, wanted):
    engine = tiny.engine("llama")
    messages = talk(n_turns)
    found = context.overflow(engine, messages, "Be kind.", wanted)
    assert found.n_tokens == context.count(engine, messages, "Be kind.") > found.limit - wanted
    assert found.limit == 256
    left = messages[found.n_oldest :]
    assert left[0]["role"] == "user"
    room = min(wanted, 64) + context.summary_tokens(256) + context.AROUND_SUMMARY
    assert context.count(engine, left, "Be kind.") + room <= 256
    assert context.count(engine, messages[found.n_oldest - 2 :], "Be kind.") + room > 256, "one turn more would not fit"


def test_where_leaving_out_does_not_help_it_says_so():
    messages = [*talk(2), {"role": "assistant", "content": "x"}, {"role": "user", "content": "cat " * 400}]
    assert context.overflow(tiny.engine("llama"), messages, "", 40).n_oldest == 0


def test_a_summary_is_of_what_fits_and_no_longer_than_it_may():
    engine = tiny.engine("llama")
    for messages in (talk(1), talk(40)):
        last = list(context.summarise(engine, messages, "They met."))[-1]
        assert last.prompt_tokens + last.new_tokens <= 256
        assert last.new_tokens <= context.summary_tokens(256)
    assert context.cut(engine, "cat sat", 100) == "cat sat"
    assert 0 < len(engine.tokenizer(context.cut(engine, "😀🎈" * 50, 30)).input_ids) <= 30
    with pytest.raises(PlaygroundError, match="too long for the model to summarise"):
        list(context.summarise(engine, [{"role": "user", "content": "cat " * 400}]))
