"""The same prompt written on several times: by the model as it is, and with something changed inside, side by side.

All draw with the same seed, so that what differs comes from the change. It does not know what the change is.
"""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from secrets import randbelow

from torch import Tensor

from playground.engine.engine import Engine
from playground.engine.sampling import Sampling
from playground.engine.tap import Tap
from playground.labs.chat import replies as chat
from playground.labs.chat.replies import Reply


@dataclass(frozen=True)
class Pair:
    """Both texts so far; the last has both with a `stop_reason`. None: nothing yet."""

    original: Reply | None
    edited: Reply | None


def side_by_side(
    engine: Engine, ids: Tensor, sampling: Sampling, tap: Tap, stop: threading.Event | None = None
) -> Iterator[Pair]:
    """Writes on from `ids`, (1, position), without and with `tap`, as `at_once`."""
    with closing(at_once(engine, ids, sampling, (None, tap), stop)) as texts:
        for pair in texts:
            yield Pair(*pair)


def at_once(
    engine: Engine, ids: Tensor, sampling: Sampling, taps: Sequence[Tap | None], stop: threading.Event | None = None
) -> Generator[tuple[Reply | None, ...], None, None]:
    """Writes on from `ids`, (1, position), once through each tap, token by token in turn; all texts so far.

    `chat.prompt_ids` makes ids of a conversation, `engine.encode` of a text. Closing the iterator ends all.

    Raises:
        PlaygroundError: the model does not write, or the text does not fit.
    """
    if sampling.seed is None:  # one for all
        sampling = replace(sampling, seed=randbelow(2**31))
    streams = [chat.resume(engine, ids, (), sampling, stop, tap) for tap in taps]
    open_streams = dict(enumerate(streams))
    latest: list[Reply | None] = [None] * len(streams)
    try:
        while open_streams:
            for number, stream in list(open_streams.items()):
                reply = next(stream, None)
                if reply is None:
                    del open_streams[number]
                    continue
                latest[number] = reply
                yield tuple(latest)
    finally:
        for stream in streams:
            stream.close()
