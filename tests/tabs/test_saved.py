"""What a browser has kept comes back, whatever state it was left in."""

import pytest

from playground.errors import PlaygroundError
from playground.labs.chat import files
from playground.labs.chat.conversations import Node
from playground.tabs.chat import saved
from tests.labs.test_conversations import contents, told


def test_what_had_come_of_a_reply_is_there_again():
    conversation = told("a")
    draft = files.node(Node("x", conversation.active, "assistant", "half a"))
    assert contents(saved.restored(files.tree(conversation), draft)) == ["a", "half a"]


@pytest.mark.parametrize("change", [{"parent": "not kept"}, {"content": 5}, {"made": 3}, {"id": None}])
def test_a_draft_that_does_not_go_with_the_conversation_does_not_keep_it_from_being_opened(change):
    """In a full browser the message that it answers may not have been kept."""
    conversation = told("a", "b")
    draft = files.node(Node("x", conversation.active, "assistant", "half a")) | change
    assert saved.restored(files.tree(conversation), draft) == conversation


def test_a_conversation_that_cannot_be_read_says_so():
    with pytest.raises(PlaygroundError, match="cannot be read"):
        saved.restored({}, None)
