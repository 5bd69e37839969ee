"""What fills a blank: the model's own words, or how probable each of some words is there.

A masked model is asked at the mask. A word of several pieces gets as many masks, which are filled from left to right:
its probability is the product, and words of different numbers of pieces were asked with different numbers of masks. A
causal model knows only what stands before the blank, so the whole sentence is scored with each candidate in it:
P(word | sentence) is exact for the given candidates, by Bayes' rule. Without candidates the most probable words after
what stands before the blank are taken. It does not know what the words stand for.
"""

import math
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from playground.arrays import Floats
from playground.engine import blanks, passes, provenance, sentences
from playground.engine.blanks import Edits, Row
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError

MASK = "[MASK]"
PROPOSED = 100  # words that a causal model is asked about when none are given
MOST = 500  # candidates
_WORD = re.compile(r"[^\W\d_][\w'’-]*")


@dataclass(frozen=True)
class Word:
    text: str
    pieces: int  # tokens
    logprob: float  # natural logarithm; masked: of the word at the blank; causal: of the whole sentence with it
    probability: float  # masked: at the blank; causal: among the candidates
    share: float  # among the words listed for given candidates, sums to 1; NaN where the model proposed them


@dataclass(frozen=True)
class Filled:
    text: str
    words: tuple[Word, ...]  # the most probable first
    given: bool  # whether the candidates were given
    kind: str  # of the model
    provenance: Provenance


def fill(
    engine: Engine,
    text: str,
    k: int = 10,
    candidates: Sequence[str] = (),
    edits: Edits | None = None,
    stop: threading.Event | None = None,
) -> Filled:
    """The k most probable words in the blank of a text, or the probabilities of all `candidates`.

    Raises:
        PlaygroundError: no blank or several, a candidate without tokens, the model neither fills blanks nor writes.
    """
    started = time.perf_counter()
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MOST:
        raise PlaygroundError(f"k is {k!r}; it must be a whole number from 1 to {MOST}. Change it and try again.")
    words = named(candidates)
    left, right = around(text, getattr(engine.tokenizer, "mask_token", None))
    try:
        if engine.anatomy.kind == "masked":
            blanks.check_masked(engine)
            found = (
                _given(engine, left, right, words, edits, stop) if words else _top(engine, left, right, k, edits, stop)
            )
        elif engine.anatomy.kind == "causal":
            found = _causal(engine, left, right, words, k, edits, stop)
        else:
            raise PlaygroundError(
                f"{engine.reference} fills no blanks ({engine.anatomy.kind} model). "
                "Pick a masked model, or one that continues text."
            )
    except passes.Stopped:
        raise PlaygroundError("Stopped before all words were scored.") from None
    settings = {"text": text, "candidates": list(words), "k": k}
    made_by = provenance.of(engine, settings, time.perf_counter() - started)
    return Filled(text, tuple(found), bool(words), engine.anatomy.kind, made_by)


def named(candidates: Sequence[str]) -> tuple[str, ...]:
    """The candidates without those that are there twice. Raises PlaygroundError: too many."""
    words = tuple(dict.fromkeys(word.strip() for word in candidates if word.strip()))
    if len(words) > MOST:
        raise PlaygroundError(f"There are {len(words):,} words; at most {MOST} are compared. Take fewer.")
    return words


def around(text: str, mask: str | None = None) -> tuple[str, str]:
    """What stands before and behind the one blank, [MASK] or the model's own mask.

    Raises:
        PlaygroundError: there is none, or there are several.
    """
    for written in filter(None, (mask, "[mask]", "<mask>")):
        text = text.replace(written, MASK)
    parts = text.split(MASK)
    if len(parts) != 2:
        n = len(parts) - 1
        raise PlaygroundError(
            f"There {'is no blank' if n == 0 else f'are {n} blanks'} in this text. Put {MASK} once where the word "
            "belongs."
        )
    return parts[0], parts[1]


def masked_row(engine: Engine, left: str, right: str, n: int = 1) -> Row:
    """The text with n masks in the blank, all of whose places are asked for."""
    mask = engine.tokenizer.mask_token
    ids = tuple(engine.tokenizer(f"{left}{mask * n}{right}", verbose=False).input_ids)
    places = tuple(i for i, token in enumerate(ids) if token == engine.tokenizer.mask_token_id)
    if len(places) != n:
        raise PlaygroundError(f"{engine.reference} does not read {n} masks as {n} tokens. Pick another model.")
    return Row(ids, places)


def pieces(engine: Engine, left: str, word: str) -> tuple[int, ...]:
    """The tokens of a word as it stands after `left`.

    Raises:
        PlaygroundError: the model has no tokens for it.
    """
    spelled = f" {word}" if left and left[-1].isspace() else word
    ids = _plain(engine, spelled)
    if (engine.tokenizer.unk_token_id is not None and engine.tokenizer.unk_token_id in ids) or not ids:
        raise PlaygroundError(f"“{word}” is not in the vocabulary of {engine.reference}. Take another word.")
    return ids


