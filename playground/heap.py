"""The C library's heap, so that what a model held goes back to the system and not only to the heap.

glibc serves what is smaller than a threshold from a heap, which keeps what is freed, and raises that threshold up to
32 MB as large blocks are freed: a model's tensors then lie in the heap, between things that stay. So while a model is
loaded or copied every block that is not small gets pages of its own, and these go back at once. It also opens a further
heap for many a new thread, each of which keeps what it freed; here every reply has a thread of its own, so there are
but two heaps. The threshold is that of the process: while somebody loads, what others compute gets pages of its own
too, which costs them some time. On another C library nothing is done. It does not know what a model is.

Python's own search for garbage is spared what never becomes any (`settle`).
"""

import ctypes
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # names of glibc's `mallopt`
_HEAPS = 2
_REST = 10.0  # seconds: how often it is worth asking for what is free, when nothing is being computed
_BUSY = 60.0  # and when something always is: asking keeps those who compute from the heap for a moment
_APART = 128 * 1024  # bytes: what is larger gets pages of its own while a model is loaded
_USUALLY = 32 * 1024 * 1024  # the most that glibc would raise it to by itself: quick for what is computed in between

_lock = threading.Lock()
_n_loading = 0  # of the whole process, as the thresholds are
_settling = threading.RLock()
_settled = False
_trimmed = 0.0  # when it was last asked for what is free


@contextmanager
def large_blocks_apart() -> Iterator[None]:
    """Inside, blocks of more than 128 KB are allocated so that they go back to the system when they are freed."""
    global _n_loading
    with _lock:
        _n_loading += 1
        _set_threshold(_APART)
    try:
        yield
    finally:
        with _lock:
            _n_loading -= 1
            if not _n_loading:
                _set_threshold(_USUALLY)


def settle() -> None:
    """Takes what is there now, the libraries and the page, out of Python's search for garbage; the first time alone.

    A search walks through every object while no other thread may run: with all of those in it, that is a pause of a
    fifth of a second and more in every stream, whenever a model comes or goes. Call it before the first model is there.
    """
    global _settled
    with _settling:  # a lock of its own: what is collected may end a load, which takes the other
        if not _settled:
            gc.collect()
            gc.freeze()
            _settled = True


def trim() -> None:
    """Gives pages of the heap back that hold nothing."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def trim_now_and_then(at_rest: bool) -> None:
    """The same, but not again soon; sooner when nothing is being computed."""
    global _trimmed
    with _lock:
        now = time.monotonic()
        if now - _trimmed < (_REST if at_rest else _BUSY):
            return
        _trimmed = now
    trim()


def _set_threshold(n_bytes: int) -> None:
    library = _glibc()
    if library is not None:
        library.mallopt(_ARENA_MAX, _HEAPS)
        library.mallopt(_MMAP_THRESHOLD, n_bytes)
        library.mallopt(_TRIM_THRESHOLD, 2 * _USUALLY)  # setting one of them ends glibc's own care for both


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version, library.mallopt, library.malloc_trim  # noqa: B018
    except (OSError, TypeError, AttributeError):
        return None
    return library
