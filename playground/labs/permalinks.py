"""Links that hold what a page is about: a tab, a model and what is filled in, as one word for an address.

The word is "1." and base64url of zlib of JSON. What comes from outside is bounded before it is unpacked, and checked
for its form; what the values mean, the page checks where it knows its boxes. It does not know the page.
"""

import base64
import binascii
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playground.errors import PlaygroundError

VERSION = "1"
MOST_LETTERS = 30_000  # of the word; browsers take more, programs that carry links often do not
MOST_BYTES = 300_000  # of the JSON
MOST_FIELDS = 200
DAMAGED = "This link is damaged: it cannot be read. Ask for it again, or copy it whole."


@dataclass(frozen=True)
class Link:
    tab: str
    pane: str = ""  # the sub-tab; "": the tab has none
    model: str = ""  # reference; "": the model in use
    revision: str = ""  # of the weights that were in memory when the link was made; "": they were not
    fields: Mapping[str, Any] = field(default_factory=dict)  # name -> value
    inner: str = ""  # the tab inside the sub-tab; "": it has none


def write(link: Link) -> str:
    """The word that holds a link.

    Raises:
        PlaygroundError: it would be too long to be passed on.
    """
    plain = {
        "tab": link.tab,
        "pane": link.pane,
        "inner": link.inner,
        "model": link.model,
        "revision": link.revision,
        "fields": dict(link.fields),
    }
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
    word = f"{VERSION}.{base64.urlsafe_b64encode(zlib.compress(text, 9)).decode().rstrip('=')}"
    if len(word) > MOST_LETTERS or len(text) > MOST_BYTES:
        raise PlaygroundError(
            f"This does not fit into a link: it would have {len(word):,} letters, and at most {MOST_LETTERS:,} are "
            "taken. Shorten the longest text, or use the downloads instead."
        )
    return word


def read(word: str) -> Link:
    """The link that a word holds.

    Raises:
        PlaygroundError: it is damaged, too long, or of another version; in one sentence.
    """
    if not isinstance(word, str) or len(word) > MOST_LETTERS:
        raise PlaygroundError(f"This link is longer than {MOST_LETTERS:,} letters, so it is not opened.")
    version, dot, packed = word.partition(".")
    if not dot or not version.isdecimal():
        raise PlaygroundError(DAMAGED)
    if version != VERSION:
        raise PlaygroundError("This link was made by another version of this page, which writes links otherwise.")
    plain = _parsed(_unpacked(packed))
    texts = {name: plain.get(name, "") for name in ("tab", "pane", "inner", "model", "revision")}
    fields = plain.get("fields", {})
    if not all(isinstance(text, str) and len(text) <= 1000 for text in texts.values()) or not isinstance(fields, dict):
        raise PlaygroundError(DAMAGED)
    if not texts["tab"] or len(fields) > MOST_FIELDS:
        raise PlaygroundError(DAMAGED)
    return Link(**texts, fields=fields)


def _unpacked(packed: str) -> bytes:
    """At most `MOST_BYTES`, whatever it would unpack to."""
    try:
        compressed = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(compressed, MOST_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise PlaygroundError(DAMAGED) from None
    if len(text) > MOST_BYTES:
        raise PlaygroundError(f"This link holds more than {MOST_BYTES:,} bytes, so it is not opened.")
    if not unpacker.eof or unpacker.unused_data:
        raise PlaygroundError(DAMAGED)
    return text


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        plain = json.loads(text.decode("utf-8"), parse_constant=_no_number)
        _check(plain)
    except (ValueError, RecursionError):
        raise PlaygroundError(DAMAGED) from None
    if not isinstance(plain, dict):
        raise PlaygroundError(DAMAGED)
    return plain


def _no_number(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity


def _check(value: Any) -> None:
    """Raises ValueError for what no page can hold: numbers without end, halves of characters."""
    if isinstance(value, float) and not math.isfinite(value):  # 1e999
        raise ValueError(value)
    if isinstance(value, int) and abs(value) > 2**53:  # more than a browser's numbers hold
        raise ValueError(value)
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, list):
        for each in value:
            _check(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            _check(name)
            _check(each)
