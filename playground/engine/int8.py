"""Weights in 8 bits, arithmetic in bfloat16: decoding on a CPU reads half the bytes, which is what takes the time.

Each row of a linear layer is stored as whole numbers from -127 to 127 and one scale (absmax rounding, as in LLM.int8(),
Dettmers et al. 2022, but for the weights alone). Modules stay where they are, so taps and readouts work as before.
It does not know which model it is given.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from playground.engine.joint import Joint
from playground.engine.steady import MOST, int8_product, least_rows

_LANES = 16  # torch's product reads so many weights of a row at once, and goes wrong on what is left over


class Int8Linear(nn.Module):
    """A linear layer with int8 weights, (out, in), and one scale a row."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.packs = self.in_features % _LANES == 0
        scale = linear.weight.detach().float().abs().amax(dim=1).clamp(min=1e-12) / 127
        scale = scale.to(torch.bfloat16)  # rounded first, so that the rows are rounded against the scale in use
        rows = (linear.weight.detach().float() / scale.float()[:, None]).round_().clamp_(-127, 127).to(torch.int8)
        self.register_buffer("rows", rows)
        self.register_buffer("scale", scale)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach(), requires_grad=False)
        self.joint: tuple[Joint, int] | None = None  # with whom a row is computed, and which of them this layer is

    @property
    def weight(self) -> Tensor:
        """The weights as they count, (out, in), in bfloat16. Computed afresh each time."""
        return self.rows.to(torch.bfloat16) * self.scale[:, None]

    def forward(self, inputs: Tensor) -> Tensor:
        flat = inputs.reshape(-1, self.in_features)
        n, outputs = flat.shape[0], None
        # for few rows torch's int8 product is the faster one; for more, the weights are widened once and multiplied
        if n <= MOST and self.packs and flat.is_cpu and flat.dtype == torch.bfloat16:
            if self.joint and n == 1:
                outputs = self.joint[0].share(self.joint[1], inputs)
            if outputs is None:
                outputs = _multiply(flat.contiguous(), *_parts(self))
        else:
            outputs = functional.linear(flat, self.weight.to(flat.dtype))
            if self.bias is not None:
                outputs = outputs + self.bias
        return outputs.reshape(*inputs.shape[:-1], self.out_features)

    @property
    def steady(self) -> bool:
        """Whether a row has the same bits alone and among others."""
        return self.packs and least_rows(torch.int8, (self.out_features,), self.in_features) == 1

    @staticmethod
    def join(family: Sequence["Int8Linear"]) -> None:
        """Puts the rows of some layers into one tensor, of which each layer keeps its own; and so the biases."""
        biases = [layer.bias for layer in family if layer.bias is not None]
        if len(biases) not in (0, len(family)):
            return
        rows, scale = torch.cat([layer.rows for layer in family]), torch.cat([layer.scale for layer in family])
        sizes = [layer.out_features for layer in family]
        for layer, its_rows, its_scale in zip(family, rows.split(sizes), scale.split(sizes), strict=True):
            layer.rows, layer.scale = its_rows, its_scale
        bias = torch.cat(biases) if biases else None
        if bias is not None:
            for layer, its_bias in zip(family, bias.split(sizes), strict=True):
                layer.bias = nn.Parameter(its_bias, requires_grad=False)

        def product(few: Tensor) -> Tensor:
            return _multiply(few, rows, scale, bias)

        joint = Joint(family, _parts, product, MOST if family[0].packs else 0)
        for place, layer in enumerate(family):
            layer.joint = (joint, place)


def _parts(layer: nn.Module) -> list[Tensor]:
    """Rows, scale, and biases if there are some. A module's own way to them takes as long as a small product."""
    every = (layer._buffers["rows"], layer._buffers["scale"], layer._parameters.get("bias"))
    return [part for part in every if part is not None]


def _multiply(few: Tensor, rows: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    outputs = int8_product(few, rows, scale)
    return outputs if bias is None else outputs + bias


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
