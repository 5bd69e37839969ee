"""What came of running prompts on a table: one cell a variant and row, as plain values that a file or a browser keeps.

It does not know how cells are computed.
"""

import csv
import io
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from playground.errors import PlaygroundError
from playground.labs.prompting import prompts, scorers, statistics
from playground.labs.prompting.prompts import Prompt, Row
from playground.labs.prompting.scorers import Judged, Outcome, Scorer

VERSION = 1
_OUTCOMES: dict[str, Outcome] = {outcome: outcome for outcome in scorers.OUTCOMES}


@dataclass(frozen=True)
class Variant:
    """What is compared: a prompt, with the model and temperature that it was run with."""

    name: str  # unlike any other
    prompt: Prompt
    reference: str  # of the model
    temperature: float  # 0: greedy


@dataclass(frozen=True)
class Cell:
    """One row under one variant."""

    outputs: tuple[str, ...] = ()  # one a sample; of Choice, the label that was chosen
    judged: tuple[Judged, ...] = ()  # one an output
    prompt_tokens: int = 0
    new_tokens: int = 0  # of all samples
    probabilities: tuple[float, ...] = ()  # of each choice, where labels are scored without writing
    error: str = ""  # why there is nothing, as a sentence

    @property
    def final(self) -> Judged | None:
        """What the row's samples say together; None: it failed."""
        if not self.judged:
            return None
        return self.judged[0] if len(self.judged) == 1 else statistics.voted(self.judged)


@dataclass(frozen=True)
class Results:
    rows: tuple[Row, ...]
    variants: tuple[Variant, ...]
    cells: tuple[tuple[Cell | None, ...], ...]  # [variant][row]; None: not run
    scorer: Scorer | None  # None: outputs are not judged
    settings: dict[str, Any] = field(default_factory=dict)  # what `experiment.empty` takes
    provenance: tuple[dict[str, Any], ...] = ()  # one a model
    leanings: tuple[tuple[float, ...], ...] = ()  # [variant]: probability of each choice when the input says nothing

    def __hash__(self) -> int:
        return hash((self.variants, self.cells))

    @property
    def samples(self) -> int:
        return int(self.settings.get("samples", 1))

    def outcomes(self, variant: int) -> list[Outcome | None]:
        """One a row; None: it failed or was not run."""
        finals = [cell.final if cell else None for cell in self.cells[variant]]
        return [judged.outcome if judged else None for judged in finals]

    def accuracy(self, variant: int) -> statistics.Accuracy:
        return statistics.accuracy(self.outcomes(variant))

    def done(self, variant: int) -> int:
        return sum(cell is not None for cell in self.cells[variant])

    def tokens(self, variant: int) -> float:
        """Mean number of tokens that a row took, read and written."""
        spent = [cell.prompt_tokens + cell.new_tokens for cell in self.cells[variant] if cell and cell.judged]
        return sum(spent) / len(spent) if spent else 0.0

    def disagreements(self, a: int, b: int) -> list[int]:
        """Indices of rows that one of the two got right and the other did not."""
        pairs = zip(self.outcomes(a), self.outcomes(b), strict=True)
        return [i for i, (x, y) in enumerate(pairs) if x and y and (x == "correct") != (y == "correct")]


def plain(results: Results) -> dict[str, Any]:
    """Results as JSON can hold them; `read` is the way back."""
    return {
        "version": VERSION,
        "rows": [dict(row) for row in results.rows],
        "variants": [
            {
                "name": v.name,
                "prompt": prompts.plain(v.prompt),
                "reference": v.reference,
                "temperature": v.temperature,
            }
            for v in results.variants
        ],
        "cells": [[_plain_cell(cell) for cell in line] for line in results.cells],
        "scorer": None if results.scorer is None else asdict(results.scorer),
        "settings": results.settings,
        "provenance": list(results.provenance),
        "leanings": [list(leaning) for leaning in results.leanings],
    }


def _plain_cell(cell: Cell | None) -> list[Any] | None:
    if cell is None:
        return None
    judged = [[j.outcome, j.parsed, j.why, j.value] for j in cell.judged]
    return [list(cell.outputs), judged, cell.prompt_tokens, cell.new_tokens, list(cell.probabilities), cell.error]


def read(data: Any) -> Results:
    """Raises PlaygroundError when it is nothing that `plain` has made."""
    try:
        if data["version"] != VERSION:
            raise PlaygroundError("These results were kept by another version of this page. Run the prompts again.")
        variants = tuple(
            Variant(str(v["name"]), prompts.read(v["prompt"]), str(v["reference"]), float(v["temperature"]))
            for v in data["variants"]
        )
        rows = tuple({str(name): str(value) for name, value in row.items()} for row in data["rows"])
        cells = tuple(tuple(_read_cell(cell) for cell in line) for line in data["cells"])
        if len(cells) != len(variants) or any(len(line) != len(rows) for line in cells):
            raise ValueError
        return Results(
            rows,
            variants,
            cells,
            None if data["scorer"] is None else scorers.read(data["scorer"]),
            dict(data["settings"]),
            tuple(dict(each) for each in data["provenance"]),
            tuple(tuple(map(float, leaning)) for leaning in data["leanings"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PlaygroundError("These are no results of the Prompt lab. Pick a file that it has made.") from None


def _read_cell(cell: Any) -> Cell | None:
    if cell is None:
        return None
    outputs, judged, read_tokens, new_tokens, probabilities, error = cell
    made = tuple(Judged(_OUTCOMES[o], str(p), str(w), None if v is None else float(v)) for o, p, w, v in judged)
    return Cell(tuple(map(str, outputs)), made, int(read_tokens), int(new_tokens), tuple(probabilities), str(error))


def lines(results: Results) -> list[dict[str, Any]]:
    """One object a variant and row, for CSV and JSONL."""
    found = []
    for variant, line in zip(results.variants, results.cells, strict=True):
        for number, (row, cell) in enumerate(zip(results.rows, line, strict=True), 1):
            if cell is None:
                continue
            final = cell.final
            found.append(
                {
                    "prompt": variant.name,
                    "model": variant.reference,
                    "temperature": variant.temperature,
                    "row": number,
                    **{f"column {name}": value for name, value in row.items()},
                    "outputs": list(cell.outputs),
                    "parsed": final.parsed if final else "",
                    "outcome": final.outcome if final else "failed" if cell.error else "not judged",
                    "why": final.why if final else cell.error,
                    "prompt_tokens": cell.prompt_tokens,
                    "new_tokens": cell.new_tokens,
                    "probabilities": list(cell.probabilities),
                }
            )
    return found


def as_jsonl(results: Results) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines(results))


def as_csv(results: Results) -> str:
    """Several outputs of a row stand in one field, as JSON. A cell that a spreadsheet would reckon gets a mark."""
    table = lines(results)
    out = io.StringIO()
    names = list(dict.fromkeys(name for line in table for name in line))
    writer = csv.DictWriter(out, names, restval="")
    writer.writeheader()
    for line in table:
        writer.writerow({name: _field(value) for name, value in line.items()})
    return out.getvalue()


def _field(value: Any) -> Any:
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else json.dumps(value, ensure_ascii=False)
    if (
        isinstance(value, str)
        and value[:1] in ("=", "@", "+", "-", "\t", "\r", "＝", "＠", "＋", "－")
        and not _is_number(value)
    ):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
