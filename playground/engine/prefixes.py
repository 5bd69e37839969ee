"""Keys and values of prompts that were read before, so that a new turn does not read the whole conversation anew.

A prompt is read in blocks that begin at fixed positions, and whole blocks alone are kept: so the numbers are bit for
bit those of reading it anew, whoever had it read. Found again by content; it does not know what a conversation is.
"""

import threading
from dataclasses import dataclass, field

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


@dataclass(frozen=True)
class _Kept:
    ids: tuple[int, ...]  # what was read
    layers: tuple[tuple[Tensor, Tensor], ...]  # keys and values, (1, head, position, head_dim); never written to
    n_bytes: int


@dataclass
class Prefixes:
    """Beginnings of prompts, within `budget` bytes; the longest unused goes first."""

    budget: int
    _kept: list[_Kept] = field(default_factory=list)  # the longest unused first
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def n_bytes(self) -> int:
        with self._lock:
            return sum(kept.n_bytes for kept in self._kept)

    def take(self, ids: list[int], block: int, cache: DynamicCache) -> int:
        """Fills an empty cache with what is kept of a prompt; returns how many tokens that is.

        Whole blocks of `block` tokens, and never all of the prompt: its last token is left to read.
        """
        with self._lock:
            shared = [(min(_common(kept.ids, ids), len(ids) - 1) // block * block, kept) for kept in self._kept]
            n, kept = max(shared, key=lambda pair: pair[0], default=(0, None))
            if kept is None or n == 0:
                return 0
            self._kept.remove(kept)
            self._kept.append(kept)
        for layer, (keys, values) in enumerate(kept.layers):
            cache.update(keys[:, :, :n], values[:, :, :n], layer)  # copies them
        return n

    def keep(self, ids: list[int], block: int, cache: DynamicCache) -> None:
        """Keeps the whole blocks of a prompt that begins the cache, as many as there is room for."""
        if not all(type(layer) is DynamicLayer and layer.is_initialized for layer in cache.layers):
            return  # a window has forgotten the beginning, and a recurrent state cannot be cut; or nothing was read
        # more than there is room for would drive out everybody else's, and then itself
        n = min(len(ids) // block, self.budget // (block * _bytes_of_a_token(cache))) * block
        if n == 0:
            return
        with self._lock:
            held = next((kept for kept in self._kept if _common(kept.ids, ids[:n]) == n), None)
            if held is not None:  # as it is, or as the beginning of a longer one
                self._kept.remove(held)
                self._kept.append(held)
                return
        layers = tuple((layer.keys[:, :, :n].clone(), layer.values[:, :, :n].clone()) for layer in cache.layers)
        kept = _Kept(tuple(ids[:n]), layers, sum(t.numel() * t.element_size() for pair in layers for t in pair))
        with self._lock:
            # the beginning of a text is of no more use when more of it is there
            self._kept = [k for k in self._kept if _common(k.ids, kept.ids) < len(k.ids)]
            self._kept.append(kept)
            while self._kept and sum(k.n_bytes for k in self._kept) > self.budget:
                self._kept.pop(0)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


def _bytes_of_a_token(cache: DynamicCache) -> int:
    """Bytes of its keys and values in all layers."""
    tensors = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
    return sum(tensor.numel() // tensor.shape[2] * tensor.element_size() for tensor in tensors)


def _common(a: tuple[int, ...], b: tuple[int, ...] | list[int]) -> int:
    """How many tokens two texts have in common at the start."""
    n = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    return min(len(a), len(b)) if n is None else n
