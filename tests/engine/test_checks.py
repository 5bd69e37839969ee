"""The self-checks must pass on every architecture, and fail on a model that is wrong."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from playground.engine import anatomy
from playground.engine.checks import run_checks
from playground.engine.readout import logits_of, read_out
from playground.errors import PlaygroundError
from tests import tiny


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_every_architecture_passes(architecture, dtype):
    engine = tiny.engine(architecture, dtype)
    outcome = {check.name: check.passed for check in engine.checks}
    maps, causal = outcome.pop("Attention rows sum to 1"), outcome.pop("A later token changes nothing before it")
    assert maps is (None if architecture == "mamba" else True)
    assert causal is (None if "bert" in architecture or architecture == "t5" else True)
    assert len(outcome) == 3 and all(outcome.values()), engine.checks


def test_logits_are_not_asked_of_a_model_that_has_none():
    engine = tiny.engine("llama")
    encoder = dataclasses.replace(engine, anatomy=dataclasses.replace(engine.anatomy, unembedding=None))
    with pytest.raises(PlaygroundError, match="gives no probability to tokens"):
        logits_of(encoder, torch.zeros(1, 4, 32))
    assert torch.equal(logits_of(engine, torch.zeros(1, 4, 32)), read_out(engine, torch.zeros(1, 4, 32)).float())


def test_a_width_that_no_config_names_is_told(monkeypatch):
    engine = tiny.engine("llama")
    monkeypatch.setattr(engine.model.config, "get_text_config", lambda decoder: SimpleNamespace(vocab_size=7))
    with pytest.raises(LookupError, match="no width"):
        anatomy.read(engine.model, engine.tokenizer, "causal")


def test_a_norm_applied_twice_is_noticed():
    engine = tiny.engine("llama")
    norm = engine.anatomy.main.final_norm
    twice = dataclasses.replace(engine.anatomy.main, final_norm=torch.nn.Sequential(norm, torch.nn.GELU()))
    wrong = dataclasses.replace(engine, anatomy=dataclasses.replace(engine.anatomy, stacks=(twice,)))
    assert run_checks(wrong)[1].passed is False


def test_a_forgotten_soft_cap_is_noticed(monkeypatch):
    engine = tiny.engine("gemma2")
    monkeypatch.setattr(engine.model.config, "final_logit_softcapping", None)
    residual = torch.randn(1, 4, 32)
    uncapped = read_out(engine, residual)
    monkeypatch.undo()
    capped = read_out(engine, residual)
    torch.testing.assert_close(capped, 0.3 * torch.tanh(uncapped / 0.3))
    monkeypatch.setattr("playground.engine.readout._scaled", lambda config, unembedding, hidden: unembedding(hidden))
    assert run_checks(engine)[1].passed is False


def test_attention_that_looks_ahead_is_noticed(monkeypatch):
    engine = tiny.engine("llama")
    assert run_checks(engine)[3].passed is True
    for block in engine.model.model.layers:
        monkeypatch.setattr(block.self_attn, "is_causal", False)
    assert run_checks(engine)[3].passed is False


def test_a_check_that_breaks_has_failed_and_the_others_go_on(monkeypatch):
    def broken(*_):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr("playground.engine.checks.read_out", broken)
    checks = run_checks(tiny.engine("llama"))
    assert [check.passed for check in checks] == [True, False, True, True]
    assert "no such kernel" in checks[1].detail


def test_random_weights_where_the_files_have_none_are_noticed(tmp_path):
    from safetensors.torch import load_file, save_file

    from playground.models.loading import load
    from playground.models.machine import Machine
    from playground.models.sources import locate
    from playground.settings import Settings

    folder = tiny.save(tmp_path / "holed", "llama")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    machine = Machine(torch.device("cpu"), torch.float32, 1, 10**9)
    engine = load(locate(str(folder), Settings()), Settings(), machine, lambda *_: None)
    assert engine.checks[0].passed is False and "down_proj" in engine.checks[0].detail
