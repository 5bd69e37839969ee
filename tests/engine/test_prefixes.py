"""A turn that continues a kept prompt reads only what is new, and computes bit for bit what it would have anyway."""

import dataclasses
import threading

import pytest
import torch

from playground.engine import generate
from playground.engine.prefixes import Prefixes
from playground.engine.sampling import Sampling
from playground.engine.tap import Tap
from tests import tiny
from tests.engine.test_generate import small_blocks

GREEDY = Sampling(max_new_tokens=12, temperature=0)
TEXT = [*range(5, 105), *range(5, 105)]  # 200 tokens: one block of 128 and a rest


def fresh(architecture, budget=10**7, dtype="float32"):
    """A tiny engine that has read nothing yet."""
    return dataclasses.replace(tiny.engine(architecture, dtype), prefixes=Prefixes(budget))


def write(engine, ids, tap=None):
    """Ids and logprobs of what is written."""
    steps = generate.stream(engine, torch.tensor([ids]), GREEDY, tap=tap)
    return [(step.token.id, step.token.logprob) for step in steps if step.token]


@pytest.fixture
def n_read(monkeypatch):
    """Writes, and counts the tokens of the prompt that went through the model for it."""

    def count(engine, ids, tap=None):
        sizes, original = [], engine.model.base_model.forward

        def forward(*args, **kwargs):
            sizes.append((args[0] if args else kwargs["input_ids"]).shape[1])
            return original(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(engine.model.base_model, "forward", forward)
            written = write(engine, ids, tap)
        return written, sum(sizes) - (len(written) - 1)

    return count


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2"])
def test_a_next_turn_reads_only_what_is_new_and_gets_the_same_numbers(architecture, dtype, n_read):
    engine, never = fresh(architecture, dtype=dtype), fresh(architecture, budget=0, dtype=dtype)
    reply = [token for token, _ in write(engine, TEXT)]
    longer = [*TEXT, *reply, 7, 8, 9]
    written, n = n_read(engine, longer)
    assert n == len(longer) - 128
    assert (written, len(longer)) == n_read(never, longer)  # ids and logprobs, bit for bit


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_writing_again_and_branching_spoil_nothing(architecture, n_read):
    engine, never = fresh(architecture), fresh(architecture, budget=0)
    first = write(engine, TEXT)
    for text in (TEXT, [*TEXT[:150], 99, 98], [*TEXT[:60], 97, *TEXT[:80]], TEXT):
        written, n = n_read(engine, text)
        assert written == write(never, text)
        assert n == (len(text) - 128 if text[:128] == TEXT[:128] else len(text))
    assert write(engine, TEXT) == first


def test_the_last_token_of_a_prompt_is_always_read(n_read):
    engine = fresh("llama")
    write(engine, TEXT[:128])
    assert n_read(engine, TEXT[:128])[1] == 128
    assert n_read(engine, TEXT[:129])[1] == 1


@pytest.mark.parametrize("architecture", ["gemma2", "mamba"])
def test_a_window_and_a_recurrent_state_are_not_kept(architecture, n_read):
    engine = fresh(architecture)
    first = write(engine, TEXT)
    assert engine.prefixes.n_bytes == 0 and n_read(engine, TEXT) == (first, 200)


def test_what_a_tap_has_changed_is_neither_kept_nor_used(n_read):
    engine = fresh("llama")
    zero = Tap(residual=lambda site, residual: torch.zeros_like(residual) if site.layer == 1 else None)
    changed = write(engine, TEXT, zero)
    assert engine.prefixes.n_bytes == 0
    assert write(engine, TEXT) != changed
    assert n_read(engine, TEXT, zero) == (changed, 200)


def test_the_budget_holds_and_the_longest_unused_goes(n_read):
    texts = [[n, *TEXT] for n in (200, 201, 202)]
    probe = fresh("llama")
    write(probe, texts[0])
    size = probe.prefixes.n_bytes
    assert size == 2 * 3 * 2 * 8 * 128 * 4  # keys and values, layers, key-value heads, head_dim, tokens, bytes
    engine = fresh("llama", budget=int(2.5 * size))
    for i in (0, 1, 0, 2):
        write(engine, texts[i])
        assert engine.prefixes.n_bytes <= 2.5 * size
    assert [n_read(engine, texts[i])[1] for i in (0, 2)] == [73, 73]
    assert n_read(fresh("llama", budget=size // 2), texts[0])[1] == 201


def test_of_a_text_too_long_for_the_budget_the_beginning_is_kept_and_drives_nobody_out_in_vain(n_read, monkeypatch):
    small_blocks(monkeypatch, 32)
    probe, never = fresh("llama"), fresh("llama", budget=0)
    write(probe, TEXT[:33])
    block = probe.prefixes.n_bytes  # of 32 tokens
    engine = fresh("llama", budget=int(2.5 * block))
    write(engine, TEXT)
    assert engine.prefixes.n_bytes == 2 * block
    assert n_read(engine, TEXT) == (write(never, TEXT), 200 - 64)
    small = fresh("llama", budget=block // 2)
    write(small, TEXT)
    assert small.prefixes.n_bytes == 0


def test_the_beginning_of_what_is_there_is_not_kept_twice(n_read, monkeypatch):
    small_blocks(monkeypatch, 32)
    engine = fresh("llama")
    write(engine, TEXT)
    size = engine.prefixes.n_bytes
    assert n_read(engine, TEXT[:100])[1] == 100 - 96
    assert engine.prefixes.n_bytes == size
    assert n_read(engine, TEXT)[1] == 200 - 192


def test_many_at_once_on_one_beginning_write_what_each_would_alone():
    engine, never = fresh("llama"), fresh("llama", budget=0)
    texts = [[*TEXT, n, n + 1] for n in range(60, 68)]
    alone, together = [write(never, ids) for ids in texts], {}
    write(engine, TEXT)
    threads = [threading.Thread(target=lambda i=i: together.update({i: write(engine, texts[i])})) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[i] for i in range(8)] == alone


@pytest.mark.starter
def test_the_starter_answers_the_same_with_and_without_what_it_has_read(starter_cache):
    """In bfloat16, where the same sum in another order gives another number."""
    from playground.labs.chat import replies as chat
    from playground.models.cache import ModelCache
    from playground.settings import Settings

    models = ModelCache(Settings(cache_dir=starter_cache, dtype="bfloat16"))
    question = [{"role": "user", "content": "Tell me about the sea. " * 24}]
    with models.lease("starter:smollm2-135m-instruct") as engine:
        replies = []
        for settings in (dict(temperature=0), dict(temperature=1, seed=3)) * 2:
            sampling = chat.Sampling(max_new_tokens=8, **settings)
            replies.append([(t.id, t.logprob) for t in list(chat.reply(engine, question, sampling))[-1].tokens])
        assert engine.prefixes.n_bytes > 0
    assert replies[0] == replies[2] and replies[1] == replies[3]
