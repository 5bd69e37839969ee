"""The page around tiny models, without a browser: handlers are called as Gradio would call them."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.chat import arena, arena_layout, completion, conversation, sampling
from playground.tabs.chat import tab as chat
from playground.tabs.kit import Page
from playground.tabs.layout import lay_out
from tests import tiny


@dataclass
class Laid:
    """A laid-out page and what a visitor has set on it."""

    page: Page
    talk: conversation.Pane
    text: completion.Completion
    controls: sampling.Controls
    two: arena.Arena

    def values(self, model: Path, system: str = "", samples: int = 1, **settings: Any) -> dict:
        """What Gradio hands to a handler that has all controls among its inputs."""
        names = vars(self.controls).items()
        chosen = {component: settings.get(name, component.value) for name, component in names}
        return chosen | {self.page.reference: str(model), self.talk.system: system, self.text.samples: samples}


def visitor(name: str) -> Any:
    return SimpleNamespace(session_hash=name)


@pytest.fixture(scope="session")
def chatty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a chat template and a long context, so that it can write for a while."""
    return tiny.save(tmp_path_factory.mktemp("chatty"), "llama", context=4096)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model without a chat template."""
    return tiny.save(tmp_path_factory.mktemp("base"), "gpt2", context=2048)


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that writes nothing."""
    return tiny.save(tmp_path_factory.mktemp("reader"), "bert")


@pytest.fixture
def laid(tmp_path: Path) -> Laid:
    return lay(tmp_path)


def lay(cache: Path) -> Laid:
    """A page of its own, with no model loaded yet."""
    built = {}
    with pytest.MonkeyPatch.context() as patch:
        for module in (conversation, completion, sampling, arena_layout):
            original = module.build

            def build(*arguments, original=original, module=module):
                laid_out = original(*arguments)
                built.setdefault(module, laid_out)  # of the sampling controls the tab's own, which are the first
                return laid_out

            patch.setattr(module, "build", build)
        settings = Settings(cache_dir=cache, dtype="float32", threads=1, memory_budget="100MB")
        models = ModelCache(settings)
        with gr.Blocks() as blocks:
            page = lay_out(blocks, models, settings, [chat])
    return Laid(page, built[conversation], built[completion], built[sampling], built[arena_layout])


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Exception], None]:
    """Makes every model fail after so many tokens, with an error."""

    def after(n_tokens: int, error: Exception) -> None:
        from playground.engine import generate, sampling

        drawn = itertools.count()

        def draw(*arguments: Any) -> int:
            if next(drawn) >= n_tokens:
                raise error
            return sampling.draw(*arguments)

        monkeypatch.setattr(generate, "draw", draw)

    return after
