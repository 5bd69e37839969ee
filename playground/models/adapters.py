"""Which adapters there are, what each was made for, and where its files are.

An adapter is named by a shipped name, by the folder where it lies, or by a hub id. It does not know what is done
with it.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.errors import PlaygroundError
from playground.models import hub, lora
from playground.models import reference as references
from playground.models.progress import Report, quiet
from playground.models.sources import check_allowed
from playground.settings import Settings

MOST = 8  # adapters at once on one model


@dataclass(frozen=True)
class Listed:
    """One adapter on offer."""

    name: str
    title: str
    about: str  # one sentence
    base: str  # the model it was trained on, as its config names it
    rank: int
    alpha: float
    modules: tuple[str, ...]  # the last part of their paths
    n_bytes: int
    card: str  # Markdown without its header; empty: it has none
    measured: dict[str, Any]  # held-out figures that its training wrote down; empty: none


def shipped() -> tuple[Listed, ...]:
    """The adapters that come with Playground."""
    return tuple(describe(name, lora.SHIPPED / name) for name in lora.shipped())


def describe(name: str, folder: Path) -> Listed:
    """What the files of an adapter say of it.

    Raises:
        PlaygroundError: its config cannot be read.
    """
    config = lora.Lora(folder).config
    card = _read(folder / "README.md")
    header, body = _split(card)
    title = re.search(r"^# (.+)$", body, re.MULTILINE)
    about = re.search(r"^(?!#)(\S.+?\.)(?:\s|$)", body, re.MULTILINE)
    measured = _read(folder / "training.json")
    modules = config.get("target_modules") or ()
    return Listed(
        name,
        title[1].strip() if title else Path(name).name,
        about[1] if about else "",
        str(config.get("base_model_name_or_path") or header.get("base_model") or "not said"),
        int(config["r"]),
        float(config["lora_alpha"]),
        tuple(sorted(modules)) if not isinstance(modules, str) else (modules,),
        (folder / "adapter_model.safetensors").stat().st_size,
        body,
        json.loads(measured).get("held_out", {}) if measured else {},
    )


def place(name: str, settings: Settings, report: Report = quiet) -> Path:
    """The folder of an adapter, fetched from the hub if that is what its name says.

    Raises:
        PlaygroundError: there is none, or it is not allowed here.
    """
    name = (name or "").strip()
    if not name:
        raise PlaygroundError(f"No adapter was named. Name one of: {', '.join(lora.shipped())}; a folder; or a hub id.")
    if name in lora.shipped():
        return lora.folder(name)
    if not name.startswith(("/", "~", "./", "../")) and "/" not in name:
        raise PlaygroundError(
            f"There is no shipped adapter “{name}”. There are: {', '.join(lora.shipped())}. A folder begins with /, a "
            "hub id is org/name."
        )
    reference = references.parse(name)
    if reference.kind not in ("hub", "folder"):
        raise PlaygroundError(f"“{name}” is no adapter. Name a shipped one, a folder, or a hub id (org/name).")
    check_allowed(reference, settings)
    if reference.kind == "folder":
        return lora.folder(reference.name)
    return hub.adapter(reference, settings, report)


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def _split(card: str) -> tuple[dict[str, str], str]:
    """The header of a card as plain strings, and the rest."""
    match = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    if not match:
        return {}, card
    pairs = (line.partition(": ") for line in match[1].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs if value}, card[match.end() :].strip()
