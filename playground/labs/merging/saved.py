"""What is known of a merge that has been saved. It does not know how it was written, or what is done with it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Saved:
    folder: Path
    n_bytes: int  # of the weights
    n_files: int
    seconds: float

    @property
    def reference(self) -> str:
        """Under which it is a model like any other."""
        return str(self.folder)
