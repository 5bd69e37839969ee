"""A merge as Python that anybody can run without Playground: torch, safetensors and NumPy, the recipe's numbers on top.

The script is put together from the functions of `plain.py` that the method needs. It does not run them.
"""

import inspect
import pprint
import re
from collections.abc import Callable, Mapping
from typing import Any

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.labs import published
from playground.labs.merging import plain, saving
from playground.labs.merging.recipe import Recipe, Setting
from playground.labs.published import PLACE, Published
from playground.models.reference import parse
from playground.models.sources import Files
from playground.models.weights import Tensors

_AS_THEY_ARE = ("normalize", "rescale", "epsilon", "gamma", "row_wise", "election", "dialect", "seed")


def script(recipe: Recipe, parents: Mapping[str, Tensors], out: str = "merged") -> str:
    """Python that writes the merge into the folder `out`. The same numbers but for the order of roundings in float32.

    Raises:
        PlaygroundError: the recipe is one that so short a script cannot follow; says which.
    """
    places = _Places()
    if recipe.union:
        raise PlaygroundError("The script is for parents with one vocabulary. Save the merge, or turn the union off.")
    if recipe.method == "ties" and recipe.dialect == "paper":
        raise PlaygroundError("The script takes a tensor at a time, and the paper's TIES trims over all of them.")
    how = recipe.how("", 0.0)
    numbers = {
        "method": recipe.method,
        "models": [places.named(parents[model.reference].files) for model in recipe.models],
        "base": places.named(parents[recipe.base].files) if recipe.base is not None and recipe.uses_base else None,
        "dtype": str(saving.dtype_of(recipe, parents[recipe.skeleton])).removeprefix("torch."),
        "weights": [_numbers(model.weight) for model in recipe.models],
        "densities": [_numbers(model.density) for model in recipe.models],
        "t": _numbers(recipe.t),
        "scale": _numbers(recipe.scale),
        "as_they_are": list(_AS_THEY_ARE),
    } | {name: getattr(how, name) for name in _AS_THEY_ARE}
    functions = _needed(getattr(plain, recipe.method), plain.merge)
    body = "\n\n\n".join(inspect.getsource(function).rstrip() for function in functions)
    return (
        f'"""{recipe.kind.title}: {recipe.kind.paper}. Made by Playground; needs torch, safetensors and numpy."""\n\n'
        f"{_imports(body)}\n\n"
        "# Where the models and adapters are: each a folder, or a hub id, which needs huggingface_hub too.\n"
        f"{places.lines()}\n\n"
        "# A number is (values over the depth, other values for parts of the network); a model is its name above and\n"
        "# the adapters on it and their weights.\n"
        f"RECIPE = {pprint.pformat(numbers, width=110, sort_dicts=False)}\n\n\n{body}\n\n\n"
        f'if __name__ == "__main__":\n    merge(RECIPE, PLACES, {recipe.method}, {out!r})\n'
    )


class _Places:
    """Where the script finds what it reads, under short names."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[object, Published]] = {}  # by short name: whose it is, and where

    def named(self, files: Files) -> tuple[str, list[tuple[str, float]]]:
        """(a model's short name, [(an adapter's, its weight)])."""
        from playground.models.lora import Lora

        adapters = []
        for place, weight in files.adapters:
            lora = Lora(place)
            if lora.config.get("rank_pattern") or lora.config.get("alpha_pattern"):
                raise PlaygroundError(f"The adapter {lora.folder.name} has ranks of its own for some layers.")
            ships = place.is_relative_to(ASSETS)
            remark = "It ships with Playground." if ships else "Put in its folder."
            path = f"{PLACE}{place.relative_to(ASSETS.parent).as_posix() if ships else place.name}"
            adapters.append((self._short(place, Published(path, remark=remark)), weight))
        where = published.of_files(parse(files.reference), files.revision)
        return self._short(files.folder, where), adapters

    def _short(self, whose: object, where: Published) -> str:
        usual = where.name.rpartition("/")[2]
        name = next(
            name
            for name in (usual, *(f"{usual} {number}" for number in range(2, 100)))
            if self._found.get(name, (whose, None))[0] == whose
        )
        self._found[name] = whose, where
        return name

    def lines(self) -> str:
        rows = ""
        for name, (_, where) in self._found.items():
            at = f"@{where.revision}" if where.revision else ""
            rows += (f"    # {where.remark}\n" if where.remark else "") + f"    {name!r}: {where.name + at!r},\n"
        return f"PLACES = {{\n{rows}}}"


def _numbers(setting: Setting) -> tuple[list[float], list[tuple[str, list[float]]]]:
    return list(setting.values), [(part, list(values)) for part, values in setting.parts]


def _needed(*roots: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The functions and all that they call, in the order in which `plain.py` has them."""
    known = {name: f for name, f in vars(plain).items() if inspect.isfunction(f) and f.__module__ == plain.__name__}
    found, waiting = set(), [root.__name__ for root in roots]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += set(re.findall(r"\b\w+(?=\()", inspect.getsource(known[name]))) & known.keys()
    return [function for name, function in known.items() if name in found]


def _imports(body: str) -> str:
    """Those lines of `plain.py` that bring a name which the text uses."""
    lines = re.findall(r"^(?:import|from) .+$", inspect.getsource(plain), flags=re.MULTILINE)
    used = []
    for line in lines:
        names = [name.split(" as ")[-1].strip() for name in line.partition("import ")[2].split(",")]
        if any(re.search(rf"\b{name}\b", body) for name in names):
            used.append(line)
    return "\n".join(used)
