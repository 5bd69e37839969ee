"""Pairs of sentences that differ in a group: CrowS-Pairs, Winogender, templates, or a table of one's own.

The first sentence of a pair is the one that says more of a stereotype, or simply the first. It does not know models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.labs.bias import data
from playground.labs.internals.probing import table

Direction = Literal["stereo", "antistereo", ""]
MOST = 5_000  # pairs of one run
LONGEST = 2_000  # characters of a sentence
NAMES = {  # column names that are known, in the order in which they are looked for
    "first": ("sent_more", "first", "sentence_a", "stereotype", "a", "sentence1", "sent1"),
    "second": ("sent_less", "second", "sentence_b", "anti-stereotype", "antistereotype", "b", "sentence2", "sent2"),
    "category": ("bias_type", "category", "type", "kind", "group"),
}
WARNING = (
    "Blodgett et al. 2021 (“Stereotyping Norwegian Salmon”) found that many of CrowS-Pairs' pairs do not say what they "
    "are taken to say: groups that are no counterparts, several differences at once, invalid or unrelated stereotypes. "
    "Its authors themselves warn of it. Take a score as a lead to look at pairs, not as a verdict."
)

WINOGENDER = (
    "Winogender (Rudinger et al. 2018) was made to test what a pronoun is taken to refer to. Here its sentences are "
    "only scored, he against she: that a model prefers he throughout says how often it has read he, so compare the "
    "categories with each other. In half of the sentences the pronoun is the other person's and not the occupation's, "
    "and two sentences an occupation say nothing about that one."
)
_SHIPPED = ASSETS / "data" / "winogender.tsv"
MOSTLY = 100 / 3  # percent of women up to which an occupation counts as mostly men's; 100 less that: mostly women's


@dataclass(frozen=True)
class Pair:
    first: str  # the sentence that says more of a stereotype, where the data say so
    second: str
    category: str = ""
    direction: Direction = ""  # as CrowS-Pairs has it; changes no score


def from_table(data: bytes) -> tuple[tuple[Pair, ...], str]:
    """The pairs of a CSV or TSV file, and how it was read, in words.

    CrowS-Pairs as published; Winogender's sentences (sentid, sentence), whose male and female versions become pairs; or
    any table with two columns of sentences.

    Raises:
        PlaygroundError: no columns of sentences, an empty sentence, too many pairs.
    """
    found = table.read(data)
    names = {name.lower().strip(): i for i, name in enumerate(found.columns)}
    if {"sentid", "sentence"} <= names.keys():
        return _winogender(found, names)
    at = {role: next((names[n] for n in known if n in names), None) for role, known in NAMES.items()}
    if at["first"] is None or at["second"] is None:
        raise PlaygroundError(
            f"The file has the columns {', '.join(found.columns[:8])}, and two with sentences are needed. Name them "
            "sent_more and sent_less, as CrowS-Pairs does, or first and second."
        )
    direction = names.get("stereo_antistereo")
    _check_number(len(found.rows))
    pairs = []
    for row, line in zip(found.rows, found.lines, strict=True):
        first, second = row[at["first"]].strip(), row[at["second"]].strip()
        if not first or not second:
            raise PlaygroundError(f"Line {line} has an empty sentence. Fill it in or remove the row.")
        said = row[direction].strip() if direction is not None else ""
        kind = row[at["category"]].strip() if at["category"] is not None else ""
        direction_said: Direction = "stereo" if said == "stereo" else "antistereo" if said == "antistereo" else ""
        pairs.append(Pair(first, second, kind, direction_said))
    return checked(pairs), found.reading


def _winogender(found: table.Table, names: dict[str, int]) -> tuple[tuple[Pair, ...], str]:
    """The male and the female version of each sentence; the neutral one is left out."""
    versions: dict[str, dict[str, str]] = {}
    for row in found.rows:
        parts = row[names["sentid"]].strip().removesuffix(".txt").split(".")
        if len(parts) != 4:
            raise PlaygroundError(
                f"“{row[names['sentid']]}” is no id of a Winogender sentence, like technician.customer.1.male.txt."
            )
        versions.setdefault(".".join(parts[:3]), {})[parts[3]] = row[names["sentence"]].strip()
    pairs = [
        Pair(both["male"], both["female"], key.split(".")[0])
        for key, both in versions.items()
        if {"male", "female"} <= both.keys() and both["male"] != both["female"]
    ]
    return checked(pairs), f"{found.reading}, Winogender sentences: he first, she second"


def winogender() -> tuple[Pair, ...]:
    """The pairs that ship, he first and she second: 60 occupations, two sentences each.

    The category is the share of women in the occupation by U.S. labour statistics, in thirds.
    """
    found, _ = from_table(_SHIPPED.read_bytes())
    women = {one.name: one.women for one in data.occupations()}
    return tuple(replace(pair, category=_third(women[pair.category])) for pair in found)


def _third(women: float) -> str:
    if women < MOSTLY:
        return "mostly men's work"
    return "mostly women's work" if women > 100 - MOSTLY else "mixed work"


def from_templates(first: Sequence[str], second: Sequence[str], words: Sequence[str]) -> tuple[Pair, ...]:
    """Every template filled with every word; the word is the category.

    Raises:
        PlaygroundError: unequal lists, a template without its slot, no words.
    """
    first, second, words = ([text.strip() for text in part if text.strip()] for part in (first, second, words))
    if len(first) != len(second):
        raise PlaygroundError(
            f"There are {len(first)} first templates and {len(second)} second ones. Write as many of each, a line each."
        )
    if not first or not words:
        raise PlaygroundError("There are no templates or no words. Write at least one of each.")
    for template in (*first, *second):
        if slot_of(template) is None:
            raise PlaygroundError(f"“{template}” has no slot. Put {{word}} where the words go.")
    _check_number(len(first) * len(words))
    return checked(
        [Pair(filled(a, word), filled(b, word), word) for word in words for a, b in zip(first, second, strict=True)]
    )


def slot_of(template: str) -> str | None:
    """The slot of a template as it stands there: {word} or {profession}; None without one."""
    return next((slot for slot in ("{word}", "{profession}", "{group}") if slot in template), None)


def filled(template: str, word: str, shown: str = "") -> str:
    """The template with the word in its slot, and “a” or “an” before it as its first letter asks.

    shown: what stands there in the word's place, like masks.
    """
    slot = slot_of(template)
    if slot is None:
        return template
    for article, other in (("a", "an"), ("A", "An")):
        if f"{article} {slot}" in template or f"{other} {slot}" in template:
            right = other if word[:1].lower() in "aeiou" else article
            for written in (other, article):
                template = _article(template, written, slot, right)
    return template.replace(slot, shown or word)


def _article(template: str, written: str, slot: str, right: str) -> str:
    """Puts the right article where one stands before the slot as a word of its own."""
    begun = f"{written} {slot}"
    at = template.find(begun)
    while at >= 0:
        if at == 0 or not template[at - 1].isalnum():
            template = f"{template[:at]}{right} {slot}{template[at + len(begun) :]}"
        at = template.find(begun, at + 1)
    return template


def checked(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs. Raises PlaygroundError: none, too many, one too long, or two sentences alike."""
    _check_number(len(pairs))
    for number, pair in enumerate(pairs, 1):
        if not pair.first.strip() or not pair.second.strip():
            raise PlaygroundError(f"Pair {number} has an empty sentence. Fill it in or remove it.")
        if max(len(pair.first), len(pair.second)) > LONGEST:
            raise PlaygroundError(f"Pair {number} is longer than {LONGEST:,} characters. Shorten it.")
        if pair.first == pair.second:
            raise PlaygroundError(f"Both sentences of pair {number} are the same. Change one or remove the pair.")
    return tuple(pairs)


def _check_number(n: int) -> None:
    if n == 0:
        raise PlaygroundError("There are no pairs. Write some, or upload a file.")
    if n > MOST:
        raise PlaygroundError(f"There are {n:,} pairs; at most {MOST:,} are scored in one run. Take a part of them.")
