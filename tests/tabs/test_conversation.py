"""The handlers of the conversation pane on tiny models: what they compute, and that it ends when it must."""

import threading
import time

import gradio as gr
import pytest

from playground.errors import PlaygroundError
from playground.labs.chat import conversations
from playground.labs.chat.conversations import Thread
from playground.tabs.chat.conversation import plain, said
from playground.tabs.chat.runs import Run
from tests.tabs.conftest import visitor

ONE, OTHER = visitor("one"), visitor("other")
LONG = {"max_new_tokens": 2000, "seed": "1", "temperature": 1.0}


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("generate ")]


def expect_quiet(laid, within: float = 2.0) -> None:
    """Nobody computes, and every lease is back."""
    end = time.monotonic() + within
    while writers() and time.monotonic() < end:
        time.sleep(0.01)
    assert writers() == []
    assert [held.lent for held in laid.page.models.ledger().holdings if held.lent] == []


def thread_of(*texts: str) -> Thread:
    """User and assistant by turns."""
    now = conversations.start().now
    for n, text in enumerate(texts):
        now = now.add("assistant" if n % 2 else "user", text)
    return Thread(now)


def send(laid, text, request=ONE, before=None):
    return laid.talk.begin(text, "", before or conversations.start(), request)


def last(laid, updates):
    """The last reply's text and note, of all that a handler yielded."""
    message = [update[laid.talk.chatbot] for update in updates][-1][-1]
    return [block["text"] for block in message["content"]]


def test_a_reply_and_its_statistics(laid, chatty):
    updates = send(laid, "Hello")
    assert updates[laid.talk.message] == ""
    assert updates[laid.talk.stop]["interactive"]
    steps = list(laid.talk.answer(laid.values(chatty, max_new_tokens=9, seed="5", temperature=1.0), ONE))
    text, note = last(laid, steps)
    assert text
    assert "seed 5" in note
    assert steps[-1][laid.talk.send]["interactive"]
    assert not steps[-1][laid.talk.stop]["interactive"]
    assert laid.talk.settle("", ONE) == gr.skip()
    expect_quiet(laid)

    send(laid, "Hello")
    again = list(laid.talk.answer(laid.values(chatty, max_new_tokens=9, seed="5", temperature=1.0), ONE))
    assert last(laid, again)[0] == text
    send(laid, "Hello")
    other = list(laid.talk.answer(laid.values(chatty, max_new_tokens=9, seed="6", temperature=1.0), ONE))
    assert last(laid, other)[0] != text


def test_the_reply_is_read_while_its_visitor_reads_it(laid, chatty):
    send(laid, "Hello " * 90)
    list(laid.talk.answer(laid.values(chatty, max_new_tokens=280, seed="5", temperature=1.0), ONE))
    engine = laid.page.models._slots[str(chatty)].engine  # not borrowed: a loan would end the reading
    answered = laid.talk.page.models.ledger().holdings[0]
    end = time.monotonic() + 30
    while time.monotonic() < end and laid.page.models._slots[str(chatty)].spare is not None:
        time.sleep(0.02)
    longest = max(len(kept.ids) for kept in engine.prefixes._kept)
    asked = len(engine.tokenizer("Hello " * 90).input_ids)
    assert answered.lent == 0
    assert longest >= asked + 128, "a block of the reply at least"


def test_greedy_ignores_the_temperature(laid, chatty):
    texts = set()
    for seed in ("1", "2"):
        send(laid, "Hello")
        values = laid.values(chatty, max_new_tokens=9, seed=seed, temperature=2.0, greedy=True)
        text, note = last(laid, list(laid.talk.answer(values, ONE)))
        texts.add(text)
        assert "greedy" in note
    assert len(texts) == 1


def test_stop_ends_the_computation_and_keeps_what_there_is(laid, chatty):
    send(laid, "Hello")
    steps = laid.talk.answer(laid.values(chatty, **LONG), ONE)
    for update in steps:
        if "tokens/s" in update[laid.talk.chatbot][-1]["content"][-1]["text"]:
            break
    assert writers()
    assert laid.talk.halt("", ONE) == gr.skip(), "the stream itself shows the end"
    expect_quiet_soon = list(steps)
    text, note = last(laid, expect_quiet_soon)
    assert text
    assert "stopped by you" in note
    expect_quiet(laid)


def test_closing_the_stream_or_the_page_ends_the_computation(laid, chatty):
    for leave in (lambda steps: steps.close(), lambda steps: laid.talk.runs.leave(ONE)):
        send(laid, "Hello")
        steps = laid.talk.answer(laid.values(chatty, **LONG), ONE)
        while not writers():
            next(steps)
        leave(steps)
        list(steps)
        expect_quiet(laid)
        laid.talk.runs.leave(ONE)


def test_stop_before_the_model_is_there_puts_the_text_back(laid, chatty):
    before = thread_of("a", "b")
    send(laid, "Hello", before=before)
    steps = laid.talk.answer(laid.values(chatty, **LONG), ONE)
    next(steps)  # on its way
    updates = laid.talk.halt("typed since", ONE)
    assert updates[laid.talk.message] == "Hello\ntyped since"
    assert updates[laid.talk.thread] is before
    assert updates[laid.talk.chatbot] == [said("user", "a"), said("assistant", "b")]
    assert list(steps) == [] or not writers()
    expect_quiet(laid, within=20)
    assert laid.talk.settle("", ONE) == gr.skip()


