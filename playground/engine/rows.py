"""Linear layers that have a product of their own for few rows: those of texts that grow, one row of each.

On many CPUs a matrix-vector product is the quicker one for a single row. Where it is not, the usual product is taken so
that a row has the same bits alone and among others (`steady`): then texts can be read together (`company`). Layers that
read the same input do it in one product (`joint`). Which of the two it is, is measured where the machine is
(`models/machine.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from playground.engine.joint import Joint
from playground.engine.steady import MOST, least_rows


@dataclass(frozen=True)
class Product:
    """How few rows are multiplied."""

    multiply: Callable[[Tensor, Tensor], Tensor]  # (row, in), (out, in) -> (row, out)
    most: int  # rows; more are left to `nn.Linear`
    serves: Callable[[torch.dtype, tuple[int, ...], int], bool]  # layers of these sizes, together and each alone


def _in_two(rows: Tensor, weight: Tensor) -> Tensor:
    """A single row is multiplied twice."""
    return functional.linear(rows, weight) if len(rows) > 1 else functional.linear(rows.repeat(2, 1), weight)[:1]


VECTOR = Product(lambda row, weight: torch.mv(weight, row[0])[None], 1, lambda *_: True)
USUAL = Product(functional.linear, MOST, lambda *of: least_rows(*of) == 1)
IN_TWO = Product(_in_two, MOST, lambda *of: least_rows(*of) in (1, 2))


class RowLinear(nn.Linear):
    """`nn.Linear`, with another product for few rows."""

    product: Product
    joint: tuple[Joint, int] | None = None  # with whom a row is computed, and which of them it is

    def forward(self, inputs: Tensor) -> Tensor:
        n = inputs.numel() // self.in_features
        if not 0 < n <= self.product.most:
            return super().forward(inputs)
        output = self.joint[0].share(self.joint[1], inputs) if self.joint and n == 1 else None
        if output is None:
            output = self.product.multiply(inputs.reshape(n, -1), self.weight)
        if self.bias is not None:
            output = output + self.bias
        return output.reshape(*inputs.shape[:-1], self.out_features)

    @staticmethod
    def join(family: Sequence["RowLinear"]) -> None:
        """Puts the weights of some layers into one tensor, of which each layer keeps its rows."""
        if len({layer.weight.untyped_storage().data_ptr() for layer in family}) != len(family):
            return  # they share weights as it is
        product, sizes = family[0].product, tuple(layer.out_features for layer in family)
        if any(layer.product is not product for layer in family):
            return
        if not product.serves(family[0].weight.dtype, sizes, family[0].in_features):
            return
        weight = torch.cat([layer.weight.detach() for layer in family])
        for layer, rows in zip(family, weight.split(sizes), strict=True):
            layer.weight = nn.Parameter(rows, requires_grad=layer.weight.requires_grad)
        joint = Joint(
            family, lambda layer: layer._parameters["weight"], lambda few: product.multiply(few, weight), product.most
        )
        for place, layer in enumerate(family):
            layer.joint = (joint, place)


def quicken(model: nn.Module, products: Sequence[Product]) -> None:
    """Gives each `nn.Linear` of a model the first of some products that serves it, in place and without copying."""
    for module in model.modules():
        if type(module) is nn.Linear:
            of = module.weight.dtype, (module.out_features,), module.in_features
            product = next((product for product in products if product.serves(*of)), None)
            if product is not None:
                module.__class__ = RowLinear
                module.product = product
