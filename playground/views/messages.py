"""Text of a conversation as the chat component must get it, and back.

The component renders Markdown and drops what looks like an HTML tag, text inside included: `<think>` would take a
whole answer with it. It does not know who said what.
"""

import re

WORD_JOINER = "\u2060"  # invisible, and no letter: after it, "<b>" is no tag any more

# Code keeps every character; outside of it stands a "<" that would begin a tag.
_CODE_OR_TAG = re.compile(
    r"(?ms)"
    r"^[ \t]*(`{3,})[^\n`]*$.*?(?:^[ \t]*\1`*[ \t]*$|\Z)"  # a fenced block, perhaps not closed yet
    r"|^[ \t]*(~{3,})[^\n]*$.*?(?:^[ \t]*\2~*[ \t]*$|\Z)"
    r"|(?<!`)(`+)(?!`).+?(?<!`)\3(?!`)"  # a code span
    r"|<(?=[A-Za-z/!?])"
)
_SPECIAL = re.compile(r"([\\`*_<>\[\]~|$&])")


def shown(text: str) -> str:
    """`text` with every tag made visible instead of being interpreted."""
    return _CODE_OR_TAG.sub(lambda found: f"<{WORD_JOINER}" if found[0] == "<" else found[0], text)


def original(text: str) -> str:
    """What `shown` was given."""
    return text.replace(f"<{WORD_JOINER}", "<")


def literal(text: str) -> str:
    """`text` as Markdown that shows exactly it."""
    return _SPECIAL.sub(r"\\\1", text)
