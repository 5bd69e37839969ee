"""Blocks in fewer steps: the very bits of the model's own code, for whoever does not look inside."""

import pytest
import torch
import transformers

from playground.engine import float32, generate, quick
from playground.engine.intervene import edits
from playground.engine.quick import QuickBlock
from playground.engine.sampling import Sampling
from playground.engine.tap import Site
from tests import tiny

QUICK, OWN = ("llama", "qwen2"), ("gpt2", "gemma2", "mamba")


def int8(architecture: str):
    return tiny.loaded(tiny.engine(architecture, "bfloat16").reference, "bfloat16", "#int8")


def float16(architecture: str):
    engine = tiny.engine(architecture, "float16")
    if not isinstance(blocks(engine)[0], QuickBlock):
        pytest.skip("on this machine a row is rounded otherwise among others")
    return engine


def blocks(engine) -> list:
    return [block.__dict__.get("forward") for block in engine.anatomy.main.blocks]


def read(model, ids, n: int = 12) -> list[torch.Tensor]:
    """Logits of each token after the first ones, which are chosen greedily, (text, vocabulary)."""
    cache, found = transformers.DynamicCache(), []
    with torch.inference_mode():
        for _ in range(n):
            found.append(model(input_ids=ids, past_key_values=cache, use_cache=True).logits[:, -1])
            ids = found[-1].argmax(-1, keepdim=True)
    return found


@pytest.mark.parametrize("architecture", QUICK)
@pytest.mark.parametrize("texts", [1, 3])
@pytest.mark.parametrize("precision", [int8, float16])
def test_every_bit_is_that_of_the_models_own_code(architecture, texts, precision, monkeypatch):
    engine = precision(architecture)
    assert all(isinstance(forward, QuickBlock) for forward in blocks(engine))
    ids = torch.randint(0, 200, (texts, 9), generator=torch.Generator().manual_seed(0))
    fast, n = read(engine.model, ids), []
    monkeypatch.setattr(QuickBlock, "__call__", lambda block, *a, **k: n.append(1) or block.own(*a, **k))
    slow = read(engine.model, ids)
    assert n and all(torch.equal(a, b) for a, b in zip(fast, slow, strict=True))
    assert any(not torch.equal(fast[i], fast[0]) for i in range(1, len(fast)))


@pytest.mark.parametrize("architecture", OWN)
def test_blocks_of_another_make_keep_their_own_code(architecture):
    assert not any(isinstance(forward, QuickBlock) for forward in blocks(int8(architecture)))


def test_a_block_with_the_same_parts_and_another_sum_is_found_out(tmp_path):
    folder = tiny.save(tmp_path / "llama", "llama")
    like = transformers.AutoModelForCausalLM.from_pretrained(folder)
    config = transformers.GraniteConfig(**like.config.to_dict() | {"residual_multiplier": 0.5, "model_type": "granite"})
    granite = transformers.GraniteForCausalLM(config)
    granite.load_state_dict(like.state_dict())
    granite.save_pretrained(folder)
    engine = tiny.loaded(folder, "bfloat16", "#int8")
    assert type(engine.anatomy.main.blocks[0]).__name__ == "GraniteDecoderLayer"
    assert quick._made_for(engine.anatomy.main.blocks[0]) is not None  # it looks the same
    assert not any(isinstance(forward, QuickBlock) for forward in blocks(engine))


def test_who_looks_inside_gets_the_models_own_code_and_others_notice_nothing():
    engine = int8("llama")
    sampling = Sampling(max_new_tokens=10, temperature=0)
    ids = engine.encode("The cat sat on the mat")

    def written(tap=None) -> list[int]:
        return [step.token.id for step in generate.stream(engine, ids, sampling, tap=tap) if step.token]

    alone, seen = written(), []

    def watched(values):
        seen.append(values.shape)
        return torch.zeros_like(values)

    changed = written(edits(engine, parts={Site("decoder", 1, "neurons"): watched}))
    assert len(seen) >= len(changed) and changed != alone
    assert written() == alone


def test_weights_that_change_in_place_count_at_once():
    engine = int8("qwen2")  # with biases
    ids = torch.tensor([[5, 6, 7]])
    before = read(engine.model, ids, 3)
    attention = engine.anatomy.main.blocks[0].self_attn
    with torch.inference_mode():
        attention.q_proj.rows.neg_()
        attention.k_proj.bias.add_(1.0)
    after = read(engine.model, ids, 3)
    for block in engine.anatomy.main.blocks:
        del block.forward
    assert all(torch.equal(a, b) for a, b in zip(after, read(engine.model, ids, 3), strict=True))
    assert not torch.equal(after[2], before[2])


def test_a_copy_for_gradients_has_nothing_of_it():
    alike = float32.copy_of(int8("llama").model)
    assert not any(isinstance(module.__dict__.get("forward"), QuickBlock) for module in alike.modules())
    assert all(torch.isfinite(logits).all() for logits in read(alike, torch.tensor([[5, 6, 7]]), 2))
