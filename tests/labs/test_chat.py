"""What the model is given for a conversation, and what comes back, on tiny models."""

import dataclasses
import itertools
import threading

import pytest
from transformers import DynamicCache

from playground.engine.prefixes import Prefixes
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat
from playground.labs.chat.replies import Sampling
from tests import tiny

HELLO = [{"role": "user", "content": "Hello"}]


def test_the_prompt_is_the_models_own_template():
    engine = tiny.engine("llama")
    conversation = [*HELLO, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Who are you?"}]
    assert chat.render(engine, conversation, system="Be brief.") == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"
    )
    ids = chat.prompt_ids(engine, conversation, "Be brief.")
    assert engine.tokenizer.decode(ids[0]) == chat.render(engine, conversation, "Be brief.")


def test_an_empty_reply_keeps_its_place():
    engine = tiny.engine("llama")
    conversation = [*HELLO, {"role": "assistant", "content": ""}, {"role": "user", "content": "Well?"}]
    assert "<|im_start|>assistant\n<|im_end|>\n<|im_start|>user\nWell?" in chat.render(engine, conversation)


def test_indentation_and_emoji_of_a_message_reach_the_model():
    engine, text = tiny.engine("llama"), "def f():\n    return '🎉'\n\n\t你好"
    ids = chat.prompt_ids(engine, [{"role": "user", "content": text}])
    assert text in engine.tokenizer.decode(ids[0])


def test_a_template_without_a_system_role_gets_it_with_the_first_message(monkeypatch):
    engine = tiny.engine("llama")
    strict = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        + tiny.CHAT_TEMPLATE
    )
    monkeypatch.setattr(engine.tokenizer, "chat_template", strict)
    assert "user\nBe brief.\n\nHello" in chat.render(engine, HELLO, "Be brief.")


def test_a_template_that_refuses_is_quoted(monkeypatch):
    engine = tiny.engine("llama")
    monkeypatch.setattr(engine.tokenizer, "chat_template", "{{ raise_exception('no such thing') }}")
    with pytest.raises(PlaygroundError, match="refuses this conversation: no such thing"):
        chat.render(engine, HELLO)


def test_a_reply_grows_and_says_how_it_ended():
    engine = tiny.engine("llama")
    replies = list(chat.reply(engine, HELLO, Sampling(max_new_tokens=12, temperature=0)))
    last = replies[-1]
    assert [r.stop_reason for r in replies[:-1]] == [None] * (len(replies) - 1)
    assert last.stop_reason == "length" and last.new_tokens == len(last.tokens) == 12
    assert all(later.text.startswith(earlier.text) for earlier, later in itertools.pairwise(replies))
    assert last.prompt_tokens == chat.prompt_ids(engine, HELLO).shape[1]
    assert 0 < last.seconds_to_first_token <= last.provenance.seconds and last.tokens_per_second > 0
    assert last.provenance.reference == engine.reference and last.provenance.settings["max_new_tokens"] == 12


def test_a_seed_that_was_drawn_is_named_and_repeats_the_text():
    engine = tiny.engine("llama")
    first = list(chat.reply(engine, HELLO, Sampling(max_new_tokens=20, temperature=1.5)))[-1]
    seed = first.provenance.settings["seed"]
    again = list(chat.reply(engine, HELLO, Sampling(max_new_tokens=20, temperature=1.5, seed=seed)))[-1]
    other = list(chat.reply(engine, HELLO, Sampling(max_new_tokens=20, temperature=1.5)))[-1]
    assert [t.id for t in first.tokens] == [t.id for t in again.tokens] != [t.id for t in other.tokens]


def test_closing_a_reply_ends_the_worker():
    replies = chat.reply(tiny.engine("llama"), HELLO, Sampling(max_new_tokens=200, temperature=1))
    next(replies)
    replies.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("generate")]


