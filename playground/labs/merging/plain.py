"""Every merge method once more, in plain torch on whole tensors: what a downloaded script is put together from.

Written apart from `methods/`, from the same papers, so that each can be tested against the other. Nothing of Playground
is imported: `replay.py` copies the text of these functions.

`how`, a dictionary, is what a recipe says for one tensor: name, weights and densities (one a model), t, scale,
normalize, rescale, epsilon, gamma, row_wise, election, dialect, seed.
"""

import hashlib
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def linear(models, base, how):
    total = sum(how["weights"]) if how["normalize"] else 1
    return sum(weight / total * model for weight, model in zip(how["weights"], models, strict=True))


def arc(a, b, t, straight):
    """From a to b along the arc; where `straight` says so of the cosine, along the line. Shapes (..., n)."""
    x, y = a.double(), b.double()
    cosine = (x * y).sum(-1, keepdim=True) / (x.norm(dim=-1, keepdim=True) * y.norm(dim=-1, keepdim=True))
    theta = cosine.clamp(-1, 1).acos()
    line = straight(cosine.nan_to_num(1.0))
    first = torch.where(line, 1 - t, ((1 - t) * theta).sin() / theta.sin())
    second = torch.where(line, t, (t * theta).sin() / theta.sin())
    return (first * x + second * y).float()


def slerp(models, base, how):
    a, b = models
    return arc(a.flatten(), b.flatten(), how["t"], lambda cosine: cosine.abs() > 0.9995).view(a.shape)


def nuslerp(models, base, how):
    a, b = models
    total = sum(how["weights"])
    t = how["weights"][1] / total if abs(total) >= 1e-6 else 0.5
    if t in (0, 1):
        return models[int(t)]
    origin = torch.zeros_like(a) if base is None else base
    shape = a.shape if how["row_wise"] and a.dim() > 1 else (-1,)
    x, y = (a - origin).reshape(shape), (b - origin).reshape(shape)
    merged = arc(x, y, t, lambda cosine: (1 - cosine**2).clamp(min=0).sqrt() < 1e-8)
    return origin + merged.view(a.shape)


def task_arithmetic(models, base, how):
    return base + how["scale"] * linear([model - base for model in models], None, how)


def largest_first(tau):
    """Places of the elements by magnitude; equal ones in their order."""
    return tau.flatten().abs().sort(descending=True, stable=True).indices


def only(tau, places):
    """What stands at some places, 0 elsewhere."""
    kept = torch.zeros(tau.numel())
    kept[places] = tau.flatten()[places]
    return kept.view(tau.shape)


def agreed(taus, how):
    """Elects a sign for every element, and averages what has it."""
    weights = torch.tensor(how["weights"]).view(-1, *[1] * taus[0].dim())
    taus, mergekit = torch.stack(taus), how["dialect"] == "mergekit"
    voices = taus * weights if mergekit else taus
    votes = (voices.sign() if how["election"] == "count" else voices).sum(0)
    agree = (voices.sign() == torch.where(votes < 0, -1.0, 1.0)) & (voices != 0)
    total = ((voices if mergekit else voices * weights) * agree).sum(0)
    divisor = (agree * (weights if mergekit else 1.0)).sum(0)
    if mergekit and not how["normalize"]:
        return total
    return total / torch.where(divisor.abs() < 1e-8, 1.0, divisor)


def ties(models, base, how):
    taus = []
    for model, density in zip(models, how["densities"], strict=True):
        tau = model - base
        taus.append(tau if density >= 1 else only(tau, largest_first(tau)[: max(1, int(density * tau.numel()))]))
    return base + how["scale"] * agreed(taus, how)


