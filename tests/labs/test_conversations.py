"""Conversations as trees: nothing is lost, everything can be undone."""

import random

import pytest

from playground.errors import PlaygroundError
from playground.labs.chat import conversations
from playground.labs.chat.conversations import Conversation, Thread


def told(*texts: str) -> Conversation:
    """User and assistant by turns."""
    conversation = conversations.start().now
    for n, text in enumerate(texts):
        conversation = conversation.add("assistant" if n % 2 else "user", text)
    return conversation


def contents(conversation: Conversation) -> list[str]:
    return [node.content for node in conversation.path]


def same(one: Conversation, other: Conversation) -> bool:
    return (one.nodes, one.active, one.system) == (other.nodes, other.active, other.system)


def test_editing_makes_a_version_and_keeps_what_followed_with_the_old_one():
    conversation = told("a", "b", "c", "d")
    second = conversation.path[1]
    edited = conversation.edit(second.id, "B")
    assert contents(edited) == ["a", "B"]
    assert edited.leaf.edited
    assert [node.content for node in edited.versions(edited.active)] == ["b", "B"]
    assert contents(edited.step(edited.active, -1)) == ["a", "b", "c", "d"]
    assert contents(edited.step(edited.active, 5)) == ["a", "B"], "there is none further"
    asked = edited.go_to(conversation.active).edit(conversation.path[2].id, "C")
    assert contents(asked) == ["a", "b", "C"]
    assert asked.leaf.role == "user"


def test_deleting_goes_on_in_the_version_beside_it():
    conversation = told("a", "b")
    for text in ("b2", "b3"):
        conversation = conversation.up_to(conversation.path[0].id).add("assistant", text)
    middle = conversation.versions(conversation.active)[1]
    conversation = conversation.go_to(middle.id).delete(middle.id)
    assert contents(conversation) == ["a", "b"]
    conversation = conversation.delete(conversation.active)
    assert contents(conversation) == ["a", "b3"]
    conversation = conversation.delete(conversation.active)
    assert contents(conversation) == ["a"]
    assert contents(conversation.delete(conversation.active)) == []
    with pytest.raises(PlaygroundError, match="not in this conversation"):
        conversation.delete(middle.id)


def test_deleting_what_is_not_looked_at_leaves_the_path():
    conversation = told("a", "b", "c")
    other = conversation.edit(conversation.path[0].id, "A").add("assistant", "x")
    left = other.delete(conversation.path[0].id)
    assert contents(left) == ["A", "x"]
    assert {node.content for node in left.nodes.values()} == {"A", "x"}


def test_a_name_comes_from_the_first_message():
    conversation = told("  Why is\nthe sky blue? " + "x" * 100, "Because.")
    assert conversation.name.startswith("Why is the sky blue? xx")
    assert len(conversation.name) == conversations.NAME_LENGTH
    assert conversation.add("user", "More").name == conversation.name
    assert conversation.renamed(" Sky \n").name == "Sky"
    with pytest.raises(PlaygroundError, match="needs a name"):
        conversation.renamed(" ")


def test_a_model_is_given_what_was_not_left_out():
    conversation = told("a", "b", "c", "d")
    assert conversation.given() == (conversation.path, "")
    cut = conversations.Shortened(conversation.path[2].id, "They spoke.")
    longer = conversation.add("user", "e", shortened=cut).add("assistant", "f").add("user", "g")
    messages, summary = longer.given()
    assert [node.content for node in messages] == ["c", "d", "e", "f", "g"]
    assert summary == "They spoke."
    assert conversation.given() == (conversation.path, ""), "before that, all of it"


def test_replies_that_were_given_more_keep_their_question():
    conversation = told("a", "b", "c", "d")
    question = conversation.path[2]
    again = conversation.up_to(question.id).shorten(question.id, "They spoke.")
    assert [node.content for node in again.versions(again.active)] == ["c", "c"]
    assert [node.content for node in again.given()[0]] == ["c"]
    assert again.go_to(conversation.active).given() == (conversation.path, "")
    fresh = conversation.add("user", "e")
    cut = fresh.shorten(question.id)
    assert cut.active == fresh.active
    assert [node.content for node in cut.given()[0]] == ["c", "d", "e"]


def test_a_question_that_is_itself_the_first_one_given_stays_that_when_it_is_edited():
    conversation = told("a", "b").add("user", "c")
    cut = conversation.shorten(conversation.active, "They spoke.").edit(conversation.active, "C")
    given, summary = cut.given()
    assert [node.content for node in given] == ["C"]
    assert summary == "They spoke."


def test_undo_and_redo():
    thread = conversations.start()
    with pytest.raises(PlaygroundError, match="nothing to undo"):
        thread.undo()
    sent = thread.changed(thread.now.add("user", "a"))
    answered = sent.amended(sent.now.add("assistant", "b"))
    back = answered.undo()
    assert contents(back.now) == []
    assert same(back.redo().now, answered.now)
    again = back.changed(back.now.add("user", "A"))
    assert [node.content for node in again.now.versions(again.now.active)] == ["a", "A"], "undone, not lost"
    with pytest.raises(PlaygroundError, match="nothing to do again"):
        again.redo()
    cleared = answered.changed(answered.now.cleared())
    assert contents(cleared.undo().now) == ["a", "b"]
    assert contents(cleared.undo().redo().now) == []


def shuffled(seed: int, steps: int) -> list[Thread]:
    """A thread after each of some random changes."""
    chance = random.Random(seed)
    thread = conversations.start()
    seen = [thread]
    for n in range(steps):
        now = thread.now
        ids = list(now.nodes)
        match chance.choice(["say", "say", "say", "edit", "again", "delete", "clear", "step"]) if ids else "say":
            case "edit":
                thread = thread.changed(now.edit(chance.choice(ids), f"edited {n}"))
            case "again":
                thread = thread.changed(now.up_to(now.nodes[chance.choice(ids)].parent).add("assistant", f"again {n}"))
            case "delete":
                thread = thread.changed(now.delete(chance.choice(ids)))
            case "clear" if chance.random() < 0.2:
                thread = thread.changed(now.cleared())
            case "step":
                thread = thread.amended(now.step(chance.choice(ids), chance.choice([-1, 1])))
            case _:
                thread = thread.changed(now.add(chance.choice(["user", "assistant"]), f"said {n}"))
        seen.append(thread)
    return seen


@pytest.mark.parametrize("seed", range(20))
def test_after_any_changes_the_tree_is_sound_and_undone_step_by_step(seed):
    seen = shuffled(seed, 40)
    for thread in seen:
        before = set()
        for node in thread.now.nodes.values():
            assert node.parent is None or node.parent in before, "a parent comes before its children"
            before.add(node.id)
        assert [a.id for a in thread.now.path[:-1]] == [b.parent for b in thread.now.path[1:]]
        for node in thread.now.path:
            assert node in thread.now.versions(node.id)
    last = seen[-1]
    everything = {id for thread in seen for id in thread.now.nodes}
    undone, back = last, [last]
    while undone.past:
        held = set(undone.now.nodes)
        undone = undone.undo()
        assert held <= set(undone.now.nodes), "undoing loses nothing"
        assert undone.now.active == back[-1].past[-1].active
        back.append(undone)
    assert undone.now.active is None
    assert set(undone.now.nodes) == everything, "all that ever was said is there again"
    for expected in reversed(back[:-1]):
        undone = undone.redo()
        assert same(undone.now, expected.now)
