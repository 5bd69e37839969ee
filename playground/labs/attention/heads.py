"""Heads by what they do: which look at the token before, which at an earlier copy, which at nothing in particular.

Each pattern is a share of attention between 0 and 1, defined in `PATTERNS`, beside what a head would score that spreads
evenly over all it can see. A high score says where a head looks on this text, not what it is for.
"""

import threading
import time
import unicodedata
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Bools, Floats, Ints
from playground.engine import provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.attention.maps import Maps, Prepared, each_layer, prepare
from playground.labs.attention.views import Summary, entropies, spread, stacked, summary
from playground.labs.reading import Reading

_HALF = 50  # random tokens, read twice
_REPEATS = 4  # such sequences
_RANDOM = "induction, random tokens"


@dataclass(frozen=True)
class Pattern:
    """What a head can be found to do. A_ij: how much of its attention token i gives to token j, both counted from 0."""

    name: str
    sentence: str
    formula: str
    source: str
    needs: Literal["", "causal", "both ways"] = ""  # the models that it makes sense for


PATTERNS = (
    Pattern("previous token", "Looks at the token just before.", "mean over i ≥ 1 of A[i, i−1]", "Clark et al. 2019"),
    Pattern(
        "next token",
        "Looks at the token just after.",
        "mean over i < n−1 of A[i, i+1]",
        "Clark et al. 2019",
        "both ways",
    ),
    Pattern(
        "first token",
        "Looks at the very first token: a sink for attention that has no use elsewhere.",
        "mean over i ≥ 1 of A[i, 0]",
        "Xiao et al. 2023",
    ),
    Pattern("same token", "Looks at the token itself.", "mean over i ≥ 1 of A[i, i]", "Clark et al. 2019"),
    Pattern(
        "duplicate token",
        "Looks at another place where the same token stands (in models that read left to right, an earlier one).",
        "mean over i whose token stands at other places j too, of Σ_j A[i, j]",
        "Wang et al. 2022",
    ),
    Pattern(
        "induction",
        "Looks at what came after an earlier copy of this token, which is how a repetition is continued.",
        "mean over i whose token stood at places j < i−1, of Σ_j A[i, j+1]",
        "Olsson et al. 2022",
        "causal",
    ),
    Pattern(
        _RANDOM,
        f"Induction on {_REPEATS} sequences of {_HALF} random tokens, each read twice: nothing but repetition helps.",
        f"mean over i in the second half of A[i, i−{_HALF - 1}]",
        "Olsson et al. 2022",
        "causal",
    ),
    Pattern(
        "separator",
        "Looks at punctuation, [SEP] and other separators.",
        "mean over i with a separator in sight of Σ_j A[i, j], j > 0 a separator",
        "Clark et al. 2019",
    ),
    Pattern(
        "broad",
        "Spreads its attention: 1 is evenly over all that it can see.",
        "mean over i ≥ 1 of entropy of A[i, ·], over the mean of the largest entropy possible",
        "Clark et al. 2019",
    ),
)


@dataclass(frozen=True, eq=False)
class HeadScores:
    """Every head's score in every pattern that the text and the model allow."""

    patterns: tuple[Pattern, ...]
    scores: Floats  # (pattern, layer, head), 0 to 1
    even: Floats  # (pattern,): what a head scores that spreads evenly over all it can see
    counted: Ints  # (pattern,): over how many tokens the mean goes
    left_out: tuple[tuple[str, str], ...]  # (name of a pattern, why it is not there)
    summary: Summary  # entropy and distance of each head
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    reading: Reading
    seed: int | None  # of the random tokens; None: there were none
    provenance: Provenance

    @property
    def mean(self) -> Floats:
        """(pattern,): the mean over all heads."""
        return self.scores.mean(axis=(1, 2))


@dataclass(frozen=True)
class Ranked:
    """A head that stands out in a pattern."""

    pattern: str
    layer: int
    head: int
    score: float
    mean: float  # of all heads
    even: float  # of a head that spreads evenly
    deviations: float  # standard deviations above the mean of all heads; 0 where all are equal


