"""Is each sentence of an answer said by the passage it cites? By words, by numbers, by meaning, in code.

None of these proves a sentence true; together they find most that nothing supports. It does not write anything.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from playground.arrays import Floats
from playground.labs.retrieval import lexical, sentences

WORDS, MEANING = 0.6, 0.5  # least share of words, and least cosine, for a sentence to count as supported
_CITED = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Sentence:
    text: str
    start: int  # characters of the answer
    end: int
    citations: tuple[int, ...]  # passages that it names and that there are, from 1
    wrong: tuple[int, ...] = ()  # numbers that it names and that are no passage's
    passage: int | None = (
        None  # against which it was checked: the cited one that supports it best, else the best of all
    )
    words: float = 0.0  # share of its words (stems, without stop words) that the passage has
    meaning: float = 0.0  # cosine with the passage's nearest sentence
    missing: tuple[str, ...] = ()  # numbers that the passage does not have
    quote: str = ""  # that nearest sentence
    gains: tuple[float, ...] = ()  # nats a token by which each passage makes it more probable; (): not measured
    supported: bool = False
    why: str = ""  # in words


def parted(answer: str, n_passages: int) -> list[Sentence]:
    """The answer's sentences with what they cite. A citation behind a full stop belongs before it."""
    spans: list[tuple[int, int]] = []
    for start, end in sentences.spans(answer):
        bare = _CITED.sub("", answer[start:end]).strip(" .,;:!?")
        if not bare and spans:
            spans[-1] = (spans[-1][0], end)
            continue
        leading = _CITED.match(answer, start)
        if leading and spans:  # "... Sicily. [1] It is ..."
            spans[-1] = (spans[-1][0], leading.end())
            start = leading.end()
        spans.append((start, end))
    found = []
    for start, end in spans:
        named = [int(n) for match in _CITED.finditer(answer, start, end) for n in match[1].split(",")]
        good = tuple(dict.fromkeys(n for n in named if 1 <= n <= n_passages))
        wrong = tuple(dict.fromkeys(n for n in named if not 1 <= n <= n_passages))
        found.append(Sentence(answer[start:end].strip(), start, end, good, wrong))
    return found


def checked(
    found: Sequence[Sentence], passages: Sequence[str], embed: Callable[[Sequence[str]], Floats]
) -> list[Sentence]:
    """Each sentence against what it cites, or, where it cites nothing, against the passage that fits it best.

    embed: texts -> vectors of length 1, (text, hidden).
    """
    if not found or not passages:
        return [replace(each, why="There is no passage.") for each in found]
    parts = [[text[a:b] for a, b in sentences.spans(text)] or [text] for text in passages]
    bare = [_CITED.sub("", each.text).strip() for each in found]
    vectors = embed([*bare, *(part for each in parts for part in each)])
    own, rest = vectors[: len(bare)], vectors[len(bare) :]
    bounds = np.cumsum([0, *map(len, parts)])
    told = []
    for at, each in enumerate(found):
        tries = []
        for number in each.citations or range(1, len(passages) + 1):
            cosines = rest[bounds[number - 1] : bounds[number]] @ own[at]
            best = int(cosines.argmax())
            share, missing = _overlap(bare[at], passages[number - 1])
            tries.append(
                (not missing, share + float(cosines[best]), -number, share, float(cosines[best]), best, missing)
            )
        _, _, number, share, cosine, best, missing = max(tries, key=lambda t: t[:3])
        judged = replace(
            each, passage=-number, words=share, meaning=cosine, missing=missing, quote=parts[-number - 1][best]
        )
        told.append(_verdict(judged))
    return told


def _overlap(sentence: str, passage: str) -> tuple[float, tuple[str, ...]]:
    """The share of a sentence's words that a passage has, and the numbers that it has not."""
    words = lexical.stems(sentence)
    there = set(lexical.stems(passage))
    numbers = {n.replace(",", "") for n in _NUMBER.findall(passage)}
    missing = tuple(n for n in _NUMBER.findall(sentence) if n.replace(",", "") not in numbers)
    return (sum(word in there for word in words) / len(words) if words else 1.0), missing


def _verdict(each: Sentence) -> Sentence:
    trouble = []
    if each.wrong:
        trouble.append(f"it names passage {each.wrong[0]}, which there is not")
    if not each.citations:
        trouble.append("it cites nothing")
    if each.missing:
        trouble.append(f"the passage has no “{each.missing[0]}”")
    if each.words < WORDS:
        trouble.append(f"only {each.words:.0%} of its words are in the passage")
    if each.meaning < MEANING:
        trouble.append(f"no sentence of the passage means the same (cosine {each.meaning:.2f})")
    if not trouble:
        said = f"{each.words:.0%} of its words are in passage {each.passage}, whose nearest sentence has cosine"
        return replace(each, supported=True, why=f"Supported: {said} {each.meaning:.2f}.")
    return replace(each, why=f"Not supported: {'; '.join(trouble)}.")
