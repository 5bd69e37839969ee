"""Stop strings: where a text ends because one of them appeared, and how much of it can be shown before that is known.

It does not know tokens: a stop string may be spread over several of them, or end in the middle of one.
"""

from collections.abc import Sequence


def first_stop(text: str, stops: Sequence[str]) -> tuple[int, str] | None:
    """Where the stop string that is complete first begins, and which it is; of two that end together, the longer."""
    found = [(at + len(stop), at, stop) for stop in stops if (at := text.find(stop)) >= 0]
    return min(found)[1:] if found else None


def open_tail(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of a text may be the beginning of a stop string."""
    longest = min(len(text), max(map(len, stops), default=1) - 1)
    return next((n for n in range(longest, 0, -1) if any(s[:n] == text[-n:] for s in stops if len(s) > n)), 0)


class HeldBack:
    """A growing text of which nothing is shown that would have to be taken away again."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""

    def add(self, piece: str) -> tuple[str, str | None]:
        """What can be shown now, and the stop string that has appeared: what follows it is dropped."""
        text = self._held + piece
        if found := first_stop(text, self._stops):
            self._held = ""
            return text[: found[0]], found[1]
        n = len(text) - open_tail(text, self._stops)
        self._held = text[n:]
        return text[:n], None

    def rest(self) -> str:
        """What was held back, when nothing follows."""
        held, self._held = self._held, ""
        return held
