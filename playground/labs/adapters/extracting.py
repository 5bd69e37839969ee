"""A LoRA out of the difference of two models: the best of each rank, and how much it misses.

For each linear layer the difference of the weights is cut to a rank by its singular vectors; nothing of that rank is
nearer (Eckart and Young 1936). Of a model that was fine-tuned in full the curve falls slowly; of one with a merged LoRA
it drops at that LoRA's rank, down to what rounding left. Changes of norms and embeddings are no part of a LoRA: they
are counted, and lost. It does not know how the models came about.
"""

import threading
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from playground.arrays import Floats
from playground.engine import provenance
from playground.engine.adapters import Adapter, Factors
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.adapters.composing import principal
from playground.models.progress import Report, quiet

HIGHEST = 64  # rank that is kept of each layer


@dataclass(frozen=True, eq=False)
class Extraction:
    """The difference of two models, layer by layer, as factors of the highest rank that was kept."""

    tuned: str
    base: str
    layers: dict[str, Factors]  # of rank `HIGHEST`, or less where the layer is smaller
    spectra: dict[str, Floats]  # (min(out, in),), singular values of each layer that differs, largest first
    errors: Floats  # (rank + 1,): ||difference - LoRA of that rank|| / ||difference||, Frobenius, all layers; [0] is 1
    unchanged: int  # linear layers that are the same in both
    lost: tuple[str, ...]  # other parameters that differ: no LoRA on linear layers holds them
    lost_share: float  # their share of the squared norm of all differences, 0 to 1
    provenance: Provenance

    def adapter(self, rank: int, name: str = "extracted") -> Adapter:
        """The LoRA of a rank.

        Raises:
            PlaygroundError: no such rank was kept.
        """
        if not 1 <= rank < len(self.errors):
            raise PlaygroundError(f"The rank is {rank}; from 1 to {len(self.errors) - 1} can be had.")
        return Adapter(name, {path: Factors(f.a[:rank], f.b[:, :rank]) for path, f in self.layers.items()})


def extract(tuned: Engine, base: Engine, report: Report = quiet, stop: threading.Event | None = None) -> Extraction:
    """Takes the difference `tuned` - `base` apart.

    Raises:
        PlaygroundError: they are not built alike, do not differ in any linear layer, or stopped.
    """
    started = time.perf_counter()
    theirs = dict(base.model.named_parameters())
    mine = dict(tuned.model.named_parameters())
    pairs = _linear(tuned, base)
    inside = {id(p) for m, _ in pairs.values() for p in (m.weight,) if isinstance(p, nn.Parameter)}
    layers, spectra, unchanged = {}, {}, 0
    total, kept_tail = 0.0, np.zeros(HIGHEST + 1)
    for n, (path, (one, other)) in enumerate(pairs.items()):
        if stop is not None and stop.is_set():
            raise PlaygroundError("Stopped before all layers were taken apart.")
        report(n / len(pairs), f"Taking layer {n + 1} of {len(pairs)} apart")
        delta = one.weight.detach().double().cpu() - other.weight.detach().double().cpu()
        if type(one).__name__ == "Conv1D":  # which keeps its weight as (in, out)
            delta = delta.T
        if not delta.any():
            unchanged += 1
            continue
        vectors, values = principal(delta)
        b = vectors[:, :HIGHEST]
        root = values[: b.shape[1]].sqrt().clamp(min=1e-12)
        layers[path] = Factors(((b.T @ delta) / root[:, None]).float(), (b * root).float())
        spectra[path] = values.float().numpy()
        squares = values.square().numpy()
        tail = np.concatenate([np.cumsum(squares[::-1])[::-1], np.zeros(HIGHEST + 1)])[: HIGHEST + 1]
        kept_tail += tail
        total += squares.sum()
    if not layers:
        raise PlaygroundError(
            f"{tuned.reference} and {base.reference} are the same in every linear layer, so there is nothing to "
            "extract. Pick two models that differ."
        )
    lost, lost_square = [], 0.0
    for name, parameter in mine.items():
        if id(parameter) in inside or name not in theirs:
            continue
        square = (parameter.detach().double() - theirs[name].detach().double()).square().sum().item()
        if square:
            lost.append(name)
            lost_square += square
    return Extraction(
        tuned.reference,
        base.reference,
        layers,
        spectra,
        np.sqrt(kept_tail / total),
        unchanged,
        tuple(lost),
        lost_square / (lost_square + total),
        provenance.of(tuned, {"base": base.reference, "highest": HIGHEST}, time.perf_counter() - started),
    )


def _linear(tuned: Engine, base: Engine) -> dict[str, tuple[nn.Module, nn.Module]]:
    """The linear layers inside the blocks of both, by path."""
    others = dict(base.model.named_modules())
    blocks = {module for stack in tuned.anatomy.stacks for block in stack.blocks for module in block.modules()}
    found = {}
    for path, module in tuned.model.named_modules():
        weight = getattr(module, "weight", None)
        if module not in blocks or not isinstance(weight, torch.Tensor) or weight.dim() != 2:
            continue
        if isinstance(module, nn.Embedding):
            continue
        other = getattr(others.get(path), "weight", None)
        if not isinstance(other, torch.Tensor) or other.shape != weight.shape:
            raise PlaygroundError(
                f"{tuned.reference} and {base.reference} are not built alike: they differ in the shape of {path}. "
                "Pick a model and the one that it was made from."
            )
        found[path] = (module, others[path])
    if not found:
        raise PlaygroundError(f"{tuned.reference} has no linear layers that a LoRA could hold.")
    return found