def _plain(engine: Engine, text: str) -> tuple[int, ...]:
    return tuple(engine.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def _top(
    engine: Engine, left: str, right: str, k: int, edits: Edits | None, stop: threading.Event | None
) -> list[Word]:
    ((_, logprobs),) = blanks.read(engine, [masked_row(engine, left, right)], edits, stop)
    best = logprobs[0].topk(min(k, logprobs.shape[1]))
    return [
        Word(engine.tokenizer.decode([i]).strip(), 1, value, math.exp(value), math.nan)
        for i, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _given(
    engine: Engine, left: str, right: str, words: Sequence[str], edits: Edits | None, stop: threading.Event | None
) -> list[Word]:
    values = word_logprobs(engine, [(left, right, word) for word in words], edits, stop)
    numbers = [len(pieces(engine, left, word)) for word in words]
    shares = _softmax(values)
    found = zip(words, numbers, values, shares, strict=True)
    return sorted((Word(word, n, v, math.exp(v), s) for word, n, v, s in found), key=lambda w: -w.logprob)


def word_logprobs(
    engine: Engine,
    asked: Sequence[tuple[str, str, str]],
    edits: Edits | None = None,
    stop: threading.Event | None = None,
) -> list[float]:
    """log P(word) at the blank of each (left, right, word) of a masked model: its pieces from left to right."""
    rows: dict[Row, int] = {}
    wanted: list[list[tuple[int, int]]] = []  # for each asked: (number of a row, token)
    for left, right, word in asked:
        ids = pieces(engine, left, word)
        base = masked_row(engine, left, right, len(ids))
        filled, steps = list(base.ids), []
        for place, token in zip(base.places, ids, strict=True):
            row = Row(tuple(filled), (place,))
            steps.append((rows.setdefault(row, len(rows)), token))
            filled[place] = token
        wanted.append(steps)
    tokens: dict[int, set[int]] = {}
    for steps in wanted:
        for number, token in steps:
            tokens.setdefault(number, set()).add(token)
    found: dict[tuple[int, int], float] = {}
    for numbers, logprobs in blanks.read(engine, list(rows), edits, stop):
        for number, row in zip(numbers, logprobs, strict=True):
            for token in tokens[number]:
                found[number, token] = row[token].item()
    return [sum(found[step] for step in steps) for steps in wanted]


def sentence_logprobs(
    engine: Engine, texts: Sequence[str], edits: Edits | None = None, stop: threading.Event | None = None
) -> Floats:
    """log P of each whole text to a causal model, (text,), after its start token; the texts share what they begin "
    "with."""
    start = sentences.start_id(engine)
    group = [(start, *_plain(engine, text)) for text in texts]
    if any(len(ids) < 2 for ids in group):
        raise PlaygroundError("There is no text to read. Type something first.")
    ((_, found),) = sentences.read(engine, [group], edits, stop)
    return np.array([values.sum() for values in found])


def _causal(
    engine: Engine,
    left: str,
    right: str,
    words: Sequence[str],
    k: int,
    edits: Edits | None,
    stop: threading.Event | None,
) -> list[Word]:
    chosen = words or _proposed(engine, left, edits, stop)
    values = sentence_logprobs(engine, [f"{left}{word}{right}" for word in chosen], edits, stop).tolist()
    shares = _softmax(values)
    found = [
        Word(word, len(pieces(engine, left, word)), value, share, share if words else math.nan)
        for word, value, share in zip(chosen, values, shares, strict=True)
    ]
    found.sort(key=lambda word: -word.logprob)
    return found if words else found[:k]


def _proposed(engine: Engine, left: str, edits: Edits | None, stop: threading.Event | None) -> tuple[str, ...]:
    """The most probable whole words after what stands before the blank."""
    before = left.rstrip()
    row = (sentences.start_id(engine), *_plain(engine, before), 0)  # the last is not read, only predicted
    seen: list[torch.Tensor] = []
    sentences.distributions(engine, [row], edits, stop, lambda _, logprobs: seen.append(logprobs[-1]))
    order = seen[0].topk(min(5 * PROPOSED, seen[0].shape[0])).indices.tolist()
    words = []
    for token in order:
        text = engine.tokenizer.decode([token])
        spaced = not before or text[:1].isspace()  # a word of its own, not the rest of the one before
        if spaced and _WORD.fullmatch(text.strip()):
            words.append(text.strip())
    found = tuple(dict.fromkeys(words))[:PROPOSED]
    if not found:
        raise PlaygroundError("The model proposes no words for this blank. Name the words to compare.")
    return found


def _softmax(values: Sequence[float]) -> list[float]:
    shares = np.exp(np.array(values) - max(values))
    return (shares / shares.sum()).tolist()
