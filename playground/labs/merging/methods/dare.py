"""DARE: drop changes at random and rescale the rest, then add them up or let them agree as in TIES (Yu et al. 2024).

    tau_i = mask (theta_i - base) / density,   mask ~ Bernoulli(density)

arXiv 2311.03099. The paper and PEFT divide survivors by the density; mergekit scales each tensor so that the sum of
magnitudes is what it was before, which for small tensors is not the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.errors import PlaygroundError
from playground.labs.merging.methods import chance, linear, ties
from playground.labs.merging.methods.method import Blending, Dialect, Drop, How, Look, Method, Seen
from playground.labs.merging.methods.task_arithmetic import added

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor

DIALECTS: dict[Dialect, str] = {
    "paper": "survivors are divided by the density, so that each change is what it was on average",
    "mergekit": "survivors are scaled so that the tensor's sum of magnitudes is what it was",
    "peft": "as the paper; where signs are elected, every model has one vote and the sum is divided by how many agree",
}


def dropped(seen: Seen, how: How) -> list[Tensor]:
    """The task vectors with what is dropped at 0, not rescaled."""
    deltas = seen.deltas()
    for i, (delta, density) in enumerate(zip(deltas, how.densities, strict=True)):
        if density < 1:
            chance.drop(delta, chance.kept(how.seed, how.name, how.number(i), seen.start, delta.shape, density))
    return deltas


def measure(look: Look, how: How) -> tuple[float, ...]:
    """What each model's survivors are multiplied with."""
    if min(how.densities) <= 0:
        raise PlaygroundError("A density of 0 drops everything, and nothing can make up for it. Raise it above 0.")
    if not how.rescale:
        return (1.0,) * len(how.densities)
    if how.dialect != "mergekit":
        return tuple(1 / density for density in how.densities)
    return same_mass(look, how, dropped)


def same_mass(look: Look, how: How, drop: Drop) -> tuple[float, ...]:
    """What brings each model's sum of magnitudes back to what it was."""
    n = len(how.densities)
    before, after = [0.0] * n, [0.0] * n
    for seen in look():
        for i, model in enumerate(seen.models):
            before[i] += _mass(model - seen.origin)
        for i, delta in enumerate(drop(seen, how)):
            after[i] += _mass(delta)
    return tuple(b / a if a else 1.0 for b, a in zip(before, after, strict=True))


def _mass(values: Tensor) -> float:
    import torch

    return float(values.abs().sum(dtype=torch.float64))


def blend_linear(seen: Seen, how: How, factors: tuple[float, ...]) -> Tensor:
    weights = [share * factor for share, factor in zip(linear.shares(how), factors, strict=True)]
    return added(seen.origin, linear.weighted_sum(dropped(seen, how), weights), how.scale)


def blend_ties(seen: Seen, how: How, factors: tuple[float, ...]) -> Tensor:
    taus = [tau.mul_(factor) for tau, factor in zip(dropped(seen, how), factors, strict=True)]
    return added(seen.origin, ties.agreed(taus, how.weights, how), how.scale)


def _method(name: str, title: str, about: str, blend: Blending, *parameters: str) -> Method:
    return Method(
        name=name,
        title=title,
        paper="Yu et al. 2024, Language models are super Mario, arXiv 2311.03099",
        formula=(
            r"\theta = \theta_0 + \lambda\sum_i w_i\,\frac{m_i\odot(\theta_i-\theta_0)}{d_i},"
            r"\quad m_i\sim\mathrm{Bernoulli}(d_i)"
        ),
        about=about,
        blend=blend,
        measure=measure,
        measures=lambda how: (how.densities, how.rescale, how.dialect, how.seed),
        needs_base=True,
        skips_base=lambda how: blend is blend_ties or not how.normalize,
        parameters=("weights", "densities", "scale", "normalize", "rescale", "seed", *parameters),
        rescale=True,
        dialects=DIALECTS,
    )


DARE_LINEAR = _method(
    "dare_linear",
    "DARE",
    "Drops changes at random, makes up for it with the rest, and adds the models up. Most changes can be spared.",
    blend_linear,
)
DARE_TIES = _method(
    "dare_ties",
    "DARE + TIES",
    "Drops changes at random, then lets the models agree on signs as in TIES.",
    blend_ties,
    "election",
)
