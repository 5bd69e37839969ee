"""Vectors equal those of an untouched model that reads each text alone, whatever shares a batch with it."""

import copy
import dataclasses
import functools
import operator
import threading

import numpy as np
import pytest
import torch

from playground.errors import PlaygroundError
from playground.labs.internals.probing import experiment, features
from playground.labs.internals.probing.examples import Examples
from playground.labs.internals.probing.features import Cache, Stopped
from tests import tiny
from tests.labs.probing.made import finish

TEXTS = (
    "The cat sat on the mat because it was comfortable.",
    "The doctor asked.",
    "Paris is the capital of France, said the doctor to the nurse.",
    "cat",
    "A nurse helps the doctor.",
)
WORDS = ("mat", "doctor", "capital", "cat", "nurse")
EXAMPLES = Examples("made", TEXTS, ("a", "b", "a", "b", "a"), WORDS, WORDS, "word", ("a", "b"))


def twin(engine):
    """The same weights in a model that transformers made, with no tap in it."""
    config = copy.deepcopy(engine.model.config)
    attention = "eager" if engine.anatomy.architecture in ("gemma2", "t5") else "sdpa"
    if engine.anatomy.architecture == "mamba":
        attention = None
    model = type(engine.model)._from_config(config, attn_implementation=attention, dtype=torch.float32)
    model.load_state_dict(engine.model.state_dict())
    return model.eval()


def expected(engine, model, text, word, pooling):
    """(layer, hidden): the model's own hidden states of one text, without padding, pooled by hand."""
    encoding = engine.tokenizer(text, return_tensors="pt")
    reader = model.get_encoder() if engine.anatomy.kind == "seq2seq" else model
    with torch.no_grad():
        states = reader(encoding.input_ids, output_hidden_states=True).hidden_states
        if engine.anatomy.architecture == "mamba":  # gives its blocks' outputs and the normed last one, no embedding
            states = (model.get_input_embeddings()(encoding.input_ids), *states[:-2], states[-1])
        states = torch.stack(states)[:, 0]
    if pooling == "first":
        return states[:, 0]
    if pooling == "last":
        return states[:, -1]
    if pooling == "mean":
        return states.mean(1)
    start = text.index(word)
    pieces = {encoding.char_to_token(i) for i in range(start, start + len(word))}
    return states[:, sorted(pieces)].mean(1)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_vectors_are_the_models_own_hidden_states(architecture):
    engine = tiny.engine(architecture)
    model = twin(engine)
    for pooling in features.POOLINGS:
        vectors, done = finish(features.pooled(engine, EXAMPLES, pooling))
        assert vectors.shape == (engine.anatomy.n_layers + 1, len(TEXTS), 32)
        assert vectors.dtype == np.float32 and done[-1] == len(TEXTS)
        for i, (text, word) in enumerate(zip(TEXTS, WORDS, strict=True)):
            own = expected(engine, model, text, word, pooling).numpy()
            np.testing.assert_allclose(vectors[:, i], own, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_batch_gives_what_each_text_gives_alone(architecture):
    engine = tiny.engine(architecture)
    together, _ = finish(features.pooled(engine, EXAMPLES, "mean"))
    alone, done = finish(features.pooled(engine, EXAMPLES, "mean", batch_tokens=1))
    assert done == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("rope", "n_read"), [("default", 1), ("longrope", None)])
def test_what_follows_the_token_looked_at_is_not_read_where_it_cannot_matter(monkeypatch, rope, n_read):
    engine, lengths = tiny.engine("llama"), []
    monkeypatch.setitem(engine.model.config.rope_parameters, "rope_type", rope)
    padded = features._padded
    monkeypatch.setattr(
        features, "_padded", lambda rows, filler: lengths.extend(map(len, rows)) or padded(rows, filler)
    )
    finish(features.pooled(engine, EXAMPLES, "first"))
    assert set(lengths) == {n_read} if n_read else len(set(lengths)) > 2


