"""Greedy text against transformers' `generate`; streams that stop; two streams that do not disturb each other."""

import threading
import time

import pytest
import torch

from playground.engine import generate, steps
from playground.engine.decoding import Decoder, TextStream
from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from tests import tiny

WRITERS = ["gpt2", "llama", "gemma2", "qwen2", "t5", "mamba"]
TEXT = "The cat sat on the mat because it was"


def run(engine, text=TEXT, **settings):
    steps = list(generate.stream(engine, engine.encode(text), Sampling(**settings)))
    return [s.token for s in steps if s.token], steps[-1].stop_reason


@pytest.mark.parametrize("architecture", WRITERS)
def test_greedy_equals_generate(architecture):
    engine = tiny.engine(architecture)
    tokens, reason = run(engine, max_new_tokens=40, temperature=0)
    ids = engine.encode(TEXT)
    expected = engine.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False)
    expected = expected[0].tolist()[1 if architecture == "t5" else ids.shape[1] :]
    assert [t.id for t in tokens] == expected
    assert reason == ("length" if len(tokens) == 40 else "eos")


@pytest.mark.parametrize("architecture", ["gpt2", "gemma2", "t5", "mamba"])
def test_logprobs_are_those_of_one_whole_forward_pass(architecture):
    engine = tiny.engine(architecture)
    tokens, _ = run(engine, max_new_tokens=12, temperature=1.5, seed=4)
    ids, new = engine.encode(TEXT), torch.tensor([[t.id for t in tokens]])
    with torch.no_grad():
        if architecture == "t5":
            start = torch.full((1, 1), engine.model.generation_config.decoder_start_token_id)
            logits = engine.model(input_ids=ids, decoder_input_ids=torch.cat([start, new[:, :-1]], 1)).logits[0]
        else:
            logits = engine.model(torch.cat([ids, new[:, :-1]], 1)).logits[0, ids.shape[1] - 1 :]
    logprobs = logits.log_softmax(-1)
    for row, token in zip(logprobs, tokens, strict=True):
        assert token.logprob == pytest.approx(row[token.id].item(), abs=5e-4)
        best = row.topk(steps.N_ALTERNATIVES)
        assert [i for i, _ in token.alternatives] == best.indices.tolist()
        assert [p for _, p in token.alternatives] == pytest.approx(best.values.tolist(), abs=5e-4)


