"""What passes through the app is swept; that it is gone when the app ends, `test_ending` looks at."""

import os
import time

from playground.serving import uploads


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
