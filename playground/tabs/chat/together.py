"""Several streams drained at once, each in a thread of its own, so that none waits for another.

It does not know what they stream.
"""

import threading
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import closing
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_HEARTBEAT = 0.25  # seconds: how long the caller may wait without a turn to notice that nobody listens any more


def together(streams: Mapping[K, Iterator[T]], per_second: float = 15) -> Iterator[dict[K, T]]:
    """Yields the latest item of each stream that has given any, at most `per_second` times, until all have ended.

    Items between two turns are skipped, a stream's last never. Closing the iterator closes every stream, each after
    its next item. What a stream raises is raised here when all have ended: a stream that may fail says so by an item.
    """
    changed, left = threading.Condition(), threading.Event()
    latest: dict[K, T] = {}
    running, news = set(streams), False
    errors: list[BaseException] = []

    def drain(name: K, stream: Iterator[T]) -> None:
        nonlocal news
        try:
            with closing(stream):
                for item in stream:
                    with changed:
                        latest[name], news = item, True
                        changed.notify()
                    if left.is_set():
                        return
        except BaseException as error:  # it must reach the caller, whatever it is
            errors.append(error)
        finally:
            with changed:
                running.discard(name)
                changed.notify()

    def moved() -> bool:
        return news or not running

    threads = [
        threading.Thread(target=drain, args=pair, name=f"drain {pair[0]}", daemon=True) for pair in streams.items()
    ]
    for thread in threads:
        thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(moved, _HEARTBEAT)
                ended, news = not running, False
                now = dict(latest)
            if now:
                yield now
            if ended:
                break
            time.sleep(1 / per_second)
        if errors:
            raise errors[0]
    finally:
        left.set()
        for thread in threads:
            thread.join()  # so that a lease is never given back while a model still runs
