"""Tokens drawn: nothing of a text becomes markup, and the numbers are those of the inspection."""

import math
from html.parser import HTMLParser

import pytest

from playground.engine.sampling import Sampling
from playground.labs import tokens
from playground.labs.chat import replies as chat
from playground.views import tokens as view
from tests import tiny

NASTY = [{"role": "user", "content": "<script>alert(1)</script> <img src=x onerror=alert(1)> \"quoted\" 'too' &amp;"}]


class Reader(HTMLParser):
    """Every tag with its attributes, and the text between."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def seen():
    engine = tiny.engine("llama")
    prompt = chat.prompt_ids(engine, NASTY)
    reply = list(chat.reply(engine, NASTY, Sampling(max_new_tokens=12, temperature=0)))[-1]
    return tokens.inspect(engine, prompt, reply.ids), tokens.seen_by(engine, prompt)


@pytest.mark.parametrize("colour", view.SCALE)
def test_one_button_a_token_with_its_probability(seen, colour):
    inspection, _ = seen
    drawn = Reader(view.written(inspection, colour, chosen=3))
    buttons = [attributes for tag, attributes in drawn.tags if tag == "button"]
    assert [int(b["data-at"]) for b in buttons] == list(range(12))
    assert [i for i, b in enumerate(buttons) if "aria-pressed" in b] == [3]
    for button, logprob in zip(buttons, inspection.scores.logprobs, strict=True):
        assert view.percent(math.exp(logprob)) in button["title"]


def test_every_alternative_but_the_drawn_one_can_be_gone_on_from(seen):
    inspection, _ = seen
    drawn = Reader(view.alternatives(inspection, 5))
    offered = [int(a["data-instead"]) for tag, a in drawn.tags if tag == "button"]
    assert offered == [i for i in inspection.scores.top_ids[5].tolist() if i != inspection.scores.ids[5]]
    assert "drawn" in drawn.text


def test_what_was_given_shows_ids_and_no_markup_of_the_text(seen):
    inspection, given = seen
    html = view.given(given, 12, 256)
    drawn = Reader(html)
    assert {tag for tag, _ in drawn.tags} <= {"p", "div", "span", "small", "br"}
    assert "<script" not in html and "<img" not in html
    assert f"{len(given)} tokens were given and 12 written: {len(given) + 12} of 256" in drawn.text
    assert sum("special" in a.get("class", "") for _, a in drawn.tags) == 3
    for html in (view.written(inspection, "probability"), view.alternatives(inspection, 0)):
        assert not {tag for tag, _ in Reader(html).tags} & {"script", "img"}


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.98, "98 %"),
        (0.042, "4.2 %"),
        (0.0003, "0.03 %"),
        (1e-7, "1e-05 %"),
        (0.9996, "100 %"),
    ],
)
def test_percent(probability, text):
    assert view.percent(probability) == text
