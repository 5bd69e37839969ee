"""The table that prompts are run on: a data set that ships, a file of one's own, or typed into its cells.

It does not know what is asked about the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.prompting import library, tables
from playground.labs.prompting.prompts import Row
from playground.tabs.kit import user_errors
from playground.views.continuations import note

OWN = "own"


@dataclass(frozen=True, eq=False)
class Data:
    pick: gr.Dropdown
    file: gr.File
    grid: gr.Dataframe
    rows: gr.State  # tuple of rows: what stands in the grid
    told: gr.HTML

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.pick, self.grid, self.rows, self.told]

    def shown(self, rows: Sequence[Row], pick: str) -> dict:
        """Updates that put rows on the page."""
        columns = list(rows[0]) if rows else ["text"]
        lines = [[row.get(column, "") for column in columns] for row in rows]
        return {
            self.pick: pick,
            self.grid: gr.update(
                value={"headers": columns, "data": lines or [[""] * len(columns)]}, column_widths=widths(rows, columns)
            ),
            self.rows: tuple(rows),
            self.told: note(described(rows)),
        }

    def chosen(self, name: str) -> dict:
        if name == OWN:
            return {self.told: note("Upload a file, or change the cells.")}
        return self.shown(library.rows(name), name)

    def take(self, path: str | None) -> dict:
        """Reads an uploaded file."""
        if path is None:
            return dict.fromkeys(self.outputs, gr.skip())
        with user_errors():
            return self.shown(tables.read(Path(path).name, Path(path).read_bytes()), OWN)

    def edited(self, grid) -> dict:
        """The rows as they stand in the cells."""
        with user_errors():
            rows = from_frame(grid)
            return {self.rows: rows, self.told: note(described(rows))}


def from_frame(frame) -> tuple[Row, ...]:
    """The rows of what `gr.Dataframe` hands over.

    Raises:
        PlaygroundError: two columns have the same name.
    """
    columns = [str(column).strip() for column in frame.columns]
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise PlaygroundError(f"Two columns are called “{twice}”. Rename one of them.")
    return tables.from_grid(columns, frame.values.tolist())


def widths(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """Shares of the width of a table, by what stands in its first rows."""
    longest = [max([16, len(column), *(min(len(row.get(column, "")), 60) for row in rows[:50])]) for column in columns]
    return [f"{94 * n // sum(longest)}%" for n in longest]


def described(rows: Sequence[Row]) -> str:
    if not rows:
        return "The table is empty. Type into its cells, upload a file, or pick a data set."
    return f"{len(rows):,} rows with {', '.join(rows[0])}. Change any cell; a right-click adds and removes rows."


def build(first: library.DataSet) -> Data:
    with gr.Row():
        pick = gr.Dropdown(
            [(each.title, each.name) for each in library.data_sets()] + [("My own", OWN)],
            value=first.name,
            label="Data set",
            info="Small ones of our own making.",
            filterable=False,
            scale=2,
            min_width=220,
            elem_id="lab-data",
        )
        file = gr.File(
            label="Or a file: CSV, or JSONL",
            file_types=[".csv", ".tsv", ".txt", ".jsonl", ".ndjson"],
            height=130,
            scale=2,
            min_width=220,
            elem_id="lab-file",
        )
    rows = library.rows(first.name)
    told = gr.HTML(note(described(rows)), elem_id="lab-told")
    grid = gr.Dataframe(
        {"headers": list(rows[0]), "data": [list(row.values()) for row in rows]},
        datatype="str",
        type="pandas",
        interactive=True,
        wrap=True,
        label="Table",
        show_label=False,
        max_height=300,
        column_widths=widths(rows, list(rows[0])),
        show_row_numbers=True,
        buttons=[],
        elem_id="lab-table",
    )
    return Data(pick, file, grid, gr.State(rows), told)
