"""Attention maps: equal to transformers' own eager ones, cut to what was asked, refused before they are too large."""

import copy
import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from playground.errors import PlaygroundError
from playground.labs.attention import heads, pairs, queries_keys
from playground.labs.attention import maps as lab
from playground.labs.chat import replies as chat
from playground.labs.chat.replies import Sampling
from tests import tiny

ROOT = Path(__file__).parents[2]
WITH_ATTENTION = [a for a in tiny.ARCHITECTURES if a != "mamba"]
TEXT = "The cat sat on the mat because it was comfortable."
PLACES = {"t5": [("encoder", "self"), ("decoder", "self"), ("decoder", "cross")]}


def eager_maps(engine, stack, kind, **inputs):
    """What an untouched model of the same weights gives, loaded with transformers alone: (layer, head, query, key)."""
    config = copy.deepcopy(engine.model.config)
    model = type(engine.model)._from_config(config, attn_implementation="eager", dtype=engine.dtype)
    model.load_state_dict(engine.model.state_dict())
    with torch.no_grad():
        output = model.eval()(**inputs, output_attentions=True)
    name = "attentions"
    if engine.anatomy.kind == "seq2seq":
        name = "cross_attentions" if kind == "cross" else f"{stack}_attentions"
    return torch.cat(output[name]).float().numpy()


