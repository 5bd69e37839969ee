"""What a merge method is: two functions on one tensor, one that measures it and one that blends a piece of it.

Everything is computed in float32, piece by piece: a piece is a block of whole rows of the tensor seen as (row, column),
small enough for the processor's cache. What a method must know of the whole tensor (norms, thresholds) it measures
first; those facts are kept, so that a slider that does not change them costs only the blending. Methods do not know
files, models or pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # torch is imported when weights are blended: the page must not wait for it
    from torch import Tensor


Dialect = Literal["paper", "mergekit", "peft"]


@dataclass(frozen=True)
class How:
    """What a recipe says for one tensor, all curves and parts resolved."""

    name: str  # of the tensor
    weights: tuple[float, ...]  # one a model
    densities: tuple[float, ...]  # one a model: share of each task vector that is kept
    t: float = 0.5
    scale: float = 1.0  # lambda: what the merged task vector is multiplied with
    normalize: bool = False  # divide by the sum of weights
    rescale: bool = True  # make up for what was dropped
    epsilon: float = 0.15  # DELLA: half the range of keep probabilities
    gamma: float = 0.01  # breadcrumbs: share of outliers that is dropped
    row_wise: bool = False  # NuSLERP: each row turns by its own angle
    election: Election = "sum"  # TIES: signs elected by mass or by heads
    dialect: Dialect = "mergekit"
    seed: int = 0
    numbers: tuple[int, ...] = ()  # which of the recipe's models these are, where some were left out

    def number(self, i: int) -> int:
        """The place of the i-th model here in the recipe."""
        return self.numbers[i] if self.numbers else i

    def only(self, places: Sequence[int]) -> How:
        """The same for some of the models."""
        return replace(
            self,
            weights=tuple(self.weights[i] for i in places),
            densities=tuple(self.densities[i] for i in places),
            numbers=tuple(self.number(i) for i in places),
        )


@dataclass(frozen=True)
class Seen:
    """A piece of every parent's tensor, in float32, (row, column). A method may write into them."""

    models: Sequence[Tensor]
    base: Tensor | None
    start: int  # flat index of the first element in the whole tensor
    size: int  # elements of the whole tensor

    def deltas(self) -> list[Tensor]:
        """The task vectors, in place of the models."""
        return [self.delta(i) for i in range(len(self.models))]

    def delta(self, i: int) -> Tensor:
        """One task vector, in place of its model."""
        return self.models[i].sub_(self.origin)

    @property
    def origin(self) -> Tensor:
        """The base, of methods that need one."""
        if self.base is None:
            raise ValueError("this method needs a base")
        return self.base


Look = Callable[[], Iterator[Seen]]  # all pieces of the tensor, from the first; may be gone through several times
Drop = Callable[[Seen, How], "list[Tensor]"]  # the task vectors, with 0 for what is left out
Blending = Callable[[Seen, How, Any], "Tensor"]  # (piece, how, facts as `measure` gave them) -> the piece of the merge
Election = Literal["sum", "count"]


@dataclass(frozen=True)
class Method:
    name: str  # as mergekit calls it
    title: str
    paper: str
    formula: str  # LaTeX
    about: str  # what it does, in words
    blend: Blending
    measure: Callable[[Look, How], object] | None = None  # facts of the whole tensor; None: it needs none
    measures: Callable[[How], object] = lambda how: ()  # what of `how` the facts depend on
    survey: Callable[[Callable[[], Iterator[tuple[str, Look]]], How], object] | None = None  # of the whole model
    needs_base: bool = False
    keeps_common: Callable[[How], bool] = lambda how: True  # whether a tensor that all parents share comes out as it is
    skips_base: Callable[[How], bool] = lambda how: False  # whether a model that has learned nothing changes nothing
    exactly_two: bool = False
    parameters: tuple[str, ...] = ()  # names in `How` that a person can set, "weights" and "densities" among them
    normalize: bool = False  # what it does unless told otherwise
    rescale: bool = False
    dialects: dict[Dialect, str] = field(default_factory=dict)  # what each does differently, in words
