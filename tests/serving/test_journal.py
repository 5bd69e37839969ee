"""The log as JSON: a line a request, and nothing of what people wrote unless that is allowed."""

import io
import json
import logging

import pytest

from playground.serving.journal import Lines

SECRET = "my secret words"


@pytest.fixture
def lines(site):
    """Starts a page and gives a function that reads what has been logged since, as objects."""
    streams = []

    def start(with_text: bool = False):
        page, stream = site(log="json", log_text=with_text), io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(Lines(with_text))
        logger = logging.getLogger("playground")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        streams.append((logger, handler))
        return page, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]

    yield start
    for logger, handler in streams:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_a_request_has_a_line_without_its_words(lines):
    page, logged = lines()
    page.ask("next_tokens", text=SECRET, k=1)
    page.ask("no_such_endpoint", text=SECRET)
    page.get(f"/gradio_api/file=/home/{SECRET}/x.txt?{SECRET}")
    asked, *_ = [line for line in logged() if line.get("event") == "next_tokens"]
    assert (asked["status"], asked["method"], asked["path"]) == (200, "POST", "/gradio_api/call/v2")
    assert asked["seconds"] >= 0 and len(asked["visitor"]) == 10
    assert [line["refused"] for line in logged() if "refused" in line] == ["no such endpoint"]
    text = json.dumps(logged())
    assert "secret" not in text and "127.0.0.1" not in text


def test_the_words_stand_there_when_allowed(lines):
    page, logged = lines(with_text=True)
    page.ask("next_tokens", text=SECRET, k=1)
    assert any(SECRET in line.get("asked", "") for line in logged())


def test_an_error_is_told_by_place_and_kind(lines):
    _, logged = lines()
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("playground.x").exception("Unexpected error, reference number %s", "abc123")
    line = logged()[-1]
    assert line["message"] == "Unexpected error, reference number abc123" and line["level"] == "error"
    assert line["error"]["kind"] == "ValueError" and "test_journal.py" in line["error"]["where"][0]
    assert "secret" not in json.dumps(line)
