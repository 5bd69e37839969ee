"""A link in one word: what goes in comes out, and whatever else comes is refused in one sentence."""

import base64
import json
import random
import time
import zlib

import pytest

from playground.errors import PlaygroundError
from playground.labs import permalinks
from playground.labs.permalinks import Link

LINK = Link("Attention", "Map", "org/name@main#int8", "abc", {"text": "Grüße, 世界 <b>", "layer": 3, "on": True})


def packed(plain: object, level: int = 9) -> str:
    text = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    return "1." + base64.urlsafe_b64encode(zlib.compress(text, level)).decode().rstrip("=")


def test_what_goes_in_comes_out_and_fits_an_address():
    word = permalinks.write(LINK)
    assert permalinks.read(word) == LINK
    assert set(word) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert len(permalinks.write(Link("Chat", fields={"text": "la " * 20_000}))) < 1000, "long texts are compressed"


def test_what_does_not_fit_is_said_when_the_link_is_made():
    noise = "".join(random.Random(0).choices("abcdefghijklmnop0123456789", k=60_000))
    with pytest.raises(PlaygroundError, match="does not fit into a link"):
        permalinks.write(Link("Chat", fields={"text": noise}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        permalinks.write(Link("Chat", fields={"t": float("nan")}))


@pytest.mark.parametrize(
    "word",
    [
        "",
        "1.",
        "hello",
        "<script>alert(1)</script>",
        "1.<script>",
        "1.AAAA",
        "1.äöü",
        "x." + packed({"tab": "Chat"})[2:],
        packed({"tab": "Chat"})[:-6],
        packed({"tab": "Chat"}) + "AAAA",
        packed(b"\xff\xfe"),
        packed(b"not json"),
        packed([1, 2]),
        packed("text"),
        packed({}),
        packed({"tab": 3}),
        packed({"tab": "Chat", "fields": [1]}),
        packed({"tab": "Chat", "model": None}),
        packed({"tab": "x" * 2000}),
        packed({"tab": "Chat", "fields": {str(n): n for n in range(300)}}),
        packed(b'{"tab": "Chat", "fields": {"t": NaN}}'),
        packed(b'{"tab": "Chat", "fields": {"t": -Infinity}}'),
        packed(b'{"tab": "Chat", "fields": {"t": [[1e999]]}}'),
        packed(b'{"tab": "Chat", "fields": {"t": 99999999999999999999999}}'),
        packed(b'{"tab": "Chat", "fields": {"t": "\\ud800"}}'),
        packed(b"[" * 100_000),
        packed(b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    ],
)
def test_what_is_damaged_or_hostile_is_refused_in_one_sentence(word):
    with pytest.raises(PlaygroundError, match="damaged"):
        permalinks.read(word)


def test_a_bomb_is_not_unpacked():
    bomb = packed(b'{"tab": "' + b"a" * 20_000_000 + b'"}')
    assert len(bomb) < permalinks.MOST_LETTERS
    began = time.process_time()
    with pytest.raises(PlaygroundError, match="more than 300,000 bytes"):
        permalinks.read(bomb)
    assert time.process_time() - began < 0.1


def test_a_link_that_is_too_long_or_newer_is_said_to_be():
    with pytest.raises(PlaygroundError, match="longer than 30,000"):
        permalinks.read("1." + "A" * 40_000)
    with pytest.raises(PlaygroundError, match="another version"):
        permalinks.read("2." + packed({"tab": "Chat"})[2:])
    with pytest.raises(PlaygroundError):
        permalinks.read(None)


def test_random_damage_never_passes_for_anything_but_a_sentence():
    word, draw = permalinks.write(LINK), random.Random(1)
    for _ in range(2000):
        at = draw.randrange(len(word))
        broken = word[:at] + draw.choice("AZaz09-_.<%\x00é") + word[at + 1 :]
        try:
            found = permalinks.read(broken)
        except PlaygroundError:
            continue
        assert found == LINK, "zlib's checksum tells"
