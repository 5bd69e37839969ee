"""Tables to take along: numbers stay numbers, and no text is a formula."""

import csv
import io

from playground.labs.internals import files


def test_no_cell_is_run_by_a_spreadsheet():
    rows = [("=1+1", -0.5, "-0.5", "-inf", 3), ("@cmd", "+x", "plain, text", None, "- a list")]
    written = list(csv.reader(io.StringIO(files.table_csv(["a", "b", "c", "d", "e"], rows))))
    assert written[1] == ["'=1+1", "-0.5", "-0.5", "-inf", "3"]
    assert written[2] == ["'@cmd", "'+x", "plain, text", "", "'- a list"]
