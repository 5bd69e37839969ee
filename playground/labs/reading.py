"""A text as one model reads it: tokens with labels that a person can read, where each stands, and which make a word.

It runs no model.
"""

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from playground.arrays import Bools, Ints
from playground.engine.engine import Engine
from playground.engine.loaded import Tokenizer
from playground.errors import PlaygroundError

_VISIBLE = {"\n": "⏎", "\r": "␍", "\t": "⇥", " ": "·"}
_JOINERS = "\u200c\u200d"  # within Persian words, and between the parts of an emoji
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, eq=False)
class Reading:
    """One side of an attention map. n tokens, or n words once `in_words` has joined them."""

    texts: tuple[str, ...]  # what was read: one text, or the two of a pair
    ids: tuple[int, ...]  # (n,); empty when the tokens were joined into words
    labels: tuple[str, ...]  # (n,): white space to be seen, a character spread over three tokens as 你[1/3]
    special: Bools  # (n,) bool: [CLS], [SEP], <s> and the like; not [MASK] or [UNK], which stand for text
    segment: Ints  # (n,) int: which of `texts` it belongs to
    offsets: Ints  # (n, 2) int: first character and the one after the last, in its text; equal: none of its own
    words: Ints  # (n,) int: tokens with the same number make one word; a special token is one of its own

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_words(self) -> int:
        return int(self.words.max()) + 1 if len(self.words) else 0


def read(engine: Engine, text: str, text_pair: str = "", complete: bool = False, target: bool = False) -> Reading:
    """Tokens of `text` as the model's tokenizer makes them.

    Args:
        text_pair: a second text; both are read together, as BERT-like models read sentence pairs.
        complete: special tokens are in the text already, so that none are added.
        target: the text is what an encoder-decoder shall write.

    Raises:
        PlaygroundError: there is no text.
    """
    if not text.strip():
        raise PlaygroundError("There is no text to read. Type something first.")
    tokenizer = engine.tokenizer
    options = dict(add_special_tokens=not complete, verbose=False)
    if tokenizer.is_fast:
        options["return_offsets_mapping"] = True
    encoded = tokenizer(text_target=text, **options) if target else tokenizer(text, text_pair or None, **options)
    if not encoded.input_ids:
        raise PlaygroundError("There is no text to read: the tokenizer makes no token of it. Type something else.")
    return describe(
        tokenizer,
        (text, text_pair) if text_pair else (text,),
        encoded.input_ids,
        encoded.sequence_ids() if tokenizer.is_fast else None,
        encoded.get("offset_mapping"),
    )


def of_ids(engine: Engine, ids: Sequence[int]) -> Reading:
    """Tokens that came without a text: what a model wrote itself. The text is what they decode to."""
    tokenizer = engine.tokenizer
    text = tokenizer.decode(list(ids), skip_special_tokens=True)
    return describe(tokenizer, (text,), list(ids), None, None)


def describe(
    tokenizer: Tokenizer,
    texts: tuple[str, ...],
    ids: Sequence[int],
    sequences: Sequence[int | None] | None,
    offsets: Sequence[tuple[int, int]] | None,
) -> Reading:
    """A `Reading` of `ids`. sequences: which text each is of, None for added tokens; offsets: into that text."""
    pieces = tokenizer.convert_ids_to_tokens(list(ids))
    contents = [_bytes(tokenizer, piece) for piece in pieces]
    marks = _marks(tokenizer)
    special = np.array([i in marks for i in ids]) | np.array([s is None for s in sequences or [0] * len(ids)])
    if sequences is None:
        sequences = [None if s else 0 for s in special]
    segment = _segments(sequences)
    if offsets is None:
        offsets = _found(texts[0], contents, special)
    spans = np.array([_stripped(texts[s], a, b) for s, (a, b) in zip(segment, offsets, strict=True)]).reshape(-1, 2)
    return Reading(
        texts=texts,
        ids=tuple(int(i) for i in ids),
        labels=_labels(texts, pieces, contents, special, segment, spans),
        special=special,
        segment=segment,
        offsets=spans,
        words=_words(texts, special, segment, spans),
    )


