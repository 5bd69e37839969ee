"""Steering: a direction in the residual, found as the difference between two sets of prompts, added while it writes.

As in contrastive activation addition (Rimsky et al. 2024): the mean residual of one set at a layer, minus that of the
other. What it does to the text must be read off the text; a direction can carry more than its name. It does not know
what the prompts are about.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine import passes, provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.tap import Site, Tap
from playground.errors import PlaygroundError
from playground.models.progress import Report, quiet

Pooling = Literal["last", "mean"]
STRONGEST = 1000.0
# Tried on the starter, greedily: at strength -2 the food, "amazing" without, becomes "terrible".
EXAMPLE = {
    "positive": (
        "I love this! It is wonderful and makes me so happy.",
        "Amazing! What a beautiful, joyful day.",
        "This is great work, I am delighted with it.",
    ),
    "negative": (
        "I hate this! It is awful and makes me so angry.",
        "Terrible! What an ugly, miserable day.",
        "This is the worst work, I am disgusted with it.",
    ),
    "layer": 10,
    "pooling": "mean",
    "strength": -2.0,
    "text": "I went to the new restaurant and the food was",
}


@dataclass(frozen=True, eq=False)
class Direction:
    """A steering vector at one layer's output."""

    layer: int
    vector: Floats  # (hidden,), float32: mean of the positive prompts minus mean of the negative ones
    norm: float  # of the vector
    residual_norm: float  # typical norm of a residual there: the mean over all prompts' tokens but the first
    separation: float  # share of prompts that lie on their own side of the middle between both means; 0.5 is chance
    provenance: Provenance


def direction(
    engine: Engine,
    positive: Sequence[str],
    negative: Sequence[str],
    layer: int,
    pooling: Pooling = "last",
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Direction:
    """The direction from the negative to the positive prompts after a layer.

    Args:
        pooling: what stands for a prompt: its last token, or the mean over its tokens but the first (which models use
            as a resting place). Prompts of one token count by that.

    Raises:
        PlaygroundError: a set is empty, both are the same, no such layer, an encoder-decoder, stopped.
    """
    started = time.perf_counter()
    sets = [[text for text in texts if text.strip()] for texts in (positive, negative)]
    if not all(sets):
        raise PlaygroundError("Both sets need at least one prompt. Write one a line.")
    if pooling not in get_args(Pooling):
        raise PlaygroundError(f"“{pooling}” is no way to pool. There are: {', '.join(get_args(Pooling))}.")
    _check(engine, layer)
    site = Site(engine.anatomy.main.name, layer, "block")
    pooled: list[list[Tensor]] = [[], []]
    norms = []
    n_done, n_texts = 0, sum(map(len, sets))
    try:
        for side, texts in enumerate(sets):
            for text in texts:
                report(n_done / n_texts, f"Reading prompt {n_done + 1} of {n_texts}")
                seen: list[Tensor] = []
                ids = engine.encode(text)
                passes.last_residual(engine, {"input_ids": ids}, {site: seen.append}, stop=stop)
                values = seen[0][0].float().cpu()
                rest = values[1:] if len(values) > 1 else values
                pooled[side].append(values[-1] if pooling == "last" else rest.mean(0))
                norms.append(rest.norm(dim=-1).mean().item())
                n_done += 1
    except passes.Stopped:
        raise PlaygroundError("Stopped before all prompts were read.") from None
    means = [torch.stack(rows).mean(0) for rows in pooled]
    vector = means[0] - means[1]
    if vector.norm() < 1e-6 * max(norms):
        raise PlaygroundError("Both sets give the same residual, so there is no direction. Write different prompts.")
    middle = (means[0] + means[1]) / 2
    right = [((row - middle) @ vector > 0) == (side == 0) for side in (0, 1) for row in pooled[side]]
    return Direction(
        layer,
        vector.numpy(),
        vector.norm().item(),
        float(np.mean(norms)),
        float(np.mean([bool(r) for r in right])),
        provenance.of(
            engine,
            {"positive": sets[0], "negative": sets[1], "layer": layer, "pooling": pooling},
            time.perf_counter() - started,
        ),
    )


def at_random(found: Direction, seed: int = 0) -> Direction:
    """A control: a random direction as long as the one that was found. What both do says nothing about the prompts."""
    random = np.random.default_rng(seed).standard_normal(len(found.vector))
    vector = (random * (found.norm / np.linalg.norm(random))).astype(np.float32)
    return replace(found, vector=vector, separation=float("nan"))


def tap(engine: Engine, found: Direction, strength: float) -> Tap:
    """A Tap that adds `strength` times the vector after its layer, at every position. 0 changes no bit.

    Raises:
        PlaygroundError: the strength is no usable number, or the direction belongs to another model.
    """
    if isinstance(strength, bool) or not isinstance(strength, (int, float)) or not abs(strength) <= STRONGEST:
        raise PlaygroundError(f"The strength is {strength!r}; it must be from {-STRONGEST:g} to {STRONGEST:g}.")
    _check(engine, found.layer)
    if len(found.vector) != engine.anatomy.hidden_size:
        raise PlaygroundError(
            f"The direction has {len(found.vector)} numbers and residuals of {engine.reference} have "
            f"{engine.anatomy.hidden_size}: it was made with another model. Make it anew."
        )
    site = Site(engine.anatomy.main.name, found.layer, "block")
    added = (torch.from_numpy(found.vector) * float(strength)).to(engine.device, engine.dtype)

    def residual(at: Site, values: Tensor) -> Tensor | None:
        return values + added if at == site and strength != 0 else None

    return Tap(residual=residual)


def _check(engine: Engine, layer: int) -> None:
    if engine.anatomy.kind == "seq2seq":
        raise PlaygroundError(f"{engine.reference} is an encoder-decoder; steering is for models with one stack.")
    if not 0 <= layer < engine.anatomy.n_layers:
        raise PlaygroundError(f"{engine.reference} has no layer {layer}: they are 0 to {engine.anatomy.n_layers - 1}.")
