"""Uploads, and files to take along, in a folder of this process: swept of what is a day old, and gone at its end.

Gradio keeps them for ever otherwise. What a process leaves that was killed, the next one sweeps. It does not know what
is in them.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playground.errors import PlaygroundError

_VARIABLE, _PREFIX = "GRADIO_TEMP_DIR", "playground-files-"
_HOUR = 3600.0  # seconds
_KEPT = 24 * _HOUR


@contextmanager
def own_folder() -> Iterator[Path]:
    """Gradio keeps its files in a folder of this process inside, which lies where the operator wants it.

    Enter it before the page is laid out.

    Raises:
        PlaygroundError: no folder can be made there.
    """
    before = os.environ.get(_VARIABLE)
    place = Path(before or tempfile.gettempdir())
    try:
        place.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    except OSError as error:
        raise PlaygroundError(
            f"No folder for uploads can be made in {place}: {error}. Set {_VARIABLE} to one that can be written to."
        ) from error
    os.environ[_VARIABLE] = str(folder)
    over = threading.Event()
    threading.Thread(target=_sweep_hourly, args=(place, over), name="sweep uploads", daemon=True).start()
    try:
        yield folder
    finally:
        over.set()
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path, kept: float = _KEPT) -> None:
    """Deletes what has lain in a folder for so many seconds. What cannot be deleted now may go the next time."""
    for inside, folders, files in os.walk(folder, topdown=False):  # passes over what vanishes meanwhile
        every = [Path(inside, name) for name in (*files, *folders)]
        for path in [each for each in every if _age(each) >= kept]:  # all first: a folder is new that has lost a file
            try:
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()  # unless something is in it
                else:
                    path.unlink()
            except OSError:
                continue


def _age(path: Path) -> float:
    """Seconds since it came: a copy may carry its original's date."""
    try:
        seen = path.lstat()
    except OSError:  # gone meanwhile
        return 0.0
    return time.time() - max(seen.st_mtime, seen.st_ctime)


def _sweep_hourly(place: Path, over: threading.Event) -> None:
    """All such folders, also those of processes that were killed; those of others still running lose nothing by it."""
    while True:
        for folder in place.glob(f"{_PREFIX}*"):
            if not folder.is_symlink():
                sweep(folder)
        if over.wait(_HOUR):
            return
