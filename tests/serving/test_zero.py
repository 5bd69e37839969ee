"""ZeroGPU, with a `spaces` of our own that lets nothing cross which a process could not be sent."""

import sys
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio_client import Client

from playground import api
from playground.models.cache import ModelCache
from playground.serving import zero
from playground.settings import Settings


@pytest.fixture
def spaces(monkeypatch, tmp_path):
    """Stands in for the package, as far as it is used; counts what it is given to do."""
    (tmp_path / "spaces.py").write_text("""
import pickle

calls, closed = [], []

def across(value):
    return pickle.loads(pickle.dumps(value))

def GPU(duration):
    def decorate(function):
        import inspect
        if inspect.isgeneratorfunction(function):
            def run(*values):
                calls.append(duration)
                results = function(*across(values))
                try:
                    for value in results:
                        yield across(value)
                finally:
                    closed.append(1)
                    results.close()
        else:
            def run(*values):
                calls.append(duration)
                return across(function(*across(values)))
        return run
    return decorate
""")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    yield lambda: sys.modules["spaces"]
    sys.modules.pop("spaces", None)


def test_elsewhere_nothing_changes(monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    with gr.Blocks() as blocks:
        gr.api(lambda: 1, api_name="x", concurrency_id="models")
    before = [function.fn for function in blocks.fns.values()]
    assert zero.hand_over(blocks) == 0 and [function.fn for function in blocks.fns.values()] == before


def test_endpoints_give_the_same_through_spaces(spaces, writer, tmp_path):
    settings = Settings(default_models=[str(writer)], cache_dir=tmp_path, dtype="float32", threads=1, offline=True)
    models = ModelCache(settings)
    with gr.Blocks(analytics_enabled=False) as blocks:
        api.add(models, settings)
    asks = [
        ("/next_tokens", {"text": "Paris", "k": 3}),
        ("/complete", {"text": "Paris", "max_new_tokens": 5, "temperature": 1.0, "seed": 3}),
        ("/bias_fill", {"template": "The [MASK] sat.", "candidates": ["cat", "nurse"]}),
    ]

    def answers() -> list:
        blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
        try:
            client = Client(blocks.local_url, verbose=False)
            return [client.predict(**given, api_name=name) for name, given in asks]
        finally:
            blocks.close(verbose=False)

    plain = answers()
    n_work = sum(function.concurrency_id == "models" for function in blocks.fns.values())
    assert zero.hand_over(blocks) == n_work >= 20
    again = answers()
    measured = ("seconds_to_first_token", "tokens_per_second", "seconds")
    strip = lambda answer: {name: value for name, value in answer.items() if name not in measured}  # noqa: E731
    assert [strip(answer) for answer in again] == [strip(answer) for answer in plain]
    assert spaces().calls == [zero.SECONDS] * len(asks) and spaces().closed == [1]


def test_components_and_requests_cross_as_what_they_stand_for(spaces):
    seen = {}

    def work(values: dict, request: gr.Request):
        seen.update(values=values, session=request.session_hash)
        yield {box: values[box] + "!", other: gr.update(visible=False)}
        yield {box: "done"}

    with gr.Blocks() as blocks:
        box, other = gr.Textbox(), gr.Textbox()
        box.submit(work, {box, other}, [box, other], concurrency_id="models")
    assert zero.hand_over(blocks) == 1
    function = next(f for f in blocks.fns.values() if f.concurrency_id == "models")
    request = gr.Request(request=SimpleNamespace(headers={}, client=None), session_hash="mine")
    results = function.fn({box: "a", other: "b"}, request)
    assert next(results) == {box: "a!", other: gr.update(visible=False)}
    assert seen == {"values": {box: "a", other: "b"}, "session": "mine"}
    results.close()
    assert spaces().closed == [1], "a stop ends the process's work"
