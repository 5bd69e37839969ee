"""The line under a reply."""

from dataclasses import replace

from playground.engine.provenance import Provenance
from playground.labs.chat.replies import Reply
from playground.views import continuations, statistics


def reply(text: str = "Hi", stop_reason: str | None = "eos", new_tokens: int = 2, temperature: float = 0.7) -> Reply:
    settings = {"temperature": temperature, "seed": 41}
    provenance = Provenance("a/b", "rev", "cpu", "bfloat16", settings)
    first, speed = (0.25, 18.04) if new_tokens > 1 else (None, None)
    return Reply(
        text=text,
        prompt_tokens=30,
        new_tokens=new_tokens,
        stop_reason=stop_reason,
        seconds_to_first_token=first,
        tokens_per_second=speed,
        ids=(),
        tokens=(),
        provenance=provenance,
    )


def test_an_ended_reply_can_be_repeated_from_its_line():
    assert statistics.line(reply(), "Model") == (
        "2 tokens · first after 0.25 s · 18.0 tokens/s · ended by itself · seed 41 · Model"
    )


def test_a_greedy_reply_has_no_seed():
    line = statistics.line(reply(temperature=0, stop_reason="length"), "Model")
    assert "greedy" in line
    assert "seed" not in line
    assert "cut at the token limit" in line


def test_a_running_reply_does_not_say_why_it_ended():
    assert statistics.line(reply(stop_reason=None), "M") == "2 tokens · first after 0.25 s · 18.0 tokens/s · M"
    assert statistics.line(reply(stop_reason=None, new_tokens=0), "M") == "Reading 30 tokens …"


def test_the_stop_string_that_ended_it_is_named():
    line = statistics.line(replace(reply(), stop_reason="stop string", stop_string="\n\n"), "M")
    assert r"ended at the stop string '\n\n' · seed 41 · M" in line


def test_beams_are_named_and_said_to_change():
    beams = replace(reply().provenance, settings={"temperature": 0.7, "seed": 41, "beams": 4})
    running = statistics.line(replace(reply(stop_reason=None), provenance=beams), "M")
    assert running.endswith("best of 4 beams so far: it may still change · M")
    ended = statistics.line(replace(reply(), provenance=beams), "M")
    assert ended.endswith("ended by itself · best of 4 beams · M") and "seed" not in ended


def test_samples_are_shown_as_text():
    document = continuations.html("<i>", [reply("<b>"), reply("x")], "<u>")
    assert document.count("<li>") == 2
    assert "&lt;i&gt;" in document and "&lt;b&gt;" in document and "&lt;u&gt;" in document
    assert "<i>" not in document and "<u>" not in document
    assert continuations.html("text", [], "Model") == ""
