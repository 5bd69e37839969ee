"""Files of a visitor: those that were uploaded, and those that are offered to be taken along.

All lie where Gradio serves them from. It does not know what is in them, nor when they go: `serving/uploads.py` does.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from gradio.utils import get_upload_folder

from playground.errors import PlaygroundError


def new_folder() -> Path:
    """A folder whose name nobody guesses, for files that one visitor may take along."""
    place = Path(get_upload_folder())
    place.mkdir(mode=0o700, parents=True, exist_ok=True)  # what cleans the system's temporary files may have taken it
    return Path(tempfile.mkdtemp(dir=place))


def write_files(contents: Mapping[str, str]) -> list[str]:
    """Writes each text under its name in a new folder. Returns their paths."""
    folder = new_folder()
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
