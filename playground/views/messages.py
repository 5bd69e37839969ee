"""Text of a conversation as the chat component must get it, and back.

The component renders Markdown and drops what looks like an HTML tag, text inside included: `<think>` would take a
whole answer with it. A picture would be fetched from wherever the text says, which tells that place who reads it. So
tags are shown as they are written, and of a picture a link is left. It does not know who said what.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

WORD_JOINER = "\u2060"  # invisible, and no letter: after it, "<b>" is no tag any more, and "![" no picture

_TAG = re.compile(r"<(?=[A-Za-z/!?])|!(?=\[)")
_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`|]*$)|~{3,}(?=[^|]*$))")
_OTHER_FENCE = re.compile(r"[\s>*+\-\d.)]*(`{3,}(?=[^`]*$)|~{3,})")  # in a list or a quotation, or of a table
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:[^|]*?[^`|])\1(?!`)")
_UNCERTAIN = re.compile(r"\\`|(?://|www\.)[^\s<]*`")  # where a ` may not be what it seems
_SPECIAL = re.compile(r"([\\`*_<>\[\]~|$&])")


def shown(text: str) -> str:
    """`text` with every tag made visible instead of being interpreted, and no picture that would be fetched.

    Code keeps every character, where it is certain that the component takes it for code too.
    """
    return "\n".join(_lines(text.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    paragraph: list[str] = []
    fence: re.Match[str] | None = None  # the one that is open
    certain = True
    for line in lines:
        if fence and _may_end(line, fence):
            fence, certain = None, False
        if fence:
            yield line
            if _ends(line, fence):
                fence = None
            continue
        if certain and (fence := _FENCE.match(line)):
            yield from _prose(paragraph, certain)
            paragraph = []
            yield line
            continue
        certain = certain and not _OTHER_FENCE.match(line)
        paragraph.append(line)
        if not line.strip():
            yield from _prose(paragraph, certain)
            paragraph = []
    yield from _prose(paragraph, certain)


def _ends(line: str, fence: re.Match[str]) -> bool:
    return bool(re.fullmatch(rf" {{0,3}}{fence[2]}{fence[2][0]}* *", line))


def _may_end(line: str, fence: re.Match[str]) -> bool:
    """Whether readers of Markdown differ, or a list may have ended here that the fence stood in."""
    left_of_it = line.strip() and len(line) - len(line.lstrip(" ")) < len(fence[1])
    return bool(left_of_it or (line.lstrip().startswith(fence[2]) and not _ends(line, fence)))


def _prose(paragraph: list[str], certain: bool) -> Iterator[str]:
    """Lines without code blocks. Code spans are kept if each line of the paragraph has all of its own."""
    certain = certain and not any(_UNCERTAIN.search(line) or "`" in _SPAN.sub("", line) for line in paragraph)
    for line in paragraph:
        spans = list(_SPAN.finditer(line)) if certain else []
        ends = [0, *(end for span in spans for end in span.span()), len(line)]
        pieces = [line[begin:end] for begin, end in pairwise(ends)]
        yield "".join(piece if n % 2 else _TAG.sub(rf"\g<0>{WORD_JOINER}", piece) for n, piece in enumerate(pieces))


def original(text: str) -> str:
    """What `shown` was given."""
    return text.replace(f"<{WORD_JOINER}", "<").replace(f"!{WORD_JOINER}[", "![")


def literal(text: str) -> str:
    """`text` as Markdown that shows exactly it."""
    return _SPECIAL.sub(r"\\\1", text)
