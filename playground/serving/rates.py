"""How often somebody may do something: a window of a minute that moves along. It does not know what is done."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


class Rates:
    """Counts in memory, by name."""

    def __init__(self) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def full(self, what: str, who: str, a_minute: int) -> int:
        """Counts nothing; 0, or when there is no room for one more the seconds until there is."""
        item = RateLimitItemPerMinute(a_minute)
        return 0 if self._windows.test(item, what, who) else self._seconds(item, what, who)

    def wait(self, what: str, who: str, a_minute: int) -> int:
        """Counts one more; 0, or when it is too many the seconds until there is room again (and it does not count)."""
        item = RateLimitItemPerMinute(a_minute)
        if self._windows.hit(item, what, who):
            return 0
        return self._seconds(item, what, who)

    def _seconds(self, item: RateLimitItemPerMinute, what: str, who: str) -> int:
        return max(1, math.ceil(self._windows.get_window_stats(item, what, who).reset_time - time.time()))
