"""What every pane of the Bias tab ends in: a sentence, all numbers, downloads, Python, and a section for the report.

It does not know what was measured.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.tabs.files import write_files
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import SEEN, UNSEEN


@dataclass(frozen=True, eq=False)
class Outcome:
    """The components that show a `Section`; the charts of a pane stand between them."""

    says: gr.HTML
    numbers: gr.HTML
    files: gr.File
    code: gr.Code  # Python that makes the numbers again
    section: gr.State  # the last `Section`, for the report; None: nothing was measured
    rest: gr.Column  # numbers, files and code, unseen until there are some

    @property
    def all(self) -> list:
        return [self.says, self.numbers, self.files, self.code, self.section, self.rest]

    def shown(self, desk: Desk, section: Any, script: str, contents: Mapping[str, str] | None = None) -> dict:
        """Updates that show a section. contents: files beside the section's own; script: from `scripted`."""
        from playground.labs.bias import files
        from playground.views.bias import tables

        name = desk.title.lower().replace(" ", "-")
        rows = files.table_csv(section.columns, section.rows)
        written = {f"{name}.csv": rows, f"{name}.json": files.report_json([section])} | dict(contents or {})
        return {
            self.says: tables.section(section),
            self.numbers: tables.numbers(section),
            self.files: write_files(written),
            self.code: script,
            self.section: section,
            self.rest: gr.update(**SEEN),
        }


def build(name: str, chart: bool = True) -> tuple[Outcome, gr.Plot | None, gr.HTML]:
    """Lays out the end of a pane; the chart, and a place for more between it and the numbers."""
    says = gr.HTML(elem_id=f"{name}-says", elem_classes="bias-says")
    plot = gr.Plot(show_label=False, elem_id=f"{name}-chart", visible=False) if chart else None
    more = gr.HTML(elem_id=f"{name}-more", elem_classes="outcome")
    with gr.Column(**UNSEEN) as rest:
        with gr.Accordion("All numbers", open=False, elem_id=f"{name}-all"):
            numbers = gr.HTML(elem_id=f"{name}-numbers")
        with gr.Accordion("Downloads", open=False, elem_id=f"{name}-export"):
            files = gr.File(label="As CSV and JSON", file_count="multiple", interactive=False)
        python = "Python that makes these numbers again, without this page"
        with gr.Accordion(python, open=False, elem_id=f"{name}-python"):
            code = gr.Code(language="python", show_label=False, interactive=False, max_lines=30, elem_id=f"{name}-code")
    return Outcome(says, numbers, files, code, gr.State(), rest), plot, more


def scripted(make: Callable[[], str]) -> str:
    """What `make` gives, a script; or a comment that says why there is none."""
    from playground.errors import PlaygroundError

    try:
        return make()
    except PlaygroundError as error:
        return f"# {error}"


def examples(name: str, captions: Sequence[str]) -> list[gr.Button]:
    """A strip of examples, a button each."""
    with gr.Row(elem_classes="examples", elem_id=f"{name}-examples"):
        gr.HTML("Examples:")
        return [gr.Button(caption, size="sm", min_width=0) for caption in captions]


def buttons(name: str, caption: str) -> tuple[gr.Button, gr.Button, gr.HTML]:
    """Run, Stop, and the line that says what is being done."""
    with gr.Row(elem_classes="buttons"):
        run = gr.Button(caption, variant="primary", elem_id=f"{name}-run")
        stop = gr.Button("Stop", variant="stop", elem_id=f"{name}-stop")
    status = gr.HTML(elem_id=f"{name}-status", elem_classes="doing")
    return run, stop, status


def lines(text: str | None) -> list[str]:
    """What was typed, a line each."""
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def words(text: str | None) -> list[str]:
    """What was typed, separated by commas or lines."""
    return [word.strip() for line in (text or "").splitlines() for word in line.split(",") if word.strip()]


def about(text: str, name: str) -> gr.HTML:
    return gr.HTML(text, elem_id=f"{name}-introduction", elem_classes="introduction")
