"""A model is made in its own precision, and no other request's numbers are."""

import json
import threading

import numpy as np
import pytest
import safetensors.torch
import torch
import transformers
from transformers import modeling_utils

from playground.engine import rows
from playground.models import precision
from playground.models.loading import load
from playground.models.machine import Machine
from playground.models.sources import locate
from playground.settings import Settings
from tests import tiny

MADE = {
    "empty": lambda: torch.empty(2),
    "zeros": lambda: torch.zeros(2, 3),
    "random": lambda: torch.randn(3),
    "numbers": lambda: torch.tensor([0.1, 2]),
    "whole numbers": lambda: torch.tensor([1, 2]),
    "steps": lambda: torch.arange(0, 1, 0.25),
    "whole steps": lambda: torch.arange(4),
    "a quotient of whole numbers": lambda: torch.arange(4) / 3,
    "a power": lambda: 10000.0 ** torch.arange(4),
    "frequencies": lambda: 1.0 / (10000 ** (torch.arange(0, 8, 2, dtype=torch.int64).float() / 8)),
    "of another precision": lambda: torch.zeros(2, dtype=torch.float64),
    "in single precision": lambda: torch.zeros(2, dtype=torch.float32),
    "made single": lambda: torch.arange(4).to(torch.float32),
    "of an array": lambda: torch.tensor(torch.ones(2).float().numpy()),
    "times a number of numpy's": lambda: torch.arange(3) * np.float64(0.5),
    "full of one": lambda: torch.full((2,), np.float64(0.5)),
    "of one": lambda: torch.tensor([np.float32(0.1)]),
    "of a whole one": lambda: torch.tensor([0.5, np.int64(3)]),
    "of single ones": lambda: torch.ones(3, dtype=torch.float32).sin(),
    "of several": lambda: torch.cat([torch.zeros(2, dtype=torch.float32), torch.ones(1, dtype=torch.float32)]),
    "a layer": lambda: torch.nn.Linear(3, 2).weight,
    "a norm": lambda: torch.nn.LayerNorm(3).bias,
    "the default": lambda: torch.zeros(1).to(torch.get_default_dtype()),
    "whether": lambda: torch.tensor([True]),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_everything_is_made_as_with_the_default_of_all(name, dtype):
    with modeling_utils.local_torch_dtype(dtype):
        expected = MADE[name]()
    with precision.of_this_thread(), modeling_utils.local_torch_dtype(dtype):
        found = MADE[name]()
    assert found.dtype == expected.dtype
    if name != "empty" and name not in ("random", "a layer"):
        torch.testing.assert_close(found, expected)


def test_other_threads_notice_nothing():
    seen = []

    def other():
        seen.append((torch.get_default_dtype(), torch.tensor([0.1]).dtype, torch.zeros(2).dtype))

    with precision.of_this_thread(), modeling_utils.local_torch_dtype(torch.bfloat16):
        assert torch.tensor([0.1]).dtype == torch.get_default_dtype() == torch.bfloat16
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
    other()
    assert seen == 2 * [(torch.float32, torch.float32, torch.float32)]


def test_what_is_made_within_something_else_has_its_own():
    with precision.of_this_thread(), modeling_utils.local_torch_dtype(torch.bfloat16):
        with modeling_utils.local_torch_dtype(torch.float16):
            assert torch.zeros(1).dtype == torch.get_default_dtype() == torch.float16
        with modeling_utils.local_torch_dtype(torch.float32):
            assert torch.zeros(1).dtype == torch.get_default_dtype() == torch.float32
        assert torch.zeros(1).dtype == torch.get_default_dtype() == torch.bfloat16


def test_an_error_leaves_everything_as_it_was():
    before = modeling_utils.local_torch_dtype, torch.get_default_dtype
    with (
        pytest.raises(ValueError, match="int8"),
        precision.of_this_thread(),
        modeling_utils.local_torch_dtype(torch.int8),
    ):
        pass
    with pytest.raises(KeyError), precision.of_this_thread(), modeling_utils.local_torch_dtype(torch.float16):
        raise KeyError
    assert (modeling_utils.local_torch_dtype, torch.get_default_dtype) == before
    assert torch.zeros(1).dtype == torch.float32


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_model_is_that_of_transformers_and_loading_changes_no_default(architecture, monkeypatch):
    engine = tiny.engine(architecture, "bfloat16")
    plain = type(engine.model).from_pretrained(engine.reference, dtype=torch.bfloat16)
    monkeypatch.setattr(torch, "set_default_dtype", lambda dtype: pytest.fail(f"{dtype} for the whole process"))
    loaded = tiny.loaded(engine.reference, "bfloat16").model
    for kind in ("named_parameters", "named_buffers"):
        expected, found = dict(getattr(plain, kind)()), dict(getattr(loaded, kind)())
        assert list(found) == list(expected)
        assert {name: part.dtype for name, part in found.items()} == {n: part.dtype for n, part in expected.items()}
        assert all(torch.equal(part, expected[name]) for name, part in found.items())


def test_positions_that_ask_for_the_default_get_the_models(tmp_path):
    tiny.save(tmp_path, "t5")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    config = transformers.M2M100Config(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id, decoder_start_token_id=2,
    )  # fmt: skip
    transformers.M2M100ForConditionalGeneration(config).save_pretrained(tmp_path)
    model = tiny.loaded(tmp_path, "bfloat16").model
    assert {part.dtype for part in model.buffers() if part.is_floating_point()} == {torch.bfloat16}


OWN = """
import torch
from transformers import LlamaForCausalLM

class OwnForCausalLM(LlamaForCausalLM):
    def __init__(self, config):
        super().__init__(config)
        self.old_kind = torch.nn.Parameter(torch.Tensor(2, 2))
"""


def test_a_model_that_brings_its_own_code_is_made_as_transformers_does(tmp_path, monkeypatch):
    folder = tiny.save(tmp_path / "own", "llama")
    weights = safetensors.torch.load_file(folder / "model.safetensors") | {"old_kind": torch.ones(2, 2)}
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["OwnForCausalLM"], "auto_map": {"AutoModelForCausalLM": "own.OwnForCausalLM"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(OWN)
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    settings = Settings(remote_code=True, local_paths=True)
    machine = Machine(torch.device("cpu"), torch.bfloat16, threads=1, budget=10**9)
    model = load(locate(str(folder), settings), settings, machine, lambda *_: None).model
    assert type(model).__name__ == "OwnForCausalLM"
    assert {name for name, part in model.named_parameters() if part.dtype != torch.bfloat16} == set()
    assert torch.equal(model.old_kind, torch.ones(2, 2).bfloat16())


@pytest.mark.parametrize(
    ("asked", "measured", "used"),
    [("float32", (rows.VECTOR,), rows.VECTOR), ("float16", (rows.USUAL, rows.IN_TWO), rows.USUAL)],
)
def test_products_that_were_measured_are_for_that_precision(asked, measured, used):
    machine = Machine(torch.device("cpu"), torch.float32, threads=1, budget=10**9, products=measured)
    settings = Settings()
    folder = tiny.engine("llama").reference
    model = load(locate(f"{folder}#{asked}", settings), settings, machine, lambda *_: None).model
    kinds = {layer.product for layer in model.modules() if isinstance(layer, rows.RowLinear)}
    assert kinds <= {used} and (kinds or not used.serves([model.lm_head]))
