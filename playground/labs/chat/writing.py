"""Writing with whatever writes: an Engine of this machine, or a model that runs elsewhere.

It does not know how either does it: that is `replies.py` and `remote.py`.
"""

import threading
from collections.abc import Generator, Sequence
from dataclasses import replace

from playground.engine.engine import Engine
from playground.engine.sampling import Sampling
from playground.labs.chat import remote as remote_chat
from playground.labs.chat import replies as chat
from playground.labs.chat.replies import Message, Reply
from playground.models.remote import RemoteModel

CONTINUED = "it has no chat template: what was said is one text to it, without a system prompt, which it continued"
Writer = Engine | RemoteModel  # as `ModelCache.writer` lends it


def reply(
    writer: Writer,
    messages: Sequence[Message],
    sampling: Sampling,
    system: str = "",
    stop: threading.Event | None = None,
) -> Generator[Reply, None, None]:
    """Answers the last message: `chat.reply` or `remote_chat.reply`."""
    room = remote_chat if isinstance(writer, RemoteModel) else chat
    return room.reply(writer, messages, sampling, system, stop)


def reply_or_continue(
    writer: Writer,
    messages: Sequence[Message],
    sampling: Sampling,
    system: str = "",
    stop: threading.Event | None = None,
) -> Generator[Reply, None, None]:
    """As `reply`; a model that was not made for conversations continues what was said, and a note says so."""
    if isinstance(writer, RemoteModel) or chat.has_chat_template(writer):
        yield from reply(writer, messages, sampling, system, stop)
        return
    for so_far in chat.complete(writer, as_one_text(chat.asked(messages)), sampling, stop):
        yield replace(so_far, notes=(*so_far.notes, CONTINUED))


def as_one_text(messages: Sequence[Message]) -> str:
    """A conversation as a model sees it that only continues: each reply goes on where its question ends."""
    text = ""
    for message in messages:
        text += "\n\n" if text and message["role"] == "user" else ""
        text += message["content"]
    return text


def complete(
    writer: Writer, text: str, sampling: Sampling, stop: threading.Event | None = None
) -> Generator[Reply, None, None]:
    """Continues `text`: `chat.complete` or `remote_chat.complete`."""
    room = remote_chat if isinstance(writer, RemoteModel) else chat
    return room.complete(writer, text, sampling, stop)
