"""Turns are fair, bounded, and given back whatever happens."""

import threading
import time

import pytest

from playground.engine.turns import Turns


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_than_allowed_are_inside_and_nobody_is_lost(at_once):
    turns, inside, most, done = Turns(at_once), [], [], []
    lock = threading.Lock()

    def work(name):
        for _ in range(50):
            with turns.take():
                with lock:
                    inside.append(name)
                    most.append(len(inside))
                time.sleep(0.0001)
                with lock:
                    inside.remove(name)
        done.append(name)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [0, 1, 2, 3, 4]
    assert max(most) == at_once


def test_who_came_first_goes_first():
    turns, order = Turns(1), []

    def work(name):
        with turns.take():
            order.append(name)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    with turns.take():
        for n, thread in enumerate(threads):
            thread.start()
            until = time.monotonic() + 10
            while len(turns._waiting) <= n and time.monotonic() < until:
                time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3]


def test_an_error_gives_the_turn_back():
    turns = Turns(1)
    with pytest.raises(ValueError, match="halfway"), turns.take():
        raise ValueError("halfway")
    with turns.take():
        pass
