"""A CSV file of one's own -> labelled texts: encoding and separator as they come, and the row to blame when it fails.

It does not know what the texts are for.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from playground.errors import PlaygroundError
from playground.labs.internals.probing.examples import Examples, checked

MOST_BYTES = 50_000_000
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LIKELY = {
    "text": ("text", "sentence", "review", "content", "document", "utterance"),
    "label": ("label", "class", "category", "target", "sentiment", "tag", "y"),
    "word": ("word", "token", "target word", "target_word"),
}


@dataclass(frozen=True, eq=False)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  # one value a column
    lines: tuple[int, ...]  # the line of the file on which each row ends; the header is line 1
    reading: str  # how it was read, in words: "UTF-8, separated by comma"


def read(data: bytes, fewest_columns: int = 2) -> Table:
    """The rows of a CSV file whose first line names the columns.

    Raises:
        PlaygroundError: it is too large, no text, or not a table; says where.
    """
    check_size(len(data))
    text, encoding = decoded(data)
    separated = separator(text)
    rows, lines = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separated)
    try:
        for row in reader:
            if any(value.strip() for value in row):
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise PlaygroundError(
            f"Line {reader.line_num} cannot be read as CSV ({error}). Look for a quotation mark that is not closed."
        ) from None
    if len(rows) < 2:
        raise PlaygroundError("The file has no rows below its first line. The first line must name the columns.")
    columns = tuple(name.strip() or f"column {i + 1}" for i, name in enumerate(rows[0]))
    if len(columns) < fewest_columns:
        raise PlaygroundError(
            "Only one column was found. A table needs a text and a label in each row, separated by comma, semicolon or "
            "tab, and their names in the first line."
        )
    twice = [name for name, n in Counter(columns).items() if n > 1]
    if twice:
        raise PlaygroundError(f"Two columns are called “{twice[0]}”. Give each a name of its own in the first line.")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(columns):
            raise PlaygroundError(
                f"Row {line} has {len(row)} value{'' if len(row) == 1 else 's'}, the first line {len(columns)}. A text "
                f"that contains the separator ({SEPARATORS[separated]}) must stand in quotation marks."
            )
    reading = f"{encoding}, separated by {SEPARATORS[separated]}"
    return Table(columns, tuple(map(tuple, rows[1:])), tuple(lines[1:]), reading)


def check_size(n_bytes: int) -> None:
    """Raises PlaygroundError when a file is too large, before it is in memory."""
    if n_bytes > MOST_BYTES:
        raise PlaygroundError(
            f"The file has {n_bytes / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB are read. "
            "Cut it: 2,000 rows are plenty."
        )


def guess(table: Table) -> dict[str, str | None]:
    """Which column is probably the text, the label and the word, by their names; failing that, the first two."""
    lower = {column.casefold(): column for column in table.columns}
    found = {role: next((lower[name] for name in names if name in lower), None) for role, names in _LIKELY.items()}
    left = [column for column in table.columns if column not in found.values()]
    for role in ("text", "label"):
        found[role] = found[role] or left.pop(0)
    return found


def examples(table: Table, text: str, label: str, word: str | None = None, name: str = "Own texts") -> Examples:
    """The examples in the given columns.

    Raises:
        PlaygroundError: there is no such column, one is used twice, or the rows cannot be probed.
    """
    chosen = [column for column in (text, label, word) if column]
    for column in chosen:
        if column not in table.columns:
            raise PlaygroundError(f"There is no column “{column}”. There are: {', '.join(table.columns)}.")
    if len(set(chosen)) < len(chosen):
        raise PlaygroundError("One column stands for two things. Pick different columns for text, label and word.")

    def values(column: str) -> Sequence[str]:
        at = table.columns.index(column)
        return [row[at] for row in table.rows]

    return checked(values(text), values(label), values(word) if word else None, name, table.lines)


def decoded(data: bytes) -> tuple[str, str]:
    """The text of a file and the name of its encoding."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _in(data, encoding), encoding.removesuffix("-sig").upper()
    if b"\0" in data:
        raise PlaygroundError("This is not a text file. Save the table as CSV and upload that.")
    try:
        return data.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace"), "Windows-1252"


def _in(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise PlaygroundError(
            f"The file says that it is {encoding.upper()}, and it is not. Save it as UTF-8 and upload it again."
        ) from None


def separator(text: str) -> str:
    """The separator that gives most of the first rows the same number of columns, and more than one."""

    def agreement(separator: str) -> float:
        widths = []
        try:
            for row in csv.reader(io.StringIO(text[:100_000], newline=""), delimiter=separator):
                widths.append(len(row))
                if len(widths) == 50:
                    break
        except csv.Error:
            return 0
        return 0 if not widths or widths[0] == 1 else sum(width == widths[0] for width in widths) / len(widths)

    return max(SEPARATORS, key=agreement)  # the first of equals: comma
