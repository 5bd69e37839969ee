"""Many prompts at once give what each gives alone: against transformers' own `generate`, one prompt at a time."""

import dataclasses
import functools
import random
import threading
from weakref import WeakKeyDictionary

import pytest
import torch

from playground.engine import batch, generate, padded
from playground.engine.batch import Job
from playground.engine.decoding import Decoder
from playground.engine.sampling import Sampling
from playground.engine.turns import Turns
from playground.errors import PlaygroundError
from tests import tiny

PADDED = ("gpt2", "llama", "qwen2")
ALONE = {"gemma2": "does not attend to the whole text", "mamba": "cannot be told where", "t5": "no decoder that reads"}
GREEDY = Sampling(max_new_tokens=16, temperature=0)
DRAWN = Sampling(max_new_tokens=16, temperature=1.2, top_k=30, repetition_penalty=1.3, seed=5)


def prompts(shared, n=9, seed=0, longest=24):
    """Prompts of mixed lengths that have their first `shared` ids in common."""
    rng = random.Random(seed)
    start = [rng.randrange(10, 300) for _ in range(shared)]
    return [tuple(start + [rng.randrange(10, 300) for _ in range(rng.randint(1, longest))]) for _ in range(n)]


def run(engine, jobs, **options):
    turns = list(batch.write(engine, jobs, **options))
    written = {w.job: w for turn in turns for w in turn.finished}
    assert len(written) == sum(len(turn.finished) for turn in turns), "each once"
    return [written[i] for i in sorted(written)], turns


def alone(engine, job):
    """By the stream that writes one text: ids, text, sum of logprobs, reason, stop string."""
    ids, text, logprob = [], "", 0.0
    for step in generate.stream(engine, torch.tensor([job.ids]), job.sampling):
        if step.token:
            ids.append(step.token.id)
            logprob += step.token.logprob
        text += step.text
    return tuple(ids), text, pytest.approx(logprob, abs=1e-4), step.stop_reason, step.stop_string


def plain(written):
    return written.ids, written.text, written.logprob, written.stop_reason, written.stop_string


@pytest.mark.parametrize("architecture", PADDED)
@pytest.mark.parametrize("shared", [0, 40])
def test_greedy_ids_are_those_of_transformers_one_at_a_time(architecture, shared):
    """With an end token pushed, so that rows end in the midst of others."""
    engine = tiny.engine(architecture)
    end = engine.tokenizer.eos_token_id
    lengths = set()
    for push in (0.0, 1.0, 2.0, 3.0):
        sampling = Sampling(max_new_tokens=16, temperature=0, logit_bias=((end, push),) if push else ())
        jobs = [Job(ids, sampling) for ids in prompts(shared, n=7)]
        written, _ = run(engine, jobs, most_rows=4)
        for got, job in zip(written, jobs, strict=True):
            ids = torch.tensor([job.ids])
            expected = engine.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=sampling.max_new_tokens,
                pad_token_id=end,
                **({"sequence_bias": {(end,): push}} if push else {}),
            )
            assert list(got.ids) == expected[0, len(job.ids) :].tolist()
            lengths.add((len(got.ids), got.stop_reason))
    assert len({n for n, reason in lengths if reason == "eos"} - {1}) > 1, "some ended while others went on"


@pytest.mark.parametrize("architecture", [*PADDED, *ALONE])
@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
def test_all_is_as_one_at_a_time(architecture, sampling):
    engine = tiny.engine(architecture)
    jobs = [Job(ids, sampling) for ids in prompts(6, n=5)]
    written, turns = run(engine, jobs)
    assert [plain(w) for w in written] == [alone(engine, job) for job in jobs]
    assert turns[-1].n_tokens == sum(len(w.ids) for w in written)
    assert (ALONE.get(architecture, "") in turns[-1].alone) and bool(turns[-1].alone) == (architecture in ALONE)


@pytest.mark.parametrize("most_rows", [1, 2, 7, 32])
def test_a_row_does_not_depend_on_its_neighbours(most_rows):
    """Drawn, each with a seed of its own; stop strings; three rows with the same prompt."""
    engine = tiny.engine("llama")
    texts = prompts(3, n=6, seed=2)
    texts += [texts[0], texts[0]]
    stops = ("e", "at", "\n")
    jobs = [
        Job(ids, Sampling(max_new_tokens=30, temperature=1.5, seed=seed, stop=stops)) for seed, ids in enumerate(texts)
    ]
    written, _ = run(engine, jobs, most_rows=most_rows)
    assert [plain(w) for w in written] == [alone(engine, job) for job in jobs]
    assert written[0].ids != written[6].ids, "the seed counts"
    assert any(w.stop_reason == "stop string" and not any(s in w.text for s in stops) for w in written)


def test_beams_go_one_at_a_time():
    engine = tiny.engine("llama")
    jobs = [Job(ids, Sampling(max_new_tokens=6, beams=3)) for ids in prompts(2, n=2)]
    written, turns = run(engine, jobs)
    for job, got in zip(jobs, written, strict=True):
        *_, last = generate.stream(engine, torch.tensor([job.ids]), job.sampling)
        assert got.ids == tuple(token.id for token in last.instead) and got.text == last.text
    assert turns[-1].alone == "Beams are searched for one text at a time."


