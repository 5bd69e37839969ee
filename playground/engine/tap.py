"""The places where a forward pass can be watched or changed, open only to the request that asks.

PyTorch hooks and attention implementations belong to a model and so to everybody who uses it. Here the model gets
one attention function and one hook a block when it is loaded, and each looks at a context variable: unset, the model
runs as if they were not there; set, they call the `Tap` of this thread's request and of no other. Modules inside a
block get no hook, which would cost every token of everybody: while a request wants to be called around one, a door
stands in for its `forward`, through which all other requests pass straight. It does not know what a Tap does with what
it sees: `observe` and `intervene` do.
"""

import contextlib
import copy
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from playground.engine.company import Rows, attend_each
from playground.engine.loaded import Forward

ATTENTION = "playground"  # the name under which transformers knows our attention function
_SITE = "_playground_site"
StackName = Literal["encoder", "decoder"]
PartKind = Literal["embedding", "heads", "attention", "neurons", "mlp"]
MapKind = Literal["self", "cross"]  # of attention
SiteKind = MapKind | Literal["block"] | PartKind


@dataclass(frozen=True)
class Site:
    """Where in a model something arises. Layers count from 0.

    "self", "cross": an attention map; "block": the residual after a block. The others are `Part`s of a block:
    "embedding": the residual before block 0; "heads": the input of self-attention's output projection, in which head
    h has columns h·width to (h+1)·width; "attention": what that projection makes of it; "neurons": the input of the
    MLP's down projection; "mlp": the MLP's output.
    """

    stack: StackName
    layer: int
    kind: SiteKind


# (the module's forward, its arguments, by name) -> its output
Around = Callable[[Forward, tuple[Any, ...], dict[str, Any]], object]


@dataclass(frozen=True)
class Tap:
    """What one request wants to see or change. A function that returns a tensor replaces what it was given.

    attention: called at the sites in `sites` with the weights, (batch, head, query, key), rows sum to 1.
    residual: called with the output of every block, (batch, position, hidden).
    around: called in place of a module's forward, with that forward and its arguments.
    calls: told each attention module that runs; used once, to find the sites.
    vectors: shown queries and keys at the sites in `sites`, each (batch, head, position, head_dim), as they are
        multiplied: with positions turned in, keys repeated for every head, and queries scaled so that
        softmax(q·k / sqrt(head_dim)) gives the weights but for masks, caps and biases.
    """

    attention: Callable[[Site, Tensor], Tensor | None] | None = None
    sites: frozenset[Site] = frozenset()
    residual: Callable[[Site, Tensor], Tensor | None] | None = None
    around: Mapping[nn.Module, Around] = field(default_factory=dict)
    calls: Callable[[nn.Module], None] | None = None
    vectors: Callable[[Site, Tensor, Tensor], None] | None = None


_active: ContextVar[Tap | None] = ContextVar("playground_tap", default=None)


@contextlib.contextmanager
def open_tap(tap: Tap) -> Iterator[None]:
    """Forward passes of this thread go through `tap` inside the block. Never hold it across a `yield`."""
    with _doors(tap.around):
        token = _active.set(tap)
        try:
            yield
        finally:
            _active.reset(token)


def is_open() -> bool:
    """Whether this thread's forward passes are watched or changed."""
    return _active.get() is not None


class _Door:
    """Stands in for one module's `forward` while any request, of any thread, wants to be called around it."""

    lock = threading.Lock()  # of all doors: held while one is put in or taken out, never while a model runs

    def __init__(self, module: nn.Module) -> None:
        self.module, self.forward = module, module.forward
        self.before = module.__dict__.get("forward")  # some libraries put one of their own there
        self.n_wanting = 0
        functools.update_wrapper(self, self.forward)

    def __call__(self, *arguments: Any, **named: Any) -> object:
        tap = _active.get()
        around = None if tap is None else tap.around.get(self.module)
        return self.forward(*arguments, **named) if around is None else around(self.forward, arguments, named)

    def take_out(self) -> None:
        del self.module.forward
        if self.before is not None:
            self.module.forward = self.before


