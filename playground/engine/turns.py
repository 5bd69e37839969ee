"""Whose turn it is to compute: forward passes of several people on one CPU, in fair order, alike ones together.

A pass uses every core that it was given. More at once than there are cores for would not be quicker than one after the
other, and their threads would wait for each other. It does not know what is computed.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(eq=False)
class _Ticket:
    group: object = None  # those of one group can be done in one turn
    wish: object = None
    state: Literal["waiting", "taken along", "done"] = "waiting"


class Turns:
    """At most `at_once` inside; who came first goes first."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._queue: deque[_Ticket] = deque()
        self._groups: list[object] = []  # those of which one is inside
        self._changed = threading.Condition()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Waits for a turn and holds it inside the block."""
        ticket = _Ticket()
        with self._changed:
            self._wait(ticket)
            self._begin([ticket])
        try:
            yield
        finally:
            self._end([ticket])

    @contextmanager
    def share(self, group: object, wish: object, most: int) -> Iterator[list[Any]]:
        """Waits until `wish` can be done or has been done by somebody else of its `group`, of which one is inside.

        Inside the block: the wishes that are to be done now, this one first, at most so many; none when it was done.
        """
        ticket = _Ticket(group, wish)
        with self._changed:
            self._wait(ticket)
            taken = []
            if ticket.state == "waiting":
                taken = [other for other in self._queue if other.group is group][:most]
                self._begin(taken)
        try:
            yield [ticket.wish for ticket in taken]
        finally:
            if taken:
                self._end(taken)

    def _wait(self, ticket: _Ticket) -> None:
        self._queue.append(ticket)
        self._changed.wait_for(lambda: ticket.state == "done" or (self._free > 0 and self._next() is ticket))

    def _next(self) -> _Ticket | None:
        """The first whose group is not inside: the others will go along with the next of theirs."""
        return next((t for t in self._queue if not any(t.group is group for group in self._groups)), None)

    def _begin(self, tickets: list[_Ticket]) -> None:
        for ticket in tickets:
            self._queue.remove(ticket)
            ticket.state = "taken along"
        self._groups += [ticket.group for ticket in tickets[:1] if ticket.group is not None]
        self._free -= 1
        self._changed.notify_all()  # the next may find a place too

    def _end(self, tickets: list[_Ticket]) -> None:
        with self._changed:
            for ticket in tickets:
                ticket.state = "done"
            self._groups = [group for group in self._groups if group is not tickets[0].group]
            self._free += 1
            self._changed.notify_all()
