"""One pair of sentences -> two numbers, by the dialect that is named: scores of different dialects do not compare.

original (Nangia et al. 2020; masked models): the sum of log P(token | all others) over the tokens that both sentences
share, each masked alone, without the first and the last shared one (the special tokens); rounded to 3 digits.
bias-bench (Meade et al. 2022): of masked models the mean over the tokens that differ, each masked alone, rounded to 3
digits; of causal models 2 to the mean log2-probability of a token, the first after the start token alone and the
others without it, as their code does.
lm-eval (Gao et al. 2021; causal models): the log-likelihood of the whole sentence after the start token.

All probabilities are conditional on the model's own tokens, in natural logarithms. It does not know what a pair is
about.
"""

import difflib
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from playground.arrays import Floats
from playground.engine import blanks, sentences
from playground.engine.blanks import Edits, Row
from playground.engine.engine import Engine
from playground.errors import PlaygroundError
from playground.labs.bias.pairs import Pair

Dialect = Literal["original", "bias-bench", "lm-eval"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
DEFINITIONS = {
    ("original", "masked"): "sum of log P(token | all others) over the tokens that both sentences share",
    ("bias-bench", "masked"): "mean of log P(token | all others) over the tokens that differ",
    ("lm-eval", "causal"): "log-likelihood of the whole sentence",
    ("bias-bench", "causal"): "2 to the mean log2-probability of a token",
}
OFFERED: dict[str, tuple[Dialect, ...]] = {  # by kind of model, the usual one first
    "masked": ("original", "bias-bench"),
    "causal": ("lm-eval", "bias-bench"),
}
Chosen: TypeAlias = Sequence[tuple[int, tuple[tuple[int, ...], tuple[int, ...]]]]  # pairs: number, ids of both
CHUNK = 32  # pairs whose passes are planned together: between chunks results are given out


@dataclass(frozen=True, eq=False)
class Side:
    """One sentence of a pair. NaN: that token is not part of the score."""

    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    logprobs: Floats  # (token,), nats
    differs: tuple[bool, ...]  # whether the other sentence lacks the token
    score: float  # as the dialect gives it

    @property
    def perplexity(self) -> float:
        """exp of minus the mean over the scored tokens; of a masked model a pseudo-perplexity of those tokens."""
        return float(np.exp(-np.nanmean(self.logprobs)))


@dataclass(frozen=True, eq=False)
class Scored:
    number: int  # of the pair, from 0
    first: Side
    second: Side
    skipped: str = ""  # why the dialect leaves the pair out

    @property
    def difference(self) -> float:
        """Score of the first sentence minus that of the second; above 0: the model prefers the first."""
        return self.first.score - self.second.score

    @property
    def preferred(self) -> Literal["first", "second", "neither"]:
        if self.skipped or self.first.score == self.second.score:
            return "neither"
        return "first" if self.first.score > self.second.score else "second"


def check(engine: Engine, dialect: str) -> None:
    """Raises PlaygroundError when the model cannot be scored by the dialect."""
    known = OFFERED.get(engine.anatomy.kind, ())
    if not known:
        raise PlaygroundError(
            f"{engine.reference} gives no probability to a sentence ({engine.anatomy.kind} model). "
            "Pick a masked model, or one that continues text."
        )
    if dialect not in known:
        raise PlaygroundError(
            f"“{dialect}” does not score a {engine.anatomy.kind} model. There are: {', '.join(known)}."
        )


def score(
    engine: Engine,
    pairs: Sequence[Pair],
    dialect: Dialect,
    edits: Edits | None = None,
    stop: threading.Event | None = None,
    done: Mapping[int, Scored] | None = None,
) -> Iterator[list[Scored]]:
    """Scores the pairs; some at a time, of like length together. `done`: what an earlier run scored, not done anew.

    Args:
        edits: what is changed inside meanwhile.

    Raises:
        PlaygroundError: the dialect is not for this model, or a sentence does not fit.
        passes.Stopped: `stop` was set.
    """
    check(engine, dialect)
    plain = [(ids_of(engine, pair.first), ids_of(engine, pair.second)) for pair in pairs]
    waiting = [i for i in range(len(pairs)) if not done or i not in done]
    waiting.sort(key=lambda i: -max(map(len, plain[i])))
    read = _masked if engine.anatomy.kind == "masked" else _causal
    for begin in range(0, len(waiting), CHUNK):
        yield read(engine, [(i, plain[i]) for i in waiting[begin : begin + CHUNK]], dialect, edits, stop)


def ids_of(engine: Engine, text: str) -> tuple[int, ...]:
    """The sentence's tokens; of masked models with the special tokens around it."""
    special = engine.anatomy.kind == "masked"
    ids = tuple(engine.tokenizer(text, add_special_tokens=special, verbose=False).input_ids)
    if not special and not ids:
        raise PlaygroundError(f"“{text}” has no tokens. Write another sentence.")
    return ids


def aligned(one: Sequence[int], other: Sequence[int]) -> tuple[list[int], list[int]]:
    """Places of the ids that two sentences share, in step (difflib, as both published codes have it)."""
    here: list[int] = []
    there: list[int] = []
    matcher = difflib.SequenceMatcher(None, [str(i) for i in one], [str(i) for i in other])
    for code, a, b, c, d in matcher.get_opcodes():
        if code == "equal":
            here += range(a, b)
            there += range(c, d)
    return here, there


def _masked(
    engine: Engine, chosen: Chosen, dialect: Dialect, edits: Edits | None, stop: threading.Event | None
) -> list[Scored]:
    wanted: dict[Row, int] = {}  # each masked text is read once, however many pairs have it
    plans = []
    for number, both in chosen:
        shared = aligned(*both)
        places = []
        for ids, same in zip(both, shared, strict=True):
            differing = [i for i in range(len(ids)) if i not in set(same)]
            places.append(same[1:-1] if dialect == "original" else differing)
            for place in places[-1]:
                wanted.setdefault(_row(engine, ids, place), len(wanted))
        plans.append((number, both, shared, places))
    rows = list(wanted)
    targets: list[tuple[int, ...]] = [()] * len(rows)  # of each row, the tokens asked about
    for _, both, _, places in plans:
        for ids, at in zip(both, places, strict=True):
            for place in at:
                row = wanted[_row(engine, ids, place)]
                targets[row] = tuple(dict.fromkeys((*targets[row], ids[place])))
    found: dict[tuple[int, int], float] = {}
    for numbers, logprobs in blanks.read(engine, rows, edits, stop):
        for number, its in zip(numbers, logprobs, strict=True):
            ids = targets[number]
            for token, value in zip(ids, its[list(ids)].double().tolist(), strict=True):
                found[number, token] = value
    results = []
    for number, both, shared, places in plans:
        sides = []
        for ids, same, at in zip(both, shared, places, strict=True):
            scored = np.full(len(ids), np.nan)
            for place in at:
                scored[place] = found[wanted[_row(engine, ids, place)], ids[place]]
            values = [float(scored[place]) for place in at]
            total = sum(values) if dialect == "original" else float(np.mean(values)) if values else math.nan
            sides.append(side(engine, ids, scored, same, round(total, 3)))
        lacking = dialect == "bias-bench" and not all(places)
        skipped = "One sentence has no token that the other lacks." if lacking else ""
        results.append(Scored(number, sides[0], sides[1], skipped))
    return results


def _row(engine: Engine, ids: Sequence[int], place: int) -> Row:
    return Row((*ids[:place], engine.tokenizer.mask_token_id, *ids[place + 1 :]), (place,))


def _causal(
    engine: Engine, chosen: Chosen, dialect: Dialect, edits: Edits | None, stop: threading.Event | None
) -> list[Scored]:
    start = sentences.start_id(engine)
    whole = dialect == "lm-eval"
    groups: list[sentences.Group] = []
    for _, both in chosen:
        if whole:
            groups.append([(start, *ids) for ids in both])
        else:  # the first token after the start token alone; the rest without it
            groups += [[(start, ids[0])] for ids in both]
            groups += [[ids] for ids in both if len(ids) > 1]
    found = dict(sentences.read(engine, groups, edits, stop))
    results, at = [], 0
    for number, both in chosen:
        shared = aligned(*both)
        if whole:
            values, at = found[at], at + 1
        else:
            firsts, at = [found[at][0], found[at + 1][0]], at + 2
            values = []
            for ids, one in zip(both, firsts, strict=True):
                rest: Floats = np.zeros(0)
                if len(ids) > 1:
                    rest, at = found[at][0], at + 1
                values.append(np.concatenate([one, rest]))
        sides = []
        for ids, logprobs, same in zip(both, values, shared, strict=True):
            total = float(logprobs.sum()) if whole else float(2 ** (logprobs / math.log(2)).mean())
            sides.append(side(engine, ids, logprobs, same, total))
        results.append(Scored(number, sides[0], sides[1]))
    return results


def side(engine: Engine, ids: Sequence[int], logprobs: Floats, same: Sequence[int], total: float) -> Side:
    there = set(same)
    tokens = tuple(engine.tokenizer.decode([i]) for i in ids)
    return Side(tuple(ids), tokens, logprobs, tuple(i not in there for i in range(len(ids))), total)
