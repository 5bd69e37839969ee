"""Unloading gives a model's memory back to the system: measured in a process of its own, on a model large enough."""

import gc
import importlib.util
import sys
import weakref
from pathlib import Path

import pytest

from playground import heap
from tests import tiny

ROOT = Path(__file__).parents[2]
LARGE = dict(hidden_size=768, intermediate_size=2048, num_hidden_layers=16, num_attention_heads=12)


def benchmark():
    """benchmarks/unload.py, which is no package."""
    spec = importlib.util.spec_from_file_location("unload", ROOT / "benchmarks" / "unload.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A random model of 100 million parameters, 208 MB in bfloat16, and a tiny one to warm up with."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("unload")
    tokenizer = tiny._tokenizer("plain")
    config = transformers.LlamaConfig(
        **LARGE, num_key_value_heads=4, vocab_size=len(tokenizer), max_position_embeddings=256, eos_token_id=0
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        large = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    large.save_pretrained(folder / "large")
    tokenizer.save_pretrained(folder / "large")
    return folder / "large", tiny.save(folder / "tiny", "llama")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems count resident memory in other ways")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_nine_tenths_of_a_models_bytes_come_back(models, precision):
    large, small = map(str, models)
    seen = benchmark().in_fresh_process(large, small, precision, 16)
    expected = {"float32": 416e6, "bfloat16": 208e6, "int8": 104e6}[precision]
    assert seen["n_bytes"] == pytest.approx(expected, rel=0.05)
    before, loaded, replied, _ = (rss for rss, _ in seen["points"].values())
    # a mapped file is resident as far as it was read; less than the weights would mean that nothing was measured
    assert min(loaded, replied) - before >= 0.9 * seen["n_bytes"], seen
    assert seen["share"] >= 0.9, seen
    assert seen["first_share"] >= 0.5, seen  # what libraries keep the first time is no model


def test_the_search_for_garbage_leaves_out_what_was_there_before_the_first_model(monkeypatch):
    class Loop:
        def __init__(self):
            self.itself = self

    monkeypatch.setattr(heap, "_settled", False)
    gc.unfreeze()
    try:
        heap.settle()
        apart = gc.get_freeze_count()
        assert apart > 10_000
        fresh = weakref.ref(Loop())
        gc.collect()
        assert fresh() is None, "what comes later is still found"
        heap.settle()
        assert gc.get_freeze_count() <= apart, "once alone"
    finally:
        gc.freeze()


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    heap.trim()
    with heap.large_blocks_apart():
        pass


def test_thresholds_go_back_when_the_last_load_has_ended(monkeypatch):
    seen = []
    monkeypatch.setattr(heap, "_set_threshold", seen.append)
    with heap.large_blocks_apart():
        with pytest.raises(ZeroDivisionError), heap.large_blocks_apart():
            raise ZeroDivisionError
        assert seen == [heap._APART] * 2
    assert seen[2:] == [heap._USUALLY]


@pytest.mark.parametrize(("at_rest", "after"), [(True, heap._REST), (False, heap._BUSY)])
def test_memory_is_given_back_now_and_then_and_sooner_at_rest(monkeypatch, at_rest, after):
    trims = []
    monkeypatch.setattr(heap, "trim", lambda: trims.append(1))
    monkeypatch.setattr(heap, "_trimmed", heap.time.monotonic() - after)
    heap.trim_now_and_then(at_rest)
    heap.trim_now_and_then(at_rest)
    assert len(trims) == 1
    monkeypatch.setattr(heap, "_trimmed", heap._trimmed - after + 5)
    heap.trim_now_and_then(at_rest)
    assert len(trims) == 1
    monkeypatch.setattr(heap, "_trimmed", heap._trimmed - 5)
    heap.trim_now_and_then(at_rest)
    assert len(trims) == 2
