"""SIGTERM: nothing new is taken, what is under way may end, for a while; then the server is closed.

It does not end the process; whoever waits for the server does.
"""

import signal
import threading
import time
from collections.abc import Callable

from playground.serving.load import Work

TURN = 0.1  # seconds


def on_sigterm(ending: threading.Event, work: Work, grace: float, close: Callable[[], None]) -> None:
    """From now on, ends the server gently when the process is told to end. Call it in the main thread.

    Args:
        ending: is set at once; whoever takes requests looks at it.
        grace: seconds that what waits or runs has at most.
    """

    def end(signum: int, frame: object) -> None:
        if ending.is_set():
            return
        ending.set()
        threading.Thread(target=wait, name="ending", daemon=True).start()

    def wait() -> None:
        until, quiet = time.monotonic() + grace, 0
        while time.monotonic() < until and quiet < 3:  # what has ended is still on its way out
            quiet = 0 if work.running() or work.waiting() else quiet + 1
            time.sleep(TURN)
        close()

    signal.signal(signal.SIGTERM, end)
