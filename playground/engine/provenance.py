"""Where a number came from: which model, in which precision, with which settings, under which libraries."""

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from playground.engine.engine import Engine


@dataclass(frozen=True)
class Provenance:
    reference: str
    revision: str  # hub commit, or a hash of the files
    device: str
    dtype: str
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None


@cache
def _versions() -> dict[str, str]:
    names = ("torch", "transformers", "tokenizers")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def of(engine: Engine, settings: Mapping[str, Any] | None = None, seconds: float | None = None) -> Provenance:
    """The provenance of a result that `engine` computed with `settings`."""
    return Provenance(
        engine.reference,
        engine.revision,
        str(engine.device),
        engine.precision,
        dict(settings or {}),
        dict(_versions()),
        seconds,
    )
