"""LoRA adapters of one request, computed beside the model's linear layers, whose weights stay as they are.

    y = W x + sum over k of w_k B_k A_k x

The factors of all adapters lie one beneath the other, as in PEFT's `cat`: two products give any mixture, and each row
of a batch may have a mixture of its own. Other requests on the same model are not touched, bit for bit (`tap`). LoRA:
Hu et al. 2021, arXiv 2106.09685. It does not know where adapters come from or what they are for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from playground.engine.engine import Engine
from playground.engine.loaded import Forward
from playground.engine.tap import Around, Tap
from playground.errors import PlaygroundError

HEAVIEST = 10.0  # weight of an adapter, either sign


@dataclass(frozen=True, eq=False)
class Factors:
    """What an adapter adds to one linear layer: `scaling * b @ a`, (out, in). Float32, on the CPU."""

    a: Tensor  # (rank, in)
    b: Tensor  # (out, rank)
    scaling: float = 1.0  # alpha / rank, as a rule

    @property
    def delta(self) -> Tensor:
        return self.scaling * (self.b @ self.a)


@dataclass(frozen=True, eq=False)
class Adapter:
    """A LoRA adapter, ready for any model that has its layers."""

    name: str
    layers: Mapping[str, Factors]  # by the path of the module, like "model.layers.0.self_attn.q_proj"

    @property
    def n_parameters(self) -> int:
        return sum(factors.a.numel() + factors.b.numel() for factors in self.layers.values())

    @property
    def rank(self) -> int:
        """The largest of any layer."""
        return max((factors.a.shape[0] for factors in self.layers.values()), default=0)


def check_fits(engine: Engine, adapter: Adapter) -> None:
    """Raises PlaygroundError: the adapter was made for another model."""
    for path, factors in adapter.layers.items():
        try:
            module = engine.model.get_submodule(path)
        except AttributeError:
            raise PlaygroundError(
                f"The adapter {adapter.name} was made for another model: {engine.reference} has no {path}. "
                "Pick the model that its card names."
            ) from None
        wanted, there = (factors.b.shape[0], factors.a.shape[1]), _shape(module)
        if there is not None and there != wanted:
            raise PlaygroundError(
                f"The adapter {adapter.name} was made for another model: {path} of {engine.reference} is "
                f"{there[0]} x {there[1]}, the adapter's is {wanted[0]} x {wanted[1]}. "
                "Pick the model that its card names."
            )


def _shape(module: torch.nn.Module) -> tuple[int, int] | None:
    """(out, in) of a linear layer; None where that cannot be told."""
    n_out = getattr(module, "out_features", None) or getattr(module, "nf", None)
    n_in = getattr(module, "in_features", None) or getattr(module, "nx", None)
    return (n_out, n_in) if n_out and n_in else None


class Attached:
    """Adapters beside one model, for one request. `tap` is what its forward passes go through."""

    def __init__(self, engine: Engine, adapters: Sequence[Adapter], weights: Sequence[Sequence[float]]) -> None:
        """
        Args:
            weights: (row, adapter) of a batch, or one row for all. A row of zeros is the model as it is.

        Raises:
            PlaygroundError: an adapter does not fit the model, or a weight is no usable number.
        """
        for adapter in adapters:
            check_fits(engine, adapter)
        table = torch.tensor([[_checked(weight) for weight in row] for row in weights], dtype=torch.float32)
        table = table.reshape(len(weights), len(adapters))
        used = [i for i in range(len(adapters)) if table[:, i].any()]
        self._adapters = [adapters[i] for i in used]
        self._weights = table[:, used].to(engine.device)
        self.tap = Tap(around=self._around(engine))

    def select(self, rows: Sequence[int]) -> None:
        """Leaves these rows of the batch, in this order."""
        self._weights = self._weights[torch.tensor(rows, dtype=torch.long, device=self._weights.device)]

    def _around(self, engine: Engine) -> dict[torch.nn.Module, Around]:
        paths = dict.fromkeys(path for adapter in self._adapters for path in adapter.layers)
        return {engine.model.get_submodule(path): self._beside(engine, path) for path in paths}

    def _beside(self, engine: Engine, path: str) -> Around:
        """For `Tap.around`: the layer's own output, and what the adapters add."""
        pairs = [(i, adapter.layers[path]) for i, adapter in enumerate(self._adapters) if path in adapter.layers]
        a = torch.cat([factors.a for _, factors in pairs]).to(engine.device)  # (sum of ranks, in)
        b = torch.cat([factors.scaling * factors.b for _, factors in pairs], dim=1).to(
            engine.device
        )  # (out, sum of ranks)
        owner = torch.tensor([i for i, factors in pairs for _ in range(factors.a.shape[0])], device=engine.device)

        def beside(forward: Forward, arguments: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
            inputs = arguments[0] if arguments else named["input"]
            output = forward(*arguments, **named)
            scale = self._weights[:, owner]  # (row, sum of ranks)
            if len(scale) == 1:
                scale = scale[0]
            elif len(scale) == len(inputs):
                scale = scale.reshape(len(scale), *[1] * (inputs.dim() - 2), -1)
            else:
                raise RuntimeError(f"{len(scale)} mixtures of adapters for a batch of {len(inputs)}")
            added = ((inputs.float() @ a.T) * scale) @ b.T
            return (output.float() + added).to(output.dtype)

        return beside


def _checked(weight: float) -> float:
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not abs(weight) <= HEAVIEST:
        raise PlaygroundError(f"The weight of an adapter is {weight!r}; it must be from {-HEAVIEST:g} to {HEAVIEST:g}.")
    return float(weight)
