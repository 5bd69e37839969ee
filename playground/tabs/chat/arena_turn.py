"""One message and what two models made of it, kept on the server; and how much of it the page may be told.

In blind mode that is the two texts and nothing else, in places that chance has dealt out. It does not know components.
"""

import threading
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any

from playground.labs.chat.votes import Choice, Contestant
from playground.tabs.chat.conversation import said, waiting
from playground.tabs.kit import WAITING, title_of
from playground.views import duel, statistics

if TYPE_CHECKING:  # the page must not wait for torch
    from playground.labs.chat.replies import Reply

SIDES = ("A", "B")
SECRET = "Writing …"  # all that is said of a reply in blind mode while it comes
WHOLE = ("eos", "length", "stop string")  # stop reasons of a reply that can be compared
TO_VOTE = "Which reply is better? Names, settings and statistics are shown when you have voted."


@dataclass(frozen=True)
class Failure:
    """Why a side has no reply."""

    sentence: str


@dataclass(frozen=True, eq=False)
class Turn:
    """One message and what both made of it. Kept on the server: what a voter must not know is only here."""

    text: str
    blind: bool
    places: tuple[int, int]  # the side, 0 for A, that stands in the first place, and the other
    contestants: tuple[Contestant, ...] = ()
    spoken: tuple["Reply | Failure | str", ...] = (WAITING, WAITING)  # by side; text: what is awaited
    ended: bool = False
    choice: Choice | None = None
    ballot: threading.Lock = field(default_factory=threading.Lock)  # taken once, by the vote

    @property
    def whole(self) -> bool:
        """Whether both replies came to an end of their own, so that they can be compared."""
        return self.ended and all(getattr(one, "stop_reason", None) in WHOLE for one in self.spoken)

    @property
    def fruitful(self) -> bool:
        """Whether there is anything to keep: some text, or a reply that ended by itself."""
        return any(_text(one) or getattr(one, "stop_reason", "stopped") != "stopped" for one in self.spoken)

    @property
    def votable(self) -> bool:
        return self.blind and self.whole and self.choice is None

    @property
    def secret(self) -> bool:
        """Whether it must still not be told which reply is whose. Where no vote can come, nothing need be hidden."""
        failed = any(isinstance(one, Failure) for one in self.spoken)
        return self.blind and self.choice is None and not failed and (self.whole or not self.ended)

    def told(self, latest: dict[int, Any]) -> "Turn":
        """With the latest of each side that has any news."""
        return replace(self, spoken=tuple(latest.get(side, self.spoken[side]) for side in (0, 1)))

    def done(self) -> "Turn":
        """Ended; without the replies' tokens, each of which has ten rivals: a conversation is kept for long."""
        return replace(self, spoken=tuple(map(_lighter, self.spoken)), ended=True)

    def seed(self, side: int) -> int | None:
        """What the reply of a side was drawn with; None when it was greedy."""
        used = self.spoken[side].provenance.settings
        return None if used["temperature"] == 0 else used["seed"]

    def messages(self, side: int) -> list[dict[str, str]]:
        """What was said on one side, for a lab. A reply that failed is empty, so that roles go on alternating."""
        return [{"role": "user", "content": self.text}, {"role": "assistant", "content": _text(self.spoken[side])}]

    def shown(self, side: int) -> list[dict]:
        """What was said on one side, for the page."""
        return [said("user", self.text), self._disguised(side) if self.secret else self._reply(side)]

    def _reply(self, side: int) -> dict:
        spoken = self.spoken[side]
        if isinstance(spoken, Failure):
            return waiting(spoken.sentence)
        if isinstance(spoken, str):
            return waiting(spoken)
        return said("assistant", spoken.text, statistics.line(spoken, title_of(self.contestants[side].reference)))

    def _disguised(self, side: int) -> dict:
        """No further than the slower one has come, so that speed does not tell who it is either."""
        if self.whole:
            return said("assistant", _text(self.spoken[side]))
        lengths = [len(_text(one)) for one in self.spoken if not _over(one)]
        if any(dict(contestant.settings).get("beams", 1) > 1 for contestant in self.contestants):
            lengths.append(0)  # beams take back what they have shown, which would tell
        return said("assistant", _text(self.spoken[side])[: min(lengths, default=None)], SECRET)


def _over(spoken: Any) -> bool:
    return isinstance(spoken, Failure) or getattr(spoken, "stop_reason", None) is not None


def _text(spoken: Any) -> str:
    return getattr(spoken, "text", "")


def _lighter(spoken: Any) -> Any:
    return spoken if isinstance(spoken, (str, Failure)) else replace(spoken, tokens=(), ids=(), remote_tokens=())


Turns = tuple[Turn, ...]


def messages(turns: Turns, place: int) -> list[dict]:
    """What stands in a place of the page. While it is secret whose that is, nothing of what was said before."""
    if not turns:
        return []
    last = turns[-1]
    seen = turns[-1:] if last.secret else turns
    return [message for turn in seen for message in turn.shown(last.places[place])]


def name(turns: Turns, place: int) -> str:
    """What stands over a place, as HTML: whose reply it is, or which of the two in blind mode."""
    last = turns[-1] if turns else Turn("", False, (0, 1))
    side = last.places[place]
    if last.secret:
        return f"<b>Reply {place + 1}</b>"
    who = f"Reply {place + 1} was {SIDES[side]}" if last.blind else SIDES[side]
    called = f" · {duel.names(*last.contestants, title_of)[side]}" if last.contestants else ""
    return f"<b>{who}</b>{escape(called)}"


def verdict(turns: Turns) -> str:
    """What stands under an ended pair."""
    if not turns or not turns[-1].ended:
        return ""
    last = turns[-1]
    if last.votable:
        return TO_VOTE
    told = duel.comparison(*last.spoken) if last.whole else ""
    if last.choice is not None:
        liked = {"a": "You preferred A.", "b": "You preferred B.", "tie": "You called it a tie."}
        return f"{liked.get(last.choice, 'You found both bad.')} {told}"
    if last.blind:
        return "This pair cannot be voted on, because it did not come to its end; so names are shown."
    return told
