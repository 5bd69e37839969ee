"""Keys and values of texts that were read before, so that a new turn costs only its new tokens.

Found again by content: whoever sends a text that begins like a kept one need not have it read anew. It does not know
what a conversation is.
"""

import threading
from dataclasses import dataclass, field

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_SHORTEST = 16  # tokens: below, reading is as quick as looking


@dataclass(frozen=True)
class _Kept:
    ids: tuple[int, ...]  # what was read
    cache: DynamicCache
    n_bytes: int


@dataclass
class Prefixes:
    """Kept caches of one model, within `budget` bytes; the longest unused goes first."""

    budget: int
    _kept: list[_Kept] = field(default_factory=list)  # the longest unused first
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def n_bytes(self) -> int:
        with self._lock:
            return sum(kept.n_bytes for kept in self._kept)

    def take(self, ids: list[int], config) -> tuple[DynamicCache, int]:
        """A cache for a text, and how many of its tokens it holds already: at least one is left to read.

        The caller owns it: a kept cache that the text continues is handed over, one that it leaves half-way is copied.
        """
        with self._lock:
            shared = [(_common(kept.ids, ids), kept) for kept in self._kept]
            usable = [(min(n, len(ids) - 1), kept) for n, kept in shared if n == len(kept.ids) or _can_be_cut(kept)]
            n, kept = max(usable, key=lambda pair: pair[0], default=(0, None))
            if kept is None or n < _SHORTEST or (n < len(kept.ids) and not _can_be_cut(kept)):
                return DynamicCache(config=config), 0
            self._kept.remove(kept)
            if n == len(kept.ids):
                return kept.cache, n
            self._kept.append(kept)
        cache = DynamicCache(config=config)
        for layer, of in enumerate(kept.cache.layers):
            cache.update(of.keys[:, :, :n].clone(), of.values[:, :, :n].clone(), layer)
        return cache, n

    def keep(self, ids: list[int], cache: DynamicCache) -> None:
        """Keeps a cache that holds exactly `ids`, if there is room for it. The caller must not use it any more."""
        if any(type(layer).__name__.startswith("Linear") for layer in cache.layers):
            return  # a recurrent state cannot be cut, nor read on from more than one token at a time
        tensors = [t for layer in cache.layers if layer.is_initialized for t in (layer.keys, layer.values)]
        kept = _Kept(tuple(ids), cache, sum(t.numel() * t.element_size() for t in tensors))
        if len(ids) < _SHORTEST or kept.n_bytes > self.budget:
            return
        with self._lock:
            # the beginning of a text is of no more use when the whole is there
            self._kept = [k for k in self._kept if _common(k.ids, ids) < len(k.ids)]
            self._kept.append(kept)
            while sum(k.n_bytes for k in self._kept) > self.budget:
                self._kept.pop(0)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


def _common(a: tuple[int, ...], b: list[int]) -> int:
    """How many tokens two texts have in common at the start."""
    n = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    return min(len(a), len(b)) if n is None else n


def _can_be_cut(kept: _Kept) -> bool:
    """Whether the cache holds every position: one with a sliding window has forgotten the early ones."""
    return all(type(layer) is DynamicLayer for layer in kept.cache.layers)
