"""Labelled texts: what a probe is trained and tested on, checked once so that nothing behind it has to.

It does not know where they came from: `tasks` reads those that ship, `table` a file of one's own.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from playground.errors import PlaygroundError

MOST_TEXTS = 2000  # more are sampled
MOST_CLASSES = 20
FEWEST = 5  # texts of each label, so that each of five folds has one


@dataclass(frozen=True, eq=False)
class Examples:
    """All tuples but `classes` and `notes` have one entry a text."""

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    words: tuple[str, ...] | None  # the word in each text that its label is about
    items: tuple[str, ...]  # what could be learned by heart: texts with the same item stay in one fold
    item: str  # what an item is, in words
    classes: tuple[str, ...]  # the labels there are, in the order in which they are shown
    notes: tuple[str, ...] = ()  # what was done to them, in sentences

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def repeats(self) -> bool:
        """Whether any item has several texts."""
        return len(set(self.items)) < len(self.items)


def checked(
    texts: Sequence[str],
    labels: Sequence[str],
    words: Sequence[str] | None = None,
    name: str = "Own texts",
    rows: Sequence[int] | None = None,
    most: int = MOST_TEXTS,
) -> Examples:
    """Examples from anybody's texts.

    Args:
        words: the word in each text that its label is about.
        rows: the number by which the person knows each text; counted from 1 when not given.
        most: a random sample of this size, each label in proportion, stands for more texts.

    Raises:
        PlaygroundError: they cannot be probed; says which row is to blame and what would work.
    """
    rows = rows or range(1, len(texts) + 1)
    texts, labels = [text.strip() for text in texts], [label.strip() for label in labels]
    words = None if words is None else [word.strip() for word in words]
    if not texts:
        raise PlaygroundError("There are no texts. Give at least ten, five of each of two labels.")
    for row, text, label, word in zip(rows, texts, labels, words or repeat(None, len(texts)), strict=True):
        if not text:
            raise PlaygroundError(f"Row {row} has no text. Fill it in or remove the row.")
        if not label:
            raise PlaygroundError(f"Row {row} has no label. Fill it in or remove the row.")
        if word == "":
            raise PlaygroundError(f"Row {row} has no word. Fill it in, or probe whole texts without a word column.")
        if word is not None and find(text, word) is None:
            raise PlaygroundError(
                f"Row {row}: the word “{word}” is not in its text “{_short(text)}”. Correct the row, or probe whole "
                "texts without a word column."
            )
    _check_labels(Counter(labels))
    items = texts if words is None else [word.casefold() for word in words]
    found = Examples(
        name=name,
        texts=tuple(texts),
        labels=tuple(labels),
        words=None if words is None else tuple(words),
        items=tuple(items),
        item="text" if words is None else "word",
        classes=tuple(dict.fromkeys(labels)),
    )
    return found if len(found) <= most else sample(found, most)


def _check_labels(counts: Counter[str]) -> None:
    if len(counts) == 1:
        (label,) = counts
        raise PlaygroundError(
            f"All {counts.total()} texts have the label “{_short(label)}”. A probe tells labels apart: add texts of "
            "another label, or pick another column as the label."
        )
    if len(counts) > MOST_CLASSES:
        raise PlaygroundError(
            f"There are {len(counts)} different labels; at most {MOST_CLASSES} can be told apart here. Pick another "
            "column as the label, or put labels together."
        )
    label, fewest = min(counts.items(), key=lambda pair: pair[1])
    if fewest < FEWEST:
        raise PlaygroundError(
            f"The label “{_short(label)}” has only {fewest} text{'' if fewest == 1 else 's'}. Each label needs at "
            f"least {FEWEST}, so that every fold has one: add {FEWEST - fewest} more, or remove that label's rows."
        )


def sample(examples: Examples, most: int, seed: int = 0) -> Examples:
    """A random part of the examples, each label in proportion but never fewer than `FEWEST`."""
    rng = random.Random(seed)
    kept: list[int] = []
    for label in examples.classes:
        of_label = [i for i, other in enumerate(examples.labels) if other == label]
        n = max(min(FEWEST, len(of_label)), round(most * len(of_label) / len(examples)))
        kept += rng.sample(of_label, min(n, len(of_label)))
    kept.sort()

    def part(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(values[i] for i in kept)

    return replace(
        examples,
        texts=part(examples.texts),
        labels=part(examples.labels),
        words=None if examples.words is None else part(examples.words),
        items=part(examples.items),
        notes=(
            *examples.notes,
            f"There are {len(examples):,} texts; {len(kept):,} of them were drawn by chance, each label in proportion.",
        ),
    )


def find(text: str, word: str) -> tuple[int, int] | None:
    """Where `word` first stands in `text` as a word of its own: characters from, to. Case counts if it can."""
    for flags in (0, re.IGNORECASE):
        match = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, flags)
        if match:
            return match.span()
    return None


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