def by_chance(how, i, shape, draw):
    """Numbers for every element of model i: `draw(generator, n)` for blocks of about 65,536, seeded by their place."""
    n_columns = shape[-1]
    n_rows, step = math.prod(shape[:-1]), max(1, 65536 // n_columns)
    blocks = []
    for row in range(0, n_rows, step):
        place = f"{how['seed']}/{how['name']}/{i}/{row * n_columns}"
        seed = int.from_bytes(hashlib.sha256(place.encode()).digest()[:16], "little")
        n = min(step, n_rows - row) * n_columns
        blocks.append(draw(np.random.Generator(np.random.SFC64(seed)), n))
    return torch.from_numpy(np.concatenate(blocks)).view(shape)


def same_mass(tau, kept):
    """What brings the sum of magnitudes back to what it was."""
    after = kept.abs().double().sum()
    return float(tau.abs().double().sum() / after) if after else 1.0


def dare(models, base, how):
    def raw(generator, n):
        return generator.bit_generator.random_raw(-(-n // 4)).view(np.uint16)[:n].astype(np.int32)

    taus = []
    for i, (model, density) in enumerate(zip(models, how["densities"], strict=True)):
        tau = kept = model - base
        if density < 1:
            kept = tau * (by_chance(how, i, tau.shape, raw) < round(density * 65536))
        if how["rescale"]:
            kept = kept * (same_mass(tau, kept) if how["dialect"] == "mergekit" else 1 / density)
        taus.append(kept)
    return taus


def dare_linear(models, base, how):
    return base + how["scale"] * linear(dare(models, base, how), None, how)


def dare_ties(models, base, how):
    return base + how["scale"] * agreed(dare(models, base, how), how)


def ranked_chances(models, base, how):
    def raw(generator, n):
        return generator.random(n, np.float32)

    taus = []
    for i, (model, density) in enumerate(zip(models, how["densities"], strict=True)):
        tau = kept = model - base
        if density < 1:
            n, low = tau.shape[-1], density - how["epsilon"]
            ranks = tau.abs().argsort(dim=-1, stable=True).argsort(dim=-1).float()
            chances = torch.full_like(tau, density) if n == 1 else ranks * (2 * how["epsilon"] / (n - 1)) + low
            kept = tau * (by_chance(how, i, tau.shape, raw) < chances)
            if how["rescale"] and how["dialect"] == "paper":
                kept = kept / chances
        if how["rescale"] and how["dialect"] == "mergekit":
            kept = kept * same_mass(tau, kept)
        taus.append(kept)
    return taus


def della_linear(models, base, how):
    return base + how["scale"] * linear(ranked_chances(models, base, how), None, how)


def della(models, base, how):
    return base + how["scale"] * agreed(ranked_chances(models, base, how), how)


def crumbs(models, base, how):
    taus = []
    for model, density in zip(models, how["densities"], strict=True):
        tau = model - base
        n_kept = max(1, int(density * tau.numel()))
        n_out = min(int(how["gamma"] * tau.numel()), tau.numel() - n_kept)
        taus.append(only(tau, largest_first(tau)[n_out : n_out + n_kept]))
    return taus


def breadcrumbs(models, base, how):
    return base + how["scale"] * linear(crumbs(models, base, how), None, how)


def breadcrumbs_ties(models, base, how):
    return base + how["scale"] * agreed(crumbs(models, base, how), how)


def model_stock(models, base, how):
    n, taus = len(models), [(model - base).double().flatten() for model in models]
    cosines = [float(torch.cosine_similarity(taus[i], taus[j], dim=0)) for i in range(n) for j in range(i)]
    cosine = min(1.0, max(0.0, sum(cosines) / len(cosines)))
    t = n * cosine / (1 + (n - 1) * cosine)
    return t * sum(models) / n + (1 - t) * base


def folder_of(place):
    """The folder of a model or an adapter; what is none yet is fetched from the hub."""
    if Path(place).is_dir():
        return Path(place)
    from huggingface_hub import snapshot_download

    name, _, revision = place.partition("@")
    return Path(snapshot_download(name, revision=revision or None))


def opened(parent, places):
    """The tensors of a model's folder, in float32, one at a time; with what its adapters add."""
    model, adapters = parent
    files = {}
    for path in sorted(folder_of(places[model]).glob("model*.safetensors")):
        file = safe_open(path, "pt")
        files |= dict.fromkeys(file.keys(), file)
    deltas = []
    for adapter, weight in adapters:
        folder = folder_of(places[adapter])
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        scaling = config["lora_alpha"] / (math.sqrt(config["r"]) if config.get("use_rslora") else config["r"])
        halves = load_file(folder / "adapter_model.safetensors")
        for key, half in halves.items():
            if ".lora_A." in key:
                path = key.removeprefix("base_model.model.").partition(".lora_A.")[0]
                product = halves[key.replace(".lora_A.", ".lora_B.")].float() @ half.float()
                product = product.T if config.get("fan_in_fan_out") else product
                deltas.append((f"{path}.weight", weight * scaling * product))

    lost = sorted({at for at, _ in deltas} - files.keys())
    if lost:
        raise ValueError(f"The model's files call {lost[0]} by another name: this script cannot add its adapter.")

    def read(name):
        tensor = files[name].get_tensor(name).float()
        return sum((delta for at, delta in deltas if at == name), tensor)

    return files, read


def at(setting, name, depth):
    """A number of the recipe for one tensor: along a curve over the layers, other ones for some parts."""
    values, parts = setting
    values = next((found for part, found in parts if part in name), values)
    place = depth * (len(values) - 1)
    left = min(int(place), len(values) - 1)
    right = min(left + 1, len(values) - 1)
    return values[left] + (place - left) * (values[right] - values[left])


def depths(names):
    """How deep each tensor lies, from 0 to 1: by the first number in its name, among those of the same stack."""
    found = {name: re.match(r"^(.*?)(?:^|\.)(\d+)\.", name) for name in names}
    last = {}
    for match in filter(None, found.values()):
        last[match[1]] = max(last.get(match[1], 0), int(match[2]))
    return {name: int(m[2]) / max(last[m[1]], 1) if m else 0.0 for name, m in found.items()}


def merge(recipe, places, method, out):
    """Writes the folder `out`: the merged weights, and beside them what the parent's folder has."""
    models = [opened(parent, places) for parent in recipe["models"]]
    base = opened(recipe["base"], places) if recipe["base"] else None
    files, merged = base[0] if base else models[0][0], {}
    for name, depth in depths(files).items():
        if not files[name].get_slice(name).get_dtype().startswith(("F", "BF")):  # a list of positions and the like
            merged[name] = files[name].get_tensor(name)
            continue
        how = {key: recipe[key] for key in recipe["as_they_are"]} | {"name": name}
        how |= {key: at(recipe[key], name, depth) for key in ("t", "scale")}
        how |= {key: [at(setting, name, depth) for setting in recipe[key]] for key in ("weights", "densities")}
        tensor = method([read(name) for _, read in models], base and base[1](name), how)
        merged[name] = tensor.to(getattr(torch, recipe["dtype"])).contiguous()
    folder, source = Path(out), folder_of(places[(recipe["base"] or recipe["models"][0])[0]])
    folder.mkdir()
    for path in source.iterdir():
        if path.suffix in (".json", ".txt", ".jinja", ".model") and "index" not in path.name:
            shutil.copyfile(path, folder / path.name)
    save_file(merged, folder / "model.safetensors", {"format": "pt"})
