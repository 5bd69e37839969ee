"""Reads an answer out of what a model wrote: a number, a label, JSON; and takes votes over several answers.

What cannot be read without guessing is not read: "11 or 12" is no number. It does not know what would be right.
"""

import contextlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
_UNITS = {word: n for n, word in enumerate([*_SMALL.split(), "eighteen", "nineteen"])}
_TENS = {
    word: 10 * n
    for n, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_WORD = "|".join([*sorted([*_UNITS, *_TENS, *_SCALES], key=len, reverse=True)])
_IN_WORDS = re.compile(rf"\b(?:minus\s+|negative\s+)?(?:{_WORD})(?:(?:[\s-]+(?:and\s+)?)(?:{_WORD}))*\b", re.IGNORECASE)
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
# 1 1/2, 3/4, 1,234.50, 2e3; a sign only where no number or letter stands before it
_NUMBER = re.compile(
    rf"(?P<sign>(?<![\w.)])[-−–]\s?(?=[$€£]?[\d.]))?[$€£]?\s?"
    rf"(?:(?P<whole>\d+)\s+(?P<top>\d+)\s?/\s?(?P<bottom>\d+)"
    rf"|(?P<over>\d+)\s?/\s?(?P<under>\d+)(?!\s?[\d=/])"
    rf"|(?P<plain>{_DIGITS})(?P<exponent>[eE][+-]?\d{{1,2}})?)(?![\d])"
)
_ANSWER_IS = re.compile(r"(?:answer(?:\s+is)?|####)\s*[:=]?\s*", re.IGNORECASE)
_EITHER = re.compile(
    r"\s*(?:[%°]|[a-z]+\s+)?\s*(?:or|to|and|through|,|/|-|–|—|~)\s*(?:maybe|perhaps|even)?\s*[$€£]?", re.I
)
# 5 + 6 = 11: the rest of a calculation up to what it comes to; a comma or a point ends it unless a digit follows
_REACHES = re.compile(r"(?:[^=,;:.]|[,.](?=\d))*=\s*")
_OPERATORS, _MINUS = ("+", "*", "×", "÷", "x"), "-−–"
_REASONS = re.compile(r"\b(?:because|since|as|so|and|or)\b", re.IGNORECASE)
LONGEST_NUMBER = 100  # characters; a model that repeats itself writes digits without end
_LONGEST_BETWEEN = 40  # characters between two numbers that may be alternatives
_FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Parsed:
    value: Any = None  # None: it could not be read
    why: str = ""  # why not, in a sentence

    @property
    def readable(self) -> bool:
        return self.value is not None


def number(text: str) -> Parsed:
    """The number that a text gives as its answer, as a Fraction.

    After the last "the answer is" the first number, or what a calculation there comes to ("the answer is 5 + 6 = 11");
    elsewhere the last number of the last line that has any. Numbers that stand as alternatives ("11 or 12") are none,
    nor is a calculation without its result, nor a number of more than `LONGEST_NUMBER` characters.
    """
    told = list(_ANSWER_IS.finditer(text))
    for match in reversed(told):
        found = _numbers(text[match.end() :].partition("\n")[0])
        if found:
            return _only(found, text[match.end() :].partition("\n")[0], first=True)
    for line in reversed(text.splitlines()):
        found = _numbers(line)
        if found:
            return _only(found, line, first=False)
    return Parsed(why="There is no number in it.")


def _only(found: list[tuple[int, int, Fraction | None]], text: str, first: bool) -> Parsed:
    """The first or last of the numbers in a line, unless it is one of several alternatives."""
    at = _result(found, text) if first else len(found) - 1
    if at is None:
        return Parsed(why="It gives a calculation and not what it comes to.")
    begin, end, value = found[at]
    if end - begin > LONGEST_NUMBER:
        return Parsed(why=f"Its number has more than {LONGEST_NUMBER} characters.")
    if value is None:
        return Parsed(why="It divides by zero.")
    for left, right in ((at - 1, at), (at, at + 1)):
        if left < 0 or right >= len(found):
            continue
        between = text[found[left][1] : found[right][0]]
        if len(between) <= _LONGEST_BETWEEN and _EITHER.fullmatch(between) and found[left][2] != found[right][2]:
            return Parsed(why="It gives several numbers and does not choose.")
    return Parsed(value)


def _result(found: list[tuple[int, int, Fraction | None]], text: str) -> int | None:
    """Which number the calculation comes to that the first one begins; that one itself where there is none."""
    at = 0
    while at + 1 < len(found):
        equals = _REACHES.match(text, found[at][1])
        if equals is None:
            break
        reached = next((i for i, (begin, end, _) in enumerate(found) if begin <= equals.end() < end), None)
        if not reached or _REASONS.search(equals.group()):
            break
        at = reached
    if at + 1 < len(found):
        between, follows = text[found[at][1] : found[at + 1][0]].strip(), text[found[at + 1][0]]
        if between in _OPERATORS or (not between and follows in _MINUS):
            return None
    return at


def _numbers(text: str) -> list[tuple[int, int, Fraction | None]]:
    """(begin, end, value) of each number. Words count only where there are no digits: "one" is seldom a number."""
    found = [
        (match.start(), match.end(), _value(match) if len(match.group()) <= LONGEST_NUMBER else None)
        for match in _NUMBER.finditer(text)
    ]
    return found or [(match.start(), match.end(), _in_words(match.group())) for match in _IN_WORDS.finditer(text)]


def _value(match: re.Match[str]) -> Fraction | None:
    sign = -1 if match["sign"] else 1
    if match["whole"]:
        top, bottom = int(match["top"]), int(match["bottom"])
        return sign * (int(match["whole"]) + Fraction(top, bottom)) if bottom else None
    if match["over"]:
        return sign * Fraction(int(match["over"]), int(match["under"])) if int(match["under"]) else None
    return sign * Fraction(Decimal(match["plain"].replace(",", "") + (match["exponent"] or "")))


def _in_words(text: str) -> Fraction:
    total, part, sign = 0, 0, 1
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in ("minus", "negative"):
            sign = -1
        elif word in _SCALES and _SCALES[word] == 100:
            part = max(part, 1) * 100
        elif word in _SCALES:
            total, part = total + max(part, 1) * _SCALES[word], 0
        elif word != "and":
            part += _UNITS.get(word, 0) + _TENS.get(word, 0)
    return Fraction(sign * (total + part))


def written(value: Fraction) -> str:
    """A number as people write it: 11, -0.5, 1/3."""
    if value.denominator == 1:
        return f"{value.numerator:,}"
    as_decimal = Decimal(value.numerator) / Decimal(value.denominator)
    exact = Fraction(as_decimal) == value
    return f"{as_decimal.normalize():f}" if exact else f"{value.numerator}/{value.denominator}"


def label(text: str, choices: Sequence[str]) -> Parsed:
    """The one choice that a text names as a word of its own, whatever its case; none if it names two."""
    found = {c for c in choices if re.search(rf"(?<!\w){re.escape(c.strip())}(?!\w)", text, re.IGNORECASE)}
    longer = {c for c in found if any(c != o and c.casefold() in o.casefold() for o in found)}
    found -= longer  # "very good" is not also "good"
    if len(found) == 1:
        return Parsed(found.pop())
    if found:
        return Parsed(why=f"It names several labels: {', '.join(sorted(found))}.")
    return Parsed(why="It names none of the labels.")


def plain(text: str) -> str:
    """A text as exact match compares it: one space between words, no case, no mark at its end."""
    return " ".join(text.split()).strip(" .!?;:,\"'“”`*").casefold()


def json_value(text: str) -> Parsed:
    """The JSON in a text, which may stand between ``` fences or have words around it, as (value,)."""
    fenced = _FENCED.search(text)
    body = fenced.group(1) if fenced else text
    decoder = json.JSONDecoder(parse_constant=lambda name: None)
    for match in itertools.islice(re.finditer(r"[\[{]", body), 20):
        with contextlib.suppress(ValueError, RecursionError):
            return Parsed((decoder.raw_decode(body, match.start())[0],))
    try:
        return Parsed((json.loads(body),))
    except (ValueError, RecursionError):
        return Parsed(why="It holds no JSON.")


@dataclass(frozen=True)
class Vote:
    winner: Any  # None: nobody could be read, or a tie
    votes: tuple[tuple[Any, int], ...]  # (answer, how often), the most frequent first
    unreadable: int

    @property
    def tied(self) -> tuple[Any, ...]:
        """The answers that came equally often, when no one of them won."""
        return () if self.winner is not None else tuple(a for a, n in self.votes if n == self.votes[0][1])


def majority(answers: Iterable[Any]) -> Vote:
    """Self-consistency (Wang et al. 2022, arXiv 2203.11171): the answer that came most often; None is no vote."""
    answers = list(answers)
    counts = Counter(answer for answer in answers if answer is not None).most_common()
    tied = len(counts) > 1 and counts[0][1] == counts[1][1]
    winner = counts[0][0] if counts and not tied else None
    return Vote(winner, tuple(counts), sum(answer is None for answer in answers))
