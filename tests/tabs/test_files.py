"""Files that are offered do not pile up on the disk, neither while the app runs nor after its end."""

import os
import subprocess
import sys
from pathlib import Path

from playground.tabs.files import MOST_FOLDERS, Files

ROOT = Path(__file__).resolve().parents[2]
WRITES = "from playground.tabs.files import Files; print(Files().write({'a.txt': 'here'})[0])"


def test_the_oldest_folder_goes_when_there_are_many():
    files = Files()
    paths = [files.write({"a.txt": str(n)})[0] for n in range(MOST_FOLDERS + 3)]
    assert [Path(path).exists() for path in paths] == [False] * 3 + [True] * MOST_FOLDERS


def test_panes_do_not_take_one_anothers_files():
    mine, theirs = Files(), Files()
    path = mine.write({"a.txt": "mine"})[0]
    for _ in range(MOST_FOLDERS + 1):
        theirs.write({"a.txt": "theirs"})
    assert Path(path).read_text() == "mine"


def test_nothing_is_left_when_the_process_ends(tmp_path):
    ours = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        [sys.executable, "-c", WRITES], cwd=ROOT, env=ours, capture_output=True, text=True, timeout=60
    )
    path = Path(told.stdout.strip())
    assert tmp_path in path.parents, told.stderr
    assert list(tmp_path.iterdir()) == []
