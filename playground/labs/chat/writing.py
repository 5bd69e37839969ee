"""Writing with whatever writes: an Engine of this machine, or a model that runs elsewhere.

It does not know how either does it: that is `replies.py` and `remote.py`.
"""

import threading
from collections.abc import Iterator, Sequence

from playground.engine.engine import Engine
from playground.engine.sampling import Sampling
from playground.labs.chat import remote as remote_chat
from playground.labs.chat import replies as chat
from playground.labs.chat.replies import Message, Reply
from playground.models.remote import RemoteModel

Writer = Engine | RemoteModel  # as `ModelCache.writer` lends it


def reply(
    writer: Writer,
    messages: Sequence[Message],
    sampling: Sampling,
    system: str = "",
    stop: threading.Event | None = None,
) -> Iterator[Reply]:
    """Answers the last message: `chat.reply` or `remote_chat.reply`."""
    room = remote_chat if isinstance(writer, RemoteModel) else chat
    return room.reply(writer, messages, sampling, system, stop)


def complete(writer: Writer, text: str, sampling: Sampling, stop: threading.Event | None = None) -> Iterator[Reply]:
    """Continues `text`: `chat.complete` or `remote_chat.complete`."""
    room = remote_chat if isinstance(writer, RemoteModel) else chat
    return room.complete(writer, text, sampling, stop)
