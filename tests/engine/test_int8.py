"""Rounded weights: against their definition, and against the model they were rounded from."""

import pytest
import torch
import transformers
from torch import nn

from playground.engine.int8 import Int8Linear, quantize
from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.models.loading import load
from playground.models.machine import Machine
from playground.models.sources import locate
from playground.settings import Settings
from tests import tiny


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(1,), (1, 1), (3, 2), (1, 40)])
@pytest.mark.parametrize("sizes", [(48, 64), (12, 16), (40, 3), (33, 7)])
def test_a_layer_is_the_product_with_its_rounded_weights(rows, bias, sizes):
    torch.manual_seed(0)
    linear = nn.Linear(*sizes, bias=bias).bfloat16()
    rounded = Int8Linear(linear)
    inputs = torch.randn(*rows, sizes[0]).bfloat16()
    weight = rounded.rows.float() * rounded.scale.float()[:, None]
    expected = inputs.float() @ weight.T + (linear.bias.float() if bias else 0)
    outputs = rounded(inputs)
    assert outputs.shape == expected.shape and outputs.dtype == torch.bfloat16
    torch.testing.assert_close(outputs.float(), expected, atol=0.02, rtol=0.02)


def test_no_weight_is_off_by_more_than_half_a_step():
    linear = nn.Linear(100, 30).bfloat16()
    linear.weight.data[3] = 0
    rounded = Int8Linear(linear)
    error = (rounded.rows.float() * rounded.scale.float()[:, None] - linear.weight.float()).abs()
    # the scale is kept in bfloat16, 8 bits: the largest weight may miss its step by 1/256 more
    assert (error <= rounded.scale.float()[:, None] * (0.5 + 127 / 256) + 1e-12).all()
    assert (rounded.rows[3] == 0).all()


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_every_architecture_keeps_its_checks_and_nearly_its_output(architecture):
    exact = tiny.engine(architecture, "bfloat16")
    settings = Settings()
    machine = Machine(torch.device("cpu"), torch.bfloat16, threads=1, budget=10**9)
    rounded = load(locate(f"{exact.reference}#int8", settings), settings, machine, lambda *_: None)
    assert rounded.precision == "int8" and all(check.passed in (True, None) for check in rounded.checks)
    inputs = {"input_ids": torch.arange(1, 13)[None]}
    inputs |= {"decoder_input_ids": inputs["input_ids"]} if architecture == "t5" else {}
    with torch.inference_mode():
        a, b = (engine.model(**inputs).logits.float().flatten() for engine in (exact, rounded))
    assert torch.cosine_similarity(a, b, dim=0) > 0.98
    if architecture != "gpt2":  # its layers are Conv1D, of which only the unembedding is a Linear
        assert rounded.n_bytes < 0.9 * exact.n_bytes or architecture == "mamba"


def test_quantize_leaves_no_linear_behind():
    folder = tiny.engine("llama", "bfloat16").reference
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    n = sum(type(module) is nn.Linear for module in model.modules())
    assert quantize(model) == n == 3 * 7 + 1
    assert not any(type(module) is nn.Linear for module in model.modules())


def test_both_precisions_of_a_model_are_held_side_by_side(tmp_path):
    folder = str(tiny.save(tmp_path / "m", "llama"))
    models = ModelCache(Settings(threads=1, dtype="bfloat16"))
    with (
        models.lease(folder) as exact,
        models.lease(f"{folder}#int8") as rounded,
        models.lease(f"{folder}#float32") as f,
    ):
        assert [e.precision for e in (exact, rounded, f)] == ["bfloat16", "int8", "float32"]
        assert {h.dtype for h in models.ledger().holdings} == {"bfloat16", "int8", "float32"}
    assert models.status(f"{folder}#int8").dtype == "int8"


def test_int8_is_refused_on_a_gpu(tmp_path):
    files = locate(f"{tiny.save(tmp_path / 'm', 'llama')}#int8", Settings())
    machine = Machine(torch.device("cuda"), torch.bfloat16, threads=1, budget=10**9)
    with pytest.raises(PlaygroundError, match="int8 makes CPUs faster"):
        load(files, Settings(), machine, lambda *_: None)
