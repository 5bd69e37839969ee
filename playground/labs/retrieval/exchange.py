"""A collection as one ZIP of its plain files, to take along and to bring back. What comes back is checked file by file:
it may be anybody's.

It does not know whose collection it is.
"""

import errno
import io
import re
import zipfile
from pathlib import Path

from playground.errors import PlaygroundError
from playground.labs.retrieval.formats import MOST_UNPACKED, ZIP_ERRORS, check_unpacked
from playground.labs.retrieval.store import PARTS, Store, disk

_DOCUMENT = re.compile(rf"files/[0-9a-f]{{20}}/({'|'.join(map(re.escape, ('file.json', *PARTS)))})")
_ABOUT = "collection.json"
_BLOCK = 1 << 20


def pack(store: Store, file: Path) -> Path:
    """Writes the documents and what they were made with; the index is made again from them.

    Raises:
        PlaygroundError: a document was deleted meanwhile, or the disk is full.
    """
    folder = store.folder
    with disk(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_ABOUT, store.told())
        for each in store.filed()[0]:
            for part in ("file.json", *PARTS):
                try:
                    archive.write(folder / "files" / each.id / part, f"files/{each.id}/{part}")
                except FileNotFoundError:
                    raise PlaygroundError(
                        f"“{each.name}” was deleted or replaced while the collection was packed. Take it along again."
                    ) from None
    return file


def unpack(data: bytes, folder: Path, room: int) -> Store:
    """A collection from what `pack` wrote, in an empty folder.

    Args:
        room: most bytes that it may take.

    Raises:
        PlaygroundError: it is no such ZIP, is damaged, or does not fit.
    """
    check_unpacked(data, max(room, MOST_UNPACKED))  # too much for the room is said below
    (folder / "files").mkdir(parents=True)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if _ABOUT not in archive.namelist():
                raise PlaygroundError(
                    "This ZIP is no collection that was taken along from here. To add documents, choose it under Files."
                )
            if sum(info.file_size for info in infos) > room:
                raise PlaygroundError(
                    "This collection is larger than the room that is left for yours. Delete some first."
                )
            for info in infos:
                if info.filename == _ABOUT or _DOCUMENT.fullmatch(info.filename):
                    _write(archive, info, folder / info.filename)
    except ZIP_ERRORS as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PlaygroundError(
                "The disk is full, so the collection is not back. Make room and bring it again."
            ) from None
        raise PlaygroundError(f"This ZIP cannot be unpacked: {error}. Take the collection along anew.") from None
    store = Store(folder)
    store.about()
    return store


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    left = info.file_size  # the ZIP's own word, which was added up: no more than that is written
    with archive.open(info) as source, path.open("wb") as file:
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise ValueError("it is larger than it says")
            file.write(block)
