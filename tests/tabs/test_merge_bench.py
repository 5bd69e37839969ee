"""Long work in a pane of the Merge tab: told as it goes, and never taken for stopped when it ends by itself."""

import threading
from types import SimpleNamespace

import pytest

from playground.errors import PlaygroundError
from playground.tabs.merge.bench import Bench


def bench() -> Bench:
    return Bench(SimpleNamespace(), "Test", SimpleNamespace(), "status")


def run(work, stop):
    """The updates, and what the work returned."""
    updates, told = [], bench().told(work, stop)
    while True:
        try:
            updates.append(next(told)["status"])
        except StopIteration as end:
            return updates, end.value


def test_work_that_ends_by_itself_gives_its_result_and_stops_nothing():
    stop = threading.Event()

    def work(tell):
        tell(None, "Reading")
        tell(0.5, "Blending <b>")
        return ("a", "pair")

    updates, result = run(work, stop)
    assert result == ("a", "pair") and not stop.is_set()
    assert "Reading" in updates[0] and "<b>" not in updates[1] and "Blending" in updates[1]


def test_whoever_leaves_stops_the_work_and_errors_come_through():
    stop, begun = threading.Event(), threading.Event()

    def slow(tell):
        tell(0.1, "Working")
        begun.set()
        assert stop.wait(20)

    told = bench().told(slow, stop)
    next(told)
    assert begun.wait(20)
    told.close()
    assert stop.is_set()

    def broken(tell):
        raise PlaygroundError("It broke.")

    with pytest.raises(PlaygroundError, match="It broke"):
        run(broken, threading.Event())
