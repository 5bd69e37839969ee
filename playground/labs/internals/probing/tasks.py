"""The tasks that ship: small labelled data sets of our own, each with the question it asks.

It does not know how a probe answers. Reads the files of assets/data/probing, whose README says how they were made.
"""

import csv
from dataclasses import dataclass
from functools import cache

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.labs.internals.probing.examples import Examples

FOLDER = ASSETS / "data" / "probing"


@dataclass(frozen=True)
class Task:
    name: str  # of the file and of the endpoint's argument
    title: str
    question: str
    classes: tuple[str, ...]  # in the order in which they are shown
    item: str  # what every fold keeps together, in words
    about_a_word: bool = False
    note: str = ""  # what to expect


TASKS = (
    Task(
        "tense",
        "Tense of the main verb",
        "Is the main verb past or present, whatever the verb in the clause before it is?",
        ("past", "present"),
        "main verb",
    ),
    Task(
        "sentence_length",
        "Sentence length",
        "Is the sentence short (5 to 8 words), medium (11 to 14) or long (19 to 24)?",
        ("short", "medium", "long"),
        "subject",
        note="The three lengths begin alike. A bag of words counts words, so it does well here without any model.",
    ),
    Task(
        "subject_number",
        "Number of the subject",
        "Is the subject one or many, whatever the noun between it and the verb is?",
        ("singular", "plural"),
        "subject",
    ),
    Task(
        "word_order",
        "Word order",
        "Have two neighbouring words been swapped?",
        ("as written", "swapped"),
        "sentence",
        note="Each sentence comes both ways, so a bag of words is at chance exactly.",
    ),
    Task(
        "sentiment",
        "Sentiment",
        "Does the sentence praise or blame? A third of the judgements are denied.",
        ("positive", "negative"),
        "judging word",
    ),
    Task(
        "part_of_speech",
        "Part of speech of a word",
        "Is this word a noun, a verb, an adjective or an adverb here?",
        ("noun", "verb", "adjective", "adverb"),
        "word",
        about_a_word=True,
    ),
    Task(
        "named_entity",
        "Name or not",
        "Does this word name something here? All is typed in lower case.",
        ("name", "other"),
        "word",
        about_a_word=True,
    ),
    Task(
        "topic",
        "Topic",
        "Is it about sport, food, music or the weather?",
        ("sport", "food", "music", "weather"),
        "pair of topic words",
    ),
)


def named(name: str) -> Task:
    """The task of this name.

    Raises:
        PlaygroundError: there is none.
    """
    for task in TASKS:
        if task.name == name:
            return task
    raise PlaygroundError(f"There is no task called {name!r}. There are: {', '.join(task.name for task in TASKS)}.")


@cache
def examples(task: Task) -> Examples:
    """The labelled texts of a task."""
    with (FOLDER / f"{task.name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return Examples(
        name=task.title,
        texts=tuple(row["text"] for row in rows),
        labels=tuple(row["label"] for row in rows),
        words=tuple(row["word"] for row in rows) if task.about_a_word else None,
        items=tuple(row["item"] for row in rows),
        item=task.item,
        classes=task.classes,
    )
