"""How much room for models there is on this machine, how much one needs, and what would fit.

It does not know which models are held: `cache` does.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from playground.errors import PlaygroundError
from playground.models import sources
from playground.models.catalog import catalog
from playground.settings import Settings

if TYPE_CHECKING:  # torch is imported when the first model is loaded: the page must not wait for it
    from playground.models.machine import Machine


class Room:
    """Every method may be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.known: Machine | None = None  # what was measured; None: nothing has asked yet
        self._measuring = threading.Lock()

    def machine(self) -> Machine:
        """The machine, measured when it is first asked for."""
        from playground.models import machine

        with self._measuring:
            if self.known is None:
                self.known = machine.measure(self.settings)
            return self.known

    def needed(self, n_parameters: int, reference: str) -> int:
        """Bytes that loading a model takes in its precision, or in the likely one before that is known."""
        precision = sources.parse(reference).precision or (
            str(self.known.dtype).removeprefix("torch.") if self.known else self.settings.dtype
        )
        # int8 is rounded from bfloat16 in memory, layer by layer
        return n_parameters * {"float32": 4, "int8": 3}.get(precision, 2)

    def check(self, reference: str, needed: int, in_use: int) -> None:
        """Raises PlaygroundError when so many bytes will not fit, beside those that cannot be had back now.

        Args:
            in_use: bytes of models that are lent or on their way.
        """
        budget = self.machine().budget
        if needed > budget:
            raise PlaygroundError(
                f"{reference} needs about {gigabytes(needed)} of memory and models may use {gigabytes(budget)} here. "
                + self.what_fits(budget)
            )
        if in_use + needed > budget:
            raise PlaygroundError(
                f"{reference} needs about {gigabytes(needed)}; models in use hold {gigabytes(in_use)} "
                f"of {gigabytes(budget)}. Try again when they have finished, or pick a smaller model."
            )

    def what_fits(self, budget: int) -> str:
        """A sentence that names the largest models of the catalog that fit."""
        entries = sorted(catalog(), key=lambda entry: entry.parameters, reverse=True)
        names = [e.reference for e in entries if self.needed(e.parameters, e.reference) <= budget]
        return f"These would fit: {', '.join(names[:3])}." if names else "Raise --memory-budget or use another device."


def gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"
