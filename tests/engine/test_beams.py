"""Beam search against transformers' `generate(num_beams=...)`, token for token."""

import threading

import pytest
import torch

from playground.engine import beams, generate
from playground.engine.sampling import Sampling
from playground.engine.score import score
from playground.errors import PlaygroundError
from tests import tiny

TEXT = "The cat sat on the mat because it was"
PLAIN = dict(beams=4)
SETTINGS = {
    "two": dict(beams=2),
    "eight": dict(beams=8),
    "long": dict(beams=4, length_penalty=2.5),
    "short": dict(beams=3, length_penalty=-1.0, early_stopping=True),
    "no length": dict(beams=5, length_penalty=0.0),
    "early": dict(beams=4, early_stopping=True),
    "penalty": dict(beams=4, repetition_penalty=1.6),
    "ngram": dict(beams=4, no_repeat_ngram=2),
    "all": dict(beams=3, repetition_penalty=1.3, no_repeat_ngram=3, length_penalty=0.6, early_stopping=True),
}


def expected(engine, sampling, text=TEXT, written=(), **more):
    """What transformers writes. `more`: arguments of its own."""
    ids = engine.encode(text)
    names = dict(beams="num_beams", repetition_penalty="repetition_penalty", no_repeat_ngram="no_repeat_ngram_size")
    settings = {theirs: getattr(sampling, ours) for ours, theirs in names.items()} | more
    settings |= dict(length_penalty=sampling.length_penalty, early_stopping=sampling.early_stopping)
    if engine.anatomy.kind == "seq2seq":
        start = torch.tensor([[engine.model.generation_config.decoder_start_token_id, *written]])
        given = start.shape[1]
        settings["decoder_input_ids"] = start
    else:
        ids = torch.cat([ids, torch.tensor([list(written)], dtype=torch.long)], dim=1)
        given = ids.shape[1]
    out = engine.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=sampling.max_new_tokens,
        return_dict_in_generate=True,
        output_scores=True,
        **settings,
    )
    return out.sequences[0, given:].tolist(), out.sequences_scores[0].item()


def run(engine, sampling, text=TEXT, **more):
    steps = [s for s in generate.stream(engine, engine.encode(text), sampling, **more) if s.stop_reason or s.token]
    return steps


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2", "qwen2", "t5"])
def test_beams_write_what_transformers_writes(architecture, setting):
    engine = tiny.engine(architecture)
    sampling = Sampling(max_new_tokens=16, **SETTINGS[setting])
    last = run(engine, sampling)[-1]
    ids, _ = expected(engine, sampling)
    assert [token.id for token in last.instead] == ids
    assert last.stop_reason == ("eos" if ids[-1] == engine.tokenizer.eos_token_id else "length")


def ending(engine, by):
    """A bias that makes ends likely, and what transformers calls it."""
    end = engine.tokenizer.eos_token_id
    return dict(logit_bias=((end, by),)), dict(sequence_bias=[[[end], by]])


@pytest.mark.parametrize("architecture", ["llama", "t5"])
@pytest.mark.parametrize(
    ("length_penalty", "early_stopping"), [(-0.5, False), (0.0, False), (1.0, False), (2.0, False), (1.0, True)]
)
def test_texts_that_end_compete_with_those_that_go_on(architecture, length_penalty, early_stopping):
    engine = tiny.engine(architecture)
    lengths = set()
    for by in (3.0, 6.0):
        mine, theirs = ending(engine, by)
        settings = dict(max_new_tokens=14, beams=4, length_penalty=length_penalty, early_stopping=early_stopping)
        sampling = Sampling(**settings, **mine)
        last = run(engine, sampling)[-1]
        ids, _ = expected(engine, sampling, **theirs)
        assert [token.id for token in last.instead] == ids
        lengths.add(len(ids))
    assert min(lengths) < 14, "no text ended before the limit, so this tested nothing"


def test_the_text_is_more_probable_than_the_greedy_one():
    engine = tiny.engine("llama")
    prompt = engine.encode(TEXT)
    greedy = [s.token for s in generate.stream(engine, prompt, Sampling(max_new_tokens=12, temperature=0)) if s.token]
    best = run(engine, Sampling(max_new_tokens=12, beams=6))[-1].instead
    assert sum(t.logprob for t in best) > sum(t.logprob for t in greedy)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "t5"])
@pytest.mark.parametrize("setting", ["eight", "all"])
def test_each_token_carries_the_models_own_logprob(architecture, setting):
    engine = tiny.engine(architecture)
    sampling = Sampling(max_new_tokens=15, **SETTINGS[setting])
    tokens = run(engine, sampling)[-1].instead
    plain = score(engine, engine.encode(TEXT), torch.tensor([[t.id for t in tokens]]))
    assert [t.logprob for t in tokens] == pytest.approx(plain.logprobs.tolist(), abs=1e-4)
    for token, best in zip(tokens, plain.top_logprobs.tolist(), strict=True):
        assert [p for _, p in token.alternatives] == pytest.approx(best, abs=1e-4)


def test_the_best_so_far_grows_and_its_text_is_that_of_its_tokens():
    engine = tiny.engine("qwen2")
    steps = run(engine, Sampling(max_new_tokens=16, **PLAIN))
    assert [len(step.instead) for step in steps] == list(range(1, 17))
    assert [s.stop_reason for s in steps[:-1]] == [None] * 15
    for step in steps:
        whole = engine.tokenizer.decode([t.id for t in step.instead], skip_special_tokens=True)
        assert whole.startswith(step.text)  # a character left unfinished at the end is not shown


