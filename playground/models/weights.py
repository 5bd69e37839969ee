"""The weights of a model that is on disk, one tensor at a time, straight from the mapped file.

It does not load the model. Where the reference names adapters, what they add is in the tensors that are read.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from torch import Tensor, nn

from playground.errors import PlaygroundError
from playground.models.folder import is_weight
from playground.models.lora import Lora
from playground.models.sources import Files


class Tensors(Protocol):
    """What can be read tensor by tensor: the `Weights` of a model, or something made of them."""

    files: Files
    shapes: dict[str, tuple[int, ...]]

    @property
    def adapted(self) -> frozenset[str]: ...

    def dtype(self, name: str) -> torch.dtype: ...

    def read(self, name: str) -> Tensor: ...


class Weights:
    """Tensors by the names that they have in the files."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.adapters = tuple((Lora(place), weight) for place, weight in files.adapters)
        self._open: dict[str, Any] = {}  # by tensor: the mapped file
        for path in _paths(files.folder):
            file = safe_open(path, "pt")
            self._open |= dict.fromkeys(file.keys(), file)
        self.shapes: dict[str, tuple[int, ...]] = {}
        for name, file in self._open.items():
            part = file.get_slice(name)
            if is_weight(name, part.get_dtype(), part.get_shape()):
                self.shapes[name] = tuple(part.get_shape())
        names = matched(self.shapes, {w for lora, _ in self.adapters for w in lora.weights})
        self._adapted = {key: weight for weight, key in names.items()}
        for lora, _ in self.adapters:
            if lost := sorted(lora.weights - set(names)):
                raise PlaygroundError(
                    f"The adapter {lora.folder.name} was made for another model than {files.folder.name}: there is no "
                    f"{lost[0]} in it. Pick the adapter's own base: {lora.config.get('base_model_name_or_path')}."
                )

    @property
    def adapted(self) -> frozenset[str]:
        """Names of the tensors that adapters add to."""
        return frozenset(self._adapted)

    def dtype(self, name: str) -> torch.dtype:
        """The precision in which a tensor is kept on the disk."""
        return self.stored(name).dtype

    def read(self, name: str) -> Tensor:
        """One tensor. Without adapters it is the mapped file itself, which must not be written to; with, float32.

        Raises:
            PlaygroundError: an adapter does not fit it.
        """
        stored = self.stored(name)
        if name not in self._adapted:
            return stored
        total = stored.float()
        for lora, weight in self.adapters:
            delta = lora.delta(self._adapted[name])
            if delta is None or weight == 0:
                continue
            if delta.shape != total.shape:
                raise PlaygroundError(
                    f"The adapter {lora.folder.name} has the shape {tuple(delta.shape)} for {name}, which is "
                    f"{tuple(total.shape)} in {self.files.folder.name}. It was made for another model."
                )
            total.add_(delta, alpha=weight)
        return total

    def stored(self, name: str) -> Tensor:
        """One tensor as the file has it, adapters left out."""
        return self._open[name].get_tensor(name)


def matched(keys: Iterable[str], parameters: Iterable[str]) -> dict[str, str]:
    """Parameter's name -> its key in the files, where they are the same but for a prefix such as "transformer.".

    Parameters whose weights the files keep in another form are left out.
    """
    keys = set(keys)
    by_tail: dict[str, str] = {}
    for key in keys:
        by_tail.setdefault(key.partition(".")[2], key)
    found = {}
    for name in parameters:
        tail = name.partition(".")[2]
        its_key = next((k for k in (name, tail, by_tail.get(name)) if k in keys), None)
        if its_key is not None:
            found[name] = its_key
    return found


def add_adapters(model: nn.Module, files: Files) -> None:
    """Puts what the adapters of a reference add into a model that was loaded without them: in float32, cast once."""
    weights = Weights(files)
    parameters = dict(model.named_parameters())
    places = matched(weights.shapes, parameters)
    with torch.no_grad():
        for name, key in places.items():
            if key in weights.adapted:
                parameters[name].copy_(weights.read(key))


def _paths(folder: Path) -> list[Path]:
    single = folder / "model.safetensors"
    if single.exists():
        return [single]
    places = json.loads((folder / "model.safetensors.index.json").read_text("utf-8"))["weight_map"]
    return [folder / Path(file).name for file in sorted(set(places.values()))]
