"""The handlers of the arena on tiny models: two replies at once, what ends them, and what a voter must not be told."""

import itertools
import json
import re
import threading

import gradio as gr
import pytest

from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat
from playground.labs.chat import votes
from playground.tabs.chat import arena
from playground.tabs.chat.arena_sides import EXAMPLES
from tests import tiny
from tests.tabs.conftest import lay, visitor
from tests.tabs.test_conversation import expect_quiet, writers

ONE, OTHER = visitor("one"), visitor("other")
NONSENSE = {"temperature": 1.0, "top_p": 1, "top_k": 0}
LONG = NONSENSE | {"max_new_tokens": 3000}


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    return lay(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def laid(once):
    """One page for all these tests, so that each model is loaded once."""
    yield once
    for request in (ONE, OTHER):
        once.two.runs.leave(request)


@pytest.fixture(scope="session")
def rival(tmp_path_factory):
    """Another tiny model with a chat template."""
    return tiny.save(tmp_path_factory.mktemp("rival"), "qwen2", seed=3, context=4096)


@pytest.fixture
def small(tmp_path_factory):
    """One whose context is soon full."""
    return tiny.save(tmp_path_factory.mktemp("small"), "llama", seed=5, context=40)


def values(laid, a, b, seed="7", systems=("", ""), **settings):
    """What Gradio hands to the handler: the same settings on both sides, unless one is a pair."""
    held = {laid.two.seed: seed}
    for n, (side, model) in enumerate(zip(laid.two.sides, (a, b), strict=True)):
        own = {name: value[n] if isinstance(value, tuple) else value for name, value in settings.items()}
        held |= {component: own.get(name, side.defaults[name]) for name, component in vars(side.controls).items()}
        held |= {side.model: str(model), side.system: systems[n]}
    return held


def send(laid, text, turns=(), blind=False, request=ONE):
    return laid.two.begin(text, blind, turns, request)


def run(laid, text, held, turns=(), blind=False, request=ONE):
    """All that the page is sent from the click to the end, and the conversation kept on the server."""
    updates = [send(laid, text, turns, blind, request), *laid.two.answer(held, request)]
    return updates, updates[-1].get(laid.two.turns)


def alone(laid, model, messages, system="", **sampling):
    with laid.page.models.lease(str(model)) as engine:
        *_, reply = chat.reply(engine, messages, Sampling(**sampling), system)
    return reply.text


def pane(laid, updates, place):
    """What stands in a place: a list of (role, text, note ...)."""
    last = [update[laid.two.places[place]] for update in updates if laid.two.places[place] in update][-1]
    return [(message["role"], *(block["text"] for block in message["content"])) for message in last]


def user(text):
    return {"role": "user", "content": text}


def test_each_reply_is_what_its_model_says_alone_turn_after_turn(laid, chatty, rival):
    held = values(laid, chatty, rival, systems=("", "Be brief."), max_new_tokens=(20, 30), temperature=(0.5, 1.5))
    updates, turns = run(laid, "Hello", held)
    rest = dict(top_p=0.9, top_k=50, seed=7)
    a = alone(laid, chatty, [user("Hello")], max_new_tokens=20, temperature=0.5, **rest)
    b = alone(laid, rival, [user("Hello")], "Be brief.", max_new_tokens=30, temperature=1.5, **rest)
    assert [reply.text for reply in turns[0].spoken] == [a, b]
    notes = [pane(laid, updates, place)[-1][-1] for place in (0, 1)]
    assert all("seed 7" in said and "tokens/s" in said for said in notes)
    assert "B is 10 tokens longer (20 and 30)." in updates[-1][laid.two.verdict]
    assert updates[-1][laid.two.send]["interactive"]
    assert laid.two.settle("", ONE) == gr.skip()

    _, turns = run(laid, "And then?", held, turns)
    for side, model, system, first, sampling in (
        (0, chatty, "", a, dict(max_new_tokens=20, temperature=0.5)),
        (1, rival, "Be brief.", b, dict(max_new_tokens=30, temperature=1.5)),
    ):
        said = [user("Hello"), {"role": "assistant", "content": first}, user("And then?")]
        assert turns[1].spoken[side].text == alone(laid, model, said, system, **sampling, **rest)
    expect_quiet(laid)


def test_settings_that_were_never_opened_say_nothing(laid, chatty):
    who, _ = laid.two.sides[0].read(values(laid, chatty, chatty, systems=(None, None)), 7)
    assert who.system == ""  # Gradio's value of a box that was not drawn yet is None


def test_both_stream_at_the_same_time(laid, chatty, rival):
    send(laid, "Hello")
    steps = laid.two.answer(values(laid, chatty, rival, **LONG), ONE)
    seen = []  # how much each has said
    for step in steps:
        seen.append([len(step[place][-1]["content"][0]["text"]) for place in laid.two.places])
        if min(seen[-1]) > 20:
            break
    told = next(steps)  # 3,000 tokens are asked for, so that neither is near its end
    more = [len(told[place][-1]["content"][0]["text"]) for place in laid.two.places]
    assert min(seen[-1]) > 20 and sum(more) > sum(seen[-1]), "one reply came only after the other"
    assert all(x <= y for one, two in itertools.pairwise(seen) for x, y in zip(one, two, strict=True))
    steps.close()
    expect_quiet(laid)


def test_the_same_twice_with_a_seed_is_the_same(laid, chatty):
    updates, turns = run(laid, "Hello", values(laid, chatty, chatty, max_new_tokens=30, **NONSENSE))
    assert turns[0].spoken[0].text == turns[0].spoken[1].text
    assert "letter for letter" in updates[-1][laid.two.verdict]
    _, turns = run(laid, "Hello", values(laid, chatty, chatty, seed="", max_new_tokens=30, **NONSENSE))
    assert turns[0].spoken[0].text != turns[0].spoken[1].text, "without one, each side draws its own"


def test_stop_ends_both_and_keeps_what_there_is(laid, chatty, rival):
    begun = send(laid, "Hello")
    steps = laid.two.answer(values(laid, chatty, rival, **LONG), ONE)
    while len(writers()) < 2:
        next(steps)
    for step in steps:
        if all("tokens/s" in step[laid.two.places[n]][-1]["content"][-1]["text"] for n in (0, 1)):
            break
    assert laid.two.halt("", ONE) == gr.skip()
    rest = [begun, *steps]
    for place in (0, 1):
        assert "stopped by you" in pane(laid, rest, place)[-1][-1]
    assert rest[-1][laid.two.turns][-1].spoken[0].new_tokens < 3000
    expect_quiet(laid)


def test_closing_the_stream_or_the_page_ends_both(laid, chatty, rival):
    for leave in (lambda steps: steps.close(), lambda steps: laid.two.runs.leave(ONE)):
        send(laid, "Hello")
        steps = laid.two.answer(values(laid, chatty, rival, **LONG), ONE)
        while len(writers()) < 2:
            next(steps)
        leave(steps)
        list(steps)
        expect_quiet(laid)
        laid.two.runs.leave(ONE)


def test_stop_before_the_models_are_there_puts_the_text_back(laid, chatty, rival):
    _, before = run(laid, "First", values(laid, chatty, chatty, max_new_tokens=3))
    if laid.page.models.status(str(rival)).state == "ready":
        laid.page.models.unload(str(rival))
    send(laid, "Hello", before)
    steps = laid.two.answer(values(laid, chatty, rival, **LONG), ONE)
    next(steps)
    updates = laid.two.halt("typed since", ONE)
    assert updates[laid.two.message] == "Hello\ntyped since"
    assert len(updates[laid.two.places[0]]) == 2
    list(steps)
    expect_quiet(laid, within=20)


def test_stop_while_it_waits_for_its_turn_empties_nothing(laid, chatty, rival):
    """A generator that gives nothing empties all that it could have changed, the votes that the browser keeps too."""
    send(laid, "Hello")
    laid.two.halt("", ONE)
    assert list(laid.two.answer(values(laid, chatty, rival, **LONG), ONE)) == [gr.skip()]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failure_of_one_side_is_said_there_and_the_other_goes_on(laid, chatty, reader, failing):
    models = [chatty, chatty]
    models[failing] = reader
    updates, turns = run(laid, "Hello", values(laid, *models, max_new_tokens=9))
    assert "does not write" in pane(laid, updates, failing)[-1][-1].replace("\\", "")
    assert "tokens/s" in pane(laid, updates, 1 - failing)[-1][-1]
    assert updates[-1][laid.two.turns][-1].spoken[1 - failing].text
    _, turns = run(laid, "Again", values(laid, chatty, chatty, max_new_tokens=3), turns)
    assert turns[1].spoken[failing].text, "its conversation can go on with a model that answers"
    expect_quiet(laid)


def test_a_model_without_a_chat_template_continues_and_says_so(laid, chatty, base):
    held = values(laid, chatty, base, systems=("", "Sing."), max_new_tokens=9)
    updates, turns = run(laid, "The cat", held)
    with laid.page.models.lease(str(base)) as engine:
        sampling = Sampling(9, 0.2, 0.9, 50, seed=7)
        *_, plain = chat.complete(engine, "The cat", sampling)
        assert turns[0].spoken[1].text == plain.text
        assert "no chat template" in pane(laid, updates, 1)[-1][-1]
        assert "no chat template" not in pane(laid, updates, 0)[-1][-1]
        _, turns = run(laid, "And then?", held, turns)
        *_, plain = chat.complete(engine, f"The cat{plain.text}\n\nAnd then?", sampling)
    assert turns[1].spoken[1].text == plain.text
    updates, _ = run(laid, "The cat", held, blind=True)
    assert "template" not in reaches_the_browser(laid, updates), "that would tell which it is"
    expect_quiet(laid)


def test_what_had_come_of_a_side_that_fails_is_kept_with_the_reason_and_cannot_be_voted_on(laid, chatty, rival, breaks):
    breaks(12, PlaygroundError("No numbers."))  # of both together
    for blind in (False, True):
        updates, turns = run(laid, "Hello", values(laid, chatty, rival, max_new_tokens=40), blind=blind)
        if blind:
            break
        assert all(reply.text and reply.stop_reason == "cut" for reply in turns[0].spoken)
        assert sum(reply.new_tokens for reply in turns[0].spoken) == 12
        assert "No numbers" in pane(laid, updates, 0)[-1][-1]
        breaks(12, PlaygroundError("No numbers."))
    assert turns[0].votable is False
    assert "cannot be voted on" in updates[-1][laid.two.verdict]
    assert "No numbers" in pane(laid, updates, 0)[-1][-1], "as no vote can come, nothing is hidden"
    expect_quiet(laid)


def test_a_model_that_is_not_there_and_one_whose_context_is_full(laid, chatty, small, tmp_path):
    updates, turns = run(laid, "Hello", values(laid, tmp_path / "nothing", chatty, max_new_tokens=5))
    assert pane(laid, updates, 0)[-1][-1]
    assert turns[0].spoken[1].text
    updates, turns = run(laid, "word " * 60, values(laid, chatty, small, max_new_tokens=5))
    assert "tokens long" in pane(laid, updates, 1)[-1][-1]
    assert turns[0].spoken[0].text
    expect_quiet(laid)


def test_when_both_fail_nothing_is_lost(laid, reader, chatty):
    for held, sentence in (
        (values(laid, reader, reader), "does not write"),
        (values(laid, chatty, chatty, seed="seven"), "whole number"),
        (values(laid, chatty, chatty, temperature=(0.5, -1.0)), "temperature"),
    ):
        send(laid, "Hello")
        with pytest.raises(gr.Error, match=sentence):
            list(laid.two.answer(held, ONE))
        updates = laid.two.settle_failure("", ONE)
        assert updates[laid.two.message] == "Hello"
        assert updates[laid.two.places[0]] == []
        assert updates[laid.two.send]["interactive"]
    with pytest.raises(gr.Error, match="empty"):
        send(laid, " \n")
    expect_quiet(laid)


def reaches_the_browser(laid, updates):
    """Everything of the updates that leaves the server, as text: all but gr.State."""
    return json.dumps([{str(c): v for c, v in update.items() if c is not laid.two.turns} for update in updates])


def blind_run(laid, monkeypatch, places, held, turns=(), text="Hello"):
    monkeypatch.setattr(arena.secrets, "choice", lambda orders: {order: order for order in orders}[places])
    return run(laid, text, held, turns, blind=True)


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_blind_tells_nothing_before_the_vote(laid, chatty, rival, monkeypatch, places):
    held = values(laid, chatty, rival, systems=("Sing.", ""), max_new_tokens=(31, 47), temperature=(0.8, 1.3))
    _, turns = run(laid, "Open first", held)
    updates, turns = blind_run(laid, monkeypatch, places, held, turns)
    sent = reaches_the_browser(laid, updates)
    for telling in (chatty.name, rival.name, "Sing", "seed", "tokens/s", "first after", "0.8", "1.3", "Open first"):
        assert telling not in sent, telling
    assert not re.search(r"<b>[AB]|was [AB]", sent)
    assert [pane(laid, updates, place)[-1][1] for place in (0, 1)] == [turns[-1].spoken[side].text for side in places]
    assert updates[-1][laid.two.ballot]["visible"]

    revealed = laid.two.vote(0, turns, [], ONE)
    names = [revealed[name] for name in laid.two.names]
    for place, side in enumerate(places):
        assert names[place].startswith(f"<b>Reply {place + 1} was {'AB'[side]}</b> · ")
        assert ("told “Sing.”" in names[place]) == (side == 0)
        assert "tokens/s" in pane(laid, [revealed], place)[-1][-1]
        assert len(pane(laid, [revealed], place)) == 4, "what was said before is back"
    assert f"You preferred {'AB'[places[0]]}." in revealed[laid.two.verdict]


def test_in_blind_mode_both_show_as_many_tokens_as_the_slower_has(laid, chatty, rival, monkeypatch):
    gate = threading.Event()
    original = arena.Arena._write

    def slow(self, run, turn, side, settings):
        for reply in original(self, run, turn, side, settings):
            yield reply
            if side == 1 and reply.new_tokens == 3:
                assert gate.wait(20)

    monkeypatch.setattr(arena.Arena, "_write", slow)
    send(laid, "Hello", blind=True)
    held = values(laid, chatty, rival, max_new_tokens=40, **NONSENSE)
    steps = laid.two.answer(held, ONE)
    lengths = []
    for step in steps:
        lengths.append(max(len(step[place][-1]["content"][0]["text"]) for place in laid.two.places))
        if len(lengths) > 12:
            break
    assert max(lengths) < 60, "the quick one ran ahead"
    gate.set()
    *_, last = steps
    assert all(reply.new_tokens > 12 for reply in last[laid.two.turns][-1].spoken)


def test_places_are_shuffled(laid, chatty):
    seen = set()
    for _ in range(40):
        send(laid, "Hello", blind=True)
        seen.add(laid.two.runs.stop(ONE).asked.places)
    assert seen == {(0, 1), (1, 0)}


@pytest.mark.parametrize(("place", "choice"), [(0, "b"), (1, "a"), ("tie", "tie"), ("both bad", "both bad")])
def test_a_vote_counts_for_whose_the_reply_was_and_once(laid, chatty, rival, monkeypatch, place, choice):
    _, turns = blind_run(laid, monkeypatch, (1, 0), values(laid, chatty, rival, max_new_tokens=5))
    updates = laid.two.vote(place, turns, [], ONE)
    (vote,) = votes.read(updates[laid.two.kept])
    assert (vote.choice, vote.first, vote.prompt, vote.seeds) == (choice, "b", "Hello", (7, 7))
    assert (vote.a.reference, vote.b.reference) == (str(chatty), str(rival))
    assert dict(vote.a.settings)["max_new_tokens"] == 5
    assert "seed" not in dict(vote.a.settings)
    for shown in (turns, updates[laid.two.turns]):  # a second click, and one after the page has changed
        with pytest.raises(gr.Error, match="no pair of replies"):
            laid.two.vote(place, shown, updates[laid.two.kept], ONE)
    assert "<table>" in updates[laid.two.score]


def test_two_clicks_at_once_count_once(laid, chatty, monkeypatch):
    _, turns = blind_run(laid, monkeypatch, (0, 1), values(laid, chatty, chatty, max_new_tokens=3))
    counted = []

    def click():
        try:
            counted.append(laid.two.vote(0, turns, [], ONE))
        except gr.Error:
            pass

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == 1


def test_what_did_not_end_by_itself_cannot_be_voted_on_and_is_told(laid, chatty, rival, reader):
    send(laid, "Hello", blind=True)
    steps = laid.two.answer(values(laid, chatty, rival, **LONG), ONE)
    while len(writers()) < 2:
        next(steps)
    with pytest.raises(gr.Error, match="still being written"):
        laid.two.vote(0, (), [], ONE)
    for step in steps:
        if step[laid.two.places[0]][-1]["content"][0]["text"] != "…":
            break
    laid.two.halt("", ONE)
    *_, last = steps
    failed, _ = run(laid, "Hello", values(laid, chatty, reader, max_new_tokens=3), blind=True)
    for updates in (last, failed[-1]):
        assert not updates[laid.two.ballot]["visible"]
        assert "cannot be voted on" in updates[laid.two.verdict]
        assert "was" in updates[laid.two.names[0]]
        with pytest.raises(gr.Error, match="no pair"):
            laid.two.vote(0, updates[laid.two.turns], [], ONE)
    _, openly = run(laid, "Hello", values(laid, chatty, chatty, max_new_tokens=3))
    with pytest.raises(gr.Error, match="blind mode"):
        laid.two.vote(0, openly, [], ONE)


def test_two_visitors_do_not_touch_each_other(laid, chatty, rival):
    held = values(laid, chatty, rival, **LONG)
    send(laid, "Hello")
    send(laid, "Hello", request=OTHER)
    one, other = laid.two.answer(held, ONE), laid.two.answer(held | {laid.two.seed: "9"}, OTHER)
    while len(writers()) < 4:
        next(one), next(other)
    laid.two.halt("", ONE)
    list(one)
    assert len(writers()) == 2
    with pytest.raises(gr.Error, match="still being written"):
        send(laid, "Hello", request=OTHER)
    other.close()
    expect_quiet(laid)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.caption)
def test_an_example_sets_both_sides_anew(laid, example):
    updates = laid.two.fill(example, "starter:x", ONE)
    assert updates[laid.two.message] == example.text
    a, b = laid.two.sides
    assert updates[a.model] == "starter:x"
    assert updates[b.model] == "starter:x" + ("#int8" if "int8" in example.caption else "")
    read = [side.read({**updates, side.controls.seed: ""}, 1)[1] for side in (a, b)]
    assert {sampling.max_new_tokens for sampling in read} == {60}
    assert (
        read[0].temperature != read[1].temperature or updates[a.system] != updates[b.system] or "#" in updates[b.model]
    )
    if example.caption.startswith("Pirate"):
        assert read[0] == read[1], "a setting of the example before stayed"