def in_words(reading: Reading) -> Reading:
    """The same text, one entry a word."""
    firsts, labels, offsets = [], [], []
    for word in range(reading.n_words):
        members = np.flatnonzero(reading.words == word)
        first = int(members[0])
        begin, end = int(reading.offsets[members, 0].min()), int(reading.offsets[members, 1].max())
        text = reading.texts[reading.segment[first]][begin:end]
        text = text.strip() or visible(text)
        firsts.append(first)
        offsets.append((begin, end))
        labels.append(text if begin < end and not reading.special[first] else reading.labels[first])
    return replace(
        reading,
        ids=(),
        labels=tuple(labels),
        special=reading.special[firsts],
        segment=reading.segment[firsts],
        offsets=np.array(offsets).reshape(-1, 2),
        words=np.arange(len(firsts)),
    )


def chosen(reading: Reading, places: Ints) -> Reading:
    """The tokens at `places`, (m,) int, alone."""
    _, words = np.unique(reading.words[places], return_inverse=True)
    return replace(
        reading,
        ids=tuple(reading.ids[i] for i in places) if reading.ids else (),
        labels=tuple(reading.labels[i] for i in places),
        special=reading.special[places],
        segment=reading.segment[places],
        offsets=reading.offsets[places],
        words=words,
    )


def _marks(tokenizer: Tokenizer) -> set[int]:
    """Ids that stand for no text: special ones without those of unknown and masked words."""
    added = {i for i, token in getattr(tokenizer, "added_tokens_decoder", {}).items() if token.special}
    ends = {getattr(tokenizer, f"{name}_token_id", None) for name in ("bos", "eos", "cls", "sep", "pad")}
    content = {tokenizer.unk_token_id} - ends | {getattr(tokenizer, "mask_token_id", None)}
    return (set(tokenizer.all_special_ids) | added) - content


def _segments(sequences: Sequence[int | None]) -> Ints:
    """Added tokens belong to the text before them; those at the start to the first."""
    segment, current = [], 0
    for sequence in sequences:
        current = current if sequence is None else sequence
        segment.append(current)
    return np.array(segment, dtype=int)


