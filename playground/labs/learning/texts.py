"""What the page explains, in both languages: assets/learn/*.toml, read and checked.

A file a tab, named as the tab's title in small letters, and two for the words around the texts and for the tour. In a
text, what stands in `backticks` is for a model to read. It knows neither the page nor what a model answers.
"""

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from playground.assets import ASSETS

FOLDER = ASSETS / "learn"
LANGUAGES = {"en": "English", "zh": "中文"}  # in the order of the switch
FEWEST, MOST = 2, 4  # choices of an exercise


@dataclass(frozen=True)
class Said:
    """One text in every language."""

    en: str
    zh: str

    def of(self, language: str) -> str:
        return getattr(self, language)


@dataclass(frozen=True)
class Exercise:
    """A question about what the model will do. What it does is found by `answers.ANSWERS[self.answer]`."""

    answer: str
    question: Said
    choices: Mapping[str, Said]  # by key, in the order in which they are offered
    reveal: Said  # with {facts} that the answer brings
    why: Said  # true whatever the model does


@dataclass(frozen=True)
class Paper:
    title: str
    authors: str
    year: int
    url: str


@dataclass(frozen=True)
class Lesson:
    """What a tab explains."""

    title: str  # the tab's
    what: tuple[Said, ...]  # paragraphs
    limits: Said  # what it does not show
    exercises: tuple[Exercise, ...]
    papers: tuple[Paper, ...]


@dataclass(frozen=True)
class Step:
    """One of the tour: it opens a tab ("": leaves the open one) and shows an element (a CSS selector)."""

    tab: str
    target: str
    heading: Said
    text: Said


@cache
def lesson(title: str, folder: Path = FOLDER) -> Lesson | None:
    """What the tab with this title explains; None: nobody has written it yet.

    Raises:
        ValueError: its file lacks something; it says what and where.
    """
    path = folder / f"{title.lower().replace(' ', '-')}.toml"
    if not path.is_file():
        return None
    return _checked(path.name, lambda table: _lesson(table, path.name), path)


@cache
def words(folder: Path = FOLDER) -> Mapping[str, Said]:
    """Headings and buttons by name. Raises ValueError as `lesson`."""
    path = folder / "page.toml"
    return MappingProxyType(
        _checked(path.name, lambda table: {name: _said(said, name) for name, said in table["words"].items()}, path)
    )


@cache
def tour(folder: Path = FOLDER) -> tuple[Step, ...]:
    """In order. Raises ValueError as `lesson`."""
    path = folder / "tour.toml"
    return _checked(path.name, lambda table: tuple(map(_step, table["steps"])), path)


def facts_in(said: Said) -> set[str]:
    """Names of the facts that a sentence wants. Raises ValueError: its languages want different ones."""
    wanted = {
        language: {name for _, name, _, _ in string.Formatter().parse(said.of(language)) if name is not None}
        for language in LANGUAGES
    }
    if len(set(map(frozenset, wanted.values()))) > 1:
        raise ValueError(f"the languages want different facts: {wanted}")
    return wanted["en"]


def _checked(name: str, read, path: Path):
    try:
        return read(tomllib.loads(path.read_text("utf-8")))
    except KeyError as error:
        raise ValueError(f"{name} has no {error}.") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None


def _lesson(table: Mapping, name: str) -> Lesson:
    found = Lesson(
        table["title"],
        tuple(_said(part, "what") for part in table["what"]),
        _said(table["limits"], "limits"),
        tuple(_exercise(part) for part in table["exercises"]),
        tuple(Paper(**part) for part in table["papers"]),
    )
    if not (found.what and found.exercises and found.papers):
        raise ValueError("there must be a text, an exercise and a paper, one of each at least")
    for paper in found.papers:
        if not (paper.title and paper.authors and isinstance(paper.year, int) and paper.url.startswith("https://")):
            raise ValueError(f"the paper “{paper.title}” needs title, authors, year and an https address")
    return found


def _exercise(table: Mapping) -> Exercise:
    name = table["answer"]
    choices = {part["key"]: _said({**part, "key": ""}, f"{name}, choice {part['key']}") for part in table["choices"]}
    if len(choices) != len(table["choices"]) or not FEWEST <= len(choices) <= MOST:
        raise ValueError(f"{name} needs from {FEWEST} to {MOST} choices, each with a key of its own")
    parts = (_said(table[part], f"{name}, {part}") for part in ("question", "reveal", "why"))
    question, reveal, why = parts
    facts_in(reveal)
    return Exercise(name, question, MappingProxyType(choices), reveal, why)


def _step(table: Mapping) -> Step:
    return Step(table.get("tab", ""), table["target"], _said(table["heading"], "heading"), _said(table["text"], "text"))


def _said(table: Mapping[str, str], where: str) -> Said:
    spoken = {language: text for language, text in table.items() if language != "key"}
    if set(spoken) != set(LANGUAGES) or not all(isinstance(text, str) and text.strip() for text in spoken.values()):
        raise ValueError(f"“{where}” must be said in {' and '.join(LANGUAGES)}, and in nothing else")
    if any(text.count("`") % 2 for text in spoken.values()):
        raise ValueError(f"“{where}” has a backtick that is not closed")
    return Said(**spoken)
