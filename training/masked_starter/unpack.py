"""Published weights as a checkpoint, from which training goes on: assets/weights -> DIR/checkpoint.pt.

    python -m training.masked_starter.unpack DIR
    python -m training.masked_starter.train DIR --resume --minutes 480

What the packed files say of steps, time and plan goes along: --minutes must say more than were spent. The optimizer's
state was never published, so that `train --resume` begins a new one; body and vectors warm up again, the head does not.
"""

import argparse
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import BertConfig, BertForMaskedLM

from playground.models import masked
from training.masked_starter import gather
from training.masked_starter.pack import FILES


def unpack(body: Path, files: list[Path]) -> dict:
    """The checkpoint, without "optimizer"; "spent" is in seconds, and "body_step" 0.

    Args:
        body: the folder of all-MiniLM-L6-v2.
        files: the packed weights, in parts.
    """
    with safe_open(files[0], "pt") as file:
        told = file.metadata()
    model = BertForMaskedLM(BertConfig.from_pretrained(body))
    model.load_state_dict(masked.weights(body, files), strict=False)
    made = {"step": int(told["steps"]), "body_step": 0, "n_seen": int(told["tokens"])}
    return {"model": model.state_dict(), "plan": told, "spent": 60 * float(told["minutes"])} | made


def main(arguments: list[str] | None = None) -> None:
    """Writes DIR/checkpoint.pt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    if (given.folder / "checkpoint.pt").exists():
        parser.error(
            f"There is a checkpoint in {given.folder}, which would be lost. Move it away, or name another folder."
        )
    held = unpack(gather.body_folder(), list(FILES))
    torch.save(held, given.folder / "checkpoint.pt")
    print(f"{given.folder / 'checkpoint.pt'} stands after {held['step']:,} steps and {held['spent'] / 60:.0f} minutes")


if __name__ == "__main__":
    main()
