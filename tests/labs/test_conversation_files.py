"""Conversations as files: what goes out comes in again, and what is wrong is said."""

import json

import pytest

from playground.errors import PlaygroundError
from playground.labs.chat import files
from playground.labs.chat.conversations import Made, Shortened, Source
from playground.models.remote import RemoteToken
from tests.labs.test_conversations import contents, shuffled, told


def rich():
    """A conversation with versions, a reply of a model, and a cut."""
    conversation = told("a", "b", "<b>c</b> 你好 🙂\n  d")
    source = Source("org/name", "abc", "cpu", "float32", {"temperature": 0.2, "seed": 7})
    heard = (RemoteToken("a", -0.5, (("a", -0.5), ("b", -1.5))),)
    made = Made(source, "Be brief.", (1, 2, 3), "eos", 12, 3, 0.5, None, 2048, "###", ("Broken off.",), heard)
    conversation = conversation.add("assistant", "reply", made=made)
    cut = Shortened(conversation.path[2].id, "They met.")
    return conversation.add("user", "e", shortened=cut).edit(conversation.path[0].id, "A")


@pytest.mark.parametrize("seed", range(5))
def test_any_conversation_comes_back_as_it_was(seed):
    for conversation in (rich(), shuffled(seed, 30)[-1].now):
        text = json.dumps(files.tree(conversation))
        assert files.from_tree(json.loads(text)) == conversation


def test_an_exported_file_is_openais_and_an_imported_one_replaces_nothing():
    conversation = rich()
    text = files.exported(conversation)
    assert json.loads(text)["messages"] == [{"role": "user", "content": "A"}]
    back = files.imported(text)
    assert back.id != conversation.id
    assert (back.nodes, back.active, back.name) == (conversation.nodes, conversation.active, conversation.name)


def test_plain_messages_come_in():
    plain = {
        "model": "x",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]},
            {"role": "assistant", "content": "Hi"},
        ],
    }
    for value in (plain, plain["messages"]):
        conversation = files.imported(json.dumps(value))
        assert contents(conversation) == ["Hello", "Hi"]
        assert (conversation.system, conversation.name) == ("Be kind.", "Hello")
    assert json.loads(files.exported(conversation))["messages"][0] == {"role": "system", "content": "Be kind."}


def broken(**change) -> str:
    value = files.tree(told("a", "b")) | {key: each for key, each in change.items() if key != "node"}
    if "node" in change:
        value["nodes"][1] = value["nodes"][1] | change["node"]
    return json.dumps({"messages": [], "playground": value})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested|not JSON"),
        ("7", "no messages"),
        ("{}", "no messages"),
        ('{"messages": "hello"}', "no messages"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "no messages"),
        ('{"messages": [{"role": "tool", "content": "x"}]}', "Message 1 of this file has the role 'tool'"),
        ('{"messages": [{"role": "user", "content": "x"}, 3]}', "Message 2 .* no text"),
        ('{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "Message 1 .* no text"),
        ('{"playground": 3}', "no list of nodes"),
        (broken(format=99), "another version"),
        (broken(active="nowhere"), "ends at a message"),
        (broken(active=["x"]), "ends at a message"),
        (broken(name=3), "no fitting “name”"),
        (broken(node={"parent": "nowhere"}), "message 2 follows"),
        (broken(node={"role": "tool"}), "message 2 has the role"),
        (broken(node={"content": None}), "message 2 has no fitting “content”"),
        (broken(node={"made": []}), "message 2 has no fitting “provenance”"),
        (broken(node={"made": {"provenance": {}, "ids": [1, -2]}}), "token ids"),
        (broken(node={"made": {"provenance": {}, "ids": [1, True]}}), "token ids"),
        (broken(node={"shortened": {"since": "nowhere"}}), "leaves out"),
        (broken(node={"made": {"provenance": {"settings": {"beams": "x"}}}}), "no fitting “beams”"),
        (broken(node={"made": {"provenance": {}, "remote_tokens": [{"text": "a"}]}}), "no fitting “alternatives”"),
        (
            broken(node={"made": {"provenance": {}, "remote_tokens": [{"text": "a", "alternatives": [["a", "b"]]}]}}),
            "no texts with numbers",
        ),
        (
            broken(
                node={"made": {"provenance": {}, "remote_tokens": [{"text": "a", "alternatives": [], "logprob": 1e3}]}}
            ),
            "no logarithm",
        ),
        (broken(node={"made": {"provenance": {}, "context_length": 10**400}}), "no fitting “context_length”"),
        (broken(node={"made": {"provenance": {}, "tokens_per_second": float("nan")}}), "no fitting “tokens_per"),
        (broken(node={"shortened": 3}), "no fitting “since”"),
        (json.dumps([{"role": "user", "content": "x"}] * (files.MOST_MESSAGES + 1)), "5,001 messages"),
        ('"' + "x" * (files.LARGEST + 1) + '"', "may have 5,000,000"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(text, sentence):
    with pytest.raises(PlaygroundError, match=sentence) as refused:
        files.imported(text)
    assert len(str(refused.value)) < 250
