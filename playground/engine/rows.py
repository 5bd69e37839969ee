"""Linear layers that read one row by a matrix-vector product, which on many CPUs is quicker than the general one.

Decoding multiplies every weight with a single row. The weights stay where and as they are; both products sum in
float32. Whether it is worth it is measured where the machine is (`models/machine.py`).
"""

import torch
from torch import Tensor, nn


class RowLinear(nn.Linear):
    """`nn.Linear`, quicker for one row."""

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.numel() != self.in_features:
            return super().forward(inputs)
        output = torch.mv(self.weight, inputs.reshape(-1))
        if self.bias is not None:
            output = output + self.bias
        return output.reshape(*inputs.shape[:-1], self.out_features)


def quicken(model: nn.Module) -> None:
    """Makes every `nn.Linear` of a model a `RowLinear`, in place and without copying."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = RowLinear
