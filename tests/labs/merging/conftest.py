"""A family of tiny models: a base and two children, with files in bfloat16 as tuned models have them."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny


@pytest.fixture(scope="package")
def family(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("family")
    base = tiny.save(root / "base", "llama")
    torch.manual_seed(0)
    found = {"base": base}
    plain = load_file(base / "model.safetensors")
    for name in ("a", "b"):
        folder = shutil.copytree(base, root / name)
        child = {key: (value + 0.02 * torch.randn_like(value)).bfloat16() for key, value in plain.items()}
        save_file(child, folder / "model.safetensors", {"format": "pt"})
        found[name] = folder
    save_file({k: v.bfloat16() for k, v in plain.items()}, base / "model.safetensors", {"format": "pt"})
    return found
