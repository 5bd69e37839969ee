"""ZIP files -> the files inside, without writing any: no bombs, no paths that lead out, each with its own error.

It does not read the files themselves.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from playground.errors import PlaygroundError
from playground.labs.retrieval.formats import MOST_UNPACKED, ZIP_ERRORS, check_unpacked

MOST_FILES = 20_000


def members(data: bytes, largest: int) -> Iterator[tuple[str, bytes | str]]:
    """(path inside, its bytes, or the sentence why it is left out), one at a time.

    largest: bytes that one file may have.

    Raises:
        PlaygroundError: the ZIP itself cannot be opened, or must not be.
    """
    check_unpacked(data)
    unpacked = 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir() and not _hidden(info.filename)]
        if len(infos) > MOST_FILES:
            raise PlaygroundError(f"It holds {len(infos):,} files; at most {MOST_FILES:,} are read. Split it.")
        for info in infos:
            name = info.filename.replace("\\", "/")
            trouble = _trouble(name, info, largest)
            if trouble:
                yield name, trouble
                continue
            try:
                with archive.open(info) as file:
                    content = file.read(largest + 1)  # what the header says of its size need not be true
            except ZIP_ERRORS as error:
                yield name, f"It cannot be unpacked: {error}. Make the ZIP anew."
                continue
            unpacked += len(content)
            if len(content) > largest or unpacked > MOST_UNPACKED:
                yield name, "It is larger than the ZIP says, as ZIP bombs are; it was not read."
                return
            yield name, content


def _trouble(name: str, info: zipfile.ZipInfo, largest: int) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return "Its path leads out of the ZIP, so it was not read. Make the ZIP anew."
    if info.flag_bits & 1:
        return "It is encrypted. Make the ZIP without a password."
    if info.file_size > largest:
        return f"It has {info.file_size / 1e6:.0f} MB; at most {largest / 1e6:.0f} MB are read. Split it."
    return ""


def _hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or any(part.startswith(".") and part.strip(".") for part in parts)
