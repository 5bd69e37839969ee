"""Inspecting what was written, and branching from it."""

import math

import pytest
import torch

from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs import tokens
from playground.labs.chat import replies as chat
from tests import tiny

HELLO = [{"role": "user", "content": "Hello"}]
FREE = Sampling(max_new_tokens=20, temperature=1.3, seed=3)


def said(engine, sampling=FREE):
    prompt = chat.prompt_ids(engine, HELLO)
    return prompt, list(chat.reply(engine, HELLO, sampling))[-1]


@pytest.mark.parametrize(
    "sampling",
    [
        FREE,
        Sampling(max_new_tokens=20, temperature=0),
        Sampling(20, 0.6, 0.8, 9, 1.3, 5, no_repeat_ngram=2, min_p=0.1),
        Sampling(20, 1.4, 1, 0, seed=2, typical_p=0.7),
        Sampling(20, 1.4, 1, 0, seed=2, word_bias={"cat": 8, "Paris": -100}),
        Sampling(20, 1.4, 1, 0, seed=2, stop=["c", "at"]),
        Sampling(20, beams=3, repetition_penalty=1.2),
    ],
)
@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_what_was_streamed_is_what_is_inspected(architecture, sampling):
    """Probabilities do not depend on the sampling settings that drew the tokens."""
    engine = tiny.engine(architecture)
    prompt, reply = said(engine, sampling)
    seen = tokens.inspect(engine, prompt, reply.ids)
    assert seen.scores.ids.tolist() == [t.id for t in reply.tokens] == list(reply.ids)
    assert seen.scores.logprobs.tolist() == pytest.approx([t.logprob for t in reply.tokens], abs=1e-4)
    for row, token in zip(seen.scores.top_logprobs, reply.tokens, strict=True):
        assert row.tolist() == pytest.approx([logprob for _, logprob in token.alternatives], abs=1e-4)
    assert all(0 <= math.exp(p) <= 1 + 1e-6 for p in seen.scores.logprobs)


@pytest.mark.parametrize("architecture", ["llama", "gemma2"])
def test_a_branch_keeps_what_stands_before_it_and_can_be_repeated(architecture):
    engine = tiny.engine(architecture)
    prompt, reply = said(engine)
    other = tokens.inspect(engine, prompt, reply.ids).scores.top_ids[7]
    instead = int(next(i for i in other if i != reply.ids[7]))
    first, again = (list(tokens.branch(engine, prompt, reply.ids, 7, instead, FREE))[-1] for _ in range(2))
    assert first.ids[:7] == reply.ids[:7] and first.ids[7] == instead
    assert first.ids == again.ids and first.text == again.text
    whole = engine.tokenizer.decode(first.ids, skip_special_tokens=True)
    assert first.text.rstrip("\ufffd") == whole.rstrip("\ufffd")  # a character left unfinished at the end is not shown
    # what follows is what the model writes after those tokens, however they came there
    longer = torch.cat([prompt, torch.tensor([first.ids[:8]])], dim=1)
    plain = list(chat._follow(engine, longer, FREE, None))[-1]
    assert plain.ids == first.ids[8:]


def test_a_branch_of_an_encoder_decoder():
    engine = tiny.engine("t5")
    prompt = engine.encode("The cat sat on the mat")
    reply = list(chat.complete(engine, "The cat sat on the mat", FREE))[-1]
    first, again = (list(tokens.branch(engine, prompt, reply.ids, 4, 9, FREE))[-1] for _ in range(2))
    assert first.ids == again.ids and first.ids[:5] == (*reply.ids[:4], 9)


def test_a_character_cut_in_half_by_a_branch_is_not_shown_broken():
    engine = tiny.engine("llama")
    prompt = chat.prompt_ids(engine, HELLO)
    fox = engine.tokenizer("ab🦊").input_ids
    last = list(tokens.branch(engine, prompt, fox, len(fox) - 1, fox[-1], FREE))[-1]
    assert last.text.startswith("ab🦊")


def test_what_the_model_sees_has_its_special_tokens():
    engine = tiny.engine("llama")
    seen = tokens.seen_by(engine, chat.prompt_ids(engine, HELLO))
    assert "".join(t.text for t in seen) == chat.render(engine, HELLO)
    assert [t.text for t in seen if t.special] == ["<|im_start|>", "<|im_end|>", "<|im_start|>"]


@pytest.mark.parametrize(("at", "instead"), [(-1, 5), (20, 5), (3, -1), (3, 10**6)])
def test_a_branch_that_cannot_be(at, instead):
    engine = tiny.engine("llama")
    prompt, reply = said(engine)
    with pytest.raises(PlaygroundError, match=r"there is none at position|is no token of"):
        next(tokens.branch(engine, prompt, reply.ids, at, instead, FREE))


def test_putting_an_end_there_ends_the_reply():
    engine = tiny.engine("llama")
    prompt, reply = said(engine)
    end = engine.tokenizer.eos_token_id
    (last,) = tokens.branch(engine, prompt, reply.ids, 4, end, FREE)
    assert last.ids == (*reply.ids[:4], end) and last.stop_reason == "eos"


def test_the_whole_text_is_read_as_what_the_model_had_read_and_written():
    engine = tiny.engine("llama")
    words = engine.tokenizer("Paris is the capital", add_special_tokens=False).input_ids
    ids = [*words, engine.tokenizer.eos_token_id]
    text = tokens.whole_text(engine, HELLO, "Be kind.", ids)
    prompt = chat.prompt_ids(engine, HELLO, "Be kind.")
    assert engine.encode(text, add_special_tokens=False)[0].tolist() == [*prompt[0].tolist(), *ids]


def test_ids_of_another_model_are_refused():
    engine = tiny.engine("llama")
    prompt, written = said(engine)
    for use in (
        lambda ids: tokens.inspect(engine, prompt, ids),
        lambda ids: tokens.whole_text(engine, HELLO, "", ids),
        lambda ids: next(tokens.branch(engine, prompt, [*ids, 5], len(ids), 5, FREE)),
    ):
        with pytest.raises(PlaygroundError, match="another model wrote"):
            use([*written.ids, 10**6])
