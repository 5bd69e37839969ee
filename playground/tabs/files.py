"""Files of a visitor: those that were uploaded, and those that are offered to be taken along.

It does not know what is in them, nor when they go: `serving/uploads.py` does.
"""

import shutil
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gradio.utils import get_upload_folder

from playground.errors import PlaygroundError

MOST_FOLDERS = 20


@dataclass(frozen=True)
class Files:
    """Folders of files to take along; the oldest goes when there are many, since Gradio has copies of its own."""

    made: deque[Path] = field(default_factory=deque)

    def folder(self) -> Path:
        """A new one."""
        place = Path(get_upload_folder())
        place.mkdir(parents=True, exist_ok=True)  # what cleans the system's temporary files may have taken it
        folder = Path(tempfile.mkdtemp(dir=place))
        self.made.append(folder)
        while len(self.made) > MOST_FOLDERS:
            shutil.rmtree(self.made.popleft(), ignore_errors=True)
        return folder

    def write(self, contents: Mapping[str, str]) -> list[str]:
        """Writes each text under its name in a new folder. Returns their paths."""
        folder = self.folder()
        for name, content in contents.items():
            (folder / name).write_text(content, "utf-8")
        return [str(folder / name) for name in contents]


def uploaded(path: str) -> Path:
    """A file that was uploaded, at some time.

    Raises:
        PlaygroundError: it has gone since.
    """
    if not Path(path).is_file():
        raise PlaygroundError("This file is no longer here: uploads are kept for a day. Upload it again.")
    return Path(path)
