"""DELLA: as DARE, but large changes are kept more often than small ones (Deep et al. 2024, arXiv 2406.11617).

Within each row, changes are ranked by magnitude; the probability to be kept goes from density - epsilon for the
smallest to density + epsilon for the largest. Survivors are divided by their probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.errors import PlaygroundError
from playground.labs.merging.methods import chance, dare, linear, ties
from playground.labs.merging.methods.method import Blending, Dialect, How, Look, Method, Seen
from playground.labs.merging.methods.task_arithmetic import added

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor

DIALECTS: dict[Dialect, str] = {
    "paper": "each survivor is divided by its own probability to be kept",
    "mergekit": "survivors are scaled together, so that the tensor's sum of magnitudes is what it was",
}


def probabilities(delta: Tensor, density: float, epsilon: float) -> Tensor:
    """To be kept, of each element, by its rank within its row. A row of one element has the density."""
    n = delta.shape[-1]
    if n == 1:
        return delta.new_full(delta.shape, density)
    import torch

    ranks = torch.empty_like(delta, dtype=torch.int64)
    order = delta.abs().argsort(dim=-1, stable=True)
    ranks.scatter_(-1, order, torch.arange(n).expand_as(order))
    return ranks.float().mul_(2 * epsilon / (n - 1)).add_(density - epsilon)


def dropped(seen: Seen, how: How) -> list[Tensor]:
    """The task vectors with what is dropped at 0; in the paper's dialect rescaled too."""
    kept = []
    for i, (delta, density) in enumerate(zip(seen.deltas(), how.densities, strict=True)):
        if density < 1:
            chances = probabilities(delta, density, how.epsilon)
            mask = chance.uniform(how.seed, how.name, how.number(i), seen.start, delta.shape) < chances
            chance.drop(delta, mask)
            if how.rescale and how.dialect == "paper":
                delta.div_(chances)
        kept.append(delta)
    return kept


def measure(look: Look, how: How) -> tuple[float, ...]:
    for density in how.densities:
        if density < 1 and not (how.epsilon < density <= 1 - how.epsilon):
            raise PlaygroundError(
                f"With density {density:g} and epsilon {how.epsilon:g}, probabilities would go from "
                f"{density - how.epsilon:g} to {density + how.epsilon:g}. Both must be above 0, at most 1: change one."
            )
    if how.rescale and how.dialect == "mergekit":
        return dare.same_mass(look, how, dropped)
    return (1.0,) * len(how.densities)


def blend_linear(seen: Seen, how: How, factors: tuple[float, ...]) -> Tensor:
    weights = [share * factor for share, factor in zip(linear.shares(how), factors, strict=True)]
    return added(seen.origin, linear.weighted_sum(dropped(seen, how), weights), how.scale)


def blend_ties(seen: Seen, how: How, factors: tuple[float, ...]) -> Tensor:
    taus = [tau.mul_(factor) for tau, factor in zip(dropped(seen, how), factors, strict=True)]
    return added(seen.origin, ties.agreed(taus, how.weights, how), how.scale)


def _method(name: str, title: str, about: str, blend: Blending, normalize: bool, *parameters: str) -> Method:
    return Method(
        name=name,
        title=title,
        paper="Deep et al. 2024, DELLA-Merging, arXiv 2406.11617",
        formula=(
            r"p_{ij} = d_i-\varepsilon+\frac{2\varepsilon\,\mathrm{rank}_j|\tau_i|}{n-1},"
            r"\quad \tau_{ij}\leftarrow \frac{m_{ij}}{p_{ij}}\tau_{ij}"
        ),
        about=about,
        blend=blend,
        measure=measure,
        measures=lambda how: (how.densities, how.rescale, how.epsilon, how.dialect, how.seed),
        needs_base=True,
        skips_base=lambda how: blend is blend_ties or not how.normalize,
        parameters=("weights", "densities", "scale", "normalize", "rescale", "epsilon", "seed", *parameters),
        normalize=normalize,
        rescale=True,
        dialects=DIALECTS,
    )


DELLA_LINEAR = _method(
    "della_linear", "DELLA, added up", "As DARE, but large changes are kept more often.", blend_linear, False
)
DELLA = _method(
    "della",
    "DELLA",
    "Keeps large changes more often, then agrees on signs.",
    blend_ties,
    True,
    "election",
)
