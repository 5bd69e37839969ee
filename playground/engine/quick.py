"""The commonest kind of block, computed in fewer steps while one token a text is read.

Writing with a small model on a CPU spends much of its time between the products, on a hundred small steps a block. The
block of Llama and of the many that are built like it (norm, attention with turned positions, norm, gated MLP) is
computed here by the same arithmetic in the same order with fewer calls: queries and keys are turned together, and what
several layers read is multiplied once (`joint`). It serves only where the model's own code gives the very same bits,
which is tried when the model is loaded. Whoever watches or changes something inside (`tap`) gets the model's own code.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache

from playground.engine import tap
from playground.engine.joint import Joint
from playground.engine.loaded import Forward

log = logging.getLogger(__name__)
_FAR = 1_000_000  # position of a token: beyond what any context holds
_SIGNED = "_playground_signed"  # the name under which sines carry themselves with the first half negative


@dataclass(eq=False)
class QuickBlock:
    """Stands in for one block's `forward`."""

    own: Forward  # the block's own forward
    attention: nn.Module
    mlp: nn.Module
    norms: tuple[nn.Module, nn.Module]
    into_attention: Joint  # queries, keys, values
    into_mlp: Joint  # gate, up
    n_heads: int  # of queries and keys
    n_query_heads: int
    width: int  # of a head

    def __call__(self, hidden_states: Tensor, *rest: Any, **named: Any) -> Tensor:
        cache, turned = named.get("past_key_values"), named.get("position_embeddings")
        if rest or cache is None or turned is None or hidden_states.shape[1] != 1 or tap.is_open():
            return self.own(hidden_states, *rest, **named)
        n = len(hidden_states)
        products = self.into_attention.products(_normed(self.norms[0], hidden_states).view(n, -1))
        if products is None:
            return self.own(hidden_states, *rest, **named)
        turning = self.n_heads * self.width
        both = _turn(products[:, :turning].view(n, self.n_heads, 1, self.width), *turned)
        query, key = both.split([self.n_query_heads, self.n_heads - self.n_query_heads], dim=1)
        value = products[:, turning:].view(n, -1, 1, self.width)
        key, value = cache.update(key, value, self.attention.layer_idx)
        attended = self._attend(query, key, value, named.get("attention_mask"))
        hidden = hidden_states + self.attention.o_proj(attended.reshape(n, 1, -1))
        products = self.into_mlp.products(_normed(self.norms[1], hidden).view(n, -1))
        if products is None:
            return hidden + self.mlp(self.norms[1](hidden))
        gate, up = products.view(n, 1, -1).chunk(2, dim=-1)
        return hidden + self.mlp.down_proj(self.mlp.act_fn(gate) * up)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """(text, 1, head, width)."""
        scaling = self.attention.scaling
        if mask is None and isinstance(key, Tensor):
            attended = functional.scaled_dot_product_attention(query, key, value, scale=scaling, enable_gqa=True)
            return attended.transpose(1, 2)
        return tap.attention(self.attention, query, key, value, mask, dropout=0.0, scaling=scaling)[0]


def _normed(norm: nn.Module, hidden: Tensor) -> Tensor:
    """Root mean square normalisation (Zhang and Sennrich 2019), rounded before the weights as the models do."""
    wide = hidden.float()
    scale = wide.square().mean(-1, keepdim=True).add_(norm.variance_epsilon).rsqrt_()
    return (wide * scale).to(hidden.dtype) * norm.weight


def _turn(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021): x cos + (-second half, first half) sin.

    Args:
        vectors: (text, head, 1, width).
        cosines, sines: (text, 1, width); the same two for all blocks of a pass.
    """
    signed = getattr(sines, _SIGNED, None)
    half = sines.shape[-1] // 2
    if signed is None:
        signed = torch.cat([-sines[..., :half], sines[..., half:]], dim=-1).unsqueeze(1)
        setattr(sines, _SIGNED, signed)
    first, second = vectors.split(half, dim=-1)
    return vectors * cosines.unsqueeze(1) + torch.cat([second, first], dim=-1) * signed


def _made_for(block: nn.Module) -> QuickBlock | None:
    """The quick way for a block that has the right parts; None for any other."""
    try:
        attention, mlp = block.self_attn, block.mlp
        norms = block.input_layernorm, block.post_attention_layernorm
        width, _, _ = attention.head_dim, attention.scaling, attention.layer_idx
        families = [attention.q_proj, attention.k_proj, attention.v_proj], [mlp.gate_proj, mlp.up_proj]
        joints = [family[0].joint and family[0].joint[0] for family in families]
        parts = {*attention.children(), *mlp.children()} - {mlp.act_fn}
        _ = [norm.variance_epsilon for norm in norms], mlp.down_proj
    except AttributeError:
        return None
    if parts != {*families[0], *families[1], attention.o_proj, mlp.down_proj}:
        return None  # it has more to it
    if any(joint is None or joint.members != tuple(family) for joint, family in zip(joints, families, strict=True)):
        return None
    n_query_heads, n_key_heads = (layer.out_features // width for layer in families[0][:2])
    n_heads = n_query_heads + n_key_heads
    return QuickBlock(block.forward, attention, mlp, norms, joints[0], joints[1], n_heads, n_query_heads, width)


def quicken(model: nn.Module, blocks: Sequence[nn.Module], ids: Tensor) -> bool:
    """Puts the quick way in front of every block, if all have one and it changes no bit; returns whether it did.

    Call it before anybody else has the model.

    Args:
        ids: (1, at least 2) tokens to try it on.
    """
    made = [(block, _made_for(block)) for block in blocks]
    if not made or any(quick is None for _, quick in made):
        return False
    try:
        own = _tried(model, ids)
        for block, quick in made:
            block.forward = quick
        found = _tried(model, ids)
        if all(torch.equal(a, b) for a, b in zip(own, found, strict=True)):
            return True
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError) as error:
        log.info("%s keeps its own blocks: %s", type(model).__name__, error)
    for block, _ in made:
        block.__dict__.pop("forward", None)
    return False


@torch.inference_mode()
def _tried(model: nn.Module, ids: Tensor) -> list[Tensor]:
    """Logits of the last token, read after the others, of one text and of two; and all keys and values.

    Its place is far away at first, for what depends on it, and then the next one.
    """
    found = []
    for place, texts in ((_FAR, ids), (ids.shape[1] - 1, ids), (ids.shape[1] - 1, torch.cat([ids, ids.flip(1)]))):
        cache = DynamicCache(config=model.config)
        model(input_ids=texts[:, :-1], past_key_values=cache, use_cache=True)
        last = {"input_ids": texts[:, -1:], "position_ids": torch.full((len(texts), 1), place)}
        found.append(model(**last, past_key_values=cache, use_cache=True).logits)
        found += [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
    return found
