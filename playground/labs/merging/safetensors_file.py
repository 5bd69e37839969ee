"""safetensors files written a tensor at a time, and what belongs beside them in a model's folder.

The format's own description: the header's length, the header as JSON, then the tensors' bytes. It does not know models.
"""

import json
import math
import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

_CODES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
_BESIDE = (
    *("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "spiece.model"),
    *("chat_template*", "generation_config.json", "sentencepiece*"),
)


def header(shapes: Mapping[str, Sequence[int]], dtype: torch.dtype) -> bytes:
    """The beginning of a file that holds tensors of these shapes one after the other."""
    entries: dict[str, dict[str, object]] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in shapes.items():
        end = at + math.prod(shape) * dtype.itemsize
        entries[name] = {"dtype": _CODES[dtype], "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def as_bytes(tensor: Tensor) -> memoryview:
    """A tensor on the CPU as the file has it, without a copy."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def copy_beside(source: Path, target: Path) -> None:
    """Copies tokenizer, chat template and generation settings."""
    for pattern in _BESIDE:
        for file in source.glob(pattern):
            if file.is_file():
                shutil.copyfile(file, target / file.name)
