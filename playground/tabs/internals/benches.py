"""What a pane of the Internals tab stands on: the picked model and a line that says what is being done.

It does not know any single pane.
"""

import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from playground.tabs.attention.panes import Bench, Stops
from playground.tabs.kit import AT_ONCE, WAITING, Page
from playground.views.continuations import note

MOST_FOLDERS = 20


@dataclass(frozen=True)
class Ground:
    """What every drawing needs, and where it says what it does: in place of the Attention tab's `Source`."""

    inputs: set[gr.components.Component]
    status: gr.HTML


def bench(page: Page, status: gr.HTML) -> Bench:
    """A bench for one pane, with a Stop of its own."""
    return Bench(page, Ground({page.reference}, status), Stops(page.blocks), gr.State())


def asked(bench: Bench, *triggers: Callable) -> gr.events.Dependency:
    """What a click or the Enter key does first: it ends what this visitor has running here, and says that it waits."""

    def begin(request: gr.Request) -> str:
        bench.stops.halt(request)
        return note(WAITING)

    return gr.on(list(triggers), begin, None, bench.source.status, **AT_ONCE)


@dataclass(frozen=True)
class Files:
    """Folders of files to take along; the oldest goes when there are many, since Gradio has copies of its own."""

    made: deque[Path] = field(default_factory=deque)

    def folder(self) -> Path:
        """A new one."""
        folder = Path(tempfile.mkdtemp(prefix="playground-"))
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
