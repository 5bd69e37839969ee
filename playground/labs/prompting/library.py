"""Worked prompts and the small data sets that ship, read from assets/prompts.toml and assets/data/prompting.

It does not know how a prompt is run.
"""

import csv
import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.labs.prompting import prompts
from playground.labs.prompting.prompts import Example, Prompt, Row
from playground.labs.prompting.scorers import Scorer
from playground.labs.prompting.word_problems import problems

FOLDER = ASSETS / "data" / "prompting"
EASY = (1, 1, 2)  # steps, by turns: with more of them the starter is right on none, and nothing can be compared


@dataclass(frozen=True)
class DataSet:
    name: str
    title: str
    answer: str  # the column with the right answer; "": there is none


@dataclass(frozen=True)
class Worked:
    """Prompts to compare on a data set, and how what they bring is scored."""

    name: str
    title: str
    look: str  # what to watch for
    prompts: tuple[Prompt, ...]
    data: DataSet
    scorer: Scorer
    max_new_tokens: int


@cache
def _read() -> Mapping[str, Any]:
    return tomllib.loads((ASSETS / "prompts.toml").read_text("utf-8"))


@cache
def data_sets() -> tuple[DataSet, ...]:
    return tuple(DataSet(**entry) for entry in _read()["data"])


@cache
def worked() -> tuple[Worked, ...]:
    """In the order in which they are offered."""
    return tuple(
        Worked(
            entry["name"],
            entry["title"],
            entry["look"],
            tuple(prompts.read(prompt) for prompt in entry["prompts"]),
            data_set(entry["data"]),
            Scorer(**entry["scorer"] | {"choices": tuple(entry["scorer"].get("choices", ()))}),
            entry["max_new_tokens"],
        )
        for entry in _read()["worked"]
    )


def data_set(name: str) -> DataSet:
    """Raises PlaygroundError when there is none of that name."""
    found = next((each for each in data_sets() if each.name == name), None)
    if found is None:
        raise PlaygroundError(f"There is no data set “{name}”. There are: {', '.join(d.name for d in data_sets())}.")
    return found


@cache
def rows(name: str) -> tuple[Row, ...]:
    """The rows of a data set that ships. Do not change them."""
    if data_set(name).name == "arithmetic":
        return tuple(problem.row for problem in problems(levels=EASY))
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def drawn(prompt: Prompt, table: Sequence[Row], answer: str, k: int, seed: int) -> tuple[Prompt, tuple[Row, ...]]:
    """The prompt with k examples drawn from a table instead of its own, and the rows that are left to ask about.

    As far as k allows, each answer comes equally often. The same seed draws the same rows in the same order.

    Raises:
        PlaygroundError: the table has too few rows, or lacks a column.
    """
    if not 1 <= k <= prompts.MOST_EXAMPLES:
        raise PlaygroundError(f"{k} examples were asked for; 1 to {prompts.MOST_EXAMPLES} can be drawn.")
    if k >= len(table):
        raise PlaygroundError(f"{k} examples cannot be drawn from {len(table)} rows and leave one to ask about.")
    for number, row in enumerate(table, 1):
        if not row.get(answer, "").strip():
            raise PlaygroundError(f"Row {number} has no “{answer}” to learn from. Fill it in, or remove the row.")
    prompts.check(replace(prompt, style="zero-shot"), table)
    chosen = _balanced(table, answer, k, random.Random(seed))
    examples = tuple(
        Example(prompts.asked(prompt, table[i]), table[i].get("reasoning", ""), table[i][answer]) for i in chosen
    )
    with_examples = replace(prompt, examples=examples, style="few-shot")
    gone = set(chosen) | {number - 1 for number in leaked(with_examples, table)}  # the same question in another row
    left = tuple(row for i, row in enumerate(table) if i not in gone)
    if not left:
        raise PlaygroundError("All other rows ask the same as the examples. Draw fewer, or add other rows.")
    return replace(prompt, examples=examples), left


def _balanced(table: Sequence[Row], answer: str, k: int, rng: random.Random) -> list[int]:
    """Indices of k rows, by turns from each answer, then shuffled."""
    piles: dict[str, list[int]] = {}
    for i in rng.sample(range(len(table)), len(table)):
        piles.setdefault(table[i][answer], []).append(i)
    chosen: list[int] = []
    while len(chosen) < k:
        for pile in piles.values():
            if pile and len(chosen) < k:
                chosen.append(pile.pop())
    rng.shuffle(chosen)
    return chosen


def leaked(prompt: Prompt, table: Sequence[Row]) -> tuple[int, ...]:
    """Numbers, from 1, of rows whose query stands among the prompt's examples: what they bring says nothing."""
    if not prompt.few_shot:
        return ()
    known = {" ".join(example.question.split()).casefold() for example in prompt.examples}
    return tuple(
        number
        for number, row in enumerate(table, 1)
        if " ".join(prompts.asked(prompt, row, number).split()).casefold() in known
    )