@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_what_is_written_already_is_gone_on_from(architecture):
    engine = tiny.engine(architecture)
    sampling = Sampling(max_new_tokens=12, repetition_penalty=1.4, no_repeat_ngram=2, **PLAIN)
    last = run(engine, sampling, written=[40, 41, 42])[-1]
    assert [t.id for t in last.instead] == expected(engine, sampling, written=[40, 41, 42])[0]


def test_a_prompt_read_before_changes_nothing():
    engine = tiny.engine("llama")
    text, sampling = TEXT * 16, Sampling(max_new_tokens=10, **PLAIN)
    prompt = engine.encode(text)
    assert prompt.shape[1] > 128  # more than a block
    engine.prefixes.clear()
    first = run(engine, sampling, text)[-1]
    again = run(engine, sampling, text)[-1]
    assert first.instead == again.instead
    greedy = Sampling(max_new_tokens=10, temperature=0)
    after = [s.token for s in generate.stream(engine, prompt, greedy) if s.token]
    engine.prefixes.clear()
    assert after == [s.token for s in generate.stream(engine, prompt, greedy) if s.token]


@pytest.mark.parametrize(
    ("architecture", "text", "stop"),
    [
        ("qwen2", TEXT, "cap"),
        ("qwen2", TEXT, ") capM"),
        ("qwen2", "def add(a", "ab"),
        ("qwen2", "def add(a", "; capital asked c"),
        ("gpt2", "Paris is", "~~~"),
        ("llama", "def add(a", "ce"),
    ],
)
def test_stop_strings_end_beams_as_in_transformers(architecture, text, stop):
    engine = tiny.engine(architecture)
    sampling = Sampling(max_new_tokens=20, stop=[stop], **PLAIN)
    steps = run(engine, sampling, text)
    theirs, _ = expected(engine, sampling, text, stop_strings=[stop], tokenizer=engine.tokenizer)
    assert [t.id for t in steps[-1].instead] == theirs
    assert not any(stop in step.text for step in steps)
    free = run(engine, Sampling(max_new_tokens=20, **PLAIN), text)[-1]
    assert stop in free.text and [t.id for t in free.instead] != theirs, "the stop string made no difference"
    assert (steps[-1].stop_reason == "stop string") == (steps[-1].stop_string == stop)


@pytest.mark.parametrize("how", ["event", "close"])
def test_stop_ends_it_within_a_token_with_the_best_so_far(how, monkeypatch):
    engine = tiny.engine("gpt2")
    passes = []
    original = beams._Reader._forward
    monkeypatch.setattr(beams._Reader, "_forward", lambda self, ids: passes.append(1) or original(self, ids))
    stop = threading.Event()
    steps = generate.stream(engine, engine.encode("Paris is"), Sampling(max_new_tokens=200, **PLAIN), stop)
    seen = [next(steps) for _ in range(4)]
    before = len(passes)
    if how == "close":
        steps.close()
    else:
        stop.set()
        rest = list(steps)
        assert rest[-1].stop_reason == "stopped" and len(rest[-1].instead) >= len(seen[-1].instead)
        assert rest[-1].text
    assert len(passes) <= before + 2  # the one under way, and one that had begun
    assert not [t for t in threading.enumerate() if t.name.startswith("generate")]


def test_stopped_before_it_began():
    stop = threading.Event()
    stop.set()
    (step,) = run(tiny.engine("gpt2"), Sampling(**PLAIN), stop=stop)
    assert step.stop_reason == "stopped" and step.token is None and step.text == ""


def test_a_recurrent_model_says_that_it_cannot():
    with pytest.raises(PlaygroundError, match=r"cannot share \(mamba\)\. Set beams to 1"):
        run(tiny.engine("mamba"), Sampling(**PLAIN))


def test_beams_that_would_not_fit_are_refused_beforehand(monkeypatch):
    monkeypatch.setattr(beams, "free_bytes", lambda device: 100_000)
    with pytest.raises(PlaygroundError, match=r"4 beams of .* tokens may need .* Use fewer beams"):
        run(tiny.engine("llama"), Sampling(max_new_tokens=200, **PLAIN))


def test_the_estimate_is_what_the_beams_come_to_hold():
    """The bound is not made up: it is the size of the cache at the end."""
    engine = tiny.engine("llama")
    reader = beams._Reader(engine, reuse=False)
    with torch.inference_mode():
        reader.start(engine.encode(TEXT), (), 3, 4, lambda: False)
        for _ in range(4):
            reader.next([5, 6, 7], [2, 0, 0])
    cache = reader._fixed["past_key_values"]
    per_token = 2 * 3 * 2 * 8 * 4  # keys and values, layers, key-value heads, head size, bytes
    assert beams._n_bytes(cache) == 3 * per_token * (engine.encode(TEXT).shape[1] + 4)


def test_settings_that_leave_nothing():
    engine = tiny.engine("gpt2")
    sampling = Sampling(no_repeat_ngram=1, logit_bias=((40, 100.0),), **PLAIN)
    with pytest.raises(PlaygroundError, match="leave no token"):
        run(engine, sampling)
