"""Two that answer the same: what to call each, and how their replies compare, as plain text.

It does not know which of them was better: that is for a person to say.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import TYPE_CHECKING

from playground.labs.chat.votes import Contestant
from playground.models.remote import ELSEWHERE

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.chat.replies import Reply

_MOST = 40  # letters of a system prompt in a name
_MISSING = object()


def names(a: Contestant, b: Contestant, title: Callable[[str], str]) -> tuple[str, str]:
    """What each is called beside the other: its model's title, and what sets it apart."""
    return _name(a, b, title), _name(b, a, title)


def _name(one: Contestant, other: Contestant, title: Callable[[str], str]) -> str:
    theirs = dict(other.settings)
    apart = [_setting(name, value) for name, value in one.settings if theirs.get(name, _MISSING) != value]
    if one.system.strip() != other.system.strip():
        apart.append(f"told “{_cut(one.system.strip())}”" if one.system.strip() else "no system prompt")
    return " · ".join([title(one.reference), *apart])


def _setting(name: str, value: object) -> str:
    if name == "temperature" and value == 0:
        return "greedy"
    words = name.replace("_p", "-p").replace("_k", "-k") if name[-2:] in ("_p", "_k") else name.replace("_", " ")
    return f"{words} {value:g}" if isinstance(value, (int, float)) else f"{words} {value}"


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MOST else f"{flat[:_MOST].rstrip()} …"


def comparison(a: Reply, b: Reply) -> str:
    """Length, speed, and where two ended replies first differ."""
    return " ".join(filter(None, [_lengths(a, b), _speeds(a, b), first_difference(a.text, b.text)]))


def _lengths(a: Reply, b: Reply) -> str:
    if a.new_tokens == b.new_tokens:
        return f"Both are {a.new_tokens} token{_s(a.new_tokens)} long."
    longer, more = (
        ("A", a.new_tokens - b.new_tokens) if a.new_tokens > b.new_tokens else ("B", b.new_tokens - a.new_tokens)
    )
    return f"{longer} is {more} token{_s(more)} longer ({a.new_tokens} and {b.new_tokens})."


def _s(n: int) -> str:
    return "" if n == 1 else "s"


def _speeds(a: Reply, b: Reply) -> str:
    if not a.tokens_per_second or not b.tokens_per_second:
        return ""
    quicker = "A" if a.tokens_per_second >= b.tokens_per_second else "B"
    times = max(a.tokens_per_second, b.tokens_per_second) / min(a.tokens_per_second, b.tokens_per_second)
    both = f"{a.tokens_per_second:.1f} and {b.tokens_per_second:.1f} tokens/s"
    if ELSEWHERE not in (a.provenance.device, b.provenance.device):
        both += " while both shared this machine"
    return f"Equally quick ({both})." if times < 1.1 else f"{quicker} was {times:.1f} times as quick ({both})."


def first_difference(a: str, b: str) -> str:
    """Where two texts part, by words, in a sentence."""
    if a == b:
        return "The texts are the same, letter for letter."
    for n, (word, other) in enumerate(zip_longest(a.split(), b.split())):
        if word == other:
            continue
        agreed = f"The first {n} words are the same" if n > 1 else "The first word is the same" if n else ""
        if word is None or other is None:
            shorter = "A" if word is None else "B"
            return f"{agreed}; then {shorter} ends." if agreed else f"{shorter} says nothing."
        parting = f"A says “{_cut(word)}” and B “{_cut(other)}”."
        return f"{agreed}; then {parting}" if agreed else f"They differ from the first word on: {parting}"
    return "The words are the same; only the white space differs."
