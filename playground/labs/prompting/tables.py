"""A table of one's own -> rows: CSV as it comes, or JSONL with one object a line. Says which line is to blame.

It does not know what the columns are for.
"""

from collections.abc import Sequence

from playground.errors import PlaygroundError
from playground.labs.internals.probing import table
from playground.labs.jsonl import as_text, lines
from playground.labs.prompting.prompts import Row, check_rows

MOST_COLUMNS = 30
LONGEST = 20_000  # characters of one value


def read(name: str, data: bytes) -> tuple[Row, ...]:
    """The rows of a file, told by its name: .jsonl or .json lines, anything else is CSV.

    Raises:
        PlaygroundError: it is no such table, is empty, or is too large; names the line.
    """
    rows = _jsonl(data) if name.lower().endswith((".jsonl", ".ndjson", ".json")) else _csv(data)
    check_rows(rows)
    for number, row in enumerate(rows, 1):
        if len(row) > MOST_COLUMNS:
            raise PlaygroundError(f"Row {number} has {len(row)} columns; at most {MOST_COLUMNS} are read. Remove some.")
        for column, value in row.items():
            if len(value) > LONGEST:
                raise PlaygroundError(
                    f"Row {number} has {len(value):,} characters in “{column}”; at most {LONGEST:,} are read. "
                    "Shorten it."
                )
    return tuple(rows)


def _csv(data: bytes) -> list[Row]:
    found = table.read(data, fewest_columns=1)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def _jsonl(data: bytes) -> list[Row]:
    if len(data) > table.MOST_BYTES:
        raise PlaygroundError(f"The file has {len(data) / 1e6:.0f} MB; at most {table.MOST_BYTES / 1e6:.0f} are read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PlaygroundError("The file is not UTF-8 text. Save it as JSONL in UTF-8 and upload it again.") from None
    rows: list[Row] = []
    for number, value in lines(text):
        if not isinstance(value, dict):
            raise PlaygroundError(f'Line {number} is no JSON object. Each line must be one, like {{"text": "…"}}.')
        rows.append({str(name): as_text(each) for name, each in value.items()})
    return rows


def from_grid(columns: Sequence[object], grid: Sequence[Sequence[object]]) -> tuple[Row, ...]:
    """The rows of an edited table, without those in which nothing stands."""
    names = [str(name).strip() or f"column {i + 1}" for i, name in enumerate(columns)]
    rows = [{name: _cell(value) for name, value in zip(names, line, strict=True)} for line in grid]
    return tuple(row for row in rows if any(value.strip() for value in row.values()))


def _cell(value: object) -> str:
    return "" if value is None or value != value else str(value)  # NaN is unlike itself
