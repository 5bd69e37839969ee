"""What the page explains, in every language: assets/learn/*.toml, read and checked.

A file a tab, named as the tab's title in small letters, and two for the words around the texts and for the tour. In a
text, what stands in `backticks` is for a model to read. It knows neither the page nor what a model answers.
"""

import string
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from playground.assets import ASSETS

FOLDER = ASSETS / "learn"
LANGUAGES = {"en": "English", "zh": "中文"}  # in the order of the switch

T = TypeVar("T", bound=BaseModel)
Line = Annotated[str, Field(min_length=1)]


class Said(RootModel[dict[str, Line]]):
    """One text in every language."""

    model_config = ConfigDict(frozen=True)

    def of(self, language: str) -> str:
        return self.root[language]

    @model_validator(mode="after")
    def _in_every_language(self) -> Self:
        if set(self.root) != set(LANGUAGES):
            raise ValueError(f"must be said in {' and '.join(LANGUAGES)}, and in nothing else")
        if any(text.count("`") % 2 for text in self.root.values()):
            raise ValueError("has a backtick that is not closed")
        return self


class Part(BaseModel):
    """A table of a file: nothing may be missing, and nothing stand in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(Part):
    key: Line  # as `answers` names it
    text: Said


class Exercise(Part):
    """A question about what the model will do. What it does is found by `answers.ANSWERS[self.answer]`."""

    answer: Line
    question: Said
    choices: Annotated[tuple[Choice, ...], Field(min_length=2, max_length=4)]
    reveal: Said  # with {facts} that the answer brings
    why: Said  # true whatever the model does

    @property
    def facts(self) -> set[str]:
        """Names of what `reveal` wants to be told."""
        return _facts(self.reveal, next(iter(LANGUAGES)))

    def choice(self, key: str) -> Said:
        return next(choice.text for choice in self.choices if choice.key == key)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len({choice.key for choice in self.choices}) < len(self.choices):
            raise ValueError("two choices have the same key")
        wanted = {language: _facts(self.reveal, language) for language in LANGUAGES}
        if any(names != self.facts for names in wanted.values()):
            each = "; ".join(f"{language}: {', '.join(sorted(names))}" for language, names in wanted.items())
            raise ValueError(f"the languages of reveal want different facts ({each})")
        return self


class Paper(Part):
    title: Line
    authors: Line
    year: Annotated[int, Field(ge=1900)]
    url: Annotated[str, Field(pattern=r"^https://\S+$")]


class Lesson(Part):
    """What a tab explains."""

    title: Line  # the tab's
    what: Annotated[tuple[Said, ...], Field(min_length=1)]  # paragraphs
    limits: Said  # what it does not show
    exercises: Annotated[tuple[Exercise, ...], Field(min_length=1)]
    papers: Annotated[tuple[Paper, ...], Field(min_length=1)]


class Step(Part):
    """One of the tour: it opens a tab ("": leaves the open one) and shows an element (a CSS selector)."""

    tab: str = ""
    target: Line
    heading: Said
    text: Said


class _Words(Part):
    words: dict[str, Said]


class _Tour(Part):
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]


@cache
def lesson(title: str, folder: Path = FOLDER) -> Lesson | None:
    """What the tab with this title explains; None: nobody has written it yet.

    Raises:
        ValueError: its file is not as it should be; one sentence says what and where.
    """
    path = folder / f"{title.lower().replace(' ', '-')}.toml"
    return _read(path, Lesson) if path.is_file() else None


@cache
def words(folder: Path = FOLDER) -> Mapping[str, Said]:
    """Headings and buttons by name. Raises ValueError as `lesson`."""
    return _read(folder / "page.toml", _Words).words


@cache
def tour(folder: Path = FOLDER) -> tuple[Step, ...]:
    """In order. Raises ValueError as `lesson`."""
    return _read(folder / "tour.toml", _Tour).steps


def _read(path: Path, kind: type[T]) -> T:
    try:
        return kind.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ", ".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        raise ValueError(f"{path.name}: {where}: {first['msg'].removeprefix('Value error, ')}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name}: {error}.") from None


def _facts(said: Said, language: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(said.of(language)) if name is not None}
