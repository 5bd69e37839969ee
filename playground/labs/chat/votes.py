"""Votes between two replies, and what they tell: wins, ties, the rate of preference and how sure it is.

Ties, and pairs of which both are bad, say nothing about which is better: they are counted beside the rate and left out
of it, of its interval and of its test. It does not know models or the page: who competes is a name and its settings.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

from playground.errors import PlaygroundError

Choice = Literal["a", "b", "tie", "both bad"]
CHOICES: tuple[Choice, ...] = ("a", "b", "tie", "both bad")
SURE = 0.05  # an exact test below this counts as telling


@dataclass(frozen=True)
class Contestant:
    """What wrote one of the replies. Two are the same when all of this is the same; the seed is no part of it."""

    reference: str
    system: str
    settings: tuple[tuple[str, Any], ...]  # (name, value), by name


@dataclass(frozen=True)
class Vote:
    a: Contestant
    b: Contestant
    choice: Choice
    first: Literal["a", "b"]  # whose reply stood in the first place
    prompt: str
    turn: int  # of the conversation, from 1
    seeds: tuple[int | None, int | None]  # of a and b; None: greedy
    at: str  # when, ISO 8601


@dataclass(frozen=True)
class Score:
    """All votes between the same two, whichever of them was a."""

    a: Contestant
    b: Contestant
    wins: int  # of a
    losses: int
    ties: int
    both_bad: int
    first_preferred: int  # of the wins and losses: how often the reply in the first place was the better one

    @property
    def decided(self) -> int:
        return self.wins + self.losses

    @property
    def rate(self) -> float | None:
        """The share of decided votes that a won, 0 to 1; None without any."""
        return self.wins / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float]:
        """Where that share lies with 95 % confidence."""
        return wilson(self.wins, self.decided)

    @property
    def p_value(self) -> float:
        return sign_test(self.wins, self.losses)

    @property
    def verdict(self) -> Literal["a", "b", "nearly", "open"]:
        """Who is preferred; "open" while the interval holds one half, "nearly" while only the exact test is unsure."""
        low, high = self.interval
        if low <= 0.5 <= high:
            return "open"
        if self.p_value >= SURE:
            return "nearly"
        return "a" if low > 0.5 else "b"


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927, without continuity correction), 0 to 1. Without trials: all of it.

    It stays inside 0 and 1 and keeps its promise for few trials, which p ± 1.96 standard errors does not.
    """
    if not 0 <= successes <= n:
        raise PlaygroundError(f"{successes} of {n} is no share. Give counts from 0 to n.")
    if not 0 < confidence < 1:
        raise PlaygroundError(f"The confidence is {confidence}; it must lie between 0 and 1, like 0.95.")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (middle - spread) / scale  # exactly so, but for rounding
    high = 1.0 if successes == n else (middle + spread) / scale
    return low, high


def sign_test(wins: int, losses: int) -> float:
    """How probable so uneven a result is, either way, when both are equally good: the exact two-sided p-value.

    The binomial test at one half (Dixon and Mood 1946), which is symmetric: twice the smaller tail.
    """
    n, fewer = wins + losses, min(wins, losses)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**n)


def tally(votes: Iterable[Vote]) -> list[Score]:
    """One score for each pair, in the order in which they were first voted on; a is the one that was a then."""
    pairs: dict[frozenset[Contestant], list[Vote]] = {}
    for vote in votes:
        pairs.setdefault(frozenset((vote.a, vote.b)), []).append(vote)
    return [_score(same) for same in pairs.values()]


def _score(votes: Sequence[Vote]) -> Score:
    a, b = votes[0].a, votes[0].b
    choices = [vote.choice if vote.a == a else _swapped(vote.choice) for vote in votes]
    return Score(
        a,
        b,
        wins=choices.count("a"),
        losses=choices.count("b"),
        ties=choices.count("tie"),
        both_bad=choices.count("both bad"),
        first_preferred=sum(vote.choice == vote.first for vote in votes),
    )


def _swapped(choice: Choice) -> Choice:
    return "b" if choice == "a" else "a" if choice == "b" else choice


def plain(vote: Vote) -> dict[str, Any]:
    """A vote as JSON can hold it; `read` is the way back."""
    return asdict(vote)


def read(rows: object) -> list[Vote]:
    """Votes that were kept as `plain` ones, without any that cannot be understood: a browser may hold an older kind."""
    votes = []
    for row in rows if isinstance(rows, list) else ():
        try:
            a, b = (
                Contestant(str(w["reference"]), str(w["system"]), _pairs(w["settings"])) for w in (row["a"], row["b"])
            )
            choice, first, (seed_a, seed_b) = row["choice"], row["first"], row["seeds"]
            vote = Vote(a, b, choice, first, str(row["prompt"]), int(row["turn"]), (seed_a, seed_b), str(row["at"]))
            hash(vote)
        except (KeyError, TypeError, ValueError):
            continue
        if choice in CHOICES and first in ("a", "b"):
            votes.append(vote)
    return votes


def settings(values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Settings as a `Contestant` has them: by name, without the seed."""
    return _pairs([(name, value) for name, value in sorted(values.items()) if name != "seed"])


def _pairs(value: Iterable[Sequence[Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple((str(name), _hashable(held)) for name, held in value)


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value
