"""Paragraphs -> sentences worth reading -> passages of a few sentences, as numbers of word pieces.

It knows English punctuation and nothing about where a text came from.
"""

import re
from collections.abc import Iterator

LONGEST = 62  # word pieces in a passage, without [CLS] and [SEP]
_END = re.compile(
    r"(?<=[.!?])(?<![A-Z]\.)(?<!\b(?:Mr|Dr|St|vs)\.)(?<!\b(?:Mrs|i\.e|e\.g)\.)[\"'”’)]*\s+(?=[\"'“‘(]?[A-Za-z0-9])"
)
_UNWANTED = re.compile(r"https?:|www\.|@|\d{5,}|[<>{}\\|_=#~^\[\]]|[^\x00-\u024f\u2010-\u2027\u2030-\u205e€]")


def sentences(paragraph: str) -> list[str]:
    """Its sentences, in order, without those that are no prose: addresses, mark-up, other scripts, lists of numbers."""
    text = " ".join(paragraph.replace("--", " - ").split())
    found, begin = [], 0
    for end in _END.finditer(text):
        found.append(text[begin : end.end()].strip())
        begin = end.end()
    found.append(text[begin:].strip())
    return [sentence for sentence in found if _is_prose(sentence)]


def _is_prose(sentence: str) -> bool:
    if _UNWANTED.search(sentence):
        return False
    letters = sum(char.isalpha() or char == " " for char in sentence)
    return len(sentence.split()) >= 3 and letters >= 0.88 * len(sentence)


def passages(pieces: list[list[list[int]]], longest: int = LONGEST) -> Iterator[list[int]]:
    """Sentences that stand side by side, joined while they fit; a sentence that alone is too long is left out.

    Args:
        pieces: per paragraph, per sentence, its word pieces.
        longest: of a passage.

    A paragraph of more than 8 pieces begins a new passage every second time, so that single sentences are met too.
    """
    passage: list[int] = []
    for n, paragraph in enumerate(pieces):
        if n % 2 and sum(map(len, paragraph)) > 8 and passage:
            yield passage
            passage = []
        for sentence in paragraph:
            if len(sentence) > longest:
                continue
            if len(passage) + len(sentence) > longest:
                yield passage
                passage = []
            passage = passage + sentence
    if passage:
        yield passage