def plain_inputs(engine, text, pair=""):
    """As a notebook would make them."""
    tokenizer = engine.tokenizer
    if engine.anatomy.kind != "seq2seq":
        types = bool(pair) and getattr(engine.model.config, "type_vocab_size", 0) > 1
        return dict(tokenizer(text, pair or None, return_tensors="pt", return_token_type_ids=types))
    start = torch.tensor([[engine.model.config.decoder_start_token_id]])
    target = tokenizer(text_target=pair or "x", return_tensors="pt").input_ids
    return {
        "input_ids": tokenizer(text, return_tensors="pt").input_ids,
        "decoder_input_ids": torch.cat([start, target], dim=1),
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", WITH_ATTENTION)
def test_weights_are_those_of_eager_attention(architecture, dtype):
    engine = tiny.engine(architecture, dtype)
    for stack, kind in PLACES.get(architecture, [(engine.anatomy.main.name, "self")]):
        target = "Paris is the capital" if architecture == "t5" else ""
        seen = lab.attention(engine, TEXT, target, stack, kind)
        expected = eager_maps(engine, stack, kind, **plain_inputs(engine, TEXT, target))
        if dtype == "float32":
            assert np.array_equal(seen.weights, expected)
        else:
            np.testing.assert_allclose(seen.weights, expected, atol=1e-3)
        np.testing.assert_allclose(seen.weights.sum(-1), 1, atol=1e-5 if dtype == "float32" else 1e-2)
        assert seen.weights.shape == (3, 4, len(seen.queries), len(seen.keys)) and seen.weights.dtype == np.float32


def test_a_sentence_pair_is_read_as_bert_reads_it():
    engine = tiny.engine("bert")
    seen = lab.attention(engine, "The cat sat.", "The doctor asked.")
    expected = eager_maps(engine, "encoder", "self", **plain_inputs(engine, "The cat sat.", "The doctor asked."))
    assert np.array_equal(seen.weights, expected)
    assert seen.queries.texts == ("The cat sat.", "The doctor asked.")
    first_of_second = seen.queries.segment.tolist().index(1)
    assert seen.queries.labels[first_of_second - 1] == "[SEP]"
    assert seen.queries.special.tolist() == [label in ("[CLS]", "[SEP]") for label in seen.queries.labels]


def test_only_what_was_asked_is_kept_and_it_is_the_same():
    engine = tiny.engine("llama")
    whole = lab.attention(engine, TEXT)
    part = lab.attention(engine, TEXT, layers=[2, 0], heads=[3])
    assert part.layers == (0, 2) and part.heads == (3,) and part.n_layers == 3 and part.n_heads == 4
    assert np.array_equal(part.weights, whole.weights[[0, 2]][:, [3]])
    assert whole.causal and not np.triu(whole.weights, 1).any() and not lab.attention(tiny.engine("bert"), TEXT).causal
    assert lab.attention(engine, "a").causal, "a single token too"


def test_an_encoder_decoder_without_a_target_writes_one_and_says_so():
    engine = tiny.engine("t5")
    seen = lab.attention(engine, TEXT, kind="cross")
    assert "the model wrote it, greedily" in seen.remarks[0]
    written = list(chat.complete(engine, TEXT, Sampling(max_new_tokens=64, temperature=0)))[-1].ids
    assert seen.queries.ids[1:] == tuple(i for i in written if i != engine.tokenizer.eos_token_id)
    assert seen.keys.texts == (TEXT,) and seen.queries is not seen.keys and not seen.causal


def test_too_much_is_refused_with_what_would_fit():
    engine = tiny.engine("llama")
    n = len(lab.attention(engine, TEXT, layers=[0], heads=[0]).keys)
    budget = lab.estimate(engine, n, 1, 4)
    with pytest.raises(
        PlaygroundError, match=rf"{lab.estimate(engine, n, 3, 4):,} bytes.*fits: 4 heads of 1 layer"
    ) as e:
        lab.attention(engine, TEXT, budget=budget)
    tokens = lab.what_fits(engine, n, 3, 4, budget)["tokens"]
    assert f"or {tokens:,} tokens" in str(e.value)
    assert lab.estimate(engine, tokens, 3, 4) <= budget < lab.estimate(engine, tokens + 1, 3, 4)
    assert lab.attention(engine, TEXT, layers=[1], budget=budget).weights.shape[:2] == (1, 4)
    with pytest.raises(PlaygroundError, match="Not even one head of one layer fits"):
        lab.attention(engine, TEXT, budget=1)


@pytest.mark.parametrize(
    ("architecture", "arguments", "sentence"),
    [
        ("llama", {"text": "  "}, "no text to read"),
        ("llama", {"text": "cat " * 3000}, "reads at most 256"),
        ("llama", {"text": "cat", "layers": [3]}, "3 is no layer of it: this model's layers with attention are 0 to 2"),
        ("llama", {"text": "cat", "heads": [-1]}, "-1 is no head of it"),
        ("llama", {"text": "cat", "heads": []}, "No head was named"),
        ("llama", {"text": "cat", "layers": 5}, r"layers are 5, and not a list of numbers. Write \[0\]"),
        ("bert", {"text": "cat", "text_pair": "\u200b"}, "no token of the second text"),
        ("llama", {"text": "cat", "kind": "cross"}, "no decoder cross-attention. Ask for what it has: decoder self"),
        ("llama", {"text": "cat", "text_pair": "dog"}, "knows no sentence pairs"),
        ("mamba", {"text": "cat"}, "shows no attention"),
    ],
)
def test_bad_input_gets_a_sentence(architecture, arguments, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        lab.attention(tiny.engine(architecture), **arguments)


@pytest.mark.parametrize("text", ["a", "<script>alert(1)</script>", "你好，世界。", "👩‍🚀 🎉", "x\n\n\ty", "\x00"])
@pytest.mark.parametrize("architecture", ["llama", "bert", "t5"])
def test_any_text_has_maps(architecture, text):
    seen = lab.attention(tiny.engine(architecture), text)
    np.testing.assert_allclose(seen.weights.sum(-1), 1, atol=1e-5)
    assert len(seen.keys.labels) == seen.weights.shape[-1] and all(seen.keys.labels)


def test_who_looks_changes_no_token_of_a_chat_on_the_same_model(monkeypatch):
    """One streams with a seed while another looks at every map without pause: the same tokens come as alone, and each
    layer of each pass of the chat goes through PyTorch's quick attention, as it does alone."""
    quick, calls = torch.nn.functional.scaled_dot_product_attention, Counter()

    def counted(*arguments, **named):
        calls[threading.current_thread().name.startswith("generate ")] += 1  # True: the thread that writes
        return quick(*arguments, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    engine = tiny.engine("llama")
    asked, sampling = [{"role": "user", "content": "Hello"}], Sampling(max_new_tokens=60, temperature=1.2, seed=7)
    alone = list(chat.reply(engine, asked, sampling))[-1].ids
    assert calls.pop(True) == engine.anatomy.n_layers * len(alone)
    done, looked = threading.Event(), []

    def look():
        while not done.is_set():
            looked.append(lab.attention(engine, TEXT).weights)

    worker = threading.Thread(target=look)
    worker.start()
    try:
        beside = list(chat.reply(engine, asked, sampling))[-1].ids
    finally:
        done.set()
        worker.join()
    assert beside == alone and looked
    assert calls[True] == engine.anatomy.n_layers * len(beside)
    quiet = lab.attention(engine, TEXT).weights
    assert all(np.array_equal(weights, quiet) for weights in looked)


MEASURED = """
import json, sys, threading
import psutil
from playground.labs.attention import maps as lab
from tests import tiny

folder, dtype, text = sys.argv[1:]
engine = tiny.loaded(folder, dtype)
lab.attention(engine, text)
long = engine.tokenizer.decode([int(engine.tokenizer(" cat").input_ids[0])] * 2200)
process, peak, done = psutil.Process(), [0], threading.Event()
before = process.memory_info().rss

def watch():
    while not done.wait(0.002):
        peak[0] = max(peak[0], process.memory_info().rss)

watcher = threading.Thread(target=watch)
watcher.start()
n = len(lab.attention(engine, long, layers=[2], heads=[1]).keys)
done.set()
watcher.join()
print(json.dumps([n, peak[0] - before, lab.estimate(engine, n, 1, 1)]))
"""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_head_of_a_long_text_takes_what_was_estimated(tmp_path, dtype):
    """No more memory than estimated, and far less than all maps would take; in a process where nothing else goes on.

    What is measured comes in blocks of over 32 MiB, which the C library takes from the system and gives back at once.
    """
    folder = tiny.save(tmp_path / "long", "llama", context=2304)
    script = [sys.executable, "-c", MEASURED, str(folder), dtype, TEXT]
    run = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stderr
    n, taken, estimated = json.loads(run.stdout.splitlines()[-1])
    assert 2 * 4 * n * n > 2**25, "blocks as are needed"
    assert taken <= 1.15 * estimated
    assert taken >= 0.5 * estimated  # an estimate that is far too high would refuse what fits


LAYER_BY_LAYER = {
    "heads": heads.heads,
    "pairs": lambda engine, text, **more: pairs.pair(engine, text, "it", "mat", **more),
    "queries and keys": lambda engine, text, **more: queries_keys.queries_keys(engine, text, 1, **more),
}


@pytest.mark.parametrize("look", LAYER_BY_LAYER.values(), ids=LAYER_BY_LAYER)
def test_who_keeps_no_maps_is_refused_too_when_one_layer_is_too_much(look, monkeypatch):
    engine = tiny.engine("llama")
    n = len(lab.prepare(engine, TEXT).keys)
    monkeypatch.setattr(lab, "MOST_BYTES", lab.estimate(engine, n - 2, 0, 0))
    with pytest.raises(PlaygroundError, match=rf"{lab.estimate(engine, n, 0, 0):,} bytes.*Shorten.* to {n - 2} tokens"):
        look(engine, TEXT)


@pytest.mark.parametrize("look", [lab.attention, *LAYER_BY_LAYER.values()], ids=["maps", *LAYER_BY_LAYER])
def test_a_stop_ends_it(look):
    stop = threading.Event()
    stop.set()
    with pytest.raises(PlaygroundError, match="Stopped before"):
        look(tiny.engine("llama"), TEXT, stop=stop)


def test_what_is_no_number_is_not_shown(tmp_path):
    engine = tiny.loaded(tiny.save(tmp_path / "broken", "llama"))
    engine.model.model.layers[1].self_attn.q_proj.weight.data.fill_(float("nan"))
    for look in (lab.attention, *LAYER_BY_LAYER.values()):
        with pytest.raises(PlaygroundError, match="not a number in float32"):
            look(engine, TEXT)
