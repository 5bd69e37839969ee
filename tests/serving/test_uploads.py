"""What passes through the app is swept, and gone when it ends: also where threads are still at work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from playground.serving import uploads

ROOT = Path(__file__).parents[2]
APP = """
import app
app.get_ready = lambda models, settings, done: print(uploads(), flush=True)
def uploads():
    import os
    from playground.tabs.files import Files
    return Files().write({"a.txt": "here"})[0]
app.main()
"""


def test_what_is_a_day_old_goes_and_what_was_offered_again_stays(tmp_path):
    old, again, new = (tmp_path / name / "file.csv" for name in ("old", "again", "new"))
    for path in (old, again, new):
        path.parent.mkdir()
        path.write_text(path.parent.name)
        for each in (path, path.parent):
            os.utime(each, (0, time.time() - 100_000))
    os.utime(again)
    os.utime(new)
    (tmp_path / "link").symlink_to(new.parent)
    uploads.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "link", "new"]
    assert again.read_text() == "again" and new.exists()


def test_the_folder_lies_where_the_operator_wants_it_and_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "big disk"))
    with uploads.own_folder() as folder:
        assert folder.parent == tmp_path / "big disk" and os.environ["GRADIO_TEMP_DIR"] == str(folder)
        (folder / "file").write_text("")
    assert not folder.exists() and os.environ["GRADIO_TEMP_DIR"] == str(tmp_path / "big disk")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_app_ends(tmp_path, how):
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PLAYGROUND_")}
    ours |= {"GRADIO_TEMP_DIR": str(tmp_path / "files"), "PLAYGROUND_CACHE_DIR": str(tmp_path), "PLAYGROUND_PORT": "0"}
    with subprocess.Popen([sys.executable, "-c", APP], cwd=ROOT, env=ours, stdout=subprocess.PIPE, text=True) as app:
        try:
            made = Path(next(line for line in app.stdout if line.strip().endswith("a.txt")).strip())
            assert made.read_text() == "here" and tmp_path / "files" in made.parents
            app.send_signal(how)
            assert app.wait(60) == 0
        finally:
            app.kill()
    assert list((tmp_path / "files").iterdir()) == []
