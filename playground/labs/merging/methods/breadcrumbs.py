"""Model breadcrumbs: drop the largest changes as outliers and the small ones as noise (Davari & Belilovsky 2023).

Of each tensor's n changes, int(gamma n) of the largest go, the next int(density n) stay. arXiv 2312.06795.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from playground.labs.merging.methods import largest, linear, ties
from playground.labs.merging.methods.largest import Cut
from playground.labs.merging.methods.method import Blending, How, Look, Method, Seen
from playground.labs.merging.methods.task_arithmetic import added

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor


def measure(look: Look, how: How) -> tuple[tuple[Cut, Cut], ...]:
    """For each model: the cut above which changes are outliers, and the one below which they are noise."""
    n = next(look()).size
    cuts = []
    for i, density in enumerate(how.densities):
        n_kept = max(1, int(density * n))
        n_out = min(int(how.gamma * n), n - n_kept)  # what is to be kept comes first

        def pieces(i: int = i) -> Iterator[tuple[int, Tensor]]:
            return ((seen.start, seen.delta(i)) for seen in look())

        cuts.append((largest.cut(pieces, n_out), largest.cut(pieces, n_out + n_kept)))
    return tuple(cuts)


def crumbs(seen: Seen, cuts: tuple[tuple[Cut, Cut], ...]) -> list[Tensor]:
    kept = []
    for delta, (outliers, noise) in zip(seen.deltas(), cuts, strict=True):
        kept.append(noise.kept(seen.start, delta).sub_(outliers.kept(seen.start, delta)))
    return kept


def blend_linear(seen: Seen, how: How, cuts: tuple[tuple[Cut, Cut], ...]) -> Tensor:
    return added(seen.origin, linear.weighted_sum(crumbs(seen, cuts), linear.shares(how)), how.scale)


def blend_ties(seen: Seen, how: How, cuts: tuple[tuple[Cut, Cut], ...]) -> Tensor:
    return added(seen.origin, ties.agreed(crumbs(seen, cuts), how.weights, how), how.scale)


def _method(name: str, title: str, about: str, blend: Blending, *parameters: str) -> Method:
    return Method(
        name=name,
        title=title,
        paper="Davari and Belilovsky 2023, Model breadcrumbs, arXiv 2312.06795",
        formula=r"\theta = \theta_0 + \lambda\sum_i w_i\,m_i\odot(\theta_i-\theta_0),\quad m_i: \text{the middle}",
        about=about,
        blend=blend,
        measure=measure,
        measures=lambda how: (how.densities, how.gamma),
        needs_base=True,
        skips_base=lambda how: blend is blend_ties or not how.normalize,
        parameters=("weights", "densities", "scale", "normalize", "gamma", *parameters),
    )


BREADCRUMBS = _method(
    "breadcrumbs", "Breadcrumbs", "Leaves out the largest changes and the smallest ones.", blend_linear
)
BREADCRUMBS_TIES = _method(
    "breadcrumbs_ties",
    "Breadcrumbs + TIES",
    "Breadcrumbs, then signs agreed on as in TIES.",
    blend_ties,
    "election",
)
