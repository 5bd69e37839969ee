"""Texts that grow at the same time on one CPU: the next token of each read in one forward pass, bit for bit as alone.

A pass multiplies every weight of the model with the row of one token, and a second row costs little more. So whoever
waits for a turn goes along with the one whose turn it is. What is done row by row is done together; keys, values and
attention stay each text's own. The very same numbers come of it where the rows of a product do not depend on how many
there are: `rows` and `int8` give a model's layers such products where the machine has them (`steady`). A model of which
a layer has none is read one text at a time. Whether nothing else differs is tried: passes of each size are computed
both ways and compared, the first three and then ever more seldom, and when they differ everybody goes alone from then
on. It does not know whose texts they are, or how a token is chosen.
"""

import functools
import inspect
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from playground.engine import steady
from playground.engine.int8 import Int8Linear
from playground.engine.loaded import Forward
from playground.engine.turns import Group, Turns

MOST = steady.MOST  # texts in one pass
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Wish:
    """A token to be read after what a cache holds."""

    token: int
    position: int
    cache: DynamicCache
    alone: Callable[[], Tensor]  # reads it by itself: the logits of what comes next, (vocabulary,)
    logits: Tensor | None = None  # the same, when it has been read


class Rows(tuple[Tensor, ...]):
    """Keys or values of several texts, each (1, key-value head, position, head_dim), in place of one tensor."""


class _Caches(Cache):
    """The caches of several texts, each of which gets its own row of what is new."""

    def __init__(self, caches: list[DynamicCache]) -> None:
        super().__init__(layers=[])
        self._caches = caches

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object, **__: object) -> tuple[Rows, Rows]:
        rows = zip(self._caches, keys.split(1), values.split(1), strict=True)
        pairs = [cache.update(key, value, layer) for cache, key, value in rows]
        return Rows(key for key, _ in pairs), Rows(value for _, value in pairs)

    # One new token sees all that its own text has: no mask is needed, and lengths, which differ, are not asked for.
    def get_seq_length(self, layer: int = 0) -> int:
        return 0

    def get_query_offset(self, layer: int = 0) -> int:
        return 0

    def get_mask_sizes(self, query_length: int, layer: int) -> tuple[int, int]:
        return query_length, 0


def attend_each(
    attention: Forward, module: nn.Module, query: Tensor, key: Rows, value: Rows, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention of one new token of each text to its own keys and values, (text, 1, head, head_dim)."""
    if mask is not None:
        raise ValueError("this model adds something of its own to attention")
    each = zip(query.split(1), key, value, strict=True)
    return torch.cat([attention(module, q, k, v, None, **options)[0] for q, k, v in each]), None


def always(model: nn.Module) -> dict[str, Any]:
    """What every forward pass that writes gets beside the tokens: the logits of the last one alone are wanted."""
    return {"return_dict": True} | ({"logits_to_keep": 1} if "logits_to_keep" in accepted(model) else {})


@functools.cache
def _parameters(forward: Forward) -> frozenset[str]:
    return frozenset(inspect.signature(forward).parameters)


def accepted(model: nn.Module) -> frozenset[str]:
    """What a model's forward pass can be given, by name."""
    return _parameters(type(model).forward)


def can_share(cache: DynamicCache) -> bool:
    """Whether all that a text keeps is keys and values of all its tokens."""
    return bool(cache.layers) and all(type(layer) is DynamicLayer for layer in cache.layers)


@dataclass(eq=False)
class Company:
    """Those who write with one model at the same time."""

    model: nn.Module
    turns: Turns
    serves: bool = field(init=False)  # until a comparison shows otherwise
    _group: Group = field(default_factory=Group)
    _passes: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # by number of texts

    def __post_init__(self) -> None:
        self.serves = _is_steady(self.model)

    def next(self, wish: Wish) -> Tensor:
        """Reads one token in turn, with others who wait; returns the logits of what comes next, (vocabulary,)."""
        with self.turns.share(self._group if self.serves else Group(), wish, MOST) as wishes:
            if wishes:
                self._do(wishes)
        if wish.logits is None:  # the pass that took it along failed
            with self.turns.take():
                wish.logits = wish.alone()
        return wish.logits

    def _do(self, wishes: list[Wish]) -> None:
        if len(wishes) == 1 or not self.serves:  # those who had joined before it was known not to serve
            _each_alone(wishes)
            return
        n_before = [wish.cache.get_seq_length() for wish in wishes]
        try:
            together = self._read(wishes)
        except BaseException as error:
            _cut(wishes, n_before)
            if not isinstance(error, RuntimeError | TypeError | ValueError | AttributeError | IndexError):
                raise
            log.info("%s reads one text at a time: %s", type(self.model).__name__, error)
            self.serves = False
            return
        passes = self._passes[len(wishes)]
        self._passes[len(wishes)] += 1
        if passes & (passes - 1):  # no power of two: not compared
            for wish, logits in zip(wishes, together, strict=True):
                wish.logits = logits
            return
        kept = [_newest(wish.cache) for wish in wishes]
        _cut(wishes, n_before)
        _each_alone(wishes)
        for wish, logits, newest in zip(wishes, together, kept, strict=True):
            if wish.logits is None:
                continue
            same = torch.equal(wish.logits, logits) and all(map(torch.equal, newest, _newest(wish.cache)))
            if self.serves and not same:
                log.info("%s reads one text at a time: together its numbers differ", type(self.model).__name__)
                self.serves = False

    def _read(self, wishes: list[Wish]) -> Tensor:
        """(text, vocabulary)."""
        ids = torch.tensor([[wish.token] for wish in wishes])
        positions = torch.tensor([[wish.position] for wish in wishes])
        caches = _Caches([wish.cache for wish in wishes])
        return self.model(
            input_ids=ids, position_ids=positions, past_key_values=caches, use_cache=True, **always(self.model)
        ).logits[:, -1]


def _is_steady(model: nn.Module) -> bool:
    """Whether all that a model multiplies is looked up by row, or has products whose rows do not depend on each other.

    Parameters of one axis are scales and biases, which work number by number.
    """
    multiplying = {module for module in model.modules() for part in module.parameters(False) if part.dim() > 1}
    multiplying |= {module for module in model.modules() if isinstance(module, Int8Linear)}
    return all(isinstance(module, nn.Embedding) or getattr(module, "steady", False) for module in multiplying)


def _each_alone(wishes: Sequence[Wish]) -> None:
    """What fails leaves its text as it was. The error of the first is raised; the others meet theirs by themselves."""
    failed: list[BaseException] = []
    for wish in wishes:
        n = wish.cache.get_seq_length()
        try:
            wish.logits = wish.alone()
        except BaseException as error:
            _cut([wish], [n])
            if wish is wishes[0] or not isinstance(error, Exception):
                failed.append(error)
    if failed:
        raise failed[0]


def _newest(cache: DynamicCache) -> list[Tensor]:
    """Keys and values of the last token, layer by layer."""
    return [kept[..., -1, :] for layer in cache.layers for kept in (layer.keys, layer.values)]


def _cut(wishes: Sequence[Wish], n_tokens: Sequence[int]) -> None:
    """Forgets what came after so many tokens of each; a pass that failed may have reached only some of the layers."""
    for wish, n in zip(wishes, n_tokens, strict=True):
        for layer in wish.cache.layers:
            layer.crop(n - layer.get_seq_length())
