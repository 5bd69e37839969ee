"""Tiny adapters with random factors for a tiny Llama, as PEFT saves them. They know nothing."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests import tiny


@cache
def base_folder() -> Path:
    return tiny.save(_temporary("tiny-adapted-"), "llama", seed=3)


def _temporary(prefix: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def engine():
    return tiny.loaded(base_folder())


@cache
def folders() -> tuple[Path, ...]:
    """Three adapters, of ranks 4, 4 and 2 and different scaling, saved by PEFT."""
    import peft
    import torch
    import transformers

    made = []
    for seed, (rank, alpha) in enumerate(((4, 8), (4, 2), (2, 4))):
        model = transformers.AutoModelForCausalLM.from_pretrained(base_folder(), dtype=torch.float32)
        config = peft.LoraConfig(
            r=rank, lora_alpha=alpha, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM"
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = peft.get_peft_model(model, config)
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.data.normal_(std=0.3)
        made.append(_temporary(f"tiny-lora-{seed}-"))
        model.save_pretrained(made[-1])
    return tuple(made)


@cache
def adapters():
    from playground.labs.adapters import catalogue

    return tuple(catalogue.from_folder(f"tiny{i}", folder) for i, folder in enumerate(folders()))
