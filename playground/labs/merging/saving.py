"""A merge written to disk, tensor by tensor: safetensors in shards, with tokenizer, chat template, card and recipe.

The file's header is known before the first tensor is computed, so that each tensor is computed, written and forgotten:
memory grows with the largest one. The folder is made aside and renamed when it is whole (`models/disk`): whatever goes
wrong on the way, nothing half-written is left that could be taken for a model. It does not know who asked.
"""

import importlib.metadata
import json
import math
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from playground.errors import PlaygroundError
from playground.labs import published
from playground.labs.merging import mergekit_yaml, safetensors_file
from playground.labs.merging.blending import Blend
from playground.labs.merging.recipe import Recipe
from playground.labs.merging.saved import Saved
from playground.models import disk
from playground.models.progress import Report, quiet
from playground.models.reference import parse
from playground.models.weights import Tensors
from playground.settings import Settings

SHARD = 5_000_000_000  # bytes of a file, as the hub likes them
RECIPE = "mergekit_config.yml"  # as mergekit calls it
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


def folder_for(name: str, settings: Settings) -> Path:
    """Where a merge of that name is kept.

    Raises:
        PlaygroundError: that is no name, or this page must not write folders that it could read.
    """
    if not settings.may_read_local_paths:
        raise PlaygroundError(
            "This page may not use folders of its machine, so that a saved merge could not be used here. Take the "
            "recipe along and run it where you may."
        )
    if not _NAME.fullmatch(name or "") or ".." in name:
        raise PlaygroundError(f"“{name}” is no name for a folder. Use letters, digits, dots, dashes and underscores.")
    return settings.cache_dir / "merges" / name


def save(
    blend: Blend,
    parents: Mapping[str, Tensors],
    target: Path,
    shard_bytes: int = SHARD,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Saved:
    """Follows a recipe into a new folder that transformers and Playground load.

    Raises:
        PlaygroundError: the name is taken, the disk is full, the weights are no numbers, or it was stopped. Nothing is
            left of it then.
    """
    started, recipe = time.perf_counter(), blend.recipe
    if target.exists():
        raise PlaygroundError(f"There is a folder {target.name} already. Choose another name, or remove {target}.")
    skeleton = parents[recipe.skeleton]
    dtype = dtype_of(recipe, skeleton)
    kept = {name: math.prod(shape) * dtype.itemsize for name, shape in skeleton.shapes.items()}
    n_bytes = sum(kept.values())
    what = f"the merge {target.name}"
    disk.need_room(target.parent, n_bytes, what)
    made = {"recipe": mergekit_yaml.mapping(recipe), "parents": {r: w.files.revision for r, w in parents.items()}}

    def build(aside: Path) -> None:
        shards = _shards(kept, shard_bytes)
        places: dict[str, str] = {}
        done = 0
        scratch = torch.empty(max(math.prod(shape) for shape in skeleton.shapes.values()), dtype=dtype)
        for i, names in enumerate(shards):
            file = aside / _shard_name(i, len(shards))
            places |= dict.fromkeys(names, file.name)
            with file.open("wb") as out:
                out.write(safetensors_file.header({name: skeleton.shapes[name] for name in names}, dtype))
                for name in names:
                    if stop is not None and stop.is_set():
                        raise PlaygroundError("Saving was stopped. Nothing was kept.")
                    shape = skeleton.shapes[name]
                    tensor = scratch[: math.prod(shape)].view(shape)
                    blend.tensor(name, tensor)
                    out.write(safetensors_file.as_bytes(tensor))
                    done += kept[name]
                    report(0.9 * done / n_bytes, f"Writing {name}")
        if len(shards) > 1:
            index = {"metadata": {"total_size": n_bytes}, "weight_map": places}
            (aside / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), "utf-8")
        _beside(aside, recipe, parents, dtype)
        report(0.95, "Checking what was written")

    disk.build_once(target, build, made, what, report)
    files = list(target.glob("*.safetensors"))
    return Saved(target, sum(f.stat().st_size for f in files), len(files), time.perf_counter() - started)


def dtype_of(recipe: Recipe, skeleton: Tensors) -> torch.dtype:
    """Of what is written: the recipe's, or that of the first parent's largest tensor."""
    if recipe.dtype:
        return getattr(torch, recipe.dtype)
    largest = max(skeleton.shapes, key=lambda name: math.prod(skeleton.shapes[name]))
    return skeleton.dtype(largest)


def _shards(sizes: Mapping[str, int], most: int) -> list[list[str]]:
    """Names of tensors, file by file; a tensor that is larger than a file has one of its own."""
    shards: list[list[str]] = [[]]
    room = most
    for name, size in sizes.items():
        if shards[-1] and size > room:
            shards.append([])
            room = most
        shards[-1].append(name)
        room -= size
    return shards


def _shard_name(i: int, n: int) -> str:
    return "model.safetensors" if n == 1 else f"model-{i + 1:05d}-of-{n:05d}.safetensors"


def _beside(aside: Path, recipe: Recipe, parents: Mapping[str, Tensors], dtype: torch.dtype) -> None:
    source = parents[recipe.skeleton].files
    safetensors_file.copy_beside(source.folder, aside)
    config = {key: value for key, value in source.config.items() if key != "_name_or_path"}
    config["dtype"] = str(dtype).removeprefix("torch.")
    config["transformers_version"] = importlib.metadata.version("transformers")
    (aside / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")
    (aside / RECIPE).write_text(mergekit_yaml.write(recipe), "utf-8")
    (aside / "README.md").write_text(card(aside.name, recipe, parents), "utf-8")


def card(name: str, recipe: Recipe, parents: Mapping[str, Tensors]) -> str:
    """The model card: what was merged, how, and with which revisions."""
    kind = recipe.kind
    bases = sorted({re.sub(r"\+adapter:.*", "", reference) for reference in parents})
    hub = [base for base in bases if re.fullmatch(r"[\w.-]+/[\w.-]+", base)]
    head = ["---", "library_name: transformers", "tags:", "- merge", "- playground"]
    head += ["base_model:", *(f"- {base}" for base in hub)] if hub else []
    lines = [
        *head,
        "---",
        "",
        "# A merge",
        "",
        f"Made with Playground by **{kind.title}** ({kind.paper}).",
        "",
        kind.about,
        "",
        "| Model | Revision | Its part |",
        "|---|---|---|",
    ]
    roles = {model.reference: "parent" for model in recipe.models}
    for reference, weights in parents.items():
        role = roles.get(reference, "base") if reference != recipe.base else "base"
        lines.append(f"| `{reference}` | `{weights.files.revision}` | {role} |")
    lines += ["", "Its licence is that of its parents: see their pages.", "", "## Recipe", "", "```yaml"]
    lines += [mergekit_yaml.write(recipe).rstrip(), "```", ""]
    return "\n".join(lines)


def for_mergekit(recipe: Recipe, parents: Mapping[str, Tensors], here: bool) -> str:
    """The recipe with names that mergekit knows, in place of references that only Playground does.

    here: folders of this machine, to be run on it; otherwise hub ids, and places that have to be put in.
    """

    def name_of(reference: str) -> str:
        files = parents[reference].files
        model = str(files.folder) if here else published.of_files(parse(files.reference), files.revision).name
        if not files.adapters:
            return model if reference.startswith("starter:") or not here else reference
        if len(files.adapters) == 1 and files.adapters[0][1] == 1:
            place = files.adapters[0][0]
            return f"{model}+{place if here else published.PLACE + place.name}"
        return reference  # mergekit has no word for an adapter with a weight

    return mergekit_yaml.write(recipe, name_of)
