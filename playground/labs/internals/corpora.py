"""A file of one's own -> texts in which a neuron is looked for: plain text, a text a line, or a column of a CSV file.

It does not know what the texts are for.
"""

import csv
import io
from dataclasses import dataclass
from statistics import fmean

from playground.errors import PlaygroundError
from playground.labs.internals.probing import table

_TEXT_COLUMNS = ("text", "sentence", "review", "content", "document", "utterance")
TABLES = (".csv", ".tsv")


@dataclass(frozen=True, eq=False)
class Corpus:
    name: str
    texts: tuple[str, ...]
    reading: str  # how it was read, in words


def read(data: bytes, name: str) -> Corpus:
    """The texts of a file.

    Raises:
        PlaygroundError: it is too large, no text, or empty.
    """
    check_size(len(data))
    text, encoding = table.decoded(data)
    if name.lower().endswith(TABLES):
        lines, how = _column(text)
    else:
        lines, how = text.splitlines(), "a text a line"
    texts = tuple(line.strip() for line in lines if line.strip())
    if not texts:
        raise PlaygroundError("There are no texts in this file. Put one on each line, or in a column of a CSV file.")
    return Corpus(name, texts, f"{encoding}, {how}")


def check_size(n_bytes: int) -> None:
    """Raises PlaygroundError when a file is too large, before it is in memory."""
    if n_bytes > table.MOST_BYTES:
        raise PlaygroundError(
            f"The file has {n_bytes / 1e6:.0f} MB; at most {table.MOST_BYTES / 1e6:.0f} MB are read. "
            "Cut it: a few thousand sentences show what a neuron answers to."
        )


def _column(text: str) -> tuple[list[str], str]:
    """The column with texts, without its name, and which one that is: by its name, or else the one with most in it."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=table.separator(text)) if any(row)]
    except csv.Error as error:
        raise PlaygroundError(
            f"The file cannot be read as CSV ({error}). Look for a quotation mark that is not closed."
        ) from None
    if not rows:
        return [], ""
    names = [name.strip().casefold() for name in rows[0]]
    at = next((names.index(name) for name in _TEXT_COLUMNS if name in names), None)
    if at is not None:
        return [row[at] for row in rows[1:] if len(row) > at], f"column “{rows[0][at].strip()}”"
    width = max(map(len, rows))
    if width == 1:
        return [row[0] for row in rows], "a text a line"
    longest = max(range(width), key=lambda column: fmean(len(row[column]) if len(row) > column else 0 for row in rows))
    return [row[longest] for row in rows if len(row) > longest], f"column {longest + 1}, the one with most text"
