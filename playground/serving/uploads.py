"""Uploads, and files to take along, in a folder of this process: swept of what is a day old, and gone at its end.

Gradio keeps them for ever otherwise. It does not know what is in them.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VARIABLE = "GRADIO_TEMP_DIR"
_HOUR = 3600.0  # seconds
_KEPT = 24 * _HOUR  # since a file came, or was offered again


@contextmanager
def own_folder() -> Iterator[Path]:
    """Gradio keeps its files in a folder of this process inside, which lies where the operator wants it.

    Enter it before the page is laid out.
    """
    place = os.environ.get(_VARIABLE) or tempfile.gettempdir()
    Path(place).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="playground-", dir=place))
    os.environ[_VARIABLE] = str(folder)
    over = threading.Event()
    threading.Thread(target=_sweep_hourly, args=(folder, over), name="sweep uploads", daemon=True).start()
    try:
        yield folder
    finally:
        over.set()
        os.environ[_VARIABLE] = place
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path, kept: float = _KEPT) -> None:
    """Deletes what is older than so many seconds. What cannot be deleted now may go the next time."""
    old = [path for path in folder.rglob("*") if _age(path) >= kept]  # all first: what is deleted changes its folder
    for path in sorted(old, reverse=True):  # what is in a folder comes before it
        try:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # unless something is in it
            else:
                path.unlink()
        except OSError:
            continue


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0


def _sweep_hourly(folder: Path, over: threading.Event) -> None:
    while not over.wait(_HOUR):
        sweep(folder)