def heads(
    engine: Engine,
    text: str,
    text_pair: str = "",
    stack: str | None = None,
    complete: bool = False,
    seed: int = 0,
    stop: threading.Event | None = None,
) -> HeadScores:
    """Scores every head of a stack on `text`, and on random tokens where that makes sense. Holds one layer at a time.

    Raises:
        PlaygroundError: as `maps.attention`; or the text is a single token.
    """
    started = time.perf_counter()
    place = prepare(engine, text, text_pair, stack, "self", complete, stop)
    every_head = tuple(range(engine.anatomy.n_heads or 0))
    rows: dict[int, Floats] = {}
    spreads: dict[int, tuple[Floats, Floats | None]] = {}
    table: _Table | None = None

    def take(layer: int, seen: Tensor) -> None:
        nonlocal table
        weights = seen.float().cpu().numpy()
        table = table or _Table(place.queries, _looks_back(weights))
        rows[layer], spreads[layer] = table.scores(weights), spread(weights)

    _check_length(place.queries)
    each_layer(engine, place, place.layers, take, stop)
    assert table is not None  # every stack has a layer
    patterns, left_out = table.patterns, table.left_out
    scores = np.stack([rows[layer] for layer in place.layers], axis=1)
    even, counted = table.even(), table.counted()
    random = _random(engine, place, seed, stop) if table.causal and engine.anatomy.kind == "causal" else None
    if random is not None:
        at = next((n for n, p in enumerate(patterns) if p.name in ("separator", "broad")), len(patterns))
        patterns = (*patterns[:at], _named(_RANDOM), *patterns[at:])
        scores = np.insert(scores, at, random, axis=0)
        second = np.arange(1 + _HALF, 1 + 2 * _HALF)
        even = np.insert(even, at, (1 / (second + 1)).mean())
        counted = np.insert(counted, at, _HALF * _REPEATS)
    else:
        left_out = (*left_out, (_RANDOM, "This test is for models that read left to right and have room for it."))
    settings = dict(stack=place.stack, complete=complete, seed=seed)
    return HeadScores(
        patterns,
        scores,
        even,
        counted,
        left_out,
        stacked([spreads[layer] for layer in place.layers], len(place.keys), table.causal, place.layers, every_head),
        place.layers,
        every_head,
        place.queries,
        None if random is None else seed,
        provenance.of(engine, settings | {"layers": len(place.layers)}, time.perf_counter() - started),
    )


def score(maps: Maps) -> HeadScores:
    """The same for maps that are there already, without the random tokens.

    Raises:
        PlaygroundError: cross-attention, words instead of tokens, or a single token.
    """
    if maps.kind == "cross":
        raise PlaygroundError("These patterns are about one text that looks at itself; cross-attention joins two.")
    if not maps.queries.ids:
        raise PlaygroundError("These patterns are about tokens, and these are words. Choose tokens.")
    _check_length(maps.queries)
    table = _Table(maps.queries, maps.causal)
    scores = np.stack([table.scores(weights) for weights in maps.weights], axis=1)
    left_out = (*table.left_out, (_RANDOM, "It needs texts of its own."))
    return HeadScores(
        table.patterns,
        scores,
        table.even(),
        table.counted(),
        left_out,
        summary(maps),
        maps.layers,
        maps.heads,
        maps.queries,
        None,
        maps.provenance,
    )


def interesting(found: HeadScores, k: int = 3) -> tuple[Ranked, ...]:
    """The k heads that stand out most in each pattern, best first; a pattern in which none beats even is left out."""
    ranked = []
    for pattern, scores, even in zip(found.patterns, found.scores, found.even, strict=True):
        mean, spread = float(scores.mean()), float(scores.std())
        for flat in np.argsort(-scores, axis=None, kind="stable")[:k]:
            layer, head = np.unravel_index(flat, scores.shape)
            value = float(scores[layer, head])
            # no head is broader than even, so that there the best is what counts
            if value > even + 1e-6 or pattern.name == "broad":
                away = (value - mean) / spread if spread > 0 else 0.0
                ranked.append(
                    Ranked(pattern.name, found.layers[layer], found.heads[head], value, mean, float(even), float(away))
                )
    return tuple(ranked)


