"""When a conversation no longer fits: how full a model's context is, what must be left out, and a summary of it.

It does not know trees or pages: messages in, numbers and replies out.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playground.engine.engine import Engine
from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat
from playground.labs.chat.replies import Message, Reply

LEAST_REPLY = 16  # tokens: with less room than this, a reply is not worth beginning
SUMMARY_TOKENS = 160
AROUND_SUMMARY = 32  # tokens of the words and the role that a summary is put into
REPLY_SHARE = 0.25  # of the context, which leaving out makes free for the reply, unless less is wanted
ASK = (
    "Summarise the conversation below in a few short sentences: what was asked, and what was answered. "
    "Write only the summary."
)


@dataclass(frozen=True)
class Overflow:
    """A conversation that leaves no room for a reply."""

    n_tokens: int  # of the prompt
    limit: int  # tokens that the model holds, its reply included
    n_oldest: int  # messages that must be left out; 0: that would not help


def count(engine: Engine, messages: Sequence[Message], system: str = "") -> int:
    """Tokens of the prompt of a conversation, whether they fit or not."""
    text = chat.render(engine, messages, system)
    return len(engine.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def overflow(engine: Engine, messages: Sequence[Message], system: str, wanted: int) -> Overflow | None:
    """What must be left out so that a reply of some length fits; None: nothing.

    As few of the oldest messages as needed, so that what is left begins with the user's words.

    Args:
        wanted: tokens of the reply.
    """
    limit = engine.anatomy.context_length
    if limit is None:
        return None
    n_tokens = count(engine, messages, system)
    if limit - n_tokens >= min(LEAST_REPLY, wanted):
        return None
    room = min(wanted, max(int(limit * REPLY_SHARE), 1)) + summary_tokens(limit) + AROUND_SUMMARY
    starts = [n for n, message in enumerate(messages) if n and message["role"] == "user"]
    for reserve in (room, min(LEAST_REPLY, wanted)):  # if it must be, with less room
        low, high = 0, len(starts)  # what is left shrinks from start to start
        while low < high:
            middle = (low + high) // 2
            fits = count(engine, messages[starts[middle] :], system) + reserve <= limit
            low, high = (low, middle) if fits else (middle + 1, high)
        if low < len(starts):
            return Overflow(n_tokens, limit, starts[low])
    return Overflow(n_tokens, limit, 0)


def summary_tokens(limit: int) -> int:
    """How long a summary may be in a context of `limit` tokens."""
    return max(1, min(SUMMARY_TOKENS, limit // 8))


def cut(engine: Engine, text: str, n_tokens: int) -> str:
    """The beginning of `text`, as it was unless it is longer than so many tokens."""
    while len(engine.tokenizer(text, add_special_tokens=False, verbose=False).input_ids) > n_tokens:
        text = text[: len(text) * 9 // 10]  # what a model writes need not be read as the same tokens
    return text


def summarise(
    engine: Engine, messages: Sequence[Message], earlier: str = "", stop: threading.Event | None = None
) -> Iterator[Reply]:
    """The model's own summary of some messages, as it comes; of the most recent ones if it cannot hold all.

    Args:
        earlier: a summary of what was said before them.

    Raises:
        PlaygroundError: it can hold none of them.
    """
    length = summary_tokens(engine.anatomy.context_length or 8 * SUMMARY_TOKENS)
    lines = [f"{message['role'].capitalize()}: {message['content']}" for message in messages]
    if earlier:
        lines.insert(0, f"Before that: {earlier}")
    while lines:
        asked = [{"role": "user", "content": "\n\n".join([ASK, *lines])}]
        limit = engine.anatomy.context_length
        if limit is None or count(engine, asked) + length <= limit:
            yield from chat.reply(engine, asked, Sampling(max_new_tokens=length, temperature=0), stop=stop)
            return
        lines.pop(0)
    raise PlaygroundError("These messages are too long for the model to summarise. Leave them out instead.")
