"""Attentions and residuals of chosen layers, for this request alone.

Recorded values go to the CPU at once, in float32. It does not know what anybody makes of them.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

from playground.engine.engine import Engine, returned_maps
from playground.engine.tap import Site, Tap, open_tap
from playground.errors import PlaygroundError


@dataclass(frozen=True)
class Observation:
    """What one forward pass showed. Tensors are float32 on the CPU."""

    logits: Tensor | None  # (batch, position, vocabulary); None for models without an unembedding
    attentions: dict[Site, Tensor] = field(default_factory=dict)  # (batch, head, query, key); rows sum to 1
    residuals: dict[Site, Tensor] = field(default_factory=dict)  # (batch, position, hidden), after the block


def observe(
    engine: Engine,
    inputs: dict[str, Tensor],
    attention_sites: Collection[Site] = (),
    residual_layers: Collection[int] = (),
) -> Observation:
    """Runs `inputs` once and records attention maps at the given sites and residuals after the given layers.

    Args:
        inputs: keyword arguments of the model's forward, like {"input_ids": (batch, position)}.
        attention_sites: some of `engine.attention_sites`.
        residual_layers: layers counted from 0, of every stack that has them.

    Raises:
        PlaygroundError: the architecture does not offer one of the sites.
    """
    missing = set(attention_sites) - set(engine.attention_sites)
    if missing:
        raise PlaygroundError(
            f"{engine.reference} ({engine.anatomy.architecture}) offers no attention maps there. "
            + ("Pick another layer." if engine.attention_sites else "Its layers do not use attention that can be read.")
        )
    attentions: dict[Site, Tensor] = {}
    residuals: dict[Site, Tensor] = {}

    def keep_attention(site: Site, weights: Tensor) -> None:
        attentions[site] = weights.float().cpu()

    def keep_residual(site: Site, residual: Tensor) -> None:
        if site.layer in residual_layers:
            residuals[site] = residual.float().cpu()

    tap = Tap(
        attention=keep_attention,
        sites=frozenset(attention_sites),
        residual=keep_residual if residual_layers else None,
    )
    asked = {"output_attentions": True} if attention_sites and not engine.attention_edits else {}
    with torch.inference_mode(), open_tap(tap):
        output = engine.model(**inputs, **asked)
    if asked:
        for site, weights in returned_maps(engine.anatomy, output).items():
            if site in attention_sites:
                keep_attention(site, weights)
    logits = output.get("logits")
    return Observation(None if logits is None else logits.float().cpu(), attentions, residuals)
