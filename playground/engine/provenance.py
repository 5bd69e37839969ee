"""Where a number came from: which model, in which precision, with which settings, under which libraries."""

import importlib.metadata
import platform
from dataclasses import dataclass, field
from functools import cache

from playground.engine.engine import Engine


@dataclass(frozen=True)
class Provenance:
    reference: str
    revision: str  # hub commit, or a hash of the files
    device: str
    dtype: str
    settings: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    seconds: float | None = None


@cache
def _versions() -> dict[str, str]:
    names = ("torch", "transformers", "tokenizers")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def of(engine: Engine, settings: dict | None = None, seconds: float | None = None) -> Provenance:
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
