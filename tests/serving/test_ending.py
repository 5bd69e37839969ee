"""`python app.py` told to end: what is under way ends whole, new work is refused, and the process is gone."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
ASK = {"text": "Paris", "temperature": 1.0, "seed": 1, "logit_bias": {"<|im_end|>": -100}}


@pytest.fixture
def app(writer, tmp_path):
    """Starts `app.py` with more variables, and gives its address and the process."""
    started = []

    def start(**variables: str):
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PLAYGROUND_")}
        given = {"CACHE_DIR": str(tmp_path), "PORT": "0", "DEFAULT_MODELS": str(writer), "OFFLINE": "true"}
        given |= {"DTYPE": "float32", "THREADS": "1", **variables}
        environment = ours | {f"PLAYGROUND_{name}": value for name, value in given.items()}
        environment["GRADIO_TEMP_DIR"] = str(tmp_path / "files")
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "log").open("w"),
            text=True,
        )
        started.append(process)
        said = next(line for line in process.stdout if line.startswith("Playground is at"))
        url = said.split()[-1].rstrip("/")
        until = time.monotonic() + 120
        while httpx.get(f"{url}/health", timeout=30).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        return url, process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def test_the_stream_ends_whole_and_nothing_new_is_taken(app, tmp_path):
    url, process = app(LOG="json", GRACE="60")
    number = httpx.post(f"{url}/gradio_api/call/v2/complete", json=ASK | {"max_new_tokens": 1500}).json()["event_id"]
    read, begun = [], threading.Event()

    def follow() -> None:
        with httpx.stream("GET", f"{url}/gradio_api/call/complete/{number}", timeout=120) as stream:
            for line in stream.iter_lines():
                read.append(line)
                if line == "event: generating":
                    begun.set()

    reader = threading.Thread(target=follow)
    reader.start()
    assert begun.wait(60)
    sent = httpx.post(f"{url}/gradio_api/upload", files={"files": ("a.txt", b"here")}).json()
    assert Path(sent[0]).read_bytes() == b"here" and tmp_path / "files" in Path(sent[0]).parents
    process.terminate()
    until = time.monotonic() + 20
    while True:
        refused = httpx.post(f"{url}/gradio_api/call/v2/complete", json=ASK)
        if refused.status_code == 503 or time.monotonic() > until:
            break
    assert "about to end" in refused.json()["detail"]
    assert httpx.get(f"{url}/health").json()["why"] == "The server is about to end."
    reader.join(120)
    last = json.loads(read[read.index("event: complete") + 1].removeprefix("data: "))[0]
    assert last["new_tokens"] == 1500 and last["stop_reason"] == "length"
    assert process.wait(30) == 0
    assert list((tmp_path / "files").iterdir()) == [], "uploads go when the app ends"
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(line.get("event") == "complete" and line["status"] == 503 for line in lines)


def test_what_takes_too_long_is_not_waited_for(app, tmp_path):
    url, process = app(GRACE="1")
    number = httpx.post(f"{url}/gradio_api/call/v2/complete", json=ASK | {"max_new_tokens": 4000}).json()["event_id"]
    with httpx.stream("GET", f"{url}/gradio_api/call/complete/{number}", timeout=120) as stream:
        next(stream.iter_lines())
        told = time.monotonic()
        process.terminate()
        assert process.wait(30) == 0
    assert list((tmp_path / "files").iterdir()) == []
    assert time.monotonic() - told < 15
