"""One visitor's run: what Stop, an error and a closed page do to it, and that nobody else's is touched."""

import threading
import time
from types import SimpleNamespace

import gradio as gr
import pytest

from playground.errors import PlaygroundError
from playground.tabs.chat.runs import Runs

ONE, OTHER = SimpleNamespace(session_hash="one"), SimpleNamespace(session_hash="other")


@pytest.fixture
def runs() -> Runs:
    with gr.Blocks() as blocks:
        return Runs(blocks)


def test_stop_before_the_start_gives_the_text_back_once(runs):
    runs.begin(ONE, asked="all", before="page", text="typed")
    run = runs.stop(ONE)
    assert (run.text, run.before) == ("typed", "page")
    assert runs.fruitless(ONE) is None
    assert runs.take_up(ONE) is None, "its turn came after it was stopped"


def test_stop_while_a_model_loads_keeps_it_from_starting(runs):
    runs.begin(ONE, "all", "page")
    run = runs.take_up(ONE)
    assert runs.stop(ONE) is run
    assert run.stop.is_set()
    assert not run.start()


def test_stop_after_the_start_leaves_the_ending_to_the_run(runs):
    runs.begin(ONE, "all", "page")
    run = runs.take_up(ONE)
    assert run.start()
    assert runs.stop(ONE) is None
    assert run.stop.is_set()
    run.fruitful = True
    run.end()
    assert runs.fruitless(ONE) is None


def test_a_second_run_waits_for_the_first(runs):
    runs.begin(ONE, "all", "page")
    with pytest.raises(PlaygroundError, match="still being written"):
        runs.begin(ONE, "all", "page")
    runs.begin(OTHER, "all", "page")
    runs.take_up(ONE).end()
    runs.begin(ONE, "all", "page")


def test_stop_and_leaving_touch_one_visitor_only(runs):
    for visitor in (ONE, OTHER):
        runs.begin(visitor, "all", "page")
    one, other = runs.take_up(ONE), runs.take_up(OTHER)
    assert one.start()
    assert other.start()
    runs.stop(ONE)
    assert one.stop.is_set()
    assert not other.stop.is_set()
    runs.leave(OTHER)
    assert other.stop.is_set()
    runs.leave(OTHER)


def test_a_run_that_was_turned_away_gives_its_text_back(runs):
    runs.begin(ONE, "all", "page", "typed")
    assert runs.fruitless(ONE) is None, "it still waits for its turn"
    assert runs.fruitless(ONE, failed=True).text == "typed"


def test_an_old_run_that_ends_late_does_not_undo_the_new_one(runs):
    runs.begin(ONE, "all", "page", "old")
    old = runs.take_up(ONE)
    runs.stop(ONE)
    runs.begin(ONE, "all", "page", "new")
    old.end()
    assert runs.fruitless(ONE) is None
    assert runs.take_up(ONE).text == "new"


def test_an_event_whose_run_was_stopped_does_not_take_the_next_run(runs):
    runs.begin(ONE, "first", "page")
    runs.stop(ONE)
    runs.begin(ONE, "second", "page")
    assert runs.take_up(ONE) is None, "the first event, still in the queue, with the first one's settings"
    assert runs.take_up(ONE).asked == "second"


def test_who_leaves_while_an_event_waits_can_come_back(runs):
    runs.begin(ONE, "first", "page")
    runs.stop(ONE)
    runs.leave(ONE)
    runs.begin(ONE, "second", "page")
    assert runs.take_up(ONE).asked == "second"


def giving(*updates):
    yield from updates


def test_an_answer_gives_something_even_if_nothing_is_to_be_done(runs):
    """Gradio empties all that a generator could have changed when it gives nothing."""
    runs.begin(ONE, "all", "page")
    runs.stop(ONE)
    assert list(runs.answered(ONE, lambda run: giving({"never": 1}))) == [gr.skip()], "it was stopped while it waited"
    runs.begin(ONE, "all", "page")
    assert list(runs.answered(ONE, lambda run: giving())) == [gr.skip()]
    runs.begin(ONE, "all", "page")
    assert list(runs.answered(ONE, lambda run: giving({"text": 1}, {"text": 2}))) == [{"text": 1}, {"text": 2}]
    assert runs.fruitless(ONE).over


def test_an_answer_that_is_left_or_fails_is_over(runs):
    def work(run):
        yield {}
        raise PlaygroundError("No <b>room</b>.")

    runs.begin(ONE, "all", "page")
    with pytest.raises(gr.Error, match="No &lt;b&gt;room"):
        list(runs.answered(ONE, work))
    runs.begin(ONE, "all", "page")
    answer = runs.answered(ONE, work)
    next(answer)
    answer.close()
    runs.expect_idle(ONE)


class Slow(dict):
    """Gives other threads their chance between a look and what is made of it."""

    def get(self, *arguments):
        found = super().get(*arguments)
        time.sleep(0.01)
        return found


def at_once(*actions):
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_two_requests_at_once_one_is_refused(runs):
    runs._runs = Slow()
    refused = []

    def click():
        try:
            runs.begin(ONE, "all", "page")
        except PlaygroundError as error:
            refused.append(error)

    at_once(*[click] * 4)
    assert len(refused) == 3


def test_a_run_that_is_stopped_as_its_turn_comes_does_not_swallow_the_next(runs):
    for _ in range(8):
        runs._runs = Slow()
        runs.begin(ONE, "first", "page")
        at_once(lambda: runs.stop(ONE), lambda: runs.take_up(ONE))
        runs.begin(ONE, "second", "page")
        run = runs.take_up(ONE)
        assert run is not None and run.asked == "second"
        run.end()
