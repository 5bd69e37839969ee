"""What an adapter can do that its base cannot, on rows that neither has seen: both answer the same ones.

Right answers with Wilson's interval, McNemar's exact test on the same rows, and how probable the expected answers are
(bits a token). Answers are written greedily. It does not know how the adapter was trained.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from playground.engine import score
from playground.engine.adapters import Adapter, Attached
from playground.engine.engine import Engine
from playground.engine.sampling import Sampling
from playground.engine.tap import open_tap
from playground.labs.adapters import mixed
from playground.labs.chat import replies as chat
from playground.labs.chat.votes import sign_test, wilson
from playground.labs.prompting import labels

Right = Callable[[str, str], bool]  # (reply, expected)


@dataclass(frozen=True)
class Side:
    """The base, or the adapter on it."""

    right: int
    n: int
    interval: tuple[float, float]  # 95 %, of the share
    bits: float  # a token of the expected answers, the mean over all of them


@dataclass(frozen=True)
class Figures:
    base: Side
    adapter: Side
    p_value: float  # McNemar's exact test, two-sided
    examples: tuple[dict, ...]  # asked, expected, base's and adapter's replies


def evaluate(
    engine: Engine,
    adapter: Adapter,
    rows: Sequence[tuple[str, str]],
    right: Right,
    max_new_tokens: int = 64,
    stop: threading.Event | None = None,
) -> Figures:
    """Both sides answer all rows."""
    replies = {weight: _replies(engine, adapter, weight, rows, max_new_tokens, stop) for weight in (0.0, 1.0)}
    marks = {w: [right(reply, row[1]) for reply, row in zip(replies[w], rows, strict=True)] for w in replies}
    sides = [
        Side(sum(marks[w]), len(rows), wilson(sum(marks[w]), len(rows)), _bits(engine, adapter, w, rows))
        for w in (0.0, 1.0)
    ]
    only_base = sum(a and not b for a, b in zip(marks[0.0], marks[1.0], strict=True))
    only_adapter = sum(b and not a for a, b in zip(marks[0.0], marks[1.0], strict=True))
    examples = tuple(
        dict(asked=asked, expected=expected, base=replies[0.0][i], adapter=replies[1.0][i])
        for i, (asked, expected) in enumerate(rows[:3])
    )
    return Figures(*sides, sign_test(only_adapter, only_base), examples)


def by_choice(engine: Engine, adapter: Adapter, rows: Sequence[tuple[str, str]], choices: Sequence[str]) -> dict:
    """How often the more probable of the choices is the expected one, whatever would have been written."""
    prompts = [[{"role": "user", "content": asked}] for asked, _ in rows]
    found = {}
    for side, weight in (("base", 0.0), ("adapter", 1.0)):
        with open_tap(Attached(engine, [adapter], [[weight]]).tap):
            best = {label.row: label.best() for label in labels.label(engine, prompts, choices)}
        right = sum(best[row] == expected for row, (_, expected) in enumerate(rows))
        found[side] = {"right": right, "n": len(rows), "interval": wilson(right, len(rows))}
    return found


def _replies(engine, adapter, weight, rows, max_new_tokens, stop) -> list[str]:
    sampling = Sampling(temperature=0, max_new_tokens=max_new_tokens, seed=0)
    texts = []
    for begin in range(0, len(rows), mixed.MOST_ROWS):
        part = [mixed.Row(asked, (weight,)) for asked, _ in rows[begin : begin + mixed.MOST_ROWS]]
        *_, last = mixed.write(engine, [adapter], part, sampling, stop)
        texts += last.texts
    return texts


def _bits(engine: Engine, adapter: Adapter, weight: float, rows) -> float:
    total, n = 0.0, 0
    for asked, expected in rows:
        ids = chat.prompt_ids(engine, [{"role": "user", "content": asked}], "")
        answer = engine.tokenizer(expected + engine.tokenizer.eos_token, add_special_tokens=False).input_ids
        with open_tap(Attached(engine, [adapter], [[weight]]).tap):
            scored = score.score(engine, ids, torch.tensor([answer], device=engine.device), 1)
        total -= float(scored.logprobs.sum())
        n += len(answer)
    return total / n / 0.6931471805599453
