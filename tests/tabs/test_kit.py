"""Errors in plain words, and a calm pace."""

import logging
import re

import gradio as gr
import pytest

from playground.errors import PlaygroundError
from playground.settings import Settings
from playground.tabs import kit


def test_a_known_failure_is_shown_as_it_is_written_and_never_as_markup():
    with pytest.raises(gr.Error) as shown, kit.user_errors():
        raise PlaygroundError("There is no <b>model</b>. Pick one.")
    assert shown.value.message == "There is no &lt;b&gt;model&lt;/b&gt;. Pick one."
    assert not shown.value.print_exception
    assert shown.value.__cause__ is None


def test_a_surprise_shows_a_number_that_stands_in_the_log_and_no_secret(caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as shown, kit.user_errors():
        raise ValueError("secret")
    assert "secret" not in shown.value.message
    number = re.search(r"look for (\w{6}) in the log", shown.value.message)[1]
    assert number in caplog.text
    assert "ValueError: secret" in caplog.text


def test_an_error_for_the_page_passes_and_so_does_a_generator_that_is_closed():
    with pytest.raises(gr.Error, match="as it is"), kit.user_errors():
        raise gr.Error("as it is")

    def stream():
        with kit.user_errors():
            yield 1

    steps = stream()
    next(steps)
    steps.close()


def test_paced_always_gives_the_last_and_no_more_than_it_may(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(kit.time, "monotonic", lambda: next(clock) / 100)  # each look costs 10 ms
    given = list(kit.paced(range(50), per_second=10))
    assert given[0] == 0
    assert given[-1] == 49
    assert len(given) < 12
    assert list(kit.paced([])) == []


def test_paced_holds_nothing_back_from_a_slow_source():
    assert list(kit.paced(iter("abc"), per_second=1e9)) == ["a", "b", "c"]


def test_every_model_work_shares_one_queue():
    assert kit.model_work(Settings(concurrency=3)) == {"concurrency_id": "models", "concurrency_limit": 3}


def test_paced_gives_the_last_before_an_error():
    def failing():
        yield from range(50)
        raise ValueError("broken")

    given = []
    with pytest.raises(ValueError, match="broken"):
        given.extend(kit.paced(failing(), per_second=0.01))
    assert given == [0, 49]


def test_merges_and_adapters_have_titles():
    assert kit.title_of("merge:slerp-0123456789#int8") == "Merge slerp-0123456789, int8"
    mixed = kit.title_of("starter:smollm2-135m-instruct+adapter:pirate*0.7+adapter:/somewhere/json")
    assert mixed == "SmolLM2 135M Instruct (starter) + pirate*0.7 + json"
