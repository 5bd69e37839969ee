"""Files that are offered to be taken along: written into folders that end with the process.

It does not know what is in them.
"""

import shutil
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

MOST_FOLDERS = 20


@cache
def shelf() -> tempfile.TemporaryDirectory:
    """Where this process puts them; it is deleted when the process ends."""
    return tempfile.TemporaryDirectory(prefix="playground-", ignore_cleanup_errors=True)


@dataclass(frozen=True)
class Files:
    """Folders of files to take along; the oldest goes when there are many, since Gradio has copies of its own."""

    made: deque[Path] = field(default_factory=deque)

    def folder(self) -> Path:
        """A new one."""
        folder = Path(tempfile.mkdtemp(dir=shelf().name))
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