def test_what_all_begin_with_is_read_once(monkeypatch):
    """Counted in positions that went through the model."""
    engine, read = tiny.engine("llama"), []
    forward = engine.model.forward

    @functools.wraps(forward)
    def counted(*arguments, **named):
        read.append(named["input_ids"].numel())
        return forward(*arguments, **named)

    texts = prompts(60, n=8, seed=3, longest=4)
    one = Sampling(max_new_tokens=1, temperature=0)
    monkeypatch.setattr(batch, "padding_shows", lambda *_: "")
    monkeypatch.setattr(engine.model, "forward", counted)
    engine.prefixes.clear()
    list(batch.write(engine, [Job(ids, one) for ids in texts]))
    assert sum(read) <= 60 + 8 * 4
    read.clear()
    list(batch.write(engine, [Job(texts[0], one)] * 8))
    assert sum(read) == len(texts[0]), "the same prompt eight times"


def test_a_row_that_does_not_fit_is_marked_and_the_rest_go_on():
    engine = tiny.engine("llama")  # 256 positions
    texts = [*prompts(0, n=2), tuple(range(10, 310)), tuple([7] * 250)]
    written, _ = run(engine, [Job(ids, GREEDY) for ids in texts])
    assert [bool(w.error) for w in written] == [False, False, True, False]
    assert "300 tokens long" in written[2].error and written[2].stop_reason is None
    assert len(written[3].ids) == 6 and written[3].stop_reason == "length", "as much as the context holds"


def test_a_row_whose_settings_leave_no_token_is_marked():
    engine = tiny.engine("gpt2")
    never = Sampling(max_new_tokens=4, temperature=0, logit_bias=((10, 100.0),), no_repeat_ngram=1)
    texts = prompts(0, n=3)
    written, _ = run(engine, [Job(texts[0], GREEDY), Job(texts[1], never), Job(texts[2], GREEDY)])
    assert "leave no token" in written[1].error
    assert len(written[0].ids) == len(written[2].ids) == 16


@pytest.mark.parametrize("architecture", ["llama", "mamba"])
def test_stop_ends_within_a_token_and_keeps_what_has_finished(architecture):
    engine, stop = tiny.engine(architecture), threading.Event()
    short, long = (Sampling(max_new_tokens=n, temperature=0, logit_bias=((0, -100.0), (2, -100.0))) for n in (2, 200))
    texts = prompts(0, n=4, longest=5)
    jobs = [Job(texts[0], short), *(Job(ids, long) for ids in texts[1:])]
    seen, after = [], 0
    for turn in batch.write(engine, jobs, stop):
        seen += turn.finished
        after += stop.is_set()
        if seen:
            stop.set()
            at = turn.n_tokens
    assert [w.job for w in seen] == [0] and seen[0].stop_reason == "length"
    assert turn.n_tokens - at <= 2 * len(jobs) and after <= 4


def test_closing_ends_the_work():
    engine = tiny.engine("llama")
    turns = batch.write(engine, [Job(ids, Sampling(max_new_tokens=200, temperature=0)) for ids in prompts(0)])
    next(turns)
    turns.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("batch")]


def test_out_of_memory_halves_the_batch_and_loses_nothing(monkeypatch):
    engine, tried = tiny.engine("llama"), []
    forward = padded.Padded._forward

    def small(self, ids, there, last_only):
        tried.append(len(ids))
        if len(ids) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, ids, there, last_only)

    monkeypatch.setattr(padded.Padded, "_forward", small)
    jobs = [Job(ids, DRAWN) for ids in prompts(5)]
    written, turns = run(engine, jobs, most_rows=9)
    assert max(tried) > 3
    assert [plain(w) for w in written] == [alone(engine, job) for job in jobs]
    assert turns[-1].n_tokens == sum(len(w.ids) for w in written)

    def none_left(*_, **__):
        raise MemoryError("out of memory")

    monkeypatch.setattr(padded.Padded, "_forward", none_left)
    monkeypatch.setattr(batch, "padding_shows", lambda *_: "")
    with pytest.raises(MemoryError):
        run(engine, jobs)


def test_the_budget_bounds_what_is_held(monkeypatch):
    engine, rows = tiny.engine("llama"), []
    following = padded.Padded.next
    monkeypatch.setattr(padded.Padded, "next", lambda self, ids: rows.append(len(ids)) or following(self, ids))
    jobs = [Job(ids, GREEDY) for ids in prompts(20, n=12)]
    a_token = 2 * 3 * 2 * 8 * 4  # keys and values, layers, heads, width, bytes
    longest = max(len(job.ids) for job in jobs) + 16
    run(engine, jobs, most_bytes=3 * a_token * longest)
    assert max(rows) == 3


