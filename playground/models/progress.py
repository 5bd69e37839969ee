"""How long work tells what it is doing: a function that takes a fraction and a sentence.

It does not know who listens: the page, the terminal or nobody.
"""

import sys
import time
from collections.abc import Callable
from typing import TextIO

Report = Callable[[float | None, str], None]  # (0 to 1, or None when nobody knows; what is going on)


def quiet(fraction: float | None, sentence: str) -> None:
    """Reports to nobody."""


def part(report: Report, start: float, end: float) -> Report:
    """A report for one step of the work, the one that reaches from `start` to `end` of the whole."""

    def tell(fraction: float | None, sentence: str) -> None:
        report(None if fraction is None else start + (end - start) * min(max(fraction, 0.0), 1.0), sentence)

    return tell


def terminal(stream: TextIO = sys.stderr, every: float = 2.0) -> Report:
    """Reports in a terminal: one line that changes; in a log file, a line now and then (`every` seconds)."""
    alive = stream.isatty()
    last_line, last_time = "", 0.0

    def tell(fraction: float | None, sentence: str) -> None:
        nonlocal last_line, last_time
        line = f"{'' if fraction is None else f'{fraction:4.0%} '}{sentence}"
        now = time.monotonic()
        if line == last_line or not (alive or fraction == 1 or now - last_time >= every):
            return
        stream.write(f"\r\x1b[K{line}" + ("\n" if fraction == 1 else "") if alive else f"{line}\n")
        stream.flush()
        last_line, last_time = line, now

    return tell


def megabytes(n_bytes: float) -> str:
    """A size for people: "93 MB" or "2.1 GB"."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
