"""A turn that continues a kept text reads only what is new, and writes what it would have written anyway."""

import threading

import pytest
import torch

from playground.engine import generate
from playground.engine.prefixes import Prefixes
from playground.engine.sampling import Sampling
from playground.engine.tap import Tap
from tests import tiny

GREEDY = Sampling(max_new_tokens=12, temperature=0)


@pytest.fixture
def fresh():
    """A tiny engine that has read nothing yet and may keep a megabyte, and a count of the tokens that it reads."""
    import dataclasses

    def make(architecture, budget=10**6):
        return dataclasses.replace(tiny.engine(architecture), prefixes=Prefixes(budget))

    return make


def write(engine, ids, tap=None):
    steps = generate.stream(engine, torch.tensor([ids]), GREEDY, tap=tap)
    return [step.token.id for step in steps if step.token]


def n_read(engine, ids, monkeypatch, tap=None):
    """What is written, and how many tokens of the prompt went through the model for it."""
    sizes, original = [], engine.model.base_model.forward

    def forward(*args, **kwargs):
        sizes.append((args[0] if args else kwargs["input_ids"]).shape[1])
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(engine.model.base_model, "forward", forward)
        written = write(engine, ids, tap)
    return written, sum(sizes) - (len(written) - 1)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2", "gemma2"])
def test_a_next_turn_reads_only_what_is_new(architecture, fresh, monkeypatch):
    engine, never = fresh(architecture), fresh(architecture, budget=0)
    text = list(range(5, 45))
    reply = write(engine, text)
    longer = [*text, *reply, 7, 8, 9]
    written, n = n_read(engine, longer, monkeypatch)
    assert n == 4  # the last token of the reply was never read, and three are new
    assert (written, len(longer)) == n_read(never, longer, monkeypatch)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_writing_again_and_branching_keep_what_is_shared_and_spoil_nothing(architecture, fresh, monkeypatch):
    engine, never = fresh(architecture), fresh(architecture, budget=0)
    text = list(range(5, 45))
    first = write(engine, text)
    again, n = n_read(engine, text, monkeypatch)
    assert again == first and n == 1
    branch = [*text[:30], 99, 98, 97]
    written, n = n_read(engine, branch, monkeypatch)
    assert n == 3 and written == write(never, branch)
    written, n = n_read(engine, [*text, *first, 3], monkeypatch)  # the first text is still there, whole
    assert n == 2 and written == write(never, [*text, *first, 3])


def test_a_window_that_has_forgotten_is_not_cut(fresh, monkeypatch):
    engine, never = fresh("gemma2"), fresh("gemma2", budget=0)
    text = list(range(5, 45))
    write(engine, text)
    assert n_read(engine, text, monkeypatch) == (write(never, text), 40)


def test_a_recurrent_state_is_not_kept(fresh):
    engine = fresh("mamba")
    text = list(range(5, 45))
    first = write(engine, text)
    assert engine.prefixes.n_bytes == 0 and write(engine, text) == first


def test_what_a_tap_has_changed_is_neither_kept_nor_used(fresh, monkeypatch):
    engine = fresh("llama")
    text = list(range(5, 45))
    zero = Tap(residual=lambda site, residual: torch.zeros_like(residual) if site.layer == 1 else None)
    changed = write(engine, text, zero)
    assert engine.prefixes.n_bytes == 0
    plain = write(engine, text)
    assert plain != changed
    assert n_read(engine, text, monkeypatch, zero) == (changed, 40)


def test_the_budget_holds_and_the_longest_unused_goes(fresh, monkeypatch):
    text = [list(range(n, n + 40)) for n in (5, 105, 205)]
    probe = fresh("llama")
    write(probe, text[0])
    size = probe.prefixes.n_bytes
    engine = fresh("llama", budget=int(2.5 * size))
    for ids in (text[0], text[1], text[0], text[2]):
        write(engine, ids)
        assert engine.prefixes.n_bytes <= 2.5 * size
    assert [n_read(engine, ids, monkeypatch)[1] for ids in (text[0], text[2])] == [1, 1]
    assert n_read(fresh("llama", budget=size // 2), text[0], monkeypatch)[1] == 40


def test_many_at_once_on_one_beginning_write_what_each_would_alone(fresh):
    engine, never = fresh("llama"), fresh("llama", budget=0)
    start = list(range(5, 45))
    texts = [[*start, n, n + 1] for n in range(60, 68)]
    alone, together = [write(never, ids) for ids in texts], {}
    write(engine, start)
    threads = [threading.Thread(target=lambda i=i: together.update({i: write(engine, texts[i])})) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[i] for i in range(8)] == alone
