"""A copy of a model in float32 for one request that needs gradients; the shared model is never touched.

Weights that are float32 already are shared, so that the copy costs what the others take. It does not know what the
gradients are for.
"""

import torch
from torch import Tensor, nn

from playground import heap
from playground.engine import tap
from playground.engine.int8 import Int8Linear
from playground.engine.quick import QuickBlock
from playground.engine.rows import RowLinear


def n_bytes(model: nn.Module) -> int:
    """Bytes that `copy_of` takes."""
    int8 = sum(4 * m.in_features * m.out_features for m in model.modules() if isinstance(m, Int8Linear))
    return int8 + sum(4 * p.numel() for p in model.parameters() if p.dtype != torch.float32)


@heap.large_blocks_apart()
def copy_of(model: nn.Module) -> nn.Module:
    """The same model in float32. Weights stay without gradients; inputs can have them. int8 weights are widened."""
    with torch.inference_mode(False):
        memo = {id(m): _linear(m) for m in model.modules() if isinstance(m, Int8Linear)}  # deepcopy takes these instead
        memo |= {id(p): nn.Parameter(p.detach().float(), requires_grad=False) for p in model.parameters()}
        memo |= {id(b): _own(b) for b in model.buffers() if id(b) not in memo}
        alike = tap.copy_of(model, memo)
    for module in alike.modules():
        if type(module) is RowLinear:
            module.__class__ = nn.Linear
            del module.product
            module.__dict__.pop("joint", None)
        if isinstance(module.__dict__.get("forward"), QuickBlock):
            del module.forward
    return alike


def _linear(int8: Int8Linear) -> nn.Linear:
    linear = nn.Linear(int8.in_features, int8.out_features, bias=int8.bias is not None, device="meta")
    linear.weight = nn.Parameter(int8.weight.float(), requires_grad=False)
    if int8.bias is not None:
        linear.bias = nn.Parameter(int8.bias.detach().float(), requires_grad=False)
    return linear


def _own(buffer: Tensor) -> Tensor:
    """A buffer that gradients can flow by, whatever made it: tensors of inference mode refuse that."""
    clone = buffer.detach().clone()
    return clone.float() if clone.dtype in (torch.bfloat16, torch.float16) else clone
