"""Outputs beside each other as safe HTML tables. It does not know how they were scored."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from playground.labs.prompting.prompts import Row
from playground.labs.prompting.results import Cell, Results

MARKS = {
    "correct": "✓ right",
    "wrong": "✗ wrong",
    "unparseable": "? unparseable",
    "failed": "! failed",
    "open": "not judged",
}
MOST_SHOWN = 200  # rows; all of them are in the files


def disagreements(results: Results, a: int, b: int) -> str:
    """The rows that one of two got right and the other did not, with both outputs."""
    which = results.disagreements(a, b)
    first, second = results.variants[a].name, results.variants[b].name
    if not which:
        return f'<p class="note">{escape(first)} and {escape(second)} are right and wrong on the same rows.</p>'
    return _told(len(which), "rows they disagree on") + _table(results, which, (a, b))


def outputs(results: Results) -> str:
    """Every row with the output of every variant."""
    return _told(len(results.rows), "rows") + _table(results, range(len(results.rows)), range(len(results.variants)))


def _told(n: int, what: str) -> str:
    more = f" The first {MOST_SHOWN} are shown; the files have all." if n > MOST_SHOWN else ""
    return f'<p class="note">{n} {what}.{more}</p>'


def _table(results: Results, which: Sequence[int], variants: Sequence[int]) -> str:
    heads = "".join(f"<th scope='col'>{escape(results.variants[v].name)}</th>" for v in variants)
    scorer = results.scorer
    expected = scorer.expected if scorer and scorer.needs_expected else ""
    right = f"<th scope='col'>{escape(expected)}</th>" if expected else ""
    lines = []
    for i in list(which)[:MOST_SHOWN]:
        row = results.rows[i]
        wanted = f"<td>{escape(row.get(expected, ''))}</td>" if expected else ""
        cells = "".join(f"<td>{_cell(results.cells[v][i])}</td>" for v in variants)
        lines.append(f"<tr><th scope='row'>{i + 1}</th><td>{_asked(row, expected)}</td>{wanted}{cells}</tr>")
    return (
        "<div class='wide lab-outputs' tabindex='0' role='region' aria-label='Outputs'><table><thead><tr>"
        f"<th scope='col'>Row</th><th scope='col'>Asked</th>{right}{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _asked(row: Row, expected: str) -> str:
    """The row's values but the right answer and what leads to it."""
    shown = [value for name, value in row.items() if name not in (expected, "reasoning", "level")] or list(row.values())
    return "<br>".join(escape(_short(value)) for value in shown)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "<small>not run</small>"
    final = cell.final
    outcome = final.outcome if final else "failed" if cell.error else "open"
    mark = f'<span class="lab-mark {outcome}">{MARKS[outcome]}</span>'
    read = f"<small>read as {escape(final.parsed)}</small>" if final and final.parsed else ""
    why = final.why if final else cell.error
    reason = f"<small>{escape(_short(why))}</small>" if why else ""
    if len(cell.outputs) > 1:
        each = "".join(f"<li>{_output(text)}</li>" for text in cell.outputs)
        text = f"<details><summary>{len(cell.outputs)} samples</summary><ol>{each}</ol></details>"
    else:
        text = _output(cell.outputs[0]) if cell.outputs else ""
    return f"{mark}{text}{read}{reason}"


def _output(text: str) -> str:
    return f"<span class='lab-output'>{escape(_short(text.strip(), 600)) or '(nothing)'}</span>"


def _short(text: str, most: int = 300) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
