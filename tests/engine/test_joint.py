"""Layers that read the same input are computed together, and nobody can tell from the outside."""

import pytest
import torch
from torch import nn

from playground.engine.int8 import Int8Linear, quantize
from playground.engine.joint import unite
from playground.engine.rows import IN_TWO, VECTOR, Product, RowLinear, quicken
from tests import tiny

MANY = Product(IN_TWO.multiply, IN_TWO.most)


class Block(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.q, self.k, self.out = nn.Linear(16, 12, bias=bias), nn.Linear(16, 8, bias=bias), nn.Linear(12, 16)

    def forward(self, x):
        return self.out(torch.tanh(self.q(x)) + self.k(x).repeat_interleave(2, -1)[..., :12])


def made(bias: bool, seed: int = 0) -> Block:
    torch.manual_seed(seed)
    return Block(bias).bfloat16().eval().requires_grad_(False)


def prepared(kind: Product | type, bias: bool) -> tuple[Block, Block]:
    """The same block, alone and joint: in 8 bits, or with a product of its own."""
    alone, joint = made(bias), made(bias)
    for block in (alone, joint):
        quicken(block, [kind]) if isinstance(kind, Product) else quantize(block)
    unite(joint, lambda: joint(torch.ones(2, 16, dtype=torch.bfloat16)), (RowLinear, Int8Linear))
    return alone, joint


@pytest.mark.parametrize("kind", [VECTOR, MANY, Int8Linear], ids=["vector", "many", "int8"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 16), (1, 1, 16), (5, 16), (1, 40, 16)])
def test_the_result_is_bit_for_bit_that_of_the_layers_alone(kind, bias, shape):
    alone, joint = prepared(kind, bias)
    assert joint.q.joint[0] is joint.k.joint[0] and joint.out.joint is None
    for seed in range(3):
        inputs = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16()
        with torch.inference_mode():
            assert torch.equal(alone(inputs), joint(inputs))


def test_the_product_is_computed_once_for_all_and_anew_for_each_input(monkeypatch):
    _, joint = prepared(VECTOR, False)
    n = []
    monkeypatch.setattr(torch, "mv", lambda *args, mv=torch.mv: n.append(1) or mv(*args))
    for inputs in (torch.ones(1, 16).bfloat16(), torch.zeros(1, 16).bfloat16()):
        n.clear()
        joint(inputs)
        assert len(n) == 2  # queries and keys together, and the way out


def test_weights_that_were_replaced_count():
    _, joint = prepared(VECTOR, False)
    joint.k.weight.data = torch.zeros_like(joint.k.weight)
    assert joint.k(torch.ones(1, 16).bfloat16()).abs().max() == 0
    _, joint = prepared(VECTOR, False)
    joint.k.weight.data.zero_()  # in place: the joint weights are the same memory
    assert joint.k(torch.ones(1, 16).bfloat16()).abs().max() == 0


def test_no_memory_is_held_twice_and_no_hook_stays():
    _, joint = prepared(VECTOR, False)
    weights = joint.q.weight, joint.k.weight
    assert len({weight.untyped_storage().data_ptr() for weight in weights}) == 1
    assert weights[0].untyped_storage().nbytes() == sum(w.numel() * w.element_size() for w in weights)
    assert not any(module._forward_pre_hooks for module in joint.modules())


@pytest.mark.parametrize(("architecture", "sizes"), [("llama", [3, 2]), ("t5", [2, 3]), ("bert", [3])])
def test_a_models_own_families_are_found(architecture, sizes):
    model = tiny.loaded(tiny.engine(architecture, "bfloat16").reference, "bfloat16", "#int8").model
    families = {layer.joint[0] for layer in model.modules() if isinstance(layer, Int8Linear) and layer.joint}
    assert {len(family.members) for family in families} == set(sizes)
