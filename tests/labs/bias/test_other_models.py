"""A merge and an adapter as the other model: pairs and price are those of the weights that they stand for."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from playground.labs.bias import before_after
from playground.labs.bias.pairs import Pair
from playground.labs.merging import mergekit_yaml
from playground.labs.merging.live import Merges
from playground.models.cache import ModelCache
from playground.settings import Settings
from tests import tiny
from tests.labs.bias import plain

PAIRS = [
    Pair(f"The {w} sat on the mat.", f"The {w} asked the nurse.", w) for w in ("cat", "doctor", "nurse", "capital")
]
TEXTS = ["The cat sat on the mat because it is comfortable.", "Paris is the capital of France."]


@pytest.fixture(scope="module")
def parents(tmp_path_factory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("parents")
    return tiny.save(root / "a", "llama", seed=0), tiny.save(root / "b", "llama", seed=1)


@pytest.fixture
def models() -> ModelCache:
    return ModelCache(Settings(memory_budget="100MB", dtype="float32", device="cpu", local_paths=True))


def blended(a: Path, b: Path) -> torch.nn.Module:
    """0.3 of one and 0.7 of the other, by transformers and arithmetic alone."""
    model, other = (transformers.AutoModelForCausalLM.from_pretrained(folder).eval() for folder in (a, b))
    with torch.no_grad():
        for mine, its in zip(model.parameters(), other.parameters(), strict=True):
            mine.mul_(0.3).add_(its, alpha=0.7)
    return model


def with_lora(a: Path, folder: Path) -> torch.nn.Module:
    """A random LoRA, saved by PEFT, and the model that PEFT makes with it."""
    import peft

    model = transformers.AutoModelForCausalLM.from_pretrained(a)
    wrapped = peft.get_peft_model(model, peft.LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"]))
    torch.manual_seed(0)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_()
    wrapped.save_pretrained(folder)
    return wrapped.eval()


def scores(state: before_after.State) -> np.ndarray:  # (pair, side)
    found = [state.pairs.scored[number] for number in range(len(PAIRS))]
    return np.array([(one.first.score, one.second.score) for one in found])


@pytest.mark.parametrize("how", ["merge", "adapter"])
def test_the_other_side_is_scored_with_its_own_weights(models, parents, tmp_path, how):
    a, b = parents
    if how == "merge":
        lines = [f"- {{model: {m}, parameters: {{weight: {w}}}}}" for m, w in ((a, 0.3), (b, 0.7))]
        recipe = mergekit_yaml.read("\n".join(["merge_method: linear", "models:", *lines]))
        other, alone = Merges(models).made(recipe).reference, blended(a, b)
    else:
        other, alone = f"{a}+adapter:{tmp_path / 'lora'}", with_lora(a, tmp_path / "lora")
    with models.lease(str(a)) as engine:
        before = before_after.state(engine, "before", PAIRS, TEXTS)
    with models.lease(other) as engine:
        after = before_after.state(engine, "after", PAIRS, TEXTS)

        class Alone:
            model, tokenizer = alone, engine.tokenizer

        start = engine.tokenizer.bos_token_id
        expected = [[plain.sentence(Alone, s, start).sum() for s in (p.first, p.second)] for p in PAIRS]
        np.testing.assert_allclose(scores(after), expected, atol=1e-4)
        losses = np.concatenate([-plain.sentence(Alone, text, start) for text in TEXTS])
        assert after.cost.value == pytest.approx(math.exp(losses.mean()), rel=1e-4)
    assert np.abs(scores(before) - scores(after)).max() > 0.1
    shift = before_after.shift(before, after)
    assert shift.n == len(PAIRS) and shift.cost[0] == pytest.approx(after.cost.value / before.cost.value, rel=1e-6)
