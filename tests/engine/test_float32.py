"""Copies in float32."""

import pytest
import torch

from playground import heap
from playground.engine import float32, tap
from playground.engine.rows import VECTOR, RowLinear, quicken
from tests import tiny


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_copy_made_while_another_request_looks_on_computes_the_same(dtype):
    engine = tiny.loaded(tiny.engine("llama", dtype=dtype).reference, dtype)
    quicken(engine.model, [VECTOR])  # those that have no product of their own
    ids = torch.tensor([[5, 6, 7]])

    def around(forward, arguments, named):
        return forward(*arguments, **named)

    before = float32.copy_of(engine.model)
    watched = [module for module in engine.model.modules() if isinstance(module, RowLinear)]
    with tap.open_tap(tap.Tap(around=dict.fromkeys(watched, around))):
        alike = float32.copy_of(engine.model)
        with torch.no_grad():
            logits = alike(ids).logits
    assert watched
    assert torch.equal(logits, before(ids).logits)
    assert not any("forward" in module.__dict__ for module in alike.modules())
    assert all(type(module) is not RowLinear for module in alike.modules())


def test_large_blocks_of_a_copy_get_pages_of_their_own(monkeypatch):
    thresholds = []
    monkeypatch.setattr(heap, "_set_threshold", thresholds.append)
    float32.copy_of(tiny.engine("llama", dtype="bfloat16").model)
    assert thresholds == [heap._APART, heap._USUALLY]
