"""Adapters with their weights in memory, ready for a model. It does not know what is done with them."""

from pathlib import Path

from playground.engine.adapters import Adapter, Factors
from playground.models import lora
from playground.models.adapters import place
from playground.models.progress import Report, quiet
from playground.settings import Settings


def ready(name: str, settings: Settings, report: Report = quiet) -> Adapter:
    """An adapter with its weights in memory.

    Raises:
        PlaygroundError: as `place`; or it is no plain LoRA.
    """
    return from_folder(name, place(name, settings, report))


def from_folder(name: str, folder: Path) -> Adapter:
    """The adapter in a PEFT folder.

    Raises:
        PlaygroundError: it is no plain LoRA.
    """
    files = lora.Lora(folder)
    layers = {}
    for weight in sorted(files.weights):
        if factors := files.factors(weight):
            b, a, scaling = factors
            layers[weight.removesuffix(".weight")] = Factors(a, b, scaling)
    return Adapter(name, layers)
