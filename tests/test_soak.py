"""A short soak of the whole app by six clients at once; `benchmarks/soak.py` without arguments takes ten minutes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.browser
def test_a_crowd_leaves_nothing_behind():
    command = [sys.executable, "benchmarks/soak.py", "--tiny", "--minutes", "0.15"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "BAD" not in run.stdout
    done = re.search(r"(\d+) things were done: (.*)", run.stdout)
    assert int(done[1]) >= 3  # of a machine that has other things to do
    assert "program" in done[2] and "caller" in done[2]
