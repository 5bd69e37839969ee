"""The endpoints over real HTTP, as a program calls them, on a tiny model."""

import gradio as gr
import pytest
from gradio_client import Client

from playground import api
from playground.models.cache import ModelCache
from playground.settings import Settings
from tests import tiny


@pytest.fixture(scope="package")
def models(tmp_path_factory):
    folder = tiny.save(tmp_path_factory.mktemp("api") / "llama", "llama", context=2048)
    return ModelCache(Settings(default_models=[str(folder)], dtype="float32", threads=1, offline=True, concurrency=3))


@pytest.fixture(scope="package")
def url(models):
    with gr.Blocks(analytics_enabled=False) as blocks:
        api.add(models, models.settings)
    blocks.queue(max_size=20).launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
    yield blocks.local_url
    blocks.close(verbose=False)


@pytest.fixture
def client(url):
    return Client(url, verbose=False)
