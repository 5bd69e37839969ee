"""A row is multiplied as `nn.Linear` would; everything else is left to it."""

import pytest
import torch
from torch import nn

from playground.engine.rows import RowLinear, quicken


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(48,), (1, 48), (1, 1, 48), (2, 48), (1, 5, 48)])
def test_the_product_is_that_of_a_linear_layer(shape, bias, dtype):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(48, 30, bias=bias)).to(dtype)
    inputs = torch.randn(shape).to(dtype)
    expected = model(inputs)
    weight = model[0].weight
    quicken(model)
    assert type(model[0]) is RowLinear and model[0].weight is weight
    outputs = model(inputs)
    assert outputs.shape == expected.shape and outputs.dtype == dtype
    torch.testing.assert_close(outputs, expected, atol=1e-5 if dtype == torch.float32 else 1e-2, rtol=1e-2)


def test_gradients_flow():
    layer = nn.Sequential(nn.Linear(8, 3))
    quicken(layer)
    inputs = torch.randn(1, 8, requires_grad=True)
    layer(inputs).sum().backward()
    torch.testing.assert_close(inputs.grad[0], layer[0].weight.sum(0))


def test_layers_of_other_kinds_stay():
    class Special(nn.Linear):
        pass

    model = nn.Sequential(Special(3, 3), nn.Embedding(3, 3))
    quicken(model)
    assert [type(module) for module in model] == [Special, nn.Embedding]
