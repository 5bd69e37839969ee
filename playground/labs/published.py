"""Where whoever runs a script of ours finds the model: on the hub, or in a folder that they name.

Folders of this machine stay out of scripts: nobody else has them. It does not know what a script does with a model.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from playground.errors import PlaygroundError
from playground.models import starters
from playground.models.catalog import catalog
from playground.models.reference import Reference, parse

PLACE = "PATH/TO/"  # of what has to be put in

_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class Published:
    """What transformers loads in the place of a model."""

    name: str  # a hub id; or `PLACE` and the name of a folder
    revision: str | None = None  # of a hub id; None: the newest
    remark: str = ""  # what has to be known of the name, as a sentence

    def line(self, variable: str) -> str:
        """Python that names it, below what has to be known."""
        return (f"# {self.remark}\n" if self.remark else "") + f"{variable} = {self.name!r}"

    @property
    def at(self) -> str:
        """The argument of `from_pretrained` that asks for the revision."""
        return f", revision={self.revision!r}" if self.revision else ""


def of(reference: str, revision: str | None = None) -> Published:
    """The place of a reference's model; of a starter, that of the same model on the hub.

    Args:
        revision: of the model that ran. It counts where it is a commit of the hub.

    Raises:
        PlaygroundError: it stands in no files of its own.
    """
    parsed = parse(reference)
    if parsed.kind == "endpoint":
        raise PlaygroundError("This model runs at an endpoint: transformers cannot load it.")
    if parsed.adapters or parsed.kind == "merge":
        raise PlaygroundError("The script is for models that stand in files of their own: save this one first.")
    return of_files(parsed, revision)


def of_files(parsed: Reference, revision: str | None = None) -> Published:
    """As `of`, for the model that adapters are added to."""
    if parsed.kind == "starter":
        return _starter(parsed.name)
    if parsed.kind == "gguf" or parsed.file:
        remark = "This ran from a GGUF file: put in a folder with the model that the file was made of."
        return Published(PLACE + Path(parsed.name).stem, remark=remark)
    if parsed.kind == "folder":
        return Published(
            PLACE + Path(parsed.name).name, remark="This ran from a folder of that machine: put yours in its place."
        )
    return Published(parsed.name, revision if _COMMIT.fullmatch(revision or "") else parsed.revision)


def _starter(name: str) -> Published:
    hub_id = next((entry.hub_id for entry in catalog() if entry.reference == f"starter:{name}"), None)
    if hub_id is None:
        remark = (
            f"starter:{name} is not on the hub: put in its folder, which python -m playground.models.starters prints."
        )
        return Published(PLACE + name, remark=remark)
    packed = any(file.endswith(".gguf") for file in starters.find(name).files)
    remark = "The starter comes from 4-bit weights; these are the full ones, and may differ."
    return Published(hub_id, remark=remark if packed else "")
