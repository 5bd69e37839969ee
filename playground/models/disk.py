"""Folders that are either whole or not there: made aside, sealed with a manifest, then renamed into place.

It does not know what is in them. Whoever dies half-way, by a kill or a power cut, leaves only a folder named
".*.part", which is never taken for a result and is swept away by the next one who builds in the same place.
"""

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError
from playground.models.progress import Report, megabytes

if TYPE_CHECKING:
    from filelock import BaseFileLock

MANIFEST = "manifest.json"
_SPARE = 100_000_000  # bytes that stay free: a full disk breaks more than this program


def whole(folder: Path) -> bool:
    """Whether a folder that `build_once` made is there with every file at its full size. Reads no file's content."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return bool(files) and all((folder / name).stat().st_size == facts["size"] for name, facts in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def build_once(
    target: Path, build: Callable[[Path], None], made_from: Mapping[str, Any], what: str, report: Report
) -> None:
    """Makes `target` by calling `build(empty folder)`, unless it is whole already.

    Of several processes or threads that want the same target, one builds and the others wait and use what it made.

    Args:
        made_from: goes into the manifest: where the files come from.
        what: the model, as the sentences name it.

    Raises:
        PlaygroundError: the disk is full or the folder cannot be written; and whatever `build` raises.
    """
    if whole(target):
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target, what, report):
            if whole(target):  # made while we waited
                return
            _sweep(target)
            aside = _aside(target)
            aside.mkdir()
            try:
                build(aside)
                _seal(aside, made_from)
                if target.exists():  # damaged: files are missing or short
                    os.rename(target, _aside(target))
                os.rename(aside, target)
                _sync(target.parent)
            finally:
                _sweep(target)
    except OSError as error:
        raise trouble(error, target.parent, what) from error


def need_room(folder: Path, n_bytes: int, what: str, elsewhere: str = "PLAYGROUND_CACHE_DIR") -> None:
    """Checks that the disk under `folder`, which may not exist yet, has room for `n_bytes` more.

    Raises:
        PlaygroundError: it has not. `elsewhere` is the variable that moves the folder.
    """
    free = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free
    if free < n_bytes + _SPARE:
        raise PlaygroundError(
            f"There is not enough disk space for {what}: it takes {megabytes(n_bytes)} and {folder} has "
            f"{megabytes(free)} free. Free some space, or set {elsewhere} to a folder on a larger disk."
        )


def trouble(error: OSError, folder: Path, what: str, elsewhere: str = "PLAYGROUND_CACHE_DIR") -> PlaygroundError:
    """What to tell a person when writing files failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PlaygroundError(
            f"The disk became full while {what} was being written to {folder}. Nothing half-written was kept. "
            f"Free some space, or set {elsewhere} to a folder on a larger disk."
        )
    return PlaygroundError(
        f"{what} could not be written to {folder}: {error.strerror or error}. "
        f"Set {elsewhere} to a folder that this program may write to."
    )


@contextmanager
def _alone(target: Path, what: str, report: Report) -> Iterator[None]:
    """Holds the lock of `target`. The system releases it when its holder dies, however it dies."""
    from filelock import Timeout

    lock = _lock(target)
    started = time.monotonic()
    wait = 0.0
    while True:
        try:
            lock.acquire(timeout=wait)
            break
        except Timeout:
            wait = 0.5
            seconds = time.monotonic() - started
            report(None, f"{what} is being prepared by another process. Waiting for it ({seconds:.0f} s)")
    try:
        yield
    finally:
        lock.release()


def _lock(target: Path) -> "BaseFileLock":
    from filelock import FileLock

    return FileLock(target.parent / f".{target.name}.lock", thread_local=False)


def _aside(target: Path) -> Path:
    return target.parent / f".{target.name}.{secrets.token_hex(4)}.part"


def _sweep(target: Path) -> None:
    """Removes what builders left half-made: ours, whose lock we hold, and those whose lock nobody holds any more."""
    from filelock import Timeout

    for part in target.parent.glob(".*.part"):
        owner = target.parent / part.name[1 : -len(".01234567.part")]
        if owner == target:
            shutil.rmtree(part, ignore_errors=True)
            continue
        try:
            with _lock(owner).acquire(timeout=0):
                shutil.rmtree(part, ignore_errors=True)
        except Timeout:
            pass  # its builder lives


def _seal(folder: Path, made_from: Mapping[str, Any]) -> None:
    """Writes the manifest last, when all that it lists is safely on the disk."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            files[path.relative_to(folder).as_posix()] = {
                "size": path.stat().st_size,
                "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
            }
            os.fsync(file.fileno())
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump({"made_from": made_from, "files": files}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    usual = (folder / MANIFEST).stat().st_mode  # safetensors writes 0600: others on this machine may read the rest
    for name in files:
        (folder / name).chmod(usual)
    for place in {folder, *((folder / name).parent for name in files)}:
        _sync(place)


def _sync(folder: Path) -> None:
    """Makes names in a folder survive a power cut, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