def test_stop_before_the_first_word_gives_the_page_something(laid, chatty, monkeypatch):
    """A generator that gives nothing would empty the page, what is typed and set included."""
    original = Run.start
    monkeypatch.setattr(Run, "start", lambda run: original(run) and (run.stop.set() or True))
    with laid.page.models.lease(str(chatty)):
        pass
    send(laid, "Hello")
    assert list(laid.talk.answer(laid.values(chatty), ONE)) != []
    assert laid.talk.settle("", ONE)[laid.talk.message] == "Hello"


@pytest.mark.parametrize(
    ("text", "settings", "sentence"),
    [
        ("word " * 5000, {}, "tokens long"),
        ("Hello", {"seed": "seven"}, "whole number"),
        ("Hello", {"max_new_tokens": 0}, "max_new_tokens"),
        ("Hello", {"temperature": -1.0}, "temperature"),
    ],
)
def test_what_cannot_be_answered_changes_nothing(laid, chatty, text, settings, sentence):
    before = thread_of("a", "b")
    send(laid, text, before=before)
    with pytest.raises(gr.Error, match=sentence):
        list(laid.talk.answer(laid.values(chatty, **settings), ONE))
    updates = laid.talk.settle_failure("", ONE)
    assert updates[laid.talk.message] == text
    assert updates[laid.talk.thread] is before
    assert updates[laid.talk.chatbot] == [said("user", "a"), said("assistant", "b")]
    assert updates[laid.talk.send]["interactive"]
    expect_quiet(laid)
    send(laid, "Hello")
    assert list(laid.talk.answer(laid.values(chatty, max_new_tokens=2), ONE)), "the next request works"


def test_an_empty_message_is_refused_and_begins_nothing(laid):
    with pytest.raises(gr.Error, match="empty"):
        send(laid, " \n")
    send(laid, "Hello")


def test_two_visitors_get_what_they_would_get_alone(laid, chatty):
    values = {"one": laid.values(chatty, max_new_tokens=40, seed="1", temperature=1.0)}
    values["other"] = laid.values(chatty, max_new_tokens=30, seed="2", temperature=1.5)

    def run(request):
        send(laid, f"I am {request.session_hash}", request)
        return last(laid, list(laid.talk.answer(values[request.session_hash], request)))[0]

    alone = {request.session_hash: run(request) for request in (ONE, OTHER)}
    together = {}
    threads = [
        threading.Thread(target=lambda request=request: together.update({request.session_hash: run(request)}))
        for request in (ONE, OTHER)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_regenerate_answers_the_same_question_and_keeps_the_old_reply(laid, chatty):
    before = thread_of("a", "b")
    laid.talk.begin_again("", before, ONE)
    steps = list(laid.talk.answer(laid.values(chatty, max_new_tokens=4), ONE))
    now = steps[-1][laid.talk.thread].now
    assert [node.content for node in now.path[:1]] == ["a"]
    assert len(now.path) == 2
    assert now.versions(now.active)[0].content == "b"
    assert len(now.versions(now.active)) == 2
    assert steps[-1][laid.talk.thread].undo().now.leaf.content == "b"

    laid.talk.begin_again("", before, ONE)
    with pytest.raises(gr.Error):
        list(laid.talk.answer(laid.values(chatty, seed="x"), ONE))
    assert laid.talk.settle_failure("typed", ONE)[laid.talk.thread] is before
    with pytest.raises(gr.Error, match="no reply"):
        laid.talk.begin_again("", conversations.start(), OTHER)


def test_what_was_said_reaches_the_lab_as_it_was_said():
    text = "<think>x</think>\n\n    def f():\n        return 1  # 你好 🙂\n"
    assert plain([said("user", text, "note")]) == [{"role": "user", "content": text}]
    assert plain([said("assistant", "", "note")]) == [{"role": "assistant", "content": ""}]


def test_a_model_that_cannot_answer_says_so(laid, base, reader):
    for model, sentence in ((base, "no chat template"), (reader, "does not write|no chat template")):
        send(laid, "Hello")
        with pytest.raises(gr.Error, match=sentence):
            list(laid.talk.answer(laid.values(model), ONE))
        assert laid.talk.settle_failure("", ONE)[laid.talk.message] == "Hello"


@pytest.mark.parametrize("error", [PlaygroundError("No numbers."), RuntimeError("weights on fire")])
def test_what_had_come_when_a_model_failed_is_kept(laid, chatty, breaks, error):
    breaks(9, error)
    send(laid, "Hello")
    steps = []
    with pytest.raises(gr.Error, match=r"No numbers|Something went wrong"):
        steps.extend(laid.talk.answer(laid.values(chatty, seed="5", temperature=1.0), ONE))
    text, note = last(laid, steps)
    assert text
    assert "9 tokens" in note and "cut off by a failure" in note
    thread = steps[-1][laid.talk.thread]
    assert (thread.now.leaf.content, len(thread.now.leaf.made.ids)) == (text, 9)
    assert steps[-1][laid.talk.send]["interactive"]
    assert laid.talk.settle_failure("typed", ONE) == gr.skip(), "nothing is put back"
    expect_quiet(laid)


def test_a_failure_before_the_first_word_puts_the_text_back(laid, chatty, breaks):
    breaks(0, PlaygroundError("No numbers."))
    send(laid, "Hello")
    with pytest.raises(gr.Error, match="No numbers"):
        list(laid.talk.answer(laid.values(chatty), ONE))
    assert laid.talk.settle_failure("", ONE)[laid.talk.message] == "Hello"


def test_no_model_is_named(laid):
    send(laid, "Hello")
    with pytest.raises(gr.Error, match="No model was named"):
        list(laid.talk.answer(laid.values("") | {laid.page.reference: None}, ONE))
