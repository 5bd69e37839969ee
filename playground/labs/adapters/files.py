"""An adapter as a PEFT folder, which PEFT, transformers and Playground read.

It is written beside and renamed, so that a folder that is there is whole. It does not know how the adapter was made.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playground.engine.adapters import Adapter
from playground.errors import PlaygroundError
from playground.labs.adapters.composing import Composition
from playground.models import disk
from playground.settings import Settings

LICENCE_NOTE = "The adapter has the licence of the models and adapters that it was made from."


def keep(adapter: Adapter, base: str, facts: Mapping[str, Any], settings: Settings) -> Path:
    """Saves an adapter among this machine's own files, once; returns its folder, which a reference can name.

    Raises:
        PlaygroundError: visitors of this page may not use folders of the machine; or as `save`.
    """
    if not settings.may_read_local_paths:
        raise PlaygroundError(
            "This page keeps no files of its visitors. Run Playground on your own machine to save adapters; a mixture "
            "of shipped adapters can be used in every tab without being saved."
        )
    folder = settings.cache_dir / "adapters" / named(adapter, facts)
    return folder if folder.exists() else save(adapter, folder, base, facts)


def save(
    adapter: Adapter, folder: Path, base: str, facts: Mapping[str, Any], dtype: str = "float32", turned: bool = False
) -> Path:
    """Writes adapter_config.json, adapter_model.safetensors and a card; returns the folder.

    Layers of lower rank than the highest are filled up with zeros, so that one rank and alpha hold for all.

    Args:
        base: what PEFT shall load it on.
        facts: what it was made of, as plain JSON; it stands in the card.
        dtype: of the file. In float16 large or tiny numbers are rounded.
        turned: the model keeps its weights as (in, out), as GPT-2 does.

    Raises:
        PlaygroundError: there is such a folder already, or no room for it.
    """
    if folder.exists():
        raise PlaygroundError(f"{folder} is there already. Name another folder.")
    import torch
    from safetensors.torch import save_file

    rank = adapter.rank
    kind = getattr(torch, dtype)
    tensors = {}
    for path, factors in adapter.layers.items():
        a, b = factors.a, factors.scaling * factors.b
        missing = rank - a.shape[0]
        a, b = torch.nn.functional.pad(a, (0, 0, 0, missing)), torch.nn.functional.pad(b, (0, missing))
        tensors[f"base_model.model.{path}.lora_A.weight"] = a.to(kind).contiguous()
        tensors[f"base_model.model.{path}.lora_B.weight"] = b.to(kind).contiguous()
    if any(not tensor.isfinite().all() for tensor in tensors.values()):
        raise PlaygroundError(
            f"The adapter holds numbers that {dtype} cannot. Save it in float32, or check its weights."
        )
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": rank,  # the scaling is in B
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": turned,
        "inference_mode": True,
        "target_modules": sorted(adapter.layers),
    }
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    folder.parent.mkdir(parents=True, exist_ok=True)
    disk.need_room(folder.parent, n_bytes, "saving the adapter", "PLAYGROUND_CACHE_DIR")
    beside = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.part"
    try:
        beside.mkdir()
        save_file(tensors, beside / "adapter_model.safetensors", metadata={"format": "pt"})
        (beside / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
        (beside / "README.md").write_text(_card(adapter, base, facts), "utf-8")
        beside.rename(folder)
    except OSError as error:
        raise PlaygroundError(f"The adapter could not be saved: {error}. Nothing was left behind.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def facts(found: Composition, base: str) -> dict[str, Any]:
    """What a composed adapter was made of, for its card."""
    return {
        "base": base,
        "method": found.method,
        "adapters": dict(zip(found.names, found.weights, strict=True)),
        "rank": found.rank,
        "density": found.density,
        "seed": found.seed,
        "distance from the exact sum": found.error,
    }


def named(adapter: Adapter, facts: Mapping[str, Any]) -> str:
    """A name that is the same for the same numbers made in the same way."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for path, factors in sorted(adapter.layers.items()):
        digest.update(path.encode())
        digest.update((factors.scaling * factors.b).numpy().tobytes() + factors.a.numpy().tobytes())
    return f"composed-{digest.hexdigest()[:12]}"


def _card(adapter: Adapter, base: str, facts: Mapping[str, Any]) -> str:
    told = json.dumps(facts, indent=1, default=str)
    return (
        f"---\nbase_model: {base}\nlibrary_name: peft\ntags:\n- lora\n---\n\n# {adapter.name}\n\n"
        f"A LoRA adapter of rank {adapter.rank} with {adapter.n_parameters:,} parameters, made with Playground.\n\n"
        f"```json\n{told}\n```\n\n{LICENCE_NOTE}\n"
    )