def test_padding_that_shows_is_found_out(monkeypatch):
    """A model that is not told its positions computes other ones beside a longer text: the trial must see it."""
    engine = tiny.engine("gpt2")
    monkeypatch.setattr(padded, "_TRIED", WeakKeyDictionary())
    assert padded.padding_shows(engine, lambda: True) == "" and not padded._TRIED, "a trial that was stopped is none"
    assert padded.padding_shows(engine) == ""
    forward = engine.model.forward

    @functools.wraps(forward)
    def deaf(*arguments, position_ids=None, **named):
        return forward(*arguments, **named)

    monkeypatch.setattr(engine.model, "forward", deaf)
    assert padded.padding_shows(engine) == "", "one trial for each model"
    assert "differently" in padded.padding_shows(dataclasses.replace(engine, reference="other weights"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"rope_parameters": {"rope_type": "dynamic"}}, "longest text"), ({"alibi": True}, "by column")],
)
def test_models_whose_neighbours_would_show_go_alone(monkeypatch, change, sentence):
    engine = tiny.engine("llama")
    for name, value in change.items():
        monkeypatch.setattr(engine.model.config, name, value, raising=False)
    assert sentence in padded.why_alone(engine)


def test_others_on_the_same_cpu_get_their_turn():
    """Passes of a batch and of a stream alternate: nobody waits for the whole batch."""
    order = []

    class Noted(Turns):
        def take(self):
            order.append(threading.current_thread().name.split()[0])
            return super().take()

    engine = dataclasses.replace(tiny.engine("llama"), turns=Noted(1))
    turns = batch.write(engine, [Job(ids, Sampling(max_new_tokens=100, temperature=0)) for ids in prompts(4)])
    next(turns)
    steps = generate.stream(engine, torch.tensor([[5, 6, 7]]), Sampling(max_new_tokens=20, temperature=0))
    assert len(list(steps)) >= 20
    turns.close()
    chat = [i for i, name in enumerate(order) if name == "generate"]
    assert chat, "the stream takes turns"
    assert set(order[chat[0] : chat[-1]]) == {"generate", "batch"}


def test_models_that_do_not_write_say_so_and_nothing_is_nothing():
    with pytest.raises(PlaygroundError, match="does not write it"):
        list(batch.write(tiny.engine("bert"), [Job((1, 2), GREEDY)]))
    assert list(batch.write(tiny.engine("gpt2"), [])) == []


def test_common_start_leaves_each_something_to_read():
    assert padded.common_start([(1, 2, 3), (1, 2, 4)]) == 2
    assert padded.common_start([(1, 2), (1, 2, 4)]) == 1
    assert padded.common_start([(1, 2, 3)] * 2) == 2
    assert padded.common_start([(1,), (2,)]) == padded.common_start([(1,)]) == 0


def test_the_decoder_shows_what_it_has_read():
    engine = tiny.engine("llama")
    with torch.inference_mode():
        decoder = Decoder(engine, reuse=False)
        decoder.start(torch.tensor([[5, 6, 7]]), lambda: False)
        keys = engine.model(input_ids=torch.tensor([[5, 6, 7]])).past_key_values.layers[1].keys
        torch.testing.assert_close(decoder.cache.layers[1].keys, keys)


def test_the_unembedding_is_given_rows_without_gaps_between():
    """A view of the last position has gaps: torch then copies the whole unembedding for each row."""
    engine, whole = tiny.engine("llama"), []
    hook = engine.model.lm_head.register_forward_pre_hook(lambda _, inputs: whole.append(inputs[0].is_contiguous()))
    try:
        with torch.inference_mode():
            texts = padded.Padded(engine, (), 3)
            texts.read([(5, 6, 7), (5,), (6, 7)], lambda: False)
            texts.next([5, 6, 7])
    finally:
        hook.remove()
    assert whole == [True, True]


@pytest.mark.starter
def test_on_a_real_model_the_texts_are_those_of_one_at_a_time(starter_cache):
    from playground.labs.prompting import labels, library, prompts
    from playground.models.cache import ModelCache
    from playground.settings import Settings

    settings = Settings(cache_dir=starter_cache, dtype="float32", threads=1)
    prompt, rows = library.worked()[0].prompts[0], library.rows("sentiment")[:3]
    texts = [prompts.rendered(prompt, row) for row in rows]
    with ModelCache(settings).lease("starter:smollm2-135m-instruct") as engine:
        sampling = Sampling(max_new_tokens=4, temperature=0)
        jobs = [Job(tuple(engine.encode(text)[0].tolist()), sampling) for text in texts]
        written, _ = run(engine, jobs)
        found = {label.row: label for label in labels.label(engine, texts[:2], ("positive", "negative", "no idea"))}
        for job, got in zip(jobs, written, strict=True):
            ids = torch.tensor([job.ids])
            expected = engine.model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=4
            )
            assert list(got.ids) == expected[0, len(job.ids) :].tolist()
        for row, label in found.items():
            for choice, logprob in zip(label.texts, label.logprobs, strict=True):
                ids = engine.encode(texts[row] + choice)
                with torch.no_grad():
                    logprobs = engine.model(input_ids=ids).logits.double().log_softmax(-1)[0, :-1]
                each = logprobs.gather(1, ids[0, 1:, None])[len(jobs[row].ids) - 1 :]
                assert logprob == pytest.approx(each.sum().item(), abs=1e-4)
