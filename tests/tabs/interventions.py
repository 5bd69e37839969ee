"""The panes that intervene, around a tiny model: laid out as on the page, their handlers called as Gradio would."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import pytest

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.internals import tab as internals
from playground.tabs.layout import lay_out
from tests.tabs.conftest import visitor


@dataclass
class Laid:
    """A pane, and the folder of the model that its visitors have picked."""

    pane: object
    folder: str

    def values(self, model: str = "", **chosen) -> dict:
        """What Gradio hands to a handler. `chosen`: by the pane's names."""
        components = {name: part for name, part in vars(self.pane).items() if isinstance(part, gr.components.Component)}
        given = {part: chosen.get(name, getattr(part, "value", None)) for name, part in components.items()}
        return given | {self.pane.desk.page.reference: model or self.folder}

    def do(self, work, who: str = "ann", model: str = "", **chosen) -> Iterator[dict]:
        return self.pane.desk._worker(work)(self.values(model, **chosen), visitor(who))

    def run(self, work, who: str = "ann", model: str = "", **chosen) -> dict:
        """All updates in one, the last winning."""
        shown: dict = {}
        for update in self.do(work, who, model, **chosen):
            shown |= update
        return shown


def lay(module, folder: Path, cache: Path) -> Laid:
    """The pane of a module of tabs/internals, on a page of its own."""
    built = []

    class Remembered(module.Pane):
        def __post_init__(self) -> None:
            built.append(self)

    settings = Settings(cache_dir=cache, dtype="float32", threads=1, memory_budget="200MB")
    with pytest.MonkeyPatch.context() as patch, gr.Blocks() as blocks:
        patch.setattr(module, "Pane", dataclass(frozen=True, eq=False)(Remembered))
        lay_out(blocks, ModelCache(settings), settings, [internals])
    return Laid(built[0], str(folder))
