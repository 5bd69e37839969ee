"""A bias for a word is a bias for the tokens that it can begin with."""

import pytest
from transformers import ByT5Tokenizer

from playground.engine import generate
from playground.engine.sampling import Sampling
from playground.engine.words import first_tokens, with_words
from playground.errors import PlaygroundError
from tests import tiny


def ids(tokenizer, text):
    return tokenizer(text, add_special_tokens=False).input_ids


def test_with_and_without_a_space_before_it():
    tokenizer = tiny.engine("llama").tokenizer
    found = first_tokens(tokenizer, "cat")
    assert [(t.id, t.n_tokens) for t in found] == [
        (ids(tokenizer, " cat")[0], len(ids(tokenizer, " cat"))),
        (ids(tokenizer, "cat")[0], len(ids(tokenizer, "cat"))),
    ]
    assert [t.text for t in found] == [tokenizer.decode([t.id]) for t in found]
    for token in found:
        assert " cat".strip().startswith(token.text.strip()) and token.text.strip()


def test_a_word_of_several_tokens_is_pushed_at_its_first():
    tokenizer = tiny.engine("llama").tokenizer
    long = first_tokens(tokenizer, "zebra")
    assert all(token.n_tokens > 1 for token in long)
    assert {token.id for token in long} <= {ids(tokenizer, "zebra")[0], *ids(tokenizer, " zebra")[:2]}


def test_tokenizers_that_mark_words_in_their_own_way(tmp_path):
    wordpiece = tiny.engine("bert").tokenizer
    (token,) = first_tokens(wordpiece, "cat")  # the same with and without a space
    assert token.id == ids(wordpiece, "cat")[0]
    with pytest.raises(PlaygroundError, match="no token for '🎷'"):
        first_tokens(wordpiece, "🎷")
    (token,) = first_tokens(ByT5Tokenizer(), "cat")  # a token a byte: the space alone is not the word
    assert token.text == "c" and token.n_tokens == 3


def test_biases_of_one_token_add_up_within_the_range():
    tokenizer = tiny.engine("llama").tokenizer
    space, bare = (token.id for token in first_tokens(tokenizer, "cat"))
    sampling = with_words(Sampling(word_bias={"cat": 60}, logit_bias=((bare, 70), (7, -3))), tokenizer)
    assert dict(sampling.logit_bias) == {bare: 100, 7: -3, space: 60} and sampling.word_bias == ()
    assert with_words(Sampling(), tokenizer) == Sampling()


@pytest.mark.parametrize("beams", [1, 3])
def test_a_word_can_be_forced_and_banned(beams):
    engine = tiny.engine("qwen2")
    prompt = engine.encode("The cat sat")
    wanted = {token.id for token in first_tokens(engine.tokenizer, "Paris")}

    def write(bias):
        settings = dict(max_new_tokens=12, temperature=1.5, seed=1, beams=beams)
        steps = list(generate.stream(engine, prompt, Sampling(word_bias={"Paris": bias}, **settings)))
        return {s.token.id for s in steps if s.token}

    assert write(100) <= wanted
    assert not write(-100) & wanted
