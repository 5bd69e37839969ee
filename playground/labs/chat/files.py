"""Conversations as JSON: OpenAI's message format, with the whole tree and where each reply came from beside it.

It does not know where the text is kept. What comes from outside is checked piece by piece.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, get_args

from playground.errors import PlaygroundError
from playground.labs.chat import conversations
from playground.labs.chat.conversations import Conversation, Made, Node, Role, Shortened, Source
from playground.models.remote import RemoteToken

FORMAT = 1
LARGEST = 5_000_000  # characters of a file
MOST_MESSAGES = 5_000
ROLES = get_args(Role)


def tree(conversation: Conversation) -> dict[str, Any]:
    """The conversation as plain values, for `from_tree`."""
    head = {name: getattr(conversation, name) for name in ("id", "name", "created", "updated", "system", "active")}
    return {"format": FORMAT, **head, "nodes": [node(each) for each in conversation.nodes.values()]}


def node(message: Node) -> dict[str, Any]:
    """One message as plain values; what it has not is left out."""
    return {name: value for name, value in asdict(message).items() if value is not None and value is not False}


def exported(conversation: Conversation) -> str:
    """A file: "messages" as OpenAI has them, for other programs, and "playground", for this one."""
    messages = [{"role": each.role, "content": each.content} for each in conversation.path]
    if conversation.system.strip():
        messages.insert(0, {"role": "system", "content": conversation.system})
    return json.dumps({"messages": messages, "playground": tree(conversation)}, ensure_ascii=False, indent=1)


def imported(text: str) -> Conversation:
    """A conversation from a file, ours or any with OpenAI's messages. It gets an id of its own: it replaces nothing.

    Raises:
        PlaygroundError: says in one sentence what is wrong with the file.
    """
    if len(text) > LARGEST:
        raise PlaygroundError(f"This file has {len(text):,} characters; a conversation may have {LARGEST:,}.")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise PlaygroundError(
            f"This file is not JSON ({error}). Export a conversation to see what it may hold."
        ) from None
    except RecursionError:
        raise PlaygroundError("This file is nested too deeply to be a conversation.") from None
    if isinstance(value, Mapping) and "playground" in value:
        found = from_tree(value["playground"])
    else:
        found = from_messages(value.get("messages") if isinstance(value, Mapping) else value)
    return replace(found, id=conversations.start().now.id, updated=conversations.now())


def from_messages(value: object) -> Conversation:
    """A conversation of one line of messages.

    Raises:
        PlaygroundError: says which message is wrong.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise PlaygroundError(
            'This file has no messages. It needs {"messages": [{"role": "user", "content": "Hello"}]}.'
        )
    _check_number(value)
    found = conversations.start().now
    for position, item in enumerate(value, start=1):
        said = item if isinstance(item, Mapping) else {}
        role: Any = said.get("role")
        content = _text(said.get("content"))
        if content is None:
            raise PlaygroundError(f"Message {position} of this file has no text as content. Mend or remove it.")
        if role == "system" and position == 1:
            found = replace(found, system=content)
        elif role in ROLES:
            found = found.add(role, content)
        else:
            raise PlaygroundError(
                f"Message {position} of this file has the role {role!r:.60}. Known are user and assistant, "
                "and system for the first one."
            )
    if not found.nodes:
        raise PlaygroundError("This file holds a system prompt and no messages.")
    return found


