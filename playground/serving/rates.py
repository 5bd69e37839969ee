"""How often somebody may do something: a window of a minute that moves along. It does not know what is done."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


class Rates:
    """Counts in memory, by name."""

    def __init__(self) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def full(self, what: str, who: str, a_minute: int, under_way: int = 0) -> int:
        """Counts nothing; 0, or when there is no room for one more the seconds until there may be.

        Args:
            under_way: how many may be counted yet.
        """
        item = RateLimitItemPerMinute(a_minute)
        if self._windows.get_window_stats(item, what, who).remaining > under_way:
            return 0
        return self._seconds(item, what, who)

    def wait(self, what: str, who: str, a_minute: int) -> int:
        """Counts one more; 0, or when it is too many the seconds until there is room again (and it does not count)."""
        item = RateLimitItemPerMinute(a_minute)
        if self._windows.hit(item, what, who):
            return 0
        return self._seconds(item, what, who)

    def _seconds(self, item: RateLimitItemPerMinute, what: str, who: str) -> int:
        return max(1, math.ceil(self._windows.get_window_stats(item, what, who).reset_time - time.time()))


@contextmanager
def one_more(counts: Counter[str], name: str) -> Iterator[None]:
    """Counts what is under way, and keeps no name of what is not."""
    counts[name] += 1
    try:
        yield
    finally:
        counts[name] -= 1
        if not counts[name]:
            del counts[name]
