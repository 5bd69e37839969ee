"""Whose turn it is to compute: forward passes of several people on one CPU, in fair order, alike ones together.

A pass uses every core that it was given. More at once than there are cores for would not be quicker than one after the
other, and their threads would wait for each other. It does not know what is computed.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

_PATIENCE = 0.25  # of the time of a group's last turn: so long its next one waits for those who were in it
_MOST_SKIPPED = 64  # turns of a group that do not wait, after others have waited in vain


@dataclass(eq=False)
class Group:
    """Those whose wishes can be done in one turn. One turn of theirs is held at a time."""

    inside: bool = False
    began: float = 0.0  # when its last turn did, seconds
    away: int = 0  # those who were in it and have not come back with another wish
    expected: float = 0.0  # until when they are waited for
    skips: int = 0  # turns that will not wait
    in_vain: int = 0  # as many as will not when it has been waited in vain again, less one


@dataclass(eq=False)
class _Ticket:
    group: Group | None = None
    wish: object = None
    state: Literal["waiting", "taken along", "done"] = "waiting"


class Turns:
    """At most `at_once` inside; who came first goes first."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._queue: deque[_Ticket] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Waits for a turn and holds it inside the block."""
        ticket = _Ticket()
        with self._changed:
            self._wait(ticket)
            self._begin(ticket)
        try:
            yield
        finally:
            self._end([ticket])

    @contextmanager
    def share(self, group: Group, wish: object, most: int) -> Iterator[list[Any]]:
        """Waits until `wish` can be done or has been done by somebody else of its `group`, of which one is inside.

        Inside the block: the wishes that are to be done now, this one first, at most so many; none when it was done.
        """
        ticket, taken = _Ticket(group, wish), []
        with self._changed:
            group.away = max(0, group.away - 1)
            self._changed.notify_all()  # it may be waited for
            self._wait(ticket)
            if ticket.state == "waiting":
                self._begin(ticket)
                taken = [ticket]
        try:
            if taken:
                taken += self._gather(group, most - 1)
            yield [ticket.wish for ticket in taken]
        finally:
            if taken:
                self._end(taken)

    def _wait(self, ticket: _Ticket) -> None:
        self._queue.append(ticket)
        self._changed.wait_for(lambda: ticket.state == "done" or (self._free > 0 and self._next() is ticket))

    def _next(self) -> _Ticket | None:
        """The first whose group is not inside: the others will go along with the next of theirs."""
        return next((ticket for ticket in self._queue if ticket.group is None or not ticket.group.inside), None)

    def _begin(self, ticket: _Ticket) -> None:
        self._queue.remove(ticket)
        ticket.state = "taken along"
        if ticket.group is not None:
            ticket.group.inside = True
        self._free -= 1
        self._changed.notify_all()  # the next may find a place too

    def _gather(self, group: Group, most: int) -> list[_Ticket]:
        """Takes along those of a group who wait, and gives those who were in its last turn the time to come back.

        Else two halves of them would take turns for good, each coming back while the other is inside. Where they take
        longer than that, waiting would only cost: it is tried ever more seldom.
        """

        def here() -> list[_Ticket]:
            return [ticket for ticket in self._queue if ticket.group is group][:most]

        def all_here() -> bool:
            return group.away == 0 or len(here()) == most

        with self._changed:
            if group.skips or all_here():
                group.skips = max(0, group.skips - 1)
            elif self._changed.wait_for(all_here, timeout=max(0.0, group.expected - time.monotonic())):
                group.in_vain = 0
            else:
                group.skips, group.in_vain = group.in_vain, min(2 * group.in_vain + 1, _MOST_SKIPPED)
            taken = here()
            for ticket in taken:
                self._queue.remove(ticket)
                ticket.state = "taken along"
            group.began = time.monotonic()
            return taken

    def _end(self, tickets: list[_Ticket]) -> None:
        with self._changed:
            for ticket in tickets:
                ticket.state = "done"
            if (group := tickets[0].group) is not None:
                now = time.monotonic()
                group.inside = False
                group.away, group.expected = len(tickets), now + _PATIENCE * (now - group.began)
            self._free += 1
            self._changed.notify_all()
