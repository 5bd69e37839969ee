"""Folders are whole or not there, whoever builds them, however often, and whatever befalls the builder."""

import threading
import time

import pytest

from playground.errors import PlaygroundError
from playground.models import disk
from playground.models.progress import quiet


def write_two(folder):
    (folder / "deep").mkdir()
    (folder / "a").write_text("aaa")
    (folder / "deep" / "b").write_text("b")


def test_what_is_built_is_whole_until_a_file_is_lost_or_short(tmp_path):
    target = tmp_path / "in" / "target"
    disk.build_once(target, write_two, {"from": "here"}, "it", quiet)
    assert disk.whole(target)
    for file, damage in ((target / "a", b"aa"), (target / "deep" / "b", None), (target / disk.MANIFEST, b"{")):
        file.write_bytes(damage) if damage else file.unlink()
        assert not disk.whole(target)
        disk.build_once(target, write_two, {}, "it", quiet)
        assert disk.whole(target)
        assert (target / "a").read_text() == "aaa"
    assert not list(tmp_path.rglob("*.part"))


def test_what_is_whole_is_not_built_again(tmp_path):
    disk.build_once(tmp_path / "t", write_two, {}, "it", quiet)
    disk.build_once(tmp_path / "t", None, {}, "it", quiet)


def test_an_empty_or_unsealed_folder_is_not_whole(tmp_path):
    write_two(tmp_path)
    assert not disk.whole(tmp_path)
    assert not disk.whole(tmp_path / "nowhere")


def test_a_build_that_fails_leaves_nothing(tmp_path):
    def fail(folder):
        write_two(folder)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        disk.build_once(tmp_path / "t", fail, {}, "it", quiet)
    assert [path.name for path in tmp_path.iterdir()] == [".t.lock"]


def test_threads_build_once_and_those_who_wait_say_so(tmp_path):
    built, told = [], []

    def build(folder):
        built.append(folder)
        time.sleep(0.7)
        write_two(folder)

    def work():
        disk.build_once(tmp_path / "t", build, {}, "it", lambda fraction, sentence: told.append(sentence))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert disk.whole(tmp_path / "t")
    assert any("Waiting for it" in sentence for sentence in told)


def test_what_a_dead_builder_left_is_swept_by_the_next_builder_of_anything(tmp_path):
    dead = tmp_path / ".gone.01234567.part"
    dead.mkdir()
    (dead / "half").write_text("x")
    with disk._lock(tmp_path / "busy").acquire():
        alive = tmp_path / ".busy.76543210.part"
        alive.mkdir()
        disk.build_once(tmp_path / "new", write_two, {}, "new", quiet)
        assert not dead.exists()
        assert alive.exists()


def test_a_disk_that_becomes_full(tmp_path):
    def fill(folder):
        with open("/dev/full", "w") as file:  # every write fails with ENOSPC
            file.write("x")

    with pytest.raises(PlaygroundError, match="became full"):
        disk.build_once(tmp_path / "t", fill, {}, "it", quiet)
    assert [path.name for path in tmp_path.iterdir()] == [".t.lock"]
