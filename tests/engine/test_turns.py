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


def queued(turns: Turns, n: int) -> None:
    until = time.monotonic() + 10
    while len(turns._queue) < n and time.monotonic() < until:
        time.sleep(0.001)


def test_who_was_in_the_last_turn_of_a_group_is_waited_for():
    turns, group, sizes = Turns(1), Group(), []

    def ask(wish):
        with turns.share(group, wish, most=8) as taken:
            sizes.append(len(taken))

    group.away, group.expected = 3, time.monotonic() + 60  # those of a turn that has just ended
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    for n, thread in enumerate(threads):
        thread.start()
        if n < 2:  # with the third they are all there
            queued(turns, n)
    for thread in threads:
        thread.join(10)
    assert sorted(sizes) == [0, 0, 3] and group.in_vain == 0


def test_as_many_as_go_in_one_turn_wait_for_nobody_else():
    turns, group, sizes = Turns(1), Group(), []

    def ask(wish):
        with turns.share(group, wish, most=2) as taken:
            sizes.append(len(taken))

    group.away, group.expected = 9, time.monotonic() + 60
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(sizes) == [0, 2]


def test_who_does_not_come_back_is_waited_for_ever_more_seldom():
    turns, group, done, waited = Turns(1), Group(), [], []
    wait_for = turns._changed.wait_for

    def noted(ready, timeout=None):
        if timeout is not None:
            waited.append(1 + len(done))
        return wait_for(ready, timeout)

    turns._changed.wait_for = noted
    for _ in range(40):
        with turns.share(group, "came", most=8) as taken:
            done += taken
        group.away = 2  # of whom one comes
    assert done == 40 * ["came"]
    assert waited == [2, 3, 5, 9, 17, 33], "the first time nobody was away"


def test_those_who_meet_without_waiting_do_not_make_waiting_worth_while():
    turns, group, waited = Turns(1), Group(), []
    wait_for = turns._changed.wait_for

    def noted(ready, timeout=None):
        if timeout is not None:
            waited.append(turn)
            return False  # in vain
        return wait_for(ready)

    turns._changed.wait_for = noted
    for turn in range(1, 41):
        group.away = 2 if turn % 2 else 1  # one comes: every other time nobody is missing then
        with turns.share(group, "came", most=8) as taken:
            assert taken == ["came"]
    assert waited == [1, 3, 5, 9, 17, 33]


def test_an_error_while_waiting_for_others_gives_the_turn_back():
    turns, group = Turns(1), Group()
    wait_for = turns._changed.wait_for

    def interrupted(ready, timeout=None):
        if timeout is not None:
            raise KeyboardInterrupt
        return wait_for(ready)

    turns._changed.wait_for = interrupted
    group.away = 2
    with pytest.raises(KeyboardInterrupt), turns.share(group, "came", most=8):
        pass
    with turns.take():
        assert not group.inside
