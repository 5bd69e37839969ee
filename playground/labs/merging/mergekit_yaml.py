"""Recipes as mergekit writes them: YAML, or the same as JSON. Read and written.

What mergekit has no word for (the dialect, the seed, how signs are elected) stands in a comment, so that mergekit can
run the file as it is. It does not know what the numbers do.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from playground.errors import PlaygroundError
from playground.labs.merging import methods
from playground.labs.merging.recipe import Ingredient, Recipe, Setting, as_setting, check

_COMMENT = re.compile(r"^#\s*playground:\s*(\{.*\})\s*$", re.MULTILINE)
_MOST = 100_000  # letters of a recipe
_IGNORED = ("int8_mask", "nuslerp_flatten", "select_topk")
_OURS = {"dialect": "mergekit", "seed": 42, "election": "sum"}
_PER_MODEL = ("weight", "density")


def mapping(recipe: Recipe) -> dict[str, Any]:
    """The recipe as mergekit's configuration, with what is ours under "playground". `read` reads it back."""
    kind = recipe.kind
    models: list[dict[str, object]] = []
    for model in recipe.models:
        parameters: dict[str, object] = {}
        if "weights" in kind.parameters:
            parameters["weight"] = _plain(model.weight)
        if "densities" in kind.parameters:
            parameters["density"] = _plain(model.density)
        models.append({"model": model.reference} | ({"parameters": parameters} if parameters else {}))
    found: dict[str, Any] = {"merge_method": recipe.method}
    if recipe.method == "slerp":
        found["base_model"] = recipe.models[0].reference
    elif recipe.uses_base:
        found["base_model"] = recipe.base
    found["models"] = models
    parameters = {}
    if "t" in kind.parameters:
        parameters["t"] = _plain(recipe.t)
    if "scale" in kind.parameters:
        parameters["lambda"] = _plain(recipe.scale)
    for name in ("normalize", "rescale"):
        if name in kind.parameters and getattr(recipe, name) is not None:
            parameters[name] = getattr(recipe, name)
    for name in ("epsilon", "gamma"):
        if name in kind.parameters:
            parameters[name] = getattr(recipe, name)
    if "row_wise" in kind.parameters and recipe.row_wise:
        parameters["nuslerp_row_wise"] = True
    if parameters:
        found["parameters"] = parameters
    if recipe.dtype:
        found["dtype"] = recipe.dtype
    if recipe.union:
        found["tokenizer"] = {"source": "union"}
    ours: dict[str, object] = {}
    if kind.dialects:
        ours["dialect"] = recipe.dialect
    if "seed" in kind.parameters:
        ours["seed"] = recipe.seed
    if "election" in kind.parameters:
        ours["election"] = recipe.election
    return found | ({"playground": ours} if ours else {})


def write(recipe: Recipe, name_of: Callable[[str], str] = str) -> str:
    """The recipe as YAML that mergekit runs. `name_of`: how a reference is written there."""
    plain = mapping(recipe)
    ours = plain.pop("playground", None)
    if "base_model" in plain:
        plain["base_model"] = name_of(plain["base_model"])
    for model in plain["models"]:
        model["model"] = name_of(model["model"])
    lines = [f"# {recipe.kind.title}: {recipe.kind.paper}"]
    if ours is not None:
        if ours.get("dialect", "mergekit") != "mergekit":
            lines.append("# mergekit computes this method otherwise than the dialect named here: see the Merge tab.")
        lines.append(f"# playground: {json.dumps(ours)}")
    return "\n".join(lines) + "\n" + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def read(given: str | Mapping[str, Any]) -> Recipe:
    """The recipe in a YAML or JSON text, or in the same as a mapping; checked.

    Raises:
        PlaygroundError: it cannot be read, or asks for what is not done here; says what.
    """
    ours: Mapping[str, Any] = {}
    if isinstance(given, str):
        if len(given) > _MOST:
            raise PlaygroundError(f"A recipe has at most {_MOST:,} letters, and this has {len(given):,}.")
        comment = _COMMENT.search(given)
        try:
            plain = yaml.safe_load(given)
            ours = json.loads(comment[1]) if comment else {}
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            what = str(error).split("\n")[0]
            raise PlaygroundError(f"The recipe is neither YAML nor JSON that can be read: {what}.") from None
    else:
        plain = given
    if not isinstance(plain, Mapping):
        raise PlaygroundError("A recipe is a mapping with merge_method and models, as mergekit writes it. Paste one.")
    ours = {**_OURS, **ours, **_part(plain, "playground")}
    recipe = _recipe(_without_slices(plain), ours)
    check(recipe)
    return recipe


