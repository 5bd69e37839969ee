"""Few rows are multiplied as `nn.Linear` would, each by itself if need be; everything else is left to it."""

import pytest
import torch
from torch import nn

from playground.engine import rows, steady
from playground.engine.rows import IN_TWO, USUAL, VECTOR, Product, RowLinear, quicken

ALWAYS = Product(IN_TWO.multiply, IN_TWO.most)


@pytest.mark.parametrize("product", [VECTOR, ALWAYS], ids=["vector", "in two"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(48,), (1, 48), (1, 1, 48), (2, 48), (1, 5, 48), (9, 1, 48), (0, 48)])
def test_the_product_is_that_of_a_linear_layer(shape, bias, dtype, product):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(48, 30, bias=bias)).to(dtype)
    inputs = torch.randn(shape).to(dtype)
    expected = model(inputs)
    weight = model[0].weight
    quicken(model, [product])
    assert type(model[0]) is RowLinear and model[0].weight is weight
    outputs = model(inputs)
    assert outputs.shape == expected.shape and outputs.dtype == dtype
    torch.testing.assert_close(outputs, expected, atol=1e-5 if dtype == torch.float32 else 1e-2, rtol=1e-2)


@pytest.mark.parametrize("product", [VECTOR, ALWAYS], ids=["vector", "in two"])
def test_gradients_flow(product):
    layer = nn.Sequential(nn.Linear(8, 3))
    quicken(layer, [product])
    inputs = torch.randn(1, 8, requires_grad=True)
    layer(inputs).sum().backward()
    torch.testing.assert_close(inputs.grad[0], layer[0].weight.sum(0))


def test_layers_of_other_kinds_stay():
    class Special(nn.Linear):
        pass

    model = nn.Sequential(Special(3, 3), nn.Embedding(3, 3))
    quicken(model, [VECTOR])
    assert [type(module) for module in model] == [Special, nn.Embedding]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("outputs", "width"), [(96, 64), (64, 576), (48, 1536), (33, 2049)])
def test_a_row_has_the_same_bits_whatever_the_number_of_rows(outputs, width, bias, dtype):
    """Sums that nearly cancel show how they were added up, in every output."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(width, outputs, bias=bias)).to(dtype)
    quicken(model, [USUAL, IN_TWO])
    if type(model[0]) is nn.Linear:
        assert steady.least_rows(dtype, (outputs,), width, bias) is None
        pytest.skip("on this machine a row is rounded otherwise among others")
    if bias:
        model[0].bias.data = torch.randn(outputs).to(dtype) * 1e-6  # no larger than what the sums leave
    half = torch.randn(steady.MOST, width // 2).to(dtype)
    rows = torch.cat([half, -half.flip(1), half.new_ones(steady.MOST, width % 2)], dim=1)
    weights = torch.randn(outputs, width // 2).to(dtype)
    model[0].weight.data = torch.cat([weights, weights.flip(1), weights.new_zeros(outputs, width % 2)], dim=1)
    with torch.inference_mode():
        alone = torch.cat([model(row) for row in rows.split(1)])
        for n in range(2, steady.MOST + 1):
            assert torch.equal(model(rows[:n, None])[:, 0], alone[:n])
            assert torch.equal(model(rows[-n:, None])[:, 0], alone[-n:])


def test_the_first_product_that_serves_is_taken(monkeypatch):
    model = nn.Sequential(nn.Linear(8, 3), nn.Linear(8, 5))
    monkeypatch.setattr(rows, "least_rows", lambda dtype, sizes, *_: 2 if sizes == (3,) else None)
    quicken(model, [USUAL, IN_TWO, VECTOR])
    assert [layer.product for layer in model] == [IN_TWO, VECTOR]
    assert [layer.steady for layer in model] == [True, False]
    quicken(untouched := nn.Sequential(nn.Linear(8, 5)), [USUAL, IN_TWO])
    assert type(untouched[0]) is nn.Linear


def test_layers_that_are_empty_stay():
    model = nn.Sequential(nn.Linear(0, 3), nn.Linear(3, 0))
    quicken(model, [USUAL, IN_TWO])
    assert [type(layer) for layer in model] == [nn.Linear, nn.Linear]
