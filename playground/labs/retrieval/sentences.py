"""Where the sentences of a text begin and end, as character ranges. By rules, for texts in most alphabets.

It does not know what they are for.
"""

import re
from collections.abc import Iterator

_LONGEST = 4000  # characters: what has no end before that is parted at a space
_END = re.compile(
    r"""(?:[.!?…]+["'”’)\]]*(?=\s)   # an end, and a space behind it
        |[。！？]["'”’」』）]*)          # or one that needs no space
        |\n[ \t]*\n+                   # or an empty line
        |\n(?=[ \t]*(?:[-*•]\ |\d+[.)]\ |\#{1,6}\ |\|))  # or the next item, heading or row
        |(?<=\n)(?=\#)""",
    re.VERBOSE,
)
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|al|Fig|Figs|Eq|Eqs|Sec|Tab|No|Nos|pp|vol|approx|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|Inc|Ltd|Co|"
    r"Jan|Feb|Mar|Apr|Aug|Sept|Sep|Oct|Nov|Dec|bzw|ca|usw|z\.B|d\.h)|\b[A-Z]|^\s*\d{1,3})\.$"
)


def spans(text: str, begin: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence in text[begin:end], without the spaces around it."""
    end = len(text) if end is None else end
    start = at = begin
    while at < end:
        found = _END.search(text, at, min(end, start + _LONGEST))
        if found is None:
            stop = end
            if end - start > _LONGEST:
                space = text.rfind(" ", start + 1, start + _LONGEST)
                stop = space if space > start else start + _LONGEST
        else:
            stop = max(found.end(), start + 1)
            after = text[stop : stop + 40].lstrip()
            paragraph = "\n" in found[0]
            if not paragraph and (_NO_END.search(text[max(start, stop - 12) : stop]) or after[:1].islower()):
                at = stop
                continue
        yield from _trimmed(text, start, stop)
        start = at = stop
    if start < end:
        yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    piece = text[start:stop]
    bare = piece.strip()
    if bare:
        first = start + len(piece) - len(piece.lstrip())
        yield first, first + len(bare)
