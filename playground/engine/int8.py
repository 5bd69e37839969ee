"""Weights in 8 bits, arithmetic in bfloat16: decoding on a CPU reads half the bytes, which is what takes the time.

Each row of a linear layer is stored as whole numbers from -127 to 127 and one scale (absmax rounding, as in LLM.int8(),
Dettmers et al. 2022, but for the weights alone). Modules stay where they are, so taps and readouts work as before.
It does not know which model it is given.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_FEW_ROWS = 8  # up to here torch's int8 product is the faster one; beyond, the weights are widened once and multiplied


class Int8Linear(nn.Module):
    """A linear layer with int8 weights, (out, in), and one scale a row."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        scale = linear.weight.detach().float().abs().amax(dim=1).clamp(min=1e-12) / 127
        scale = scale.to(torch.bfloat16)  # rounded first, so that the rows are rounded against the scale in use
        rows = (linear.weight.detach().float() / scale.float()[:, None]).round_().clamp_(-127, 127).to(torch.int8)
        self.register_buffer("rows", rows)
        self.register_buffer("scale", scale)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach(), requires_grad=False)

    @property
    def weight(self) -> Tensor:
        """The weights as they count, (out, in), in bfloat16. Computed afresh each time."""
        return self.rows.to(torch.bfloat16) * self.scale[:, None]

    def forward(self, inputs: Tensor) -> Tensor:
        flat = inputs.reshape(-1, self.in_features)
        if len(flat) <= _FEW_ROWS and flat.device.type == "cpu" and flat.dtype == torch.bfloat16:
            outputs = torch._weight_int8pack_mm(flat.contiguous(), self.rows, self.scale)
        else:
            outputs = functional.linear(flat, self.weight.to(flat.dtype))
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.reshape(*inputs.shape[:-1], self.out_features)


def quantize(model: nn.Module) -> int:
    """Replaces every `nn.Linear` of a bfloat16 model in place; returns how many. Embeddings stay as they are.

    An unembedding that shares its weights with the embedding gets int8 rows of its own.
    """
    linears = [(parent, name, child) for parent in model.modules() for name, child in parent.named_children()]
    linears = [row for row in linears if type(row[2]) is nn.Linear]
    n = len(linears)
    while linears:  # taken off the list, so that each layer's old weights go as soon as it has new ones
        parent, name, linear = linears.pop()
        setattr(parent, name, Int8Linear(linear))
        del linear
    return n
