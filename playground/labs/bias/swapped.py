"""Copies of texts with the genders of their words swapped, to fine-tune on both (counterfactual data augmentation).

After Zhao et al. 2018 and Lu et al. 2020, with a list of our own. English alone, two genders alone; names are left as
they are. "her" becomes "his" before a noun and "him" elsewhere, "his" becomes "her" or "hers": guessed by the word that
follows, and sometimes wrong. It does not know what a text is about.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from playground.errors import PlaygroundError
from playground.labs.bias import data

MOST = 100_000  # texts
_WORD = re.compile(r"\w+(?:['’]\w+)?")
# After these “her” is a person and no possessive.
_NO_NOUN = """
and or but to in on at by with from for of as is was were are be been has had have will would can could may
might if when while because that than then so about after before into over up down out off again a an the this
yesterday today tomorrow here there now go come very too not how what who why he she it they we i you
"""


@dataclass(frozen=True)
class Swapped:
    text: str
    n_words: int  # that were swapped


def swap(text: str) -> Swapped:
    """The text with every known word swapped, capitals kept."""
    words = list(_WORD.finditer(text))
    made, at, n = [], 0, 0
    for number, match in enumerate(words):
        following = ""
        if number + 1 < len(words) and text[match.end() : words[number + 1].start()].isspace():
            following = words[number + 1][0]
        instead = _counterpart(match[0], following)
        made += [text[at : match.start()], instead]
        at, n = match.end(), n + (instead != match[0])
    return Swapped("".join([*made, text[at:]]), n)


def blanked(text: str, blank: str) -> tuple[str, tuple[str, str] | None]:
    """The text with `blank` for its first word of a gender, and that word with its counterpart, as it stands there.

    None: it has no such word, and stays as it is.
    """
    words = list(_WORD.finditer(text))
    for match, following in zip(words, [*words[1:], None], strict=True):
        near = following[0] if following is not None and text[match.end() : following.start()].isspace() else ""
        instead = _counterpart(match[0], near)
        if instead != match[0]:
            return f"{text[: match.start()]}{blank}{text[match.end() :]}", (match[0], instead)
    return text, None


def _counterpart(word: str, following: str) -> str:
    lower = word.lower()
    stem, ending = (lower[:-2], word[-2:]) if lower.endswith(("'s", "’s")) else (lower, "")
    before_noun = bool(following) and following.lower() not in _NO_NOUN.split()
    if lower == "her":
        instead = "his" if before_noun else "him"
    elif lower == "his":
        instead = "her" if before_noun else "hers"
    elif lower == "hers":
        instead = "his"
    else:
        instead = _table().get(stem, "")
    if not instead:
        return word
    if word.isupper() and len(word) > 1:
        instead = instead.upper()
    elif word[0].isupper():
        instead = instead[0].upper() + instead[1:]
    return instead + ending


def _table() -> dict[str, str]:
    pairs = [pair for pair in data.swaps() if "her" not in pair]
    return dict(pairs) | {second: first for first, second in pairs} | {"him": "her"}


def augmented(texts: Sequence[str]) -> tuple[str, int]:
    """JSON lines of all texts and of the swapped copy of each that has a word to swap; and how many copies there are.

    Raises:
        PlaygroundError: no texts, or too many.
    """
    texts = [text.strip() for text in texts if text.strip()]
    if not texts:
        raise PlaygroundError("There are no texts to swap. Write one a line, or upload a file.")
    if len(texts) > MOST:
        raise PlaygroundError(f"There are {len(texts):,} texts; at most {MOST:,} are taken. Split the file.")
    lines, n = [], 0
    for number, text in enumerate(texts):
        lines.append({"text": text, "copy": False, "source": number})
        made = swap(text)
        if made.n_words:
            lines.append({"text": made.text, "copy": True, "source": number})
            n += 1
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n", n