def test_a_model_that_was_not_seen_to_read_from_left_to_right_reads_all(monkeypatch):
    """transformers counts some among the causal ones that read in both directions, like XLNet."""
    engine, lengths, padded = tiny.engine("llama"), [], features._padded
    monkeypatch.setattr(
        features, "_padded", lambda rows, filler: lengths.extend(map(len, rows)) or padded(rows, filler)
    )
    failed = tuple(dataclasses.replace(check, passed=False) for check in engine.checks)
    finish(features.pooled(dataclasses.replace(engine, checks=failed), EXAMPLES, "first"))
    assert len(set(lengths)) > 2


def test_batches_keep_within_their_places_and_hold_every_text_once():
    lengths = [3, 9, 1, 7, 7, 2, 30, 4]
    batches = features._batches(lengths, 20)
    assert sorted(functools.reduce(operator.iadd, batches, [])) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 20


def test_a_pass_holds_one_layers_residuals_of_one_batch(monkeypatch):
    seen = []
    original = torch.einsum

    def watched(rule, weights, residual):
        seen.append(residual.shape[0] * residual.shape[1])
        return original(rule, weights, residual)

    monkeypatch.setattr(torch, "einsum", watched)
    many = Examples("made", TEXTS * 20, ("a", "b", "a", "b", "a") * 20, None, TEXTS * 20, "text", ("a", "b"))
    finish(features.pooled(tiny.engine("llama"), many, "mean", batch_tokens=64))
    assert max(seen) <= 64 and len(seen) > 40


def test_a_stop_is_heeded_within_a_pass_and_leaves_the_model_as_it_was():
    engine, stop = tiny.engine("llama"), threading.Event()
    before, _ = finish(features.pooled(engine, EXAMPLES, "mean"))
    reading = features.pooled(engine, EXAMPLES, "mean", stop, batch_tokens=1)
    assert next(reading) == 1
    stop.set()
    with pytest.raises(Stopped):
        next(reading)
    after, _ = finish(features.pooled(engine, EXAMPLES, "mean"))
    assert np.array_equal(before, after)


def test_the_cache_spares_a_second_reading_and_keeps_its_budget():
    engine, cache = tiny.engine("llama"), Cache()
    first, news = finish(experiment.read(engine, EXAMPLES, "mean", cache=cache))
    assert news and cache.n_bytes == first.values.nbytes
    again, news = finish(experiment.read(engine, EXAMPLES, "mean", cache=cache))
    assert not news and again.values is first.values
    other, news = finish(experiment.read(engine, EXAMPLES, "last", cache=cache))
    assert news and not np.array_equal(other.values, first.values)
    _elsewhere, news = finish(experiment.read(tiny.engine("gpt2"), EXAMPLES, "mean", cache=cache))
    assert news

    small = Cache(budget=first.values.nbytes)
    small.put("one", first.values)
    small.put("two", other.values)
    assert small.get("one") is None and small.get("two") is other.values
    small.put("too large", np.zeros(10**5, np.float32))
    assert small.n_bytes == other.values.nbytes
    with pytest.raises(ValueError, match="read-only"):
        other.values[0] = 0


def test_what_cannot_be_read_is_refused_in_a_sentence():
    engine = tiny.engine("llama")
    plain = Examples("made", TEXTS, EXAMPLES.labels, None, TEXTS, "text", ("a", "b"))
    with pytest.raises(PlaygroundError, match="no word of their own"):
        finish(experiment.read(engine, plain, "word"))
    with pytest.raises(PlaygroundError, match=r"no pooling 'max'. There are: first, mean, last, word"):
        finish(experiment.read(engine, plain, "max"))
    long = Examples("made", ("cat " * 900,), ("a",), None, ("x",), "text", ("a", "b"))
    with pytest.raises(PlaygroundError, match=r"reads at most 256"):
        finish(experiment.read(engine, long, "mean"))
