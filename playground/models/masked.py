"""A masked model's folder from a BERT body without a head and a packed difference.

It knows BERT's names for its weights; not where either part comes from, nor how the difference was trained.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from playground.models import difference


def body(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a `BertModel` under their names in `BertForMaskedLM`, without the pooler, which that has not."""
    weights = load_file(folder / "model.safetensors")
    unused = ("pooler.", "embeddings.position_ids")
    return {f"bert.{name}": weight for name, weight in weights.items() if not name.startswith(unused)}


def packed(files: Sequence[Path]) -> dict[str, torch.Tensor]:
    """What the files of a packed difference hold together."""
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def weights(folder: Path, files: Sequence[Path]) -> dict[str, torch.Tensor]:
    """All weights of the masked model, in float32; the output embeddings are the input's and stand here once."""
    return difference.unpack(body(folder), packed(files))


def build(folder: Path, files: Sequence[Path], target: Path) -> None:
    """Writes config.json and model.safetensors of the masked model into `target`."""
    made: Mapping[str, torch.Tensor] = weights(folder, files)
    save_file(
        {name: weight.contiguous() for name, weight in made.items()}, target / "model.safetensors", {"format": "pt"}
    )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    config |= {"architectures": ["BertForMaskedLM"], "tie_word_embeddings": True, "dtype": "float32"}
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
