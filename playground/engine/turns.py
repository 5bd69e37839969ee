"""Whose turn it is to compute: forward passes of several people on one CPU, one after the other, in fair order.

A pass uses every core that it was given. Two at once would not be quicker together than one after the other, and the
threads of both would wait for each other. It does not know what is computed.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """At most `at_once` inside; who came first goes first."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Waits for a turn and holds it inside the block."""
        with self._lock:
            mine = None
            if self._free and not self._waiting:
                self._free -= 1
            else:
                mine = threading.Event()
                self._waiting.append(mine)
        if mine is not None:
            mine.wait()
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().set()  # the place is handed on, so that nobody overtakes
                else:
                    self._free += 1
