"""The parts of a block that can be watched and changed: attention output, heads, MLP output, neurons, the embedding.

Found by running the model once and looking which linear layers come by, in which order and inside what; so a new
architecture needs no entry here. Where a model computes a part in a way that no module shows (experts as one batch of
weights, states in place of heads), it lacks that part. It does not know what anybody does at a part (`tap`, `observe`,
`intervene`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from playground.engine import tap
from playground.engine.anatomy import Anatomy, Stack
from playground.engine.loaded import Forward
from playground.engine.tap import Around, PartKind, Site

KINDS: tuple[PartKind, ...] = get_args(PartKind)
_Call = tuple[nn.Module, int]  # a linear layer that ran, and the width of its input; width 0: an attention function
_MAKES_STATES = (nn.Conv1d,)  # what a mixer of states has beside its linear layers


@dataclass(frozen=True, eq=False)
class Part:
    """One place: the input or the output of a module, (batch, position, width)."""

    module: nn.Module
    side: Literal["input", "output"]
    width: int


def find(model: nn.Module, anatomy: Anatomy, inputs: dict[str, Tensor]) -> dict[Site, Part]:
    """The parts of each block, by running `inputs` once. Call it before the model is shared."""
    calls = _run(model, anatomy, inputs)
    found: dict[Site, Part] = {}
    for stack in anatomy.stacks:
        found[Site(stack.name, 0, "embedding")] = Part(stack.blocks[0], "input", anatomy.hidden_size)
        for layer, block in enumerate(stack.blocks):
            for kind, part in _of_block(block, calls, anatomy).items():
                found[Site(stack.name, layer, kind)] = part
    return found


def around(part: Part, watch: Callable[[Tensor], Tensor | None]) -> Around:
    """A function for `Tap.around` that shows `watch` what passes the part; a tensor that it returns takes its place."""

    def at_input(forward: Forward, arguments: tuple[Any, ...], named: dict[str, Any]) -> object:
        if arguments:
            changed = watch(arguments[0])
            return forward(*(arguments if changed is None else (changed, *arguments[1:])), **named)
        name = next(name for name, value in named.items() if isinstance(value, Tensor))
        changed = watch(named[name])
        return forward(**(named if changed is None else named | {name: changed}))

    def at_output(forward: Forward, arguments: tuple[Any, ...], named: dict[str, Any]) -> object:
        output = forward(*arguments, **named)
        plain = isinstance(output, Tensor)
        changed = watch(output if plain else output[0])
        if changed is None:
            return output
        return changed if plain else (changed, *output[1:])

    return at_input if part.side == "input" else at_output


def together(pairs: Iterable[tuple[nn.Module, Around]]) -> dict[nn.Module, Around]:
    """One function a module, though several were asked for: the first is innermost."""
    by_module: dict[nn.Module, Around] = {}
    for module, outer in pairs:
        inner = by_module.get(module)
        by_module[module] = outer if inner is None else _nested(outer, inner)
    return by_module


def _nested(outer: Around, inner: Around) -> Around:
    def both(forward: Forward, arguments: tuple[Any, ...], named: dict[str, Any]) -> object:
        return outer(lambda *a, **n: inner(forward, a, n), arguments, named)

    return both


def _run(model: nn.Module, anatomy: Anatomy, inputs: dict[str, Tensor]) -> list[_Call]:
    """The linear layers inside blocks, and the calls of attention functions, in the order in which they ran."""
    calls: list[_Call] = []

    def note(module: nn.Module, arguments: tuple[object, ...]) -> None:
        if arguments and isinstance(arguments[0], Tensor):
            calls.append((module, arguments[0].shape[-1]))

    hooks = [
        module.register_forward_pre_hook(note)
        for stack in anatomy.stacks
        for block in stack.blocks
        for module in _outermost_linear(block)
    ]
    try:
        with torch.inference_mode(), tap.open_tap(tap.Tap(calls=lambda module: calls.append((module, 0)))):
            model(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _outermost_linear(module: nn.Module) -> list[nn.Module]:
    """Modules with a matrix of weights; of one inside another, as an adapter wraps a layer, the outer one."""
    weight = getattr(module, "weight", None)
    if isinstance(weight, Tensor) and weight.dim() == 2 and not isinstance(module, nn.Embedding):
        return [module]
    return [linear for child in module.children() for linear in _outermost_linear(child)]


def _of_block(block: nn.Module, calls: list[_Call], anatomy: Anatomy) -> dict[PartKind, Part]:
    names = {module: name for name, module in block.named_modules()}
    calls = [call for call in calls if call[0] in names]
    attention = _attention_projection(names, calls, anatomy)
    found: dict[PartKind, Part] = {}
    if attention is not None:
        module, width = attention
        found["attention"] = Part(module, "output", anatomy.hidden_size)
        if anatomy.n_heads and width % anatomy.n_heads == 0:
            found["heads"] = Part(module, "input", width)
    mixing = [module for module in names if _mixes_positions(module) and module is not block]
    apart = {inner for module in mixing for inner in module.modules()} | ({attention[0]} if attention else set())
    feeding = [(module, width) for module, width in calls if width and module not in apart]
    experts = [module for module in names if _holds_experts(module) and module not in apart]
    down = next((call for call in reversed(feeding) if _n_out(call[0], call[1]) == anatomy.hidden_size), None)
    whole = _smallest_around({module for module, _ in feeding} | set(experts), block)
    if down is not None and not experts:
        found["neurons"] = Part(down[0], "input", down[1])
        found["mlp"] = Part(whole if whole is not None else down[0], "output", anatomy.hidden_size)
    elif experts and whole is not None:
        found["mlp"] = Part(whole, "output", anatomy.hidden_size)
    return found


def _attention_projection(names: dict[nn.Module, str], calls: list[_Call], anatomy: Anatomy) -> _Call | None:
    """The output projection of self-attention: the first linear layer behind it that gives a residual's width.

    Where the attention function is out of our reach: the last one inside a module that calls itself attention.
    """
    own = [i for i, (module, width) in enumerate(calls) if not width and not _crosses(names[module])]
    if own:
        behind = [call for call in calls[own[0] + 1 :] if call[1]]
        return behind[0] if behind and _n_out(*behind[0]) == anatomy.hidden_size else None
    inside = {
        inner
        for module, name in names.items()
        if "attention" in type(module).__name__.lower() and not _crosses(name)
        for inner in module.modules()
        if name  # not the block itself
    }
    last = [call for call in calls if call[0] in inside and _n_out(*call) == anatomy.hidden_size]
    return last[-1] if last else None


def _crosses(name: str) -> bool:
    return any(word in name.lower() for word in ("cross", "encdec", "encoder_attn"))


def _n_out(module: nn.Module, n_in: int) -> int:
    """The width of a linear layer's output, whichever way round it keeps its weights."""
    rows, columns = module.weight.shape
    return rows if columns == n_in else columns