class _Table:
    """Which cells of a map count for each pattern; the same for every head of a text."""

    def __init__(self, reading: Reading, causal: bool) -> None:
        self.causal = causal
        n = len(reading)
        self._sight = np.tril(np.ones((n, n), dtype=bool)) if causal else np.ones((n, n), dtype=bool)
        self._cells: dict[str, Ints] = {}  # places in a map's rows laid end to end
        self._n_rows: dict[str, int] = {}  # rows with such cells
        reasons = {}
        for pattern in PATTERNS:
            if pattern.name in (_RANDOM, "broad"):
                continue
            if pattern.needs == "both ways" and causal:
                reasons[pattern.name] = "This model reads left to right: no token sees the next."
            elif pattern.needs == "causal" and not causal:
                reasons[pattern.name] = "This model reads both ways: it has no need to continue a repetition."
            else:
                cells = _cells(pattern.name, reading) & self._sight
                if cells.any():
                    self._cells[pattern.name] = np.flatnonzero(cells)
                    self._n_rows[pattern.name] = int(cells.any(axis=1).sum())
                else:
                    reasons[pattern.name] = "This text has no place for it: " + (
                        "there is no punctuation to look at."
                        if pattern.name == "separator"
                        else "no token is repeated."
                    )
        self.patterns = tuple(p for p in PATTERNS if p.name in self._cells or p.name == "broad")
        self.left_out = tuple(reasons.items())
        self._even = self._sight / self._sight.sum(axis=1, keepdims=True)

    def scores(self, weights: Floats) -> Floats:
        """(pattern, head) of weights (head, query, key). Head by head: of a long text, one head is much."""
        return np.array([[self._score(pattern.name, head) for head in weights] for pattern in self.patterns])

    def _score(self, name: str, weights: Floats) -> float:
        """weights: (query, key)."""
        if name == "broad":
            return entropies(weights[1:]).mean() / np.log(self._sight[1:].sum(axis=1)).mean()
        return weights.ravel()[self._cells[name]].sum(dtype=np.float64) / self._n_rows[name]

    def even(self) -> Floats:
        """(pattern,): the scores of a head that spreads evenly."""
        return self.scores(self._even[None])[:, 0]

    def counted(self) -> Ints:
        """(pattern,): tokens over which the mean goes."""
        n = len(self._sight) - 1  # of the broad pattern: all but the first
        return np.array([self._n_rows.get(p.name, n) for p in self.patterns])


def _cells(name: str, reading: Reading) -> Bools:
    """The cells (query, key) whose weights a pattern adds up; rows without any are not counted."""
    n = len(reading)
    ids = np.array(reading.ids)
    match name:
        case "previous token":
            return np.eye(n, k=-1, dtype=bool)
        case "next token":
            return np.eye(n, k=1, dtype=bool)
        case "first token":
            cells = np.zeros((n, n), dtype=bool)
            cells[1:, 0] = True
            return cells
        case "same token":
            cells = np.eye(n, dtype=bool)
            cells[0] = False
            return cells
        case "duplicate token":
            return (ids[:, None] == ids) & ~np.eye(n, dtype=bool)
        case "induction":
            copies = np.tril(ids[:, None] == ids, k=-2)  # j < i−1: what came after it is not the token itself
            return np.pad(copies[:, :-1], ((0, 0), (1, 0)))
        case "separator":
            cells = np.zeros((n, n), dtype=bool)
            cells[:, [at for at in range(1, n) if reading.special[at] or _is_mark(reading.labels[at])]] = True
            return cells
    raise ValueError(name)


def _is_mark(label: str) -> bool:
    """Whether a token is punctuation alone."""
    text = label.strip("·⏎⇥")
    return bool(text) and all(unicodedata.category(c).startswith("P") for c in text)


def _random(engine: Engine, place: Prepared, seed: int, stop: threading.Event | None) -> Floats | None:
    """Induction scores, (layer, head), on random tokens read twice; None where the model has no room for them."""
    limit = engine.anatomy.context_length
    if limit is not None and limit < 1 + 2 * _HALF:
        return None
    special = set(engine.tokenizer.all_special_ids) | set(engine.tokenizer.added_tokens_decoder)
    usable = np.array(
        [i for i in range(min(engine.anatomy.vocabulary_size, len(engine.tokenizer))) if i not in special]
    )
    if len(usable) < _HALF:
        return None
    generator = np.random.default_rng(seed)
    total = np.zeros((len(place.layers), engine.anatomy.n_heads or 0))
    row = {layer: n for n, layer in enumerate(place.layers)}
    queries = np.arange(1 + _HALF, 1 + 2 * _HALF)

    def take(layer: int, seen: Tensor) -> None:
        total[row[layer]] += seen[:, queries, queries - _HALF + 1].float().mean(dim=1).cpu().numpy()

    start = engine.tokenizer.bos_token_id
    start = int(usable[0]) if start is None else start
    for _ in range(_REPEATS):
        half = generator.choice(usable, _HALF, replace=False)
        ids = [start, *half, *half]
        reading = Reading((), tuple(ids), ("",) * len(ids), np.zeros(0, bool), *(np.zeros(0, int),) * 3)
        inputs = {"input_ids": torch.tensor([list(map(int, ids))], device=engine.device)}
        each_layer(
            engine,
            Prepared(inputs, reading, reading, place.stack, place.kind, place.layers, ()),
            place.layers,
            take,
            stop,
        )
    return total / _REPEATS


def _looks_back(weights: Floats) -> bool:
    """Whether the first token sees itself alone."""
    return not weights[:, 0, 1:].any()


def _check_length(reading: Reading) -> None:
    if len(reading) < 2:
        raise PlaygroundError("This text is a single token, which can look at nothing but itself. Type a longer one.")


def _named(name: str) -> Pattern:
    return next(p for p in PATTERNS if p.name == name)