def from_tree(value: object) -> Conversation:
    """What `tree` gave, checked.

    Raises:
        PlaygroundError: says what is wrong.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("nodes"), Sequence):
        raise _bad("it has no list of nodes")
    if value.get("format") != FORMAT:
        raise PlaygroundError(
            f"This conversation was written by another version of this playground (format {value.get('format')!r:.40})."
        )
    _check_number(value["nodes"])
    nodes: dict[str, Node] = {}
    for position, item in enumerate(value["nodes"], start=1):
        read = _node(item, f"message {position}")
        if read.id in nodes:
            raise _bad(f"message {position} has the id of an earlier one")
        if read.parent is not None and read.parent not in nodes:
            raise _bad(f"message {position} follows a message that is not before it")
        if read.shortened and read.shortened.since not in nodes | {read.id: read}:
            raise _bad(f"message {position} leaves out messages that are not there")
        nodes[read.id] = read
    active = value.get("active")
    if active is not None and (not isinstance(active, str) or active not in nodes):
        raise _bad("it ends at a message that is not there")
    words = {name: _field(value, name, str, "") for name in ("name", "created", "updated", "system")}
    return Conversation(id=_field(value, "id", str), nodes=nodes, active=active, **words)


def _check_number(messages: Sequence[object]) -> None:
    if len(messages) > MOST_MESSAGES:
        raise PlaygroundError(f"This file has {len(messages):,} messages; a conversation may have {MOST_MESSAGES:,}.")


def _node(value: object, where: str) -> Node:
    if not isinstance(value, Mapping):
        raise _bad(f"{where} is no object")
    if value.get("role") not in ROLES:
        raise _bad(f"{where} has the role {value.get('role')!r:.40}")
    made, cut = value.get("made"), value.get("shortened")
    return Node(
        id=_field(value, "id", str, where=where),
        parent=_field(value, "parent", (str, type(None)), None, where),
        role=value["role"],
        content=_field(value, "content", str, where=where),
        made=None if made is None else _made(made, where),
        edited=bool(value.get("edited")),
        shortened=None
        if cut is None
        else Shortened(_field(cut, "since", str, where=where), _field(cut, "summary", str, "", where)),
    )


def _made(value: object, where: str) -> Made:
    source = _field(value, "provenance", Mapping, where=where)
    ids = _field(value, "ids", Sequence, (), where)
    if isinstance(ids, str) or not all(type(each) is int and each >= 0 for each in ids):
        raise _bad(f"{where} has token ids that are no whole numbers")
    words = {name: _field(source, name, str, "", where) for name in ("reference", "revision", "device", "dtype")}
    settings = _field(source, "settings", Mapping, {}, where)
    _field(settings, "beams", int, 1, where)
    return Made(
        provenance=Source(**words, settings=dict(settings)),
        system=_field(value, "system", str, "", where),
        ids=tuple(ids),
        stop_reason=_field(value, "stop_reason", (str, type(None)), None, where),
        prompt_tokens=_number(value, "prompt_tokens", int, 0, where),
        new_tokens=_number(value, "new_tokens", int, 0, where),
        seconds_to_first_token=_number(value, "seconds_to_first_token", (int, float), None, where),
        tokens_per_second=_number(value, "tokens_per_second", (int, float), None, where),
        context_length=_number(value, "context_length", int, None, where),
        stop_string=_field(value, "stop_string", (str, type(None)), None, where),
        notes=tuple(str(each) for each in _field(value, "notes", Sequence, (), where)),
        remote_tokens=tuple(_remote(each, where) for each in _field(value, "remote_tokens", Sequence, (), where)),
    )


def _remote(value: object, where: str) -> RemoteToken:
    """A token of a model that runs elsewhere."""
    rivals = _field(value, "alternatives", Sequence, where=where)
    texts = [each[0] for each in rivals if isinstance(each, Sequence) and len(each) == 2 and isinstance(each[0], str)]
    numbers = (
        [float(each[1]) for each in rivals if isinstance(each[-1], (int, float))] if len(texts) == len(rivals) else []
    )
    if len(numbers) != len(rivals):
        raise _bad(f"{where} has alternatives that are no texts with numbers")
    text, logprob = _field(value, "text", str, where=where), _field(value, "logprob", (int, float), where=where)
    if not all(number <= 0.01 for number in (logprob, *numbers)):  # a little above 0 is rounding
        raise _bad(f"{where} has a logprob that is no logarithm of a probability")
    return RemoteToken(text, float(logprob), tuple(zip(texts, numbers, strict=True)))


_REQUIRED = object()


def _field(value: object, name: str, kind: Any, default: Any = _REQUIRED, where: str = "it") -> Any:
    """A member of an object from outside. Raises PlaygroundError when it is missing or of another kind."""
    found = value.get(name, default) if isinstance(value, Mapping) else _REQUIRED
    if found is _REQUIRED or not isinstance(found, kind):
        raise _bad(f"{where} has no fitting “{name}”")
    return found


def _number(value: object, name: str, kind: Any, default: float | None, where: str) -> Any:
    """A number that counts or measures something."""
    found = _field(value, name, (kind, type(None)) if default is None else kind, default, where)
    if found is not None and not 0 <= found < 2**53:
        raise _bad(f"{where} has no fitting “{name}”")
    return found


def _text(content: object) -> str | None:
    """A message's content as text: it may be a list of text blocks, as OpenAI's format allows. None: it is neither."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        blocks = [block.get("text") if isinstance(block, Mapping) else None for block in content]
        texts = [text for text in blocks if isinstance(text, str)]
        return "".join(texts) if texts and len(texts) == len(blocks) else None
    return content if isinstance(content, str) else None


def _bad(what: str) -> PlaygroundError:
    return PlaygroundError(f"This conversation cannot be read: {what}. Export it again where it comes from.")