def small_blocks(monkeypatch, size):
    original = Decoder.__init__

    def init(self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.block = size

    monkeypatch.setattr(Decoder, "__init__", init)


def test_a_prompt_read_in_chunks_gives_the_same_text(monkeypatch):
    engine = tiny.engine("gemma2")
    long = TEXT * 4
    whole, _ = run(engine, long, max_new_tokens=20, temperature=0)
    small_blocks(monkeypatch, 7)
    pieces, _ = run(engine, long, max_new_tokens=20, temperature=0)
    assert [t.id for t in whole] == [t.id for t in pieces]


def test_the_same_seed_gives_the_same_text_and_another_seed_another():
    engine = tiny.engine("llama")
    settings = dict(max_new_tokens=30, temperature=1.5)
    first, again, other = (run(engine, **settings, seed=s)[0] for s in (7, 7, 8))
    assert [t.id for t in first] == [t.id for t in again] != [t.id for t in other]


def test_seeds_do_not_touch_the_process():
    before = torch.get_rng_state()
    run(tiny.engine("llama"), max_new_tokens=5, seed=1)
    assert torch.equal(before, torch.get_rng_state())


def workers():
    return [t for t in threading.enumerate() if t.name.startswith("generate")]


def counting(engine, monkeypatch, seconds=0.02):
    """Counts forward passes, each made to take a while."""
    passes = []
    original = engine.model.forward

    def forward(*args, **kwargs):
        passes.append(time.monotonic())
        time.sleep(seconds)
        return original(*args, **kwargs)

    forward.__signature__ = __import__("inspect").signature(original)
    monkeypatch.setattr(engine.model, "forward", forward)
    return passes


@pytest.mark.parametrize("how", ["event", "close", "error in the caller"])
def test_stopping_ends_the_computation_within_one_token(how, monkeypatch):
    engine = tiny.engine("gpt2")
    passes = counting(engine, monkeypatch)
    stop = threading.Event()
    steps = generate.stream(engine, engine.encode(TEXT), Sampling(max_new_tokens=200, temperature=1), stop)
    for _ in range(3):
        next(steps)
    before = len(passes)
    if how == "event":
        stop.set()
        assert list(steps)[-1].stop_reason == "stopped"
    elif how == "close":
        steps.close()
    else:
        with pytest.raises(ZeroDivisionError):
            steps.throw(ZeroDivisionError)
    assert len(passes) <= before + 2  # the one under way, and one that had begun
    assert workers() == []


def test_stop_is_heard_while_a_long_prompt_is_read(monkeypatch):
    engine = tiny.engine("gpt2")
    small_blocks(monkeypatch, 4)
    passes = counting(engine, monkeypatch, 0.05)
    stop = threading.Event()
    steps = generate.stream(engine, engine.encode(TEXT * 10), Sampling(), stop)
    threading.Timer(0.12, stop.set).start()
    assert [s.stop_reason for s in steps if not s.token][-1] == "stopped"
    assert len(passes) < 6


def test_the_caller_gets_a_turn_while_the_model_is_slow(monkeypatch):
    engine = tiny.engine("gpt2")
    counting(engine, monkeypatch, 0.6)
    steps = generate.stream(engine, engine.encode(TEXT), Sampling(max_new_tokens=1))
    first = next(steps)
    assert first.token is None and first.stop_reason is None
    assert list(steps)[-1].stop_reason == "length"


def test_an_error_in_the_model_reaches_the_caller(monkeypatch):
    engine = tiny.engine("gpt2")

    def broken(*_, **__):
        raise ValueError("weights on fire")

    monkeypatch.setattr(engine.model, "forward", broken)
    with pytest.raises(ValueError, match="on fire"):
        list(generate.stream(engine, engine.encode(TEXT), Sampling()))
    assert workers() == []


def test_numbers_that_overflowed_are_told_apart_from_text(monkeypatch):
    engine = tiny.engine("gpt2")
    monkeypatch.setattr(
        "playground.engine.decoding.Decoder._forward",
        lambda self, ids: torch.full((engine.anatomy.vocabulary_size,), float("nan")),
    )
    with pytest.raises(PlaygroundError, match="no usable numbers in float32"):
        list(generate.stream(engine, engine.encode(TEXT), Sampling()))


def test_two_streams_at_once_write_what_each_writes_alone():
    engine = tiny.engine("llama")
    settings = [dict(seed=1, temperature=1.2, max_new_tokens=40), dict(seed=2, temperature=0.8, max_new_tokens=40)]
    alone = [[t.id for t in run(engine, **s)[0]] for s in settings]
    together: list = [None, None]

    def write(i):
        together[i] = [t.id for t in run(engine, **settings[i])[0]]

    threads = [threading.Thread(target=write, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_the_context_is_never_exceeded_and_never_cut():
    engine = tiny.engine("gpt2")  # holds 256 tokens
    n = engine.encode(TEXT).shape[1]
    full = torch.ones(1, 250, dtype=torch.long)
    steps = list(generate.stream(engine, full, Sampling(max_new_tokens=100, temperature=1, seed=0)))
    assert len([s for s in steps if s.token]) <= 6
    with pytest.raises(PlaygroundError, match=r"256 tokens long and .* holds 256"):
        next(generate.stream(engine, torch.ones(1, 256, dtype=torch.long), Sampling()))
    with pytest.raises(PlaygroundError, match=rf"is {n * 40:,} tokens long .* reads at most 256"):
        engine.encode(TEXT * 40)


def test_a_reply_of_an_encoder_decoder_stays_within_its_positions(tmp_path):
    import transformers

    config = transformers.BartConfig(
        **dict(vocab_size=379, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4),
        **dict(decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=24),
        **dict(forced_eos_token_id=None, eos_token_id=378),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.BartForConditionalGeneration(config).save_pretrained(tmp_path)
    tiny._tokenizer("plain").save_pretrained(tmp_path)
    engine = tiny.loaded(tmp_path)
    steps = list(
        generate.stream(engine, torch.arange(1, 20)[None], Sampling(max_new_tokens=300, temperature=1, seed=1))
    )
    assert len([s for s in steps if s.token]) <= 23 and steps[-1].stop_reason in ("length", "eos")


def test_a_masked_model_says_that_it_does_not_write():
    engine = tiny.engine("bert")
    with pytest.raises(PlaygroundError, match="reads text but does not write"):
        next(generate.stream(engine, engine.encode("The cat"), Sampling()))


@pytest.mark.parametrize("text", ["👩‍🔬 🦊 naïve", "饕餮，龘。", "def f():\n    return {'a': [1]}\n\n\tx"])
def test_text_streams_unharmed(text):
    tokenizer = tiny.engine("llama").tokenizer
    ids = tokenizer(text).input_ids
    stream = TextStream(tokenizer)
    pieces = [stream.add(i) for i in ids]
    assert "".join(pieces) == text and not any("\ufffd" in p for p in pieces)
    assert ("" in pieces) == (not text.isascii())  # some characters were spread over tokens


def test_text_streams_unharmed_with_a_tokenizer_in_python(tmp_path):
    from transformers import ByT5Tokenizer

    tokenizer, text = ByT5Tokenizer(), "Grüße 🎉 你好\n    x"
    stream = TextStream(tokenizer)
    pieces = [stream.add(i) for i in tokenizer(text, add_special_tokens=False).input_ids]
    assert "".join(pieces) == text and not any("\ufffd" in p for p in pieces)


def test_bytes_that_are_no_character_end_no_text():
    """Of a tokenizer with a token a byte, as Llama 2 and Gemma have; tokenizers' own stream refuses such bytes."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    names = [*(f"<0x{byte:02X}>" for byte in range(256)), "b", "▁c"]
    raw = Tokenizer(models.BPE({name: n for n, name in enumerate(names)}, [], byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    raw.decoder = decoders.Sequence(steps)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw)
    b, c = 256, 257
    for ids, text in (
        ([0x0A, 0xE4, b, c, b], "\n\ufffdb cb"),  # a character that was begun and not gone on with
        ([0x41, 0xE4, 0xBD, 0xA0, b, 0x42, 0xFF, c], "A你bB\ufffd c"),
        ([b, 0xE4, 0xBD, 0xA0, c, c], "b你 c c"),
    ):
        stream = TextStream(tokenizer)
        assert "".join(stream.add(i) for i in ids) == text
