"""Queries and keys of one layer: the vectors whose products attention is made of.

It does not know how they are drawn.
"""

import threading
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine import provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.attention import maps as maps_lab
from playground.labs.reading import Reading


@dataclass(frozen=True, eq=False)
class QueriesKeys:
    """One layer's vectors, with positions turned in where the model does that."""

    queries: Floats  # (head, query, head_dim) float32, scaled so that q·k / sqrt(head_dim) is the score
    keys: Floats  # (head, key, head_dim) float32; those of grouped heads are repeated
    weights: Floats  # (head, query, key) float32; rows sum to 1
    looking: Reading
    looked_at: Reading
    layer: int
    causal: bool
    exact: bool  # softmax of the scores gives the weights; not so where a cap or a bias comes between
    provenance: Provenance


def queries_keys(
    engine: Engine,
    text: str,
    layer: int,
    text_pair: str = "",
    stack: str | None = None,
    kind: str = "self",
    complete: bool = False,
    stop: threading.Event | None = None,
) -> QueriesKeys:
    """Queries, keys and weights of one layer, from one forward pass. Arguments as `maps.attention`.

    Raises:
        PlaygroundError: the model computes its attention where queries and keys cannot be seen; or as `maps.attention`.
    """
    started = time.perf_counter()
    if not engine.attention_edits and engine.attention_sites:
        raise PlaygroundError(
            f"{engine.reference} ({engine.anatomy.architecture}) computes attention in code of its own, where its "
            "queries and keys cannot be seen. The other views work; or pick another model."
        )
    place = maps_lab.prepare(engine, text, text_pair, stack, kind, complete, stop)
    if layer not in place.layers:
        raise PlaygroundError(
            f"{engine.reference} has no such attention in layer {layer}; it has it in {len(place.layers)} layers, from "
            f"{place.layers[0]} to {place.layers[-1]}. Pick one of them."
        )
    seen: dict[str, Tensor] = {}

    def keep(_layer: int, weights: Tensor) -> None:
        seen["weights"] = weights.float().cpu()

    def keep_vectors(_layer: int, queries: Tensor, keys: Tensor) -> None:
        seen["queries"], seen["keys"] = queries.float().cpu(), keys.float().cpu()

    maps_lab.each_layer(engine, place, [layer], keep, stop, keep_vectors)
    weights = seen["weights"].numpy()
    return QueriesKeys(
        queries=seen["queries"].numpy(),
        keys=seen["keys"].numpy(),
        weights=weights,
        looking=place.queries,
        looked_at=place.keys,
        layer=layer,
        causal=place.queries is place.keys and not np.triu(weights, 1).any(),
        exact=_exact(seen["queries"], seen["keys"], weights, 1e-4 if engine.dtype == torch.float32 else 2e-2),
        provenance=provenance.of(
            engine, dict(stack=place.stack, kind=place.kind, layer=layer), time.perf_counter() - started
        ),
    )


def _exact(queries: Tensor, keys: Tensor, weights: Floats, tolerance: float) -> bool:
    """Whether the softmax of the scores is what the model computed, over the keys that are looked at at all."""
    scores = (queries @ keys.transpose(1, 2)) / queries.shape[-1] ** 0.5
    shown = torch.from_numpy(weights)
    again = scores.masked_fill(shown == 0, float("-inf")).softmax(-1)
    return bool(torch.allclose(again, shown, atol=tolerance))
