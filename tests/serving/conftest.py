"""A small page with every endpoint and all layers around it, on a tiny model, as `app.py` starts one."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from playground import api
from playground.models.cache import ModelCache
from playground.serving.layers import Serving
from playground.settings import Settings
from playground.tabs.kit import AT_ONCE, MAY_REFUSE
from tests import tiny


@dataclass
class Site:
    url: str  # without a slash at the end
    blocks: gr.Blocks
    models: ModelCache
    serving: Serving

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=60, **({} if body is None else {"json": body}), **options)

    def ask(self, endpoint: str, /, headers: dict | None = None, **given: Any) -> tuple[int, str]:
        """Calls an endpoint by name and waits: the status, and all that was sent back."""
        taken = self.post(f"/gradio_api/call/v2/{endpoint}", given, headers=headers)
        if taken.status_code != 200:
            return taken.status_code, taken.text
        number = taken.json()["event_id"]
        return 200, self.get(f"/gradio_api/call/{endpoint}/{number}", headers=headers).text


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(scope="session")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("serving") / "llama", "llama", context=4096)


@contextmanager
def running(writer: Path, cache: Path, **given: Any) -> Iterator[Site]:
    about = {"default_models": [str(writer)], "cache_dir": cache, "dtype": "float32", "threads": 1, "local_paths": True}
    settings = Settings(**about | {"offline": True, "mcp": False} | given)
    models = ModelCache(settings)
    with gr.Blocks(analytics_enabled=False, title="Playground") as blocks:
        api.add(models, settings)
        box = gr.Textbox("as it was")
        box.change(lambda text: text, box, box, **AT_ONCE)  # what is not queued
        box.submit(lambda text: text, box, box, **MAY_REFUSE)
    serving = Serving(blocks, models, settings)
    blocks.queue(max_size=settings.queue_size, default_concurrency_limit=settings.concurrency, api_open=False)
    blocks.launch(
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        server_name="127.0.0.1",
        auth=settings.logins or None,
        mcp_server=settings.mcp,
        app_kwargs={"middleware": serving.layers()},
    )
    serving.connect()
    try:
        yield Site(blocks.local_url.rstrip("/"), blocks, models, serving)
    finally:
        blocks.close(verbose=False)


@pytest.fixture(scope="module")
def site(writer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Starts a page with settings of its own; the same settings give the same page again."""
    pages: dict[tuple, Site] = {}
    with ExitStack() as stack:

        def start(**given: Any) -> Site:
            key = tuple(sorted(given.items()))
            if key not in pages:
                pages[key] = stack.enter_context(running(writer, tmp_path_factory.mktemp("cache"), **given))
            return pages[key]

        yield start
