"""What the page is told about models: one model's state, and the ledger of all that are held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playground.engine.engine import Check


@dataclass(frozen=True)
class Status:
    """What the page says about a model. `n_bytes` is measured when it is ready and estimated before."""

    reference: str
    state: Literal["absent", "on disk", "fetching", "loading", "ready", "failed", "remote"]
    detail: str
    fraction: float | None = None  # of the present piece of work, 0 to 1; None: unknown
    n_bytes: int | None = None
    device: str | None = None
    dtype: str | None = None
    checks: tuple[Check, ...] = ()
    revision: str = ""  # of the weights in memory


@dataclass(frozen=True)
class Holding:
    reference: str
    n_bytes: int
    device: str
    dtype: str
    lent: int  # how many borrow it now
    idle_seconds: float  # since it was last given back; 0 while it is lent


@dataclass(frozen=True)
class Ledger:
    budget: int  # bytes; 0: not known before the first model is loaded
    used: int  # bytes, loads under way included
    device: str | None
    holdings: tuple[Holding, ...]
