"""Turns are fair, bounded, and given back whatever happens."""

import threading
import time

import pytest

from playground.engine.turns import Group, Turns


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
            while len(turns._queue) <= n and time.monotonic() < until:
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


def test_alike_wishes_go_along_with_the_first_and_a_group_is_inside_once():
    turns, begun, done = Turns(2), [], []
    group, entered, go_on = Group(), threading.Event(), threading.Event()

    def ask(wish):
        with turns.share(group, wish, most=3) as wishes:
            begun.append(wishes)
            if wish == 0:
                entered.set()
                go_on.wait(10)
            done.extend(wishes)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    threads[0].start()
    assert entered.wait(10)
    for n, thread in enumerate(threads[1:]):  # a place is free, yet one of the group is inside
        thread.start()
        until = time.monotonic() + 10
        while len(turns._queue) <= n and time.monotonic() < until:
            time.sleep(0.001)
    assert begun == [[0]]
    with turns.take():  # others do not wait for a group
        assert begun == [[0]]
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert [wishes for wishes in begun if wishes] == [[0], [1, 2, 3], [4, 5]]
    assert sorted(done) == list(range(6))


def test_an_error_of_the_first_leaves_nobody_waiting():
    turns, group, seen = Turns(1), Group(), []

    def ask(wish):
        try:
            with turns.share(group, wish, most=4) as wishes:
                seen.append(len(wishes))
                if wishes:
                    raise ValueError("halfway")
        except ValueError:
            seen.append("raised")

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    with turns.take():
        for n, thread in enumerate(threads):
            thread.start()
            until = time.monotonic() + 10
            while len(turns._queue) <= n and time.monotonic() < until:
                time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert sorted(map(str, seen)) == ["0", "0", "3", "raised"]
    with turns.take():
        pass


def test_who_was_in_the_last_turn_of_a_group_is_waited_for_and_nobody_for_long():
    """Four who come back with a wish at once, one of them a little late at first: from then on all go together."""
    turns, group, sizes, gate = Turns(1), Group(), [], threading.Barrier(4)

    def ask(name, wishes):
        gate.wait(10)
        for n in range(wishes):
            if name == 3 and n == 0:
                time.sleep(0.05)  # while the first turn is held
            with turns.share(group, (name, n), most=8) as taken:
                if taken:
                    sizes.append(len(taken))
                    time.sleep(0.2)

    threads = [threading.Thread(target=ask, args=(name, 8 if name else 6)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(sizes) == 30, "each wish was done once"
    assert sizes.count(4) >= 3, sizes
    assert sizes[-1] == 3, "one has gone: the others do not wait for good"


def test_a_turn_is_not_kept_waiting_by_one_who_does_not_come_back():
    turns, group = Turns(1), Group()
    with turns.share(group, "left", most=8):
        pass
    group.expected = time.monotonic() + 0.2
    with turns.share(Group(), "of others", most=8) as taken:
        assert taken == ["of others"]
    group.away = 2  # of whom one comes
    with turns.share(group, "came", most=8) as taken:
        assert taken == ["came"] and time.monotonic() >= group.expected
