"""What passes through the app is swept; that it is gone when the app ends, `test_ending` looks at."""

import os
import shutil
import time

import pytest

from playground.errors import PlaygroundError
from playground.serving import uploads


@pytest.fixture
def later(monkeypatch):
    """Lets so many seconds pass."""
    passed = [0.0]
    now = time.time
    monkeypatch.setattr(uploads.time, "time", lambda: now() + passed[0])
    return lambda seconds: passed.append(passed.pop() + seconds)


def test_what_is_a_day_old_goes_and_what_came_since_stays(tmp_path, later):
    kept, elsewhere = tmp_path / "kept", tmp_path / "elsewhere"
    for path in (kept / "old" / "deep" / "file.csv", elsewhere / "theirs.csv"):
        path.parent.mkdir(parents=True)
        path.write_text("old")
    (kept / "link").symlink_to(elsewhere)
    later(90_000)
    new = kept / "new" / "file.csv"
    new.parent.mkdir()
    new.write_text("new")
    for path in (new, new.parent):
        os.utime(path, (time.time(), time.time()))
    uploads.sweep(kept)
    assert {path.name for path in kept.rglob("*") if path.is_file()} == {"file.csv"} and new.read_text() == "new"
    assert not (kept / "link").is_symlink() and (elsewhere / "theirs.csv").exists()
    later(90_000)
    uploads.sweep(kept)
    later(90_000)
    uploads.sweep(kept)
    assert list(kept.iterdir()) == []


def test_a_copy_with_its_originals_date_is_as_old_as_the_copy(tmp_path):
    original = tmp_path / "original"
    original.write_text("")
    os.utime(original, (0, 0))
    (tmp_path / "kept").mkdir()
    shutil.copy2(original, tmp_path / "kept" / "copy")
    uploads.sweep(tmp_path / "kept")
    assert (tmp_path / "kept" / "copy").exists()


def test_what_vanishes_meanwhile_ends_no_sweep(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
    age = uploads._age

    def gone(path):
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        return max(age(path), 1e9)

    monkeypatch.setattr(uploads, "_age", gone)
    uploads.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_lies_where_the_operator_wants_it_and_goes_and_one_that_was_left_is_swept(
    tmp_path, monkeypatch, later
):
    place = tmp_path / "big disk"
    left, not_ours = place / "playground-files-of-before", place / "playground-of-somebody"
    for folder in (left, not_ours):
        folder.mkdir(parents=True)
        (folder / "file").write_text("")
    later(90_000)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(place))
    with uploads.own_folder() as folder:
        assert folder.parent == place and os.environ["GRADIO_TEMP_DIR"] == str(folder)
        (folder / "file").write_text("")
        until = time.monotonic() + 30
        while (left / "file").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
    assert not folder.exists() and os.environ["GRADIO_TEMP_DIR"] == str(place)
    assert (not_ours / "file").exists()


def test_a_place_that_cannot_be_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file" / "under"))
    with pytest.raises(PlaygroundError, match="Set GRADIO_TEMP_DIR"), uploads.own_folder():
        pass