def _recipe(plain: Mapping[str, Any], ours: Mapping[str, Any]) -> Recipe:
    method = plain.get("merge_method")
    if not isinstance(method, str):
        raise PlaygroundError(f"The recipe names no merge_method. Choose one of: {', '.join(methods.METHODS)}.")
    kind = methods.find(method)
    parameters = _part(plain, "parameters")
    listed = plain.get("models")
    if not isinstance(listed, list) or not listed or not all(isinstance(m, Mapping) and "model" in m for m in listed):
        raise PlaygroundError("The recipe has no list of models, each with a name under “model”. Add it.")
    base = _name(plain["base_model"]) if plain.get("base_model") else None
    models = [_ingredient(item, parameters, kind) for item in listed]
    names = [model.reference for model in models]
    if method == "slerp":
        if base is not None and base not in names:
            raise PlaygroundError("In SLERP, base_model is one of the two models: the one that t = 0 gives.")
        models.sort(key=lambda model: model.reference != (base or names[0]))
        base = None
    elif base is not None and kind.needs_base and len(models) > 1:
        plain_base = [
            m for m, item in zip(models, listed, strict=True) if m.reference == base and not item.get("parameters")
        ]
        models = [model for model in models if model not in plain_base]  # listed for completeness, as mergekit allows
    known = ("t", "lambda", "normalize", "rescale", "epsilon", "gamma", "nuslerp_row_wise", *_PER_MODEL, *_IGNORED)
    if strange := sorted(set(parameters) - set(known)):
        raise PlaygroundError(f"The recipe sets {strange[0]}, which no method here has. Take it out.")
    tokenizer = plain.get("tokenizer") or {}
    source = tokenizer.get("source") if isinstance(tokenizer, Mapping) else tokenizer
    source = source or plain.get("tokenizer_source") or "base"
    election: Any = str(ours["election"])  # `check` says whether there is such a one
    dialect: Any = str(ours["dialect"])
    return Recipe(
        method,
        tuple(models),
        base,
        t=as_setting(parameters.get("t", 0.5), "t"),
        scale=as_setting(parameters.get("lambda", 1.0), "lambda"),
        normalize=_flag(parameters, "normalize"),
        rescale=_flag(parameters, "rescale"),
        epsilon=_number(parameters, "epsilon", 0.15),
        gamma=_number(parameters, "gamma", 0.01),
        row_wise=bool(_flag(parameters, "nuslerp_row_wise")),
        election=election,
        dialect=dialect,
        seed=int(ours["seed"]) if str(ours["seed"]).isdigit() else 42,
        dtype=plain.get("out_dtype") or plain.get("dtype"),
        union=source == "union",
    )


def _ingredient(item: Mapping[str, Any], shared: Mapping[str, Any], kind: methods.Method) -> Ingredient:
    own = item.get("parameters") or {}
    if not isinstance(own, Mapping):
        raise PlaygroundError(f"The parameters of {item['model']} are no mapping of names to numbers.")
    if strange := sorted(set(own) - {*_PER_MODEL, *_IGNORED}):
        raise PlaygroundError(f"The recipe sets {strange[0]} for {item['model']}; a model has a weight and a density.")
    values = {name: own.get(name, shared.get(name, 1.0)) for name in _PER_MODEL}
    if "weights" in kind.parameters and "weight" not in {**shared, **own} and not kind.needs_base:
        raise PlaygroundError(f"{item['model']} has no weight. Give it one under parameters.")
    return Ingredient(
        _name(item["model"]), as_setting(values["weight"], "weight"), as_setting(values["density"], "density")
    )


def _without_slices(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recipe whose slices are whole models, written with models instead."""
    slices = plain.get("slices")
    if not slices:
        return plain
    refused = PlaygroundError(
        "This recipe puts layers of models one after the other (slices). Here models are blended layer by layer: write "
        "it with models instead of slices."
    )
    if not isinstance(slices, list) or len(slices) != 1 or plain.get("models"):
        raise refused
    sources = slices[0].get("sources") if isinstance(slices[0], Mapping) else None
    if not isinstance(sources, list) or not sources or not all(isinstance(source, Mapping) for source in sources):
        raise refused
    ranges = sources[0].get("layer_range")
    if any(source.get("layer_range") != ranges for source in sources):
        raise refused
    if ranges is not None and not (isinstance(ranges, list) and len(ranges) == 2 and ranges[0] == 0):
        raise refused
    models = [{key: value for key, value in source.items() if key != "layer_range"} for source in sources]
    parameters = {**_part(plain, "parameters"), **_part(slices[0], "parameters")}
    return {**plain, "slices": None, "models": models, "parameters": parameters}


def _part(plain: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping inside another one; empty where there is none.

    Raises:
        PlaygroundError: something else stands there.
    """
    found = plain.get(name) or {}
    if not isinstance(found, Mapping):
        raise PlaygroundError(f"“{name}” in the recipe is no mapping of names to values. Correct it.")
    return found


def _name(value: object) -> str:
    """A model's name; mergekit writes those with a revision or an adapter as a mapping too."""
    if isinstance(value, Mapping):
        inner = value.get("model", value)
        inner = inner if isinstance(inner, Mapping) else {"path": inner}
        text = str(inner.get("path", ""))
        return f"{text}@{inner['revision']}" if inner.get("revision") else text
    return str(value)


def _flag(parameters: Mapping[str, Any], name: str) -> bool | None:
    value = parameters.get(name)
    if value is not None and not isinstance(value, (bool, int, float)):
        raise PlaygroundError(f"{name} is {value!r}; it must be true or false.")
    return None if value is None else bool(value)


def _number(parameters: Mapping[str, Any], name: str, usual: float) -> float:
    setting = as_setting(parameters.get(name, usual), name)
    if setting.flat is None:
        raise PlaygroundError(f"{name} is one number for the whole model. Give it one.")
    return setting.flat


def _plain(setting: Setting) -> object:
    """As `as_setting` reads it."""

    def values(numbers: tuple[float, ...]) -> object:
        return numbers[0] if len(numbers) == 1 else list(numbers)

    if not setting.parts:
        return values(setting.values)
    return [{"filter": part, "value": values(numbers)} for part, numbers in setting.parts] + [
        {"value": values(setting.values)}
    ]
