"""A recipe: which models, blended how. Frozen: another slider position is another recipe.

Numbers may follow a curve over the layers and differ by part of the network, in the way that mergekit defines
("gradients" and "filters"). A recipe knows references, not files.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from playground.errors import PlaygroundError
from playground.labs.merging import methods
from playground.labs.merging.methods import Dialect, Election, How, Method

_LAYER = re.compile(r"^(?P<stack>.*?)(?:^|\.)(?P<layer>\d+)\.")
MOST_MODELS = 8


@dataclass(frozen=True)
class Setting:
    """A number for every tensor. `parts`: (what the tensor's name must contain, values); the first that fits counts."""

    values: tuple[float, ...]  # along the depth of the model, evenly spaced; one: the same everywhere
    parts: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def at(self, name: str, depth: float) -> float:
        """The value for a tensor at a depth from 0 (first layer, embeddings, and what is in no layer) to 1 (last)."""
        values = next((values for part, values in self.parts if part in name), self.values)
        return interpolated(values, depth)

    @property
    def flat(self) -> float | None:
        """The number, if it is the same everywhere."""
        return self.values[0] if len(self.values) == 1 and not self.parts else None

    def all_values(self) -> Iterable[float]:
        yield from self.values
        for _, values in self.parts:
            yield from values


def constant(value: float) -> Setting:
    return Setting((float(value),))


def interpolated(values: Sequence[float], depth: float) -> float:
    """On the straight lines between evenly spaced values."""
    at = depth * (len(values) - 1)
    left = min(int(at), len(values) - 1)
    right = min(left + 1, len(values) - 1)
    share = at - left
    return values[left] if share == 0 else (1 - share) * values[left] + share * values[right]


@dataclass(frozen=True)
class Ingredient:
    reference: str
    weight: Setting = Setting((1.0,))
    density: Setting = Setting((1.0,))


@dataclass(frozen=True)
class Recipe:
    """`check` says whether one makes sense."""

    method: str
    models: tuple[Ingredient, ...]
    base: str | None = None  # what task vectors are taken from
    t: Setting = Setting((0.5,))
    scale: Setting = Setting((1.0,))  # lambda
    normalize: bool | None = None  # None: as the method does
    rescale: bool | None = None
    epsilon: float = 0.15
    gamma: float = 0.01
    row_wise: bool = False
    election: Election = "sum"
    dialect: Dialect = "mergekit"
    seed: int = 42
    dtype: str | None = None  # of the saved tensors; None: the first parent's
    union: bool = False  # every token of any parent, rows by their tokens' names; off: one vocabulary for all

    @property
    def kind(self) -> Method:
        return methods.find(self.method)

    @property
    def references(self) -> tuple[str, ...]:
        """Of all models, the base last if it is none of them."""
        listed = [model.reference for model in self.models]
        return tuple(dict.fromkeys([*listed, *([self.base] if self.base is not None and self.uses_base else [])]))

    @property
    def uses_base(self) -> bool:
        return self.base is not None and (self.kind.needs_base or self.method == "nuslerp")

    @property
    def skeleton(self) -> str:
        """The reference whose config and tokenizer the merge has."""
        return self.base if self.base is not None and self.uses_base else self.models[0].reference

    def how(self, name: str, depth: float) -> How:
        """What it says for one tensor."""
        kind = self.kind
        return How(
            name=name,
            weights=tuple(model.weight.at(name, depth) for model in self.models),
            densities=tuple(model.density.at(name, depth) for model in self.models),
            t=self.t.at(name, depth),
            scale=self.scale.at(name, depth),
            normalize=kind.normalize if self.normalize is None else self.normalize,
            rescale=kind.rescale if self.rescale is None else self.rescale,
            epsilon=self.epsilon,
            gamma=self.gamma,
            row_wise=self.row_wise,
            election=self.election,
            dialect=self.dialect,
            seed=self.seed,
        )

    def with_t(self, t: float) -> "Recipe":
        """The recipe at a point between its first two models: t itself, or weights 1 - t and t."""
        if "t" in self.kind.parameters:
            return replace(self, t=constant(t))
        if len(self.models) < 2 or "weights" not in self.kind.parameters:
            raise PlaygroundError(f"{self.kind.title} has nothing to slide from one model to the other.")
        first, second = self.models[:2]
        models = replace(first, weight=constant(1 - t)), replace(second, weight=constant(t)), *self.models[2:]
        return replace(self, models=models)

    def key(self, revisions: Iterable[str] = ()) -> str:
        """A name that another recipe, or other weights under the same references, does not have."""
        from playground.labs.merging.mergekit_yaml import mapping  # which knows recipes

        text = json.dumps([mapping(self), list(revisions)], sort_keys=True)
        return f"{self.method.replace('_', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


@dataclass(frozen=True)
class Depths:
    """How deep each tensor lies: by the first number in its name, among those of the same stack."""

    _last: dict[str, int] = field(default_factory=dict)  # the last layer's number, by stack

    @classmethod
    def of(cls, names: Iterable[str]) -> "Depths":
        last: dict[str, int] = {}
        for name in names:
            if match := _LAYER.match(name):
                last[match["stack"]] = max(last.get(match["stack"], 0), int(match["layer"]))
        return cls(last)

    @property
    def n_layers(self) -> int:
        return max(self._last.values(), default=-1) + 1

    def layer(self, name: str) -> int | None:
        match = _LAYER.match(name)
        return int(match["layer"]) if match else None

    def depth(self, name: str) -> float:
        match = _LAYER.match(name)
        if match is None:
            return 0.0
        return int(match["layer"]) / max(self._last.get(match["stack"], 0), 1)


def check(recipe: Recipe) -> None:
    """Raises PlaygroundError, with one sentence, for a recipe that cannot be followed."""
    kind, n = recipe.kind, len(recipe.models)
    if not 2 <= n <= MOST_MODELS and not (n == 1 and kind.needs_base and recipe.method != "model_stock"):
        raise PlaygroundError(f"{kind.title} blends 2 to {MOST_MODELS} models, and there are {n}. Change the list.")
    if kind.exactly_two and n != 2:
        raise PlaygroundError(f"{kind.title} goes from one model to one other, and there are {n}. Name exactly two.")
    if kind.needs_base and not recipe.base:
        raise PlaygroundError(
            f"{kind.title} needs the base that the models were tuned from, to see what each has learned. Name it."
        )
    if kind.dialects and recipe.dialect not in kind.dialects:
        raise PlaygroundError(f"{kind.title} has the dialects {', '.join(kind.dialects)}; “{recipe.dialect}” is none.")
    if recipe.election not in ("sum", "count"):
        raise PlaygroundError(f"Signs are elected by sum or by count; “{recipe.election}” is neither.")
    numbers = {"weight": [], "density": [], "t": list(recipe.t.all_values()), "lambda": list(recipe.scale.all_values())}
    for model in recipe.models:
        numbers["weight"] += model.weight.all_values()
        numbers["density"] += model.density.all_values()
    numbers |= {"epsilon": [recipe.epsilon], "gamma": [recipe.gamma]}
    for what, values in numbers.items():
        if any(not math.isfinite(value) or abs(value) > 1000 for value in values):
            raise PlaygroundError(f"{what} must be an ordinary number, from -1000 to 1000. Change it.")
    for what, low, high in (("density", 0, 1), ("t", 0, 1), ("epsilon", 0, 0.5), ("gamma", 0, 0.999)):
        if wrong := [value for value in numbers[what] if not low <= value <= high]:
            raise PlaygroundError(f"{what} is {wrong[0]:g}; it must be from {low} to {high}. Change it.")
    if recipe.dtype not in (None, "float32", "float16", "bfloat16"):
        raise PlaygroundError(f"dtype is {recipe.dtype}; it must be float32, float16 or bfloat16.")


def as_setting(value: object, what: str) -> Setting:
    """A setting as mergekit writes it: a number, a list of numbers, or a list of {filter, value}.

    Raises:
        PlaygroundError: it is none of these.
    """
    wrong = PlaygroundError(f"{what} must be a number, a list of numbers, or a list of filters with values.")
    if _is_number(value):
        return constant(value)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise wrong
    if all(_is_number(item) for item in value):
        return Setting(tuple(float(item) for item in value))
    parts, rest = [], None
    for item in value:
        if _is_number(item):
            item = {"value": item}
        if not isinstance(item, Mapping) or "value" not in item or rest is not None:
            raise wrong
        inner = as_setting(item["value"], what)
        if inner.parts:
            raise wrong
        if item.get("filter") in (None, "*"):
            rest = inner.values
        else:
            parts.append((str(item["filter"]), inner.values))
    if rest is None:
        raise PlaygroundError(f"{what} has filters but no value for everything else. Add one at the end.")
    return Setting(rest, tuple(parts))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
