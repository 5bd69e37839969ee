"""JSON lines -> values, one a line, with the line to blame; and a value as text. It does not know what they mean."""

import json
from collections.abc import Iterator

from playground.errors import PlaygroundError


def lines(text: str) -> Iterator[tuple[int, object]]:
    """(number of the line from 1, its value), blank lines left out.

    Raises:
        PlaygroundError: a line is no JSON; names it.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            raise PlaygroundError(f"Line {number} is no JSON. Each line must be one object.") from None


def as_text(value: object) -> str:
    """A text as it is, nothing for null, JSON for the rest."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
