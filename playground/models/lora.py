"""A LoRA adapter in a PEFT folder: what it adds to each weight of its base model.

    delta = scaling * B A,  scaling = alpha / r, or alpha / sqrt(r) where the adapter says rsLoRA

(Hu et al. 2021, arXiv 2106.09685; Kalajdzievski 2023, arXiv 2312.03732.) Read without PEFT and without wrapping the
model. It does not know the base model's weights.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.assets import ASSETS
from playground.errors import PlaygroundError

if TYPE_CHECKING:  # torch is imported when a model is loaded: the page must not wait for it
    from torch import Tensor

SHIPPED = ASSETS / "adapters"
_KEY = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.[\w-]+)?\.weight")


def shipped() -> tuple[str, ...]:
    """Names of the adapters that come with Playground."""
    return tuple(sorted(file.parent.name for file in SHIPPED.glob("*/adapter_config.json")))


def folder(name: str) -> Path:
    """Where an adapter is: `name` is a path, or the name of one that is shipped.

    Raises:
        PlaygroundError: there is none.
    """
    place = Path(name).expanduser() if name.startswith(("/", "~")) else SHIPPED / Path(name).name
    if not (place / "adapter_config.json").is_file():
        there = ", ".join(shipped()) or "none is shipped"
        raise PlaygroundError(
            f"There is no adapter {name}. Name a folder with adapter_config.json in it, or one of: {there}."
        )
    return place


class Lora:
    """One adapter. Its two small matrices for each weight are read when they are first asked for."""

    def __init__(self, place: Path) -> None:
        """
        Raises:
            PlaygroundError: it is no LoRA adapter, or of a kind that adds more than B A.
        """
        self.folder = place
        try:
            self.config: dict[str, Any] = json.loads((place / "adapter_config.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PlaygroundError(
                f"adapter_config.json of {place.name} cannot be read: {error}. Fetch it again."
            ) from None
        if not (place / "adapter_model.safetensors").is_file():
            raise PlaygroundError(f"The adapter {place.name} has no adapter_model.safetensors. Save it in that form.")
        kind = self.config.get("peft_type")
        if kind != "LORA":
            raise PlaygroundError(
                f"The adapter {place.name} is of the kind {kind}; only LoRA can be added to weights here."
            )
        more = [name for name in ("use_dora", "lora_bias", "modules_to_save") if self.config.get(name)]
        more += ["bias"] if self.config.get("bias", "none") != "none" else []
        if more:
            raise PlaygroundError(
                f"The adapter {place.name} changes more than a LoRA does ({', '.join(more)}), so that adding it to the "
                "weights would give another model. Train it again without."
            )

    def fingerprint(self) -> str:
        """12 hexadecimal digits that change when the adapter does."""
        with (self.folder / "adapter_model.safetensors").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        digest.update(json.dumps(self.config, sort_keys=True).encode())
        return digest.hexdigest()[:12]

    @property
    def weights(self) -> frozenset[str]:
        """Names of the base model's parameters that it adds to."""
        return frozenset(self._pairs)

    def factors(self, weight: str) -> tuple[Tensor, Tensor, float] | None:
        """B, (out, rank), A, (rank, in), both float32, and the scaling; None where it adds nothing."""
        pair = self._pairs.get(weight)
        return None if pair is None else (*pair, self.scaling(weight))

    def scaling(self, weight: str) -> float:
        """What B A is multiplied with for one weight."""
        module = weight.removesuffix(".weight")
        rank = _of(self.config.get("rank_pattern"), module, self.config["r"])
        alpha = _of(self.config.get("alpha_pattern"), module, self.config["lora_alpha"])
        return alpha / (math.sqrt(rank) if self.config.get("use_rslora") else rank)

    def delta(self, weight: str) -> Tensor | None:
        """What it adds to one weight, in the weight's own shape, float32; None where it adds nothing."""
        factors = self.factors(weight)
        if factors is None:
            return None
        b, a, scaling = factors
        product = scaling * (b @ a)
        return product.T if self.config.get("fan_in_fan_out") else product

    @cached_property
    def _pairs(self) -> dict[str, tuple[Tensor, Tensor]]:
        from safetensors.torch import load_file

        halves: dict[str, dict[str, Tensor]] = {}
        for key, value in load_file(self.folder / "adapter_model.safetensors").items():
            match = _KEY.fullmatch(key)
            if match is None:
                raise PlaygroundError(
                    f"The adapter {self.folder.name} holds {key}, which is no part of a plain LoRA. Train it again "
                    "with target_modules that are linear layers."
                )
            halves.setdefault(f"{match[1]}.weight", {})[match[2]] = value.float()
        if broken := [name for name, pair in halves.items() if set(pair) != {"A", "B"}]:
            raise PlaygroundError(f"The adapter {self.folder.name} has only half of what it adds to {broken[0]}.")
        return {name: (pair["B"], pair["A"]) for name, pair in halves.items()}


def _of(pattern: Mapping[str, float] | None, module: str, usual: float) -> float:
    """PEFT's patterns: a key names modules by how their path ends, as a regular expression."""
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})$", module):
            return value
    return usual