def _byte_alphabet() -> dict[str, int]:
    """The characters that byte-level tokenizers write bytes as: printable ones stand for themselves (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}


_BYTE_OF = _byte_alphabet()


def _bytes(tokenizer: Tokenizer, piece: str) -> bytes:
    """What a vocabulary entry stands for in a text, in UTF-8; it may begin or end within a character."""
    if match := _BYTE_PIECE.fullmatch(piece):
        return bytes([int(match[1], 16)])
    decoder = repr(tokenizer.backend_tokenizer.decoder) if tokenizer.is_fast else ""
    if ("ByteLevel" in decoder or hasattr(tokenizer, "byte_decoder")) and all(c in _BYTE_OF for c in piece):
        return bytes(_BYTE_OF[c] for c in piece)
    if piece.endswith("</w>"):
        piece = piece.removesuffix("</w>") + " "
    return piece.replace("▁", " ").encode("utf-8", "replace")


def _stripped(text: str, begin: int, end: int) -> tuple[int, int]:
    """A span of characters without the white space around them. One of white space alone stays as it is."""
    inner = text[begin:end]
    if not inner.strip():
        return begin, end
    return begin + len(inner) - len(inner.lstrip()), end - (len(inner) - len(inner.rstrip()))


def _found(text: str, contents: list[bytes], special: Bools) -> list[tuple[int, int]]:
    """Where each token stands, for tokenizers that do not say: looked for from left to right."""
    spans, at, lowered = [], 0, text.lower()
    held = b""  # bytes of a character that is not whole yet
    waiting = 0
    for content, is_special in zip(contents, special, strict=True):
        if is_special:
            spans.append((at, at))
            continue
        held += content
        try:
            part = held.decode().removeprefix("##").strip() or held.decode()
        except UnicodeDecodeError:
            spans.append((at, at))
            waiting += 1
            continue
        begin = lowered.find(part.lower(), at) if part else -1
        span = (begin, begin + len(part)) if begin >= 0 else (at, at)
        for back in range(1, waiting + 1):  # the tokens that the character began in
            spans[-back] = span
        spans.append(span)
        at, held, waiting = span[1], b"", 0
    return spans


def _labels(
    texts: tuple[str, ...],
    pieces: Sequence[str],
    contents: Sequence[bytes],
    special: Bools,
    segment: Ints,
    spans: Ints,
) -> tuple[str, ...]:
    labels: list[str] = []
    broken: list[int] = []  # tokens that hold a part of a character
    for at, (piece, content) in enumerate(zip(pieces, contents, strict=True)):
        if special[at]:
            labels.append(piece)
            continue
        try:
            labels.append(visible(content.decode()))
        except UnicodeDecodeError:
            broken.append(at)
            labels.append("".join(f"<{byte:02X}>" for byte in content))
    # where the character is known, its name and how the tokens share it say more than bytes
    for _, group in itertools.groupby(broken, key=lambda at: (segment[at], spans[at][1])):
        members = list(group)
        begin, end = spans[members[0]]
        character = "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in texts[segment[members[0]]][begin:end])
        for count, at in enumerate(members, start=1):
            if character:
                space = "·" if contents[at].startswith(b" ") else ""
                labels[at] = f"{space}{character}[{count}/{len(members)}]"
    return tuple(labels)


def visible(text: str) -> str:
    """A text with its white space to be seen."""
    return "".join(_VISIBLE.get(c, c if c.isprintable() else f"U+{ord(c):04X}") for c in text) or "∅"


def _units(text: str) -> list[tuple[int, int]]:
    """Words of a text as spans of characters. Han characters and ASCII marks stand alone, other symbols together."""

    def kind(at: int) -> str:
        c = text[at]
        if c.isspace():
            return "space"
        if unicodedata.category(c).startswith("M") or c in _JOINERS:
            return "part"  # of the character before: an accent, the colour of an emoji
        if "\u3400" <= c <= "\u9fff" or "\uf900" <= c <= "\ufaff" or "\U00020000" <= c <= "\U0003ffff":
            return "single"
        if c.isalnum() or c == "_":
            return "word"
        if c in "'’" and 0 < at < len(text) - 1 and text[at - 1].isalnum() and text[at + 1].isalnum():
            return "word"  # can't
        return "single" if c.isascii() else "symbol"

    units: list[tuple[int, int]] = []
    before = "space"
    for at in range(len(text)):
        now = kind(at)
        joins = now == before and now in ("word", "symbol")
        if now == "part":
            joins, now = before != "space", "word" if before == "space" else before
        if joins:
            units[-1] = (units[-1][0], at + 1)
        elif now != "space":
            units.append((at, at + 1))
        before = now
    return units


def _words(texts: tuple[str, ...], special: Bools, segment: Ints, spans: Ints) -> Ints:
    """The number of each token's word, (n,). Words that one token covers together are one."""
    owner = []  # by text: the unit of each character, -1 for white space
    n_units = 0
    for text in texts:
        of = np.full(len(text) + 1, -1)
        for begin, end in _units(text):
            of[begin:end] = n_units
            n_units += 1
        owner.append(of)
    joined = np.arange(n_units)
    firsts = []
    for is_special, s, (begin, end) in zip(special, segment, spans, strict=True):
        covered = owner[s][begin:end]
        covered = covered[covered >= 0]
        if is_special or not len(covered):
            firsts.append(-1)
            continue
        firsts.append(int(covered[0]))
        for unit in range(covered[0] + 1, covered[-1] + 1):
            joined[unit] = joined[unit - 1]
    for at in range(len(firsts) - 2, -1, -1):  # a space of its own, as before a word in pieces, goes with the word
        (begin, end), s = spans[at], segment[at]
        if not special[at] and texts[s][begin:end] == " " and segment[at + 1] == s and spans[at + 1][0] == end:
            firsts[at] = firsts[at + 1]
    numbers: dict[int, int] = {}
    words, count = [], 0
    for first in firsts:
        group = -1 if first < 0 else int(joined[first])
        if group < 0 or group not in numbers:
            numbers[group] = count
            count += 1
        words.append(numbers[group])
    return np.array(words, dtype=int)
