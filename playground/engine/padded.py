"""Texts of different lengths in one forward pass: padded on the left, masked, each with positions of its own.

What all of them begin with is read once, alone, and its keys and values stand before everybody's padding. It does not
choose tokens and does not know why the texts are read together.
"""

import copy
import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from playground.engine.decoding import Decoder
from playground.engine.engine import Engine

Layers = tuple[tuple[Tensor, Tensor], ...]  # keys and values of each layer, (row, head, column, head_dim)
_TRIED: WeakKeyDictionary[nn.Module, tuple[str, str]] = WeakKeyDictionary()  # reference, what `padding_shows` found


def why_alone(engine: Engine) -> str:
    """Why the texts of this model have to be read one at a time, as a sentence; empty when they need not."""
    model, name = engine.model, engine.reference
    if engine.anatomy.kind != "causal":
        return f"{name} is no decoder that reads from left to right ({engine.anatomy.kind} model)."
    accepted = inspect.signature(model.forward).parameters
    if not {"past_key_values", "attention_mask", "position_ids"} <= accepted.keys():
        return f"{name} cannot be told where each text begins ({engine.anatomy.architecture})."
    config = model.config.get_text_config(decoder=True)
    if engine.anatomy.is_recurrent or not model._supports_default_dynamic_cache():
        return f"{name} keeps a state instead of keys and values."
    if any(type(layer) is not DynamicLayer for layer in DynamicCache(config=config).layers):
        return f"{name} does not attend to the whole text in every layer."
    if turns_by_length(engine):
        return f"{name} turns its positions by the longest text of a batch."
    if getattr(config, "alibi", False):
        return f"{name} counts distances by column, padding included."
    return ""


def turns_by_length(engine: Engine) -> bool:
    """Whether positions are turned by how long the text is, so that its beginning depends on what follows."""
    rope = getattr(engine.model.config.get_text_config(decoder=True), "rope_parameters", None) or {}
    every = [rope, *(value for value in rope.values() if isinstance(value, dict))]  # some have one a kind of layer
    return bool({"dynamic", "longrope"} & {str(each.get(name)) for each in every for name in ("rope_type", "type")})


def tokens_a_pass(engine: Engine) -> int:
    """How many tokens to read at once: between passes a stop is heard, and others on this CPU get their turn."""
    return 256 if engine.device.type == "cpu" else 4096


def common_start(texts: Sequence[Sequence[int]]) -> int:
    """How many ids all texts begin with; never all of one, so that each has something left to read."""
    first, last = min(texts, key=tuple), max(texts, key=tuple)
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return min(n, min(map(len, texts)) - 1)


def read_start(engine: Engine, ids: Sequence[int], stopped: Callable[[], bool], reuse: bool = True) -> Layers | None:
    """Keys and values of what all texts begin with, one row; None when it was `stopped` on the way."""
    if not ids:
        return ()
    decoder = Decoder(engine, reuse)
    if decoder.start(torch.tensor([list(ids)], device=engine.device), stopped) is None:
        return None
    if (cache := decoder.cache) is None:
        raise RuntimeError(f"{engine.reference} keeps no keys and values")  # `why_alone` says so before
    return tuple((layer.keys, layer.values) for layer in cache.layers)


def bytes_per_token(layers: Layers) -> float:
    """What one column of one row holds."""
    return sum(t.element_size() * t.shape[1] * t.shape[3] for pair in layers for t in pair)