@contextlib.contextmanager
def _doors(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Doors in front of the modules inside the block. Replacing an attribute is atomic: forward passes that run
    meanwhile in other threads take the door or the module itself, and both compute the same."""
    modules = tuple(modules)
    with _Door.lock:
        for module in modules:
            if not isinstance(module.__dict__.get("forward"), _Door):
                module.forward = _Door(module)
            module.forward.n_wanting += 1
    try:
        yield
    finally:
        with _Door.lock:
            for module in modules:
                door = module.forward
                door.n_wanting -= 1
                if not door.n_wanting:
                    door.take_out()


def copy_of(model: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """`copy.deepcopy(model, memo)` without the doors, which stand in the model for requests that do not know the copy.

    None is put in or taken out meanwhile.
    """
    with _Door.lock:
        alike = copy.deepcopy(model, memo)
    for module in alike.modules():
        if isinstance(door := module.__dict__.get("forward"), _Door):
            door.take_out()
    return alike


def mark(module: nn.Module, site: Site) -> None:
    """Says which site an attention module is."""
    setattr(module, _SITE, site)


_Given = Tensor | tuple[Any, ...]  # by a block: the residual alone, or before other things


def watch_block(block: nn.Module, site: Site) -> None:
    """Puts the one permanent hook on a block."""

    def hook(_module: nn.Module, _inputs: object, output: _Given) -> _Given | None:
        tap = _active.get()
        if tap is None or tap.residual is None:
            return None
        residual = output if isinstance(output, Tensor) else output[0]
        changed = tap.residual(site, residual)
        if changed is None:
            return None
        return changed if isinstance(output, Tensor) else (changed, *output[1:])

    block.register_forward_hook(hook)


def attention(
    module: nn.Module,
    query: Tensor,  # (batch, head, query, head_dim)
    key: Tensor,  # (batch, key-value head, key, head_dim)
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention as every model here computes it: SDPA, unless this request wants the weights."""
    if isinstance(key, Rows):
        return attend_each(attention, module, query, key, value, attention_mask, **options)
    tap = _active.get()
    beyond_sdpa = options.get("softcap") is not None or options.get("s_aux") is not None
    if tap is None and not beyond_sdpa:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    if tap is not None and tap.calls is not None:
        tap.calls(module)
    site: Any = getattr(module, _SITE, None)  # a Site; None: not one of ours
    if tap is not None and tap.vectors is not None and site in tap.sites:
        tap.vectors(site, *_multiplied(query, key, options.get("scaling")))
    edit = tap.attention if tap is not None and site in tap.sites else None
    if edit is None and not beyond_sdpa:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)

    weights = _weights(module, query, key, attention_mask, **options)
    if edit is not None:
        changed = edit(site, weights)
        weights = weights if changed is None else changed
    value = repeat_kv(value, query.shape[1] // value.shape[1])
    return (weights.to(value.dtype) @ value).transpose(1, 2).contiguous(), weights


def _multiplied(query: Tensor, key: Tensor, scaling: float | None) -> tuple[Tensor, Tensor]:
    """Queries and keys as `Tap.vectors` gets them."""
    usual = query.shape[-1] ** -0.5
    key = repeat_kv(key, query.shape[1] // key.shape[1])
    return (query if scaling is None else query * (scaling / usual)), key


def _weights(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    mask: Tensor | None,
    scaling: float | None = None,
    is_causal: bool | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,  # (head,): a sink that takes weight and gives nothing, as in gpt-oss
    position_bias: Tensor | None = None,
    **_: object,
) -> Tensor:
    """softmax(query key' / sqrt(head_dim)), with all that models add to it; in float32, as eager attention does."""
    key = repeat_kv(key, query.shape[1] // key.shape[1])
    scores = (query @ key.transpose(2, 3)) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if position_bias is not None:
        scores = scores + position_bias
    n_queries, n_keys = scores.shape[-2:]
    if mask is None:
        causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        if causal and n_queries > 1:  # transformers leaves the mask out where SDPA's own causal flag serves
            mask = torch.ones(n_queries, n_keys, dtype=torch.bool, device=scores.device).tril(n_keys - n_queries)
    if mask is not None:
        mask = mask[..., :n_keys]
        lowest = torch.finfo(scores.dtype).min
        scores = scores.masked_fill(~mask, lowest) if mask.dtype == torch.bool else scores + mask
    scores = scores.float()
    if s_aux is None:
        return scores.softmax(-1).to(query.dtype)
    sink = s_aux.float().reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    return torch.cat([scores, sink], dim=-1).softmax(-1)[..., :-1].to(query.dtype)


AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
