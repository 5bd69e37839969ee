"""What is offered when a conversation does not fit, on a tiny model that holds 256 tokens."""

import gradio as gr
import pytest

from playground.labs.chat.conversations import Thread
from tests import tiny
from tests.tabs.conftest import visitor
from tests.tabs.test_conversation import expect_quiet, thread_of

ONE = visitor("one")


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("small"), "llama", context=256)


@pytest.fixture
def refused(laid, small):
    """A conversation that is too long, and the page after it was refused."""
    before = thread_of(*(f"message {n} " + "cat " * 6 for n in range(16)))
    laid.talk.begin("And now?", "", before, ONE)
    list(laid.talk.answer(laid.values(small, max_new_tokens=20), ONE))
    updates = laid.talk.settle("typed since", ONE)
    return before, updates


def test_the_offer_names_what_would_go_and_nothing_is_lost(laid, refused):
    before, updates = refused
    assert updates[laid.talk.thread] is before
    assert updates[laid.talk.message] == "And now?\ntyped since"
    assert updates[laid.talk.offer.place]["visible"]
    words = updates[laid.talk.offer.words]
    assert "holds 256" in words
    assert "from “message 0 cat" in words
    expect_quiet(laid)


@pytest.mark.parametrize("how", ["begin_left_out", "begin_summed_up"])
def test_going_on_leaves_the_oldest_out_for_the_model_alone(laid, refused, small, how):
    before, updates = refused
    offer = updates[laid.talk.offer.refused]
    begun = getattr(laid.talk, how)("And now, shorter?", "", before, offer, ONE)
    assert not begun[laid.talk.offer.place]["visible"]
    steps = list(laid.talk.answer(laid.values(small, max_new_tokens=20), ONE))
    thread: Thread = steps[-1][laid.talk.thread]
    assert len(thread.now.path) == 18, "all of it is still there"
    assert thread.now.leaf.made.prompt_tokens + thread.now.leaf.made.new_tokens <= 256
    question = thread.now.path[16]
    assert question.content == "And now, shorter?"
    given, summary = thread.now.given()
    assert given[0].role == "user"
    assert len(given) < 18
    assert bool(summary) == (how == "begin_summed_up")
    assert (summary in thread.now.leaf.made.system) and bool(thread.now.leaf.made.system) == bool(summary)
    written = steps[-1][laid.talk.written]
    assert [content for _, content in written.asked] == [node.content for node in given[:-1]]
    if summary:
        assert any("summing up" in str(update.get(laid.talk.chatbot)) for update in steps)
    note = steps[-1][laid.talk.chatbot][16]["content"][-1]["text"]
    assert f"not given the {18 - len(given)} oldest messages" in note
    assert thread.undo().now.path == before.now.path
    expect_quiet(laid)


def test_stopping_in_mid_summary_puts_everything_back(laid, refused, small):
    before, updates = refused
    laid.talk.begin_summed_up("And now?", "", before, updates[laid.talk.offer.refused], ONE)
    steps = laid.talk.answer(laid.values(small, max_new_tokens=20), ONE)
    for update in steps:
        if "summing up" in str(update.get(laid.talk.chatbot)):
            break
    laid.talk.halt("", ONE)
    rest = list(steps)
    assert not any(laid.talk.thread in update for update in rest)
    back = laid.talk.settle("", ONE)
    assert (back[laid.talk.thread], back[laid.talk.message]) == (before, "And now?")
    expect_quiet(laid)


def test_an_edited_question_that_does_not_fit_is_tried_again(laid, small):
    before = thread_of(*(f"message {n} " + "cat " * 6 for n in range(16)), "last")
    laid.talk.begin_again("", before, ONE)
    list(laid.talk.answer(laid.values(small, max_new_tokens=20), ONE))
    offer = laid.talk.settle("", ONE)[laid.talk.offer.refused]
    laid.talk.begin_left_out("", "", before, offer, ONE)
    steps = list(laid.talk.answer(laid.values(small, max_new_tokens=20), ONE))
    assert [node.content for node in steps[-1][laid.talk.thread].now.path[-2:-1]] == ["last"]


def test_a_message_that_is_too_long_by_itself_is_refused_as_before(laid, small):
    before = thread_of("a", "b")
    laid.talk.begin("cat " * 400, "", before, ONE)
    with pytest.raises(gr.Error, match="tokens long"):
        list(laid.talk.answer(laid.values(small), ONE))
    assert laid.talk.settle_failure("", ONE)[laid.talk.message] == "cat " * 400


def test_what_was_summed_up_is_still_told_when_more_is_left_out(laid, refused, small):
    before, updates = refused
    laid.talk.begin_summed_up("And now?", "", before, updates[laid.talk.offer.refused], ONE)
    steps = list(laid.talk.answer(laid.values(small, max_new_tokens=20), ONE))
    thread = steps[-1][laid.talk.thread]
    summary = thread.now.given()[1]
    assert summary
    text = "cat " * 40
    laid.talk.begin(text, "", thread, ONE)
    list(laid.talk.answer(laid.values(small, max_new_tokens=20), ONE))
    offer = laid.talk.settle("", ONE)[laid.talk.offer.refused]
    laid.talk.begin_left_out(text, "", thread, offer, ONE)
    steps = list(laid.talk.answer(laid.values(small, max_new_tokens=20), ONE))
    now = steps[-1][laid.talk.thread].now
    assert now.given()[1] == summary
    assert summary in now.leaf.made.system
    assert now.leaf.made.prompt_tokens < 256
    note = steps[-1][laid.talk.chatbot][-2]["content"][-1]["text"]
    assert "but what it summed up before: " in note
    expect_quiet(laid)