def _mixes_positions(module: nn.Module) -> bool:
    """Attention, or what stands in its place: a convolution, a state."""
    children = tuple(module.children())
    return "attention" in type(module).__name__.lower() or any(isinstance(child, _MAKES_STATES) for child in children)


def _holds_experts(module: nn.Module) -> bool:
    """Many MLPs of which each token gets some: a batch of matrices, or a list of modules of one class."""
    if isinstance(module, nn.ModuleList):
        return len(module) > 1 and len({type(child) for child in module}) == 1 and bool(_outermost_linear(module[0]))
    return not isinstance(module, _MAKES_STATES) and any(p.dim() == 3 for p in module.parameters(recurse=False))


def _smallest_around(modules: set[nn.Module], block: nn.Module) -> nn.Module | None:
    """The smallest module strictly inside the block that contains all of `modules` and runs as a whole."""
    around_all = None
    for module in block.modules():  # outer before inner
        if module is not block and not isinstance(module, nn.ModuleList) and modules <= set(module.modules()):
            around_all = module
    return around_all if modules else None


def lacking(stack: Stack, parts: dict[Site, Part]) -> dict[str, int]:
    """Of each kind of part that not every block of a stack has: how many blocks have it."""
    counts = {kind: sum(site.kind == kind and site.stack == stack.name for site in parts) for kind in KINDS[1:]}
    return {kind: n for kind, n in counts.items() if n < len(stack.blocks)}