def test_completion_continues_the_text_itself():
    engine = tiny.engine("gpt2")
    last = list(chat.complete(engine, "The cat", Sampling(max_new_tokens=5, temperature=0)))[-1]
    ids = engine.encode("The cat")
    expected = engine.model.generate(ids, max_new_tokens=5, do_sample=False)[0, ids.shape[1] :]
    assert [t.id for t in last.tokens] == expected.tolist() and last.prompt_tokens == ids.shape[1]


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([], "no message to answer"),
        ([{"role": "user", "content": "   "}], "no message to answer"),
        ([*HELLO, {"role": "assistant", "content": "Hi"}], "no message to answer"),
    ],
)
def test_nothing_to_answer(messages, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        next(chat.reply(tiny.engine("llama"), messages, Sampling()))


def test_a_base_model_points_to_completion():
    engine = tiny.engine("gpt2")
    assert not chat.has_chat_template(engine) and chat.has_chat_template(tiny.engine("llama"))
    with pytest.raises(PlaygroundError, match="has no chat template"):
        next(chat.reply(engine, HELLO, Sampling()))


def test_a_message_that_does_not_fit_says_by_how_much():
    engine = tiny.engine("llama")  # holds 256 tokens
    with pytest.raises(PlaygroundError, match=r"is \d+,\d+ tokens long and .* at most 256\. Shorten it by \d"):
        next(chat.reply(engine, [{"role": "user", "content": "cat " * 25_000}], Sampling()))


def test_messages_from_outside_are_checked():
    blocks = [{"role": "user", "content": [{"type": "text", "text": "  a"}, {"type": "text", "text": "b"}]}]
    assert chat.as_messages(blocks) == [{"role": "user", "content": "  ab"}]
    for wrong in ("hi", None, [1], [{"role": "robot", "content": "x"}], [{"role": "user", "content": 5}]):
        with pytest.raises(PlaygroundError, match=r"messages must be a list|Message 1 cannot be read"):
            chat.as_messages(wrong)


@pytest.mark.starter
def test_the_starter_knows_the_capital_of_france_and_carries_emoji_chinese_and_code(starter_cache):
    from playground.models.cache import ModelCache
    from playground.settings import Settings

    greedy = Sampling(max_new_tokens=20, temperature=0)
    with ModelCache(Settings(cache_dir=starter_cache)).lease("starter:smollm2-135m-instruct") as engine:
        asked = [{"role": "user", "content": "What is the capital of France?"}]
        assert "Paris" in list(chat.reply(engine, asked, greedy))[-1].text
        for text in (
            "🦊🦊🦊🦊🦊🦊",
            "你好你好你好你好你好",
            "def f():\n    return 1\n\ndef g():\n    return 2\n\ndef h():\n",
        ):
            replies = [reply.text for reply in chat.complete(engine, text, greedy)]
            assert not any("\ufffd" in reply for reply in replies)
        assert "\n    return" in replies[-1] or replies[-1].startswith("    return")  # the indentation is kept


def test_what_was_read_ahead_is_found_by_the_next_turn_and_changes_no_token(tmp_path):
    engine = tiny.loaded(tiny.save(tmp_path, "llama", context=2048))
    engine = dataclasses.replace(engine, prefixes=Prefixes(10**9))
    sampling = chat.Sampling(max_new_tokens=12, temperature=0)
    first = [{"role": "user", "content": "The cat sat on the mat. " * 20}]
    *_, _ = chat.reply(engine, first, sampling)
    said = [*first, {"role": "assistant", "content": "It was comfortable. " * 30}]
    following = [*said, {"role": "user", "content": "And then?"}]
    ids = chat.prompt_ids(engine, following)
    assert ids.shape[1] > 2 * 128, "the reply must fill a block"

    def found() -> int:
        return engine.prefixes.take(ids[0].tolist(), 128, DynamicCache(config=engine.model.config))

    before = found()
    chat.read_ahead(engine, said, "", lambda: False)
    assert found() > before
    *_, quick = chat.reply(engine, following, sampling)
    engine.prefixes.clear()
    *_, anew = chat.reply(engine, following, sampling)
    assert quick.ids == anew.ids


def test_reading_ahead_ends_when_it_is_told_and_refuses_nothing():
    engine = dataclasses.replace(tiny.engine("llama"), prefixes=Prefixes(10**9))
    said = [{"role": "user", "content": "The cat sat on the mat. " * 12}, {"role": "assistant", "content": "Yes."}]
    chat.read_ahead(engine, said, "", lambda: True)
    assert engine.prefixes.n_bytes == 0
    chat.read_ahead(engine, [{"role": "user", "content": "word " * 5000}], "", lambda: False)
    chat.read_ahead(tiny.engine("gpt2"), said, "", lambda: False)
    chat.read_ahead(tiny.engine("mamba"), said, "", lambda: False)
