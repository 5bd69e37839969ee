"""The models on offer, read from assets/models.toml. It does not know which of them are on this machine."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from playground.assets import ASSETS

Kind = Literal["chat", "base", "masked", "seq2seq", "embedding"]
_FILE = ASSETS / "models.toml"


@dataclass(frozen=True)
class Entry:
    """One model on offer."""

    reference: str  # as `sources.parse` reads it
    title: str
    kind: Kind
    parameters: int
    licence: str
    hub_id: str | None = None  # for a starter: the same model, in full precision, where the hub can be reached
    note: str = ""


@cache
def catalog() -> tuple[Entry, ...]:
    """Every model on offer, in the order of the file."""
    return read(_FILE)


def read(file: Path) -> tuple[Entry, ...]:
    """The entries of a catalog file.

    Raises:
        ValueError: the file breaks its own rules: a key missing or unknown, a kind that is none, a reference twice.
    """
    entries = []
    for table in tomllib.loads(file.read_text(encoding="utf-8"))["model"]:
        try:
            entry = Entry(**table)
        except TypeError as error:
            raise ValueError(f"{file}: {table.get('reference', table)}: {error}") from None
        if entry.kind not in get_args(Kind):
            raise ValueError(f"{file}: {entry.reference}: kind is one of {', '.join(get_args(Kind))}")
        if not isinstance(entry.parameters, int) or entry.parameters <= 0:
            raise ValueError(f"{file}: {entry.reference}: parameters is a count, like 134515008")
        entries.append(entry)
    references = [entry.reference for entry in entries]
    if twice := {reference for reference in references if references.count(reference) > 1}:
        raise ValueError(f"{file}: named twice: {', '.join(sorted(twice))}")
    return tuple(entries)


def organisations() -> tuple[str, ...]:
    """The hub organisations that the catalog's models come from."""
    ids = (entry.hub_id or entry.reference for entry in catalog())
    return tuple(sorted({hub_id.split("/")[0] for hub_id in ids if not hub_id.startswith("starter:")}))
