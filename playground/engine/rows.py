"""Linear layers that read one row by a matrix-vector product, which on many CPUs is quicker than the general one.

Decoding multiplies every weight with a single row. Layers that read the same input do it together (`joint`). Whether
it is worth it is measured where the machine is (`models/machine.py`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from playground.engine.joint import Joint


class RowLinear(nn.Linear):
    """`nn.Linear`, quicker for one row."""

    joint: tuple[Joint, int] | None = None  # with whom it is computed, and which of them it is

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.numel() != self.in_features:
            return super().forward(inputs)
        output = self.joint[0].share(self.joint[1], inputs) if self.joint else None
        if output is None:
            output = torch.mv(self.weight, inputs.reshape(-1))
        if self.bias is not None:
            output = output + self.bias
        return output.reshape(*inputs.shape[:-1], self.out_features)

    @staticmethod
    def join(family: Sequence["RowLinear"]) -> None:
        """Puts the weights of some layers into one tensor, of which each layer keeps its rows."""
        if len({layer.weight.untyped_storage().data_ptr() for layer in family}) != len(family):
            return  # they share weights as it is
        weight = torch.cat([layer.weight.detach() for layer in family])
        for layer, rows in zip(family, weight.split([layer.out_features for layer in family]), strict=True):
            layer.weight = nn.Parameter(rows, requires_grad=layer.weight.requires_grad)
        joint = Joint(family, lambda layer: layer._parameters["weight"], lambda row: torch.mv(weight, row[0])[None])
        for place, layer in enumerate(family):
            layer.joint = (joint, place)


def quicken(model: nn.Module) -> None:
    """Makes every `nn.Linear` of a model a `RowLinear`, in place and without copying."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = RowLinear
