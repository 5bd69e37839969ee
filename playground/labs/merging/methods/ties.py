"""TIES: trim what changed little, elect a sign for each weight, average those that agree (Yadav et al. 2023).

    tau_i = theta_i - base, its k largest kept;   s = sign(sum tau_i);   merge = base + lambda mean {tau_i : sign = s}

arXiv 2306.01708. The paper's code, mergekit and PEFT differ in what is trimmed, whether weights vote, and what the sum
is divided by; `DIALECTS` says how. The paper's own knows no weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from playground.labs.merging.methods import largest
from playground.labs.merging.methods.largest import Cut
from playground.labs.merging.methods.method import Dialect, How, Look, Method, Seen
from playground.labs.merging.methods.task_arithmetic import added

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor

DIALECTS: dict[Dialect, str] = {
    "mergekit": "trims each tensor by itself; weights multiply first, then vote; divided by the weights that agree",
    "peft": "trims each tensor by itself; every model has one vote, whatever its weight; divided by how many agree",
    "paper": "trims over the whole model at once, ties kept; no weights, only lambda; divided by how many agree; where "
    "votes cancel out, the sign that is commonest in the model",
}


@dataclass(frozen=True)
class Whole:
    """What the paper's dialect must know of the whole model."""

    cuts: tuple[Cut, ...]  # one a model
    majority: float  # the sign that most elected signs have


def trimmed(look: Look, how: How) -> tuple[Cut, ...]:
    """Where each model's task vector is cut, tensor by tensor: exactly int(density * n) stay, at least one."""

    def pieces(i: int) -> Iterator[tuple[int, Tensor]]:
        for seen in look():
            yield seen.start, seen.delta(i)

    n = next(look()).size
    return tuple(
        largest.EVERYTHING if density >= 1 else largest.cut(partial(pieces, i), max(1, int(density * n)))
        for i, density in enumerate(how.densities)
    )


def measure(look: Look, how: How) -> tuple[Cut, ...] | None:
    return None if how.dialect == "paper" else trimmed(look, how)


def survey(tensors: Callable[[], Iterator[tuple[str, Look]]], how: How) -> Whole | None:
    """The paper's trimming, over all tensors."""
    if how.dialect != "paper":
        return None

    def pieces(i: int) -> Iterator[tuple[int, Tensor]]:
        at = 0
        for _, look in tensors():
            for seen in look():
                yield at, seen.delta(i)
                at += seen.models[0].numel()

    n = sum(next(look()).size for _, look in tensors())
    cuts = tuple(
        largest.EVERYTHING
        if density >= 1
        else largest.cut(partial(pieces, i), min(n, int(density * n) + 1), all_ties=True)
        for i, density in enumerate(how.densities)
    )
    signs = 0.0
    for _, look in tensors():
        for seen in look():
            taus = _cut(seen.deltas(), cuts, 0)
            signs += float(_total(taus).sign_().double().sum())
    return Whole(cuts, 1.0 if signs >= 0 else -1.0)


def blend(seen: Seen, how: How, facts: tuple[Cut, ...] | Whole) -> Tensor:
    if isinstance(facts, Whole):
        taus = _cut(seen.deltas(), facts.cuts, 0)
        task = agreed(taus, (1.0,) * len(taus), how, facts.majority)
    else:
        task = agreed(_cut(seen.deltas(), facts, seen.start), how.weights, how)
    return added(seen.origin, task, how.scale)


def agreed(taus: Sequence[Tensor], weights: Sequence[float], how: How, zero: float = 1.0) -> Tensor:
    """The merged task vector of trimmed ones, which it writes into. `zero`: the sign where votes cancel out."""
    mergekit = how.dialect == "mergekit"
    voices = [tau if not mergekit or w == 1 else tau.mul_(w) for tau, w in zip(taus, weights, strict=True)]
    counted = how.election == "count"
    elected = _signs(_total([voice.sign() for voice in voices] if counted else voices), zero)
    divided = how.normalize or not mergekit
    total = divisor = None
    for voice, weight in zip(voices, weights, strict=True):
        agreeing = voice.mul_(elected).relu_()  # the size of what agrees; 0 for what does not
        if divided:
            divisor = _plus(divisor, agreeing.sign(), weight if mergekit else 1.0)
        total = _plus(total, agreeing, 1.0 if mergekit else weight)
    assert total is not None  # there is a model
    total.mul_(elected)
    if divisor is not None:
        if not mergekit or min(weights) >= 1e-8:
            total.div_(divisor.clamp_(min=1e-8))  # where nobody agrees there is nothing to divide
        else:
            total.div_(divisor.add_(divisor.abs().lt_(1e-8)))  # 1 where nobody agrees, or weights cancel out
    return total


def _signs(votes: Tensor, zero: float) -> Tensor:
    """1 or -1 of each; of 0, which sums have without a minus, that of `zero`."""
    import torch

    if zero > 0:
        return torch.copysign(votes.new_ones(()), votes)
    return votes.sign_().sub_(0.5).sign_()  # signs are whole numbers: only a tie is decided by this


def _plus(total: Tensor | None, tensor: Tensor, weight: float) -> Tensor:
    """total + weight * tensor, in the place of the total, or of the tensor where there is none yet."""
    if total is None:
        return tensor if weight == 1 else tensor.mul_(weight)
    return total.add_(tensor, alpha=weight)


def _cut(deltas: Sequence[Tensor], cuts: Sequence[Cut], start: int) -> list[Tensor]:
    return [
        delta if cut is largest.EVERYTHING else cut.kept(start, delta) for delta, cut in zip(deltas, cuts, strict=True)
    ]


def _total(tensors: Sequence[Tensor]) -> Tensor:
    if len(tensors) == 1:
        return tensors[0].clone()
    total = tensors[0] + tensors[1]
    for tensor in tensors[2:]:
        total.add_(tensor)
    return total


TIES = Method(
    name="ties",
    title="TIES",
    paper="Yadav et al. 2023, TIES-Merging, arXiv 2306.01708",
    formula=(
        r"\theta = \theta_0 + \lambda\,\mathrm{mean}\{\tau_i : \mathrm{sign}\,\tau_i"
        r"=\mathrm{sign}\textstyle\sum_j\tau_j\},"
        r"\quad \tau_i=\mathrm{top}_k(\theta_i-\theta_0)"
    ),
    about="Keeps the largest changes of each model, elects a sign for every weight and averages those that agree, so "
    "that models do not cancel each other out.",
    blend=blend,
    measure=measure,
    measures=lambda how: (how.densities, how.dialect == "paper"),
    survey=survey,
    needs_base=True,
    skips_base=lambda how: how.dialect != "paper",
    parameters=("weights", "densities", "scale", "normalize", "election"),
    normalize=True,
    dialects=DIALECTS,
)
