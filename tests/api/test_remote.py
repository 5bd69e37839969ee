"""The endpoints with a model that runs elsewhere, over real HTTP on both sides."""

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from playground import api
from playground.models.cache import ModelCache
from playground.settings import Settings
from tests import llama_server

HELLO = [{"role": "user", "content": "Hello"}]
FAR = f"endpoint:far/{llama_server.NAME}"


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    with llama_server.running(tmp_path_factory.mktemp("llama"), "sesame", endless=True) as llama:
        settings = Settings(endpoints=[f"far={llama.url}"], endpoint_keys=["far=sesame"], offline=True)
        with gr.Blocks(analytics_enabled=False) as blocks:
            api.add(ModelCache(settings), settings)
        blocks.queue().launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
        yield Client(blocks.local_url, verbose=False)
        blocks.close(verbose=False)


def test_it_is_listed_when_it_is_first_asked_for(caller):
    row = {row["reference"]: row for row in caller.predict(api_name="/models")}[FAR]
    assert (row["title"], row["state"], row["bytes"]) == (f"{llama_server.NAME} at far", "remote", None)


def test_it_writes(caller):
    reply = caller.predict(HELLO, model=FAR, max_new_tokens=4, temperature=0, api_name="/chat")
    assert (reply["new_tokens"], reply["stop_reason"], reply["device"]) == (4, "length", "elsewhere")
    assert reply["notes"] == []
    reply = caller.predict("The cat", model=FAR, max_new_tokens=4, min_p=0.1, top_k=0, api_name="/complete")
    assert reply["text"]
    assert reply["notes"] == ["min-p is not part of this protocol: not used"]


def test_what_needs_the_weights_says_so(caller):
    with pytest.raises(AppError, match="runs elsewhere; this needs the weights"):
        caller.predict("The cat", model=FAR, api_name="/next_tokens")
    with pytest.raises(AppError, match="There are: far"):
        caller.predict(HELLO, model="endpoint:near/m", api_name="/chat")