class Padded:
    """Texts that grow side by side. Holds keys and values on the model's device until it is dropped.

    A row's columns: the common start, padding, the rest of its text.
    """

    def __init__(self, engine: Engine, start: Layers, n_rows: int) -> None:
        """`start`: as `read_start` gives it."""
        self._engine = engine
        accepted = inspect.signature(engine.model.forward).parameters
        self._cuts_logits = "logits_to_keep" in accepted
        self._cache = _cache(engine, [(k.expand(n_rows, -1, -1, -1), v.expand(n_rows, -1, -1, -1)) for k, v in start])
        self.n_start = start[0][0].shape[2] if start else 0
        self._there = torch.ones(n_rows, self.n_start, dtype=torch.long)  # (row, column), on the CPU; 0: padding

    def __len__(self) -> int:
        return len(self._there)

    @property
    def n_columns(self) -> int:
        return self._there.shape[1]

    @property
    def layers(self) -> Layers:
        return tuple((layer.keys, layer.values) for layer in self._cache.layers)

    def read(self, rests: Sequence[Sequence[int]], stopped: Callable[[], bool]) -> Tensor | None:
        """Reads on, each row its own ids, at least one; the logits of what comes next, (row, vocabulary).

        None when it was `stopped` on the way.
        """
        ids, there = _left_padded(rests)
        width, logits = ids.shape[1], None
        for begin in range(0, width, step := max(1, tokens_a_pass(self._engine) // len(rests))):
            if stopped():
                return None
            piece = slice(begin, begin + step)
            logits = self._forward(ids[:, piece], there[:, piece], last_only=True)[:, -1]
        return logits

    def read_on(self, rests: Sequence[Sequence[int]]) -> Tensor:
        """As `read`, in one pass, with the logits after every id, (row, longest, vocabulary); padding in front."""
        return self._forward(*_left_padded(rests), last_only=False)

    def read_all(self, pieces: Sequence[Sequence[int]]) -> Tensor:
        """Reads on and gives the logits after every id, (row, longest, vocabulary); shorter rows are padded behind.

        Nothing can be read after it.
        """
        width = max(map(len, pieces))
        ids = torch.tensor([list(piece) + [0] * (width - len(piece)) for piece in pieces])
        there = torch.tensor([[1] * len(piece) + [0] * (width - len(piece)) for piece in pieces])
        return self._forward(ids, there, last_only=False)

    def next(self, ids: Sequence[int]) -> Tensor:
        """Adds one token to each row; the logits of what comes after it, (row, vocabulary)."""
        new = torch.tensor(ids)[:, None]
        return self._forward(new, torch.ones_like(new), last_only=True)[:, -1]

    def select(self, rows: Sequence[int]) -> None:
        """Leaves these rows, in this order; one that is named twice goes on in two ways. Columns of nobody go too."""
        self._there = self._there[list(rows)]
        columns = self._there.any(dim=0).nonzero()[:, 0]
        whole = len(columns) == self._there.shape[1]
        self._there = self._there[:, columns]
        chosen = torch.tensor(rows, device=self._engine.device)
        columns = columns.to(self._engine.device)
        for layer in self._cache.layers:
            for name in ("keys", "values"):
                kept = getattr(layer, name)[chosen]
                setattr(layer, name, kept if whole else kept[:, :, columns])

    def fork(self, rows: Sequence[int]) -> "Padded":
        """A copy of these rows, which goes on by itself."""
        other = copy.copy(self)
        other._cache = _cache(self._engine, self.layers)
        other.select(rows)
        return other

    def join(self, other: "Padded") -> None:
        """Takes the rows of `other` in, behind its own; both have the same start."""
        width = max(self._there.shape[1], other._there.shape[1])
        for side in (self, other):
            side._widen(width - side._there.shape[1])
        self._there = torch.cat([self._there, other._there])
        for mine, its in zip(self._cache.layers, other._cache.layers, strict=True):
            mine.keys, mine.values = torch.cat([mine.keys, its.keys]), torch.cat([mine.values, its.values])

    def _widen(self, n: int) -> None:
        """More padding, after the start."""
        if n == 0:
            return
        cut = self.n_start
        self._there = torch.cat([self._there[:, :cut], self._there.new_zeros(len(self), n), self._there[:, cut:]], 1)
        for layer in self._cache.layers:
            for name in ("keys", "values"):
                old = getattr(layer, name)
                padding = old.new_zeros(*old.shape[:2], n, old.shape[3])
                setattr(layer, name, torch.cat([old[:, :, :cut], padding, old[:, :, cut:]], dim=2))

    def _forward(self, ids: Tensor, there: Tensor, last_only: bool) -> Tensor:
        before = self._there.sum(dim=1, keepdim=True)
        positions = (before + there.cumsum(dim=1) - 1).clamp(min=0)
        self._there = torch.cat([self._there, there], dim=1)
        device = self._engine.device
        inputs = {
            "input_ids": ids.to(device),
            "attention_mask": self._there.to(device),
            "position_ids": positions.to(device),
            "past_key_values": self._cache,
            "use_cache": True,
            "return_dict": True,
        }
        if last_only and self._cuts_logits:
            # As an index, not as 1: that leaves a view with gaps between the rows, and torch then copies the whole
            # unembedding for each row.
            inputs["logits_to_keep"] = torch.tensor([ids.shape[1] - 1], device=device)
        with self._engine.turns.take() if self._engine.turns else nullcontext():
            return self._engine.model(**inputs).logits


def _left_padded(rests: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids and whether they are there, (row, longest) each; padding in front."""
    width = max(map(len, rests))
    ids = torch.tensor([[0] * (width - len(rest)) + list(rest) for rest in rests])
    there = torch.tensor([[0] * (width - len(rest)) + [1] * len(rest) for rest in rests])
    return ids, there


def _cache(engine: Engine, layers: Sequence[tuple[Tensor, Tensor]]) -> DynamicCache:
    """A cache that begins with these keys and values, without copying them."""
    cache = DynamicCache(config=engine.model.config)
    for layer, (keys, values) in zip(cache.layers, layers, strict=False):
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
    return cache


def padding_shows(engine: Engine, stopped: Callable[[], bool] = lambda: False) -> str:
    """A trial on this model: does a text read beside a longer one come out as it does alone? A sentence if not.

    Once for each model, and again when its weights have become those of another reference. Stopped: an empty one, and
    the next call tries.
    """
    reference, found = _TRIED.get(engine.model, ("", ""))
    if reference != engine.reference:
        found = _try_padding(engine, stopped)
        if not stopped():
            _TRIED[engine.model] = engine.reference, found
    return found


def _try_padding(engine: Engine, stopped: Callable[[], bool]) -> str:
    n = engine.anatomy.vocabulary_size
    long, short = [i % n for i in range(3, 12)], [3, 20 % n, 7 % n]
    with torch.inference_mode():
        expected = Padded(engine, (), 1).read([short], stopped)
        start = read_start(engine, long[:1], stopped, reuse=False)
        seen = None if start is None else Padded(engine, start, 2).read([long[1:], short[1:]], stopped)
        if expected is None or seen is None:
            return ""
        off = (seen[1].float() - expected[0].float()).abs().max() / expected[0].float().abs().max().clamp(min=1e-9)
    allowed = 1e-3 if engine.dtype == torch.float32 else 0.05  # rounding alone
    if off <= allowed:
        return ""
    return f"{engine.reference} reads a text beside a longer one differently (its logits are {off:.0%} off)."
