"""What is recorded must be what eager attention computes, and a tap must touch only the request that opened it."""

import copy
import threading

import numpy as np
import pytest
import torch

from playground.engine.engine import dummy_inputs
from playground.engine.intervene import intervene
from playground.engine.observe import observe
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from tests import tiny

WITH_ATTENTION = [a for a in tiny.ARCHITECTURES if a != "mamba"]


def twin(engine, attention):
    """The same weights in a model that transformers made with its own attention."""
    config = copy.deepcopy(engine.model.config)
    model = type(engine.model)._from_config(config, attn_implementation=attention, dtype=torch.float32)
    model.load_state_dict(engine.model.state_dict())
    return model.eval()


def eager_attentions(engine, inputs):
    eager = twin(engine, "eager")
    with torch.no_grad():
        output = eager(**inputs, output_attentions=True)
    if engine.anatomy.kind == "seq2seq":
        named = {"encoder self": output.encoder_attentions, "decoder self": output.decoder_attentions}
        return named | {"decoder cross": output.cross_attentions}, output.logits
    return {f"{engine.anatomy.main.name} self": output.attentions}, output.logits


@pytest.mark.parametrize("architecture", WITH_ATTENTION)
def test_recorded_attention_equals_eager(architecture):
    engine = tiny.engine(architecture)
    inputs = dummy_inputs(engine.model, engine.anatomy, n_tokens=12)
    seen = observe(engine, inputs, engine.attention_sites)
    expected, logits = eager_attentions(engine, inputs)
    assert len(seen.attentions) == sum(len(layers) for layers in expected.values())
    for site, weights in seen.attentions.items():
        torch.testing.assert_close(weights, expected[f"{site.stack} {site.kind}"][site.layer], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(seen.logits, logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("architecture", WITH_ATTENTION)
def test_unobserved_logits_equal_observed_and_sdpa(architecture):
    engine = tiny.engine(architecture)
    inputs = dummy_inputs(engine.model, engine.anatomy, n_tokens=12)
    plain = observe(engine, inputs).logits
    seen = observe(engine, inputs, engine.attention_sites).logits
    torch.testing.assert_close(plain, seen, atol=1e-5, rtol=1e-5)
    if architecture != "gemma2":  # SDPA cannot cap scores, so transformers refuses
        with torch.no_grad():
            assert torch.equal(twin(engine, "sdpa")(**inputs).logits, plain)


def test_causal_maps_look_back_only_and_gemma_windows_are_narrow():
    engine = tiny.engine("gemma2")
    inputs = dummy_inputs(engine.model, engine.anatomy, n_tokens=12)
    seen = observe(engine, inputs, engine.attention_sites)
    for site, weights in seen.attentions.items():
        assert weights.triu(1).abs().max() == 0
        slides = engine.model.config.layer_types[site.layer] == "sliding_attention"
        too_far = weights.tril(-engine.model.config.sliding_window)
        assert (too_far.abs().max() == 0) == slides


def test_with_a_cache_the_maps_are_the_last_rows_of_the_whole():
    from transformers import DynamicCache

    engine = tiny.engine("llama")
    ids = torch.arange(12)[None]
    whole = observe(engine, {"input_ids": ids}, engine.attention_sites)
    cache = DynamicCache(config=engine.model.config)
    observe(engine, {"input_ids": ids[:, :8], "past_key_values": cache, "use_cache": True})
    rest = observe(
        engine, {"input_ids": ids[:, 8:], "past_key_values": cache, "use_cache": True}, engine.attention_sites
    )
    for site, weights in rest.attentions.items():
        torch.testing.assert_close(weights, whole.attentions[site][:, :, 8:], atol=1e-6, rtol=1e-5)


def test_padding_gets_no_attention():
    engine = tiny.engine("bert")
    mask = torch.ones(1, 8, dtype=torch.long)
    mask[0, 5:] = 0
    seen = observe(engine, {"input_ids": torch.arange(8)[None], "attention_mask": mask}, engine.attention_sites)
    for weights in seen.attentions.values():
        assert weights[..., 5:].max() < 1e-6
        np.testing.assert_allclose(weights.sum(-1).numpy(), 1, atol=1e-6)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_one_threads_edit_is_invisible_to_another(architecture):
    """One thread ablates and patches without pause; the other's logits stay bit for bit what they are alone."""
    engine = tiny.engine(architecture)
    inputs = dummy_inputs(engine.model, engine.anatomy, n_tokens=10)
    alone = observe(engine, inputs).logits
    block = Site(engine.anatomy.main.name, 1, "block")
    done, edited = threading.Event(), []

    def ablate():
        heads = dict.fromkeys(engine.attention_sites, torch.zeros_like)
        while not done.is_set():
            with torch.inference_mode(), intervene(engine, heads, {block: torch.zeros_like}):
                edited.append(engine.model(**inputs)[0].float())

    worker = threading.Thread(target=ablate)
    worker.start()
    try:
        while not edited:
            pass
        for _ in range(20):
            assert torch.equal(observe(engine, inputs).logits, alone)
    finally:
        done.set()
        worker.join()
    assert not torch.allclose(edited[-1], alone, atol=1e-3)  # the edit did something


def test_a_state_space_model_says_that_it_has_no_maps():
    engine = tiny.engine("mamba")
    assert engine.attention_sites == ()
    with pytest.raises(PlaygroundError, match="do not use attention"):
        observe(engine, dummy_inputs(engine.model, engine.anatomy), [Site("decoder", 0, "self")])


def test_residuals_are_the_models_hidden_states():
    engine = tiny.engine("gpt2")
    inputs = dummy_inputs(engine.model, engine.anatomy, n_tokens=10)
    seen = observe(engine, inputs, residual_layers=range(3))
    with torch.no_grad():
        hidden = engine.model(**inputs, output_hidden_states=True).hidden_states
    for layer in range(2):  # the last one is reported after the final norm
        assert torch.equal(seen.residuals[Site("decoder", layer, "block")], hidden[layer + 1])
    last = engine.anatomy.main.final_norm(seen.residuals[Site("decoder", 2, "block")])
    assert torch.equal(last, hidden[-1])
