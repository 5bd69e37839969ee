"""Streams drained at once: nothing waits for another, the last of each arrives, and leaving ends all."""

import threading
import time

import pytest

from playground.tabs.chat.together import together


def counted(n, closed=None, pause=0.0):
    try:
        for number in range(n):
            time.sleep(pause)
            yield number
    finally:
        if closed is not None:
            closed.append(n)


def drains():
    return [thread for thread in threading.enumerate() if thread.name.startswith("drain ")]


def test_the_last_of_each_arrives_and_nothing_goes_back():
    seen = list(together({"a": counted(200), "b": counted(3, pause=0.05), "c": counted(0)}, per_second=100))
    assert seen[-1] == {"a": 199, "b": 2}
    for name in "ab":
        numbers = [latest[name] for latest in seen if name in latest]
        assert numbers == sorted(numbers)
    assert drains() == []


def test_one_that_waits_for_the_other_gets_it():
    """Both must really run at once: each goes on only when the other has begun."""
    begun = {"a": threading.Event(), "b": threading.Event()}

    def meet(own, other):
        yield "begun"
        begun[own].set()
        assert begun[other].wait(5)
        yield "met"

    *_, last = together({"a": meet("a", "b"), "b": meet("b", "a")})
    assert last == {"a": "met", "b": "met"}


def test_leaving_closes_every_stream():
    closed = []
    endless = {name: counted(10**9, closed, pause=0.001) for name in "ab"}
    streams = together(endless, per_second=100)
    next(streams)
    streams.close()
    assert closed == [10**9, 10**9]
    assert drains() == []


def test_what_one_raises_comes_after_the_other_has_ended():
    def broken():
        yield 0
        raise ValueError("broken")

    seen = []
    with pytest.raises(ValueError, match="broken"):
        seen.extend(together({"a": broken(), "b": counted(5, pause=0.02)}))
    assert seen[-1] == {"a": 0, "b": 4}


def test_a_stream_without_news_still_gives_the_caller_a_turn():
    release = threading.Event()

    def silent():
        yield 1
        release.wait(10)

    streams = together({"a": silent()})
    assert [next(streams) for _ in range(3)] == [{"a": 1}] * 3
    release.set()
    assert list(streams) in ([], [{"a": 1}], [{"a": 1}] * 2)
