"""Linear layers that have a product of their own for few rows: those of texts that grow, one row of each.

On many CPUs a matrix-vector product is the quicker one for a single row. Where it is not, the usual product is taken so
that a row has the same bits alone and among others (`steady`): then texts can be read together (`company`). Layers that
read the same input do it in one product (`joint`). Which products are worth it is measured where the machine is
(`models/machine.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from playground.engine.joint import Joint
from playground.engine.steady import MOST, least_rows


def by_vector(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product = torch.mv(weight, rows[0])[None]
    return product if bias is None else product + bias


def in_two(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A single row is multiplied twice."""
    n = len(rows)
    return functional.linear(rows if n > 1 else rows.repeat(2, 1), weight, bias)[:n]


@dataclass(frozen=True)
class Product:
    """How few rows are multiplied."""

    multiply: Callable[[Tensor, Tensor, Tensor | None], Tensor]  # (row, in), (out, in), (out,) -> (row, out)
    most: int  # rows; more are left to `nn.Linear`
    least: tuple[int, ...] = ()  # what `steady` has to say of layers that it serves; nothing: it serves all

    def serves(self, layers: Sequence[nn.Linear]) -> bool:
        """Whether it does for some layers that read the same input, each alone and all in one product."""
        if not self.least:
            return True
        first, sizes = layers[0], tuple(layer.out_features for layer in layers)
        return least_rows(first.weight.dtype, sizes, first.in_features, first.bias is not None) in self.least


VECTOR = Product(by_vector, 1)
USUAL = Product(functional.linear, MOST, least=(1,))
IN_TWO = Product(in_two, MOST, least=(1, 2))


class RowLinear(nn.Linear):
    """`nn.Linear`, with another product for few rows."""

    product: Product
    joint: tuple[Joint, int] | None = None  # with whom a row is computed, and which of them it is

    def forward(self, inputs: Tensor) -> Tensor:
        if not 0 < inputs.numel() <= self.product.most * self.in_features:
            return super().forward(inputs)
        rows = inputs.reshape(-1, self.in_features)
        output = self.joint[0].share(self.joint[1], inputs) if self.joint and len(rows) == 1 else None
        if output is None:
            output = self.product.multiply(rows, self.weight, self.bias)
        return output.reshape(*inputs.shape[:-1], self.out_features)

    @property
    def steady(self) -> bool:
        """Whether a row has the same bits alone and among others."""
        return self.product.most >= MOST

    @staticmethod
    def join(family: Sequence["RowLinear"]) -> None:
        """Puts the weights of some layers into one tensor, of which each layer keeps its rows; and so the biases."""
        product, biased = family[0].product, family[0].bias is not None
        if any(layer.product is not product or (layer.bias is not None) != biased for layer in family):
            return
        if len({layer.weight.untyped_storage().data_ptr() for layer in family}) != len(family):
            return  # they share weights as it is
        if not product.serves(family):
            return
        weight, bias = _united(family, "weight"), _united(family, "bias") if biased else None
        joint = Joint(family, parts, lambda few: product.multiply(few, weight, bias), product.most)
        for place, layer in enumerate(family):
            layer.joint = (joint, place)


def parts(layer: nn.Module) -> list[Tensor]:
    """Weights, and biases if there are some. A module's own way to them takes as long as a small product."""
    return [part for part in layer._parameters.values() if part is not None]


def _united(family: Sequence[nn.Linear], name: str) -> Tensor:
    """Puts one parameter of all layers into one tensor, of which each keeps its part."""
    every = [getattr(layer, name) for layer in family]
    united = torch.cat([part.detach() for part in every])
    for layer, part, own in zip(family, every, united.split([len(part) for part in every]), strict=True):
        setattr(layer, name, nn.Parameter(own, requires_grad=part.requires_grad))
    return united


def quicken(model: nn.Module, products: Sequence[Product]) -> None:
    """Gives each `nn.Linear` of a model the first of some products that serves it, in place and without copying."""
    for module in model.modules():
        if type(module) is nn.Linear:
            product = next((product for product in products if product.serves([module])), None)
            if product is not None:
                module.__class__ = RowLinear
                module.product = product
