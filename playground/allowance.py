"""What one request may ask of a model, and how much models have written. It does not know who decides."""

import math
import threading
from dataclasses import dataclass

from playground.errors import PlaygroundError

BYTES_A_TOKEN = 4  # of UTF-8: about what most vocabularies need, of English and of Chinese


@dataclass(frozen=True)
class Allowance:
    """In tokens; None: as many as the model holds."""

    prompt: int | None = None  # that it is given at once
    new: int | None = None  # that it writes for one request

    def check_prompt(self, n_tokens: int) -> None:
        """Raises PlaygroundError when a model may not be given so many."""
        if self.prompt is not None and n_tokens > self.prompt:
            raise PlaygroundError(
                f"This text is {n_tokens:,} tokens long, and {self.prompt:,} are the most on this page. "
                f"Shorten it by {n_tokens - self.prompt:,} tokens; nothing was cut."
            )

    def check_uncounted(self, *texts: str) -> None:
        """As `check_prompt`, of what goes to a model whose tokens nobody here can count."""
        n_tokens = math.ceil(sum(len(text.encode(errors="replace")) for text in texts) / BYTES_A_TOKEN)
        if self.prompt is not None and n_tokens > self.prompt:
            raise PlaygroundError(
                f"This text is some {n_tokens:,} tokens long, at {BYTES_A_TOKEN} bytes each, and {self.prompt:,} are "
                f"the most on this page. Shorten it by some {n_tokens - self.prompt:,} tokens; nothing was sent."
            )

    def check_new(self, n_tokens: int) -> None:
        """Raises PlaygroundError when so many may not be asked for."""
        if self.new is not None and n_tokens > self.new:
            raise PlaygroundError(
                f"{n_tokens:,} new tokens were asked for, and {self.new:,} for one request are the most on this page. "
                "Ask for fewer."
            )


class Tally:
    """A number that grows. Any thread may add to it."""

    def __init__(self) -> None:
        self.n = 0
        self._lock = threading.Lock()

    def add(self, more: int = 1) -> None:
        with self._lock:
            self.n += more
