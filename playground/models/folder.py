"""What is in a folder of weights: config.json and safetensors headers, read without torch.

It does not know how the folder came to be, nor how to load it.
"""

import hashlib
import json
import re
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import IO, Any

from playground.errors import PlaygroundError

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
OTHER_WEIGHTS = (".h5", ".msgpack", ".onnx", ".tflite", ".npz")
_INDEX = "model.safetensors.index.json"
_FRESH = 2_000_000_000  # nanoseconds
_MASK = re.compile(r"(masked_bias|inv_freq|position_ids)$")  # buffers that older files carry among the weights


@dataclass(frozen=True)
class Contents:
    """A folder's model, as far as headers tell."""

    config: dict[str, Any]  # config.json
    n_parameters: int
    n_bytes: int  # of the weights on disk
    fingerprint: str  # 12 hexadecimal digits that change when config, shapes or weights do


@dataclass(frozen=True)
class _Tensor:
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int  # byte in the file
    end: int


def read(folder: Path, name: str) -> Contents:
    """Reads the headers. Milliseconds, whatever the model's size.

    Raises:
        PlaygroundError: a file is missing, short or damaged, or the weights are in a form that is not loaded here.
    """
    if not folder.is_dir():
        raise PlaygroundError(f"There is no folder {name}. Check the path.")
    config = read_config(folder, name)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    n_parameters = n_bytes = 0
    for path in _weight_files(folder, name):
        tensors, samples = _weights(path, name)
        n_parameters += sum(
            prod(tensor.shape) for tensor in tensors if is_weight(tensor.name, tensor.dtype, tensor.shape)
        )
        n_bytes += path.stat().st_size
        digest.update(path.name.encode())
        digest.update(samples)
    return Contents(config, n_parameters, n_bytes, digest.hexdigest()[:12])


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """config.json as a dictionary.

    Raises:
        PlaygroundError: there is none, or it cannot be read.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise _not_a_model([entry.name for entry in folder.iterdir()], name, _base_model(folder))
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlaygroundError(f"config.json of {name} cannot be read: {error}. Fetch the model again.") from None
    if not isinstance(config, dict):
        raise PlaygroundError(f"config.json of {name} is not a JSON object. Fetch the model again.")
    return config


def no_weights(names: list[str], name: str) -> PlaygroundError:
    """What to say of a model that has no safetensors among its files `names`."""
    if pickles := [file for file in names if file.lower().endswith(PICKLES)]:
        return PlaygroundError(
            f"{name} has its weights only as pickle ({pickles[0]}), which can run any code when it is opened, so it is "
            "not loaded here. Pick a copy in safetensors, or, if you trust it, convert it once with transformers: "
            "AutoModelForCausalLM.from_pretrained(old).save_pretrained(new), and the same for AutoTokenizer."
        )
    if others := [file for file in names if file.lower().endswith(OTHER_WEIGHTS)]:
        return PlaygroundError(
            f"{name} has no weights in safetensors or GGUF, only {others[0]}. Pick a copy in one of those formats."
        )
    return PlaygroundError(f"{name} has no weights: neither model.safetensors nor a GGUF file is among its files.")


def _not_a_model(names: list[str], name: str, base: str | None) -> PlaygroundError:
    if base:
        return PlaygroundError(
            f"{name} is an adapter, not a whole model. The model it belongs to is {base}: pick that."
        )
    if not any(file.endswith(".safetensors") for file in names) and any(file.endswith(PICKLES) for file in names):
        return no_weights(names, name)
    if ggufs := sorted(file for file in names if file.endswith(".gguf")):
        return PlaygroundError(f"{name} holds GGUF files. Name the one to use: {name}/{ggufs[0]}.")
    return PlaygroundError(f"{name} has no config.json, so it is no transformers model. Check the name or the path.")


def _base_model(folder: Path) -> str | None:
    try:
        return json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _weight_files(folder: Path, name: str) -> list[Path]:
    """The files that transformers would load, each known to be there."""
    single, base = (folder / "model.safetensors").exists(), _base_model(folder)
    if not single and not (folder / _INDEX).exists():
        if base:
            raise _not_a_model([], name, base)
        raise no_weights([entry.name for entry in folder.iterdir()], name)
    if (folder / "adapter_config.json").exists():  # transformers would load the adapter too, even from a pickle
        raise PlaygroundError(
            f"{name} has an adapter_config.json beside a whole model, and only one of the two can be meant. "
            f"Move that file away, or pick the base model{' ' + base if base else ''}."
        )
    if single:
        return [folder / "model.safetensors"]
    try:
        places: dict[str, str] = json.loads((folder / _INDEX).read_text(encoding="utf-8"))["weight_map"]
        files = [folder / Path(file).name for file in sorted(set(places.values()))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlaygroundError(f"{_INDEX} of {name} cannot be read: {error}. Fetch the model again.") from None
    if missing := [file.name for file in files if not file.exists()]:
        raise PlaygroundError(
            f"{name} is not whole: {missing[0]} is missing ({len(missing)} of {len(files)} files). Fetch it again."
        )
    held = {tensor.name for file in files for tensor in _weights(file, name)[0]}
    if lost := sorted(set(places) - held):
        raise PlaygroundError(f"{name} is not whole: the weights {lost[0]} are in none of its files. Fetch it again.")
    return files


def _weights(path: Path, name: str) -> tuple[tuple[_Tensor, ...], bytes]:
    """The tensors of a safetensors file, and samples of them.

    They are kept while the file stays as it is: a list of models asks for them again and again, and each of the
    thousand reads may have to wait for other threads.
    """
    seen = path.stat()
    if time.time_ns() - max(seen.st_mtime_ns, seen.st_ctime_ns) < _FRESH:  # another write may bear the same time
        return _read_weights.__wrapped__(path, name, ())
    return _read_weights(path, name, (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns))


@lru_cache(maxsize=128)
def _read_weights(path: Path, name: str, stamp: tuple[int, ...]) -> tuple[tuple[_Tensor, ...], bytes]:
    tensors = tuple(_header(path, name))
    with path.open("rb") as file:
        return tensors, b"".join(_samples(file, tensors))


def _header(path: Path, name: str) -> list[_Tensor]:
    """Every tensor of a safetensors file, its place checked against the file's size."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if head.startswith(b"version "):
            raise PlaygroundError(
                f"{path.name} of {name} is a Git LFS pointer, not the weights. Run `git lfs pull` in its folder."
            )
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        text = file.read(length) if length <= 100_000_000 else b""
    if size < 8 or size < 8 + length <= 100_000_008:
        raise _cut_short(path, name, 8 + length, size)
    try:
        entries = {key: value for key, value in json.loads(text).items() if key != "__metadata__"}
        tensors = [
            _Tensor(key, value["dtype"], tuple(value["shape"]), *(8 + length + at for at in value["data_offsets"]))
            for key, value in entries.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PlaygroundError(f"{path.name} of {name} is damaged or no safetensors file. Fetch it again.") from None
    end = max((tensor.end for tensor in tensors), default=8 + length)
    if size != end:
        raise _cut_short(path, name, end, size)
    return tensors


def _cut_short(path: Path, name: str, promised: int, size: int) -> PlaygroundError:
    if size > promised:
        return PlaygroundError(f"{path.name} of {name} is longer than its header says: damaged. Fetch it again.")
    return PlaygroundError(
        f"{path.name} of {name} is cut short: its header promises {promised:,} bytes and it has {size:,}. "
        "Fetch it again."
    )


def is_weight(name: str, dtype: str, shape: Sequence[int]) -> bool:
    """Not a mask or a table of positions. GPT-2's files call a (1, 1, 1024, 1024) mask "attn.bias"."""
    mask = _MASK.search(name) or (name.endswith(".bias") and len(shape) == 4)
    return dtype.startswith(("F", "BF")) and not mask


def _samples(file: IO[bytes], tensors: Sequence[_Tensor]) -> Iterator[bytes]:
    """Each tensor's name and form and 64 bytes from its start, middle and end: training changes nearly all of them."""
    for tensor in sorted(tensors, key=lambda tensor: tensor.start):
        yield repr((tensor.name, tensor.dtype, tensor.shape)).encode()
        for place in (tensor.start, (tensor.start + tensor.end) // 2, tensor.end - 64):
            file.seek(max(place, tensor.start))
            yield file.read(min(64, tensor.end - tensor.start))
