"""The Report pane: what the other panes found last, on one page. It does not know how anything was measured."""

from collections.abc import Sequence

import gradio as gr

from playground.tabs.bias import outcome
from playground.tabs.files import write_files
from playground.tabs.kit import MAY_REFUSE, Page, user_errors

TITLE = "Report"


def build(page: Page, sections: Sequence[gr.State]) -> None:
    """sections: each holds the last result of a measurement, or nothing."""
    outcome.about(
        "<p><b>Report</b> puts the last result of every pane on one page: model, data, metric with its definition "
        "and ideal "
        "value, intervals, and what it does not show. HTML opens anywhere without a network; JSON is for programs.</p>",
        "bias-report",
    )
    make = gr.Button("Write the report", variant="primary", elem_id="bias-report-make")
    files = gr.File(label="HTML and JSON", file_count="multiple", interactive=False, elem_id="bias-report-files")
    shown = gr.HTML(elem_id="bias-report-shown", elem_classes="outcome")

    def work(*found) -> tuple[list[str], str]:
        from playground.errors import PlaygroundError
        from playground.labs.bias import files as lab
        from playground.views.bias import report, tables

        with user_errors():
            there = [one for one in found if one is not None]
            if not there:
                raise PlaygroundError("Nothing has been measured yet. Run one of the other panes first.")
            parts = "".join(
                f"<h3>{tables.escape(one.title)}</h3>{tables.section(one)}{tables.numbers(one)}" for one in there
            )
            written = {"bias-report.html": report.page(there), "bias-report.json": lab.report_json(there)}
            return write_files(written), parts

    make.click(work, list(sections), [files, shown], **MAY_REFUSE)
