"""Votes as a table, as safe HTML, and as files to take along. It does not know where votes are kept."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Sequence
from html import escape

from playground.labs.chat import votes as lab
from playground.labs.chat.votes import Score, Vote
from playground.views import duel
from playground.views.tokens import percent

NONE_YET = (
    "No votes yet. Tick <b>Blind</b>, send a message, and say which reply is better before you are told whose it is."
)
RULE = (
    "The rate is the share of votes for one of the two; ties and “both bad” are counted beside it and left out. "
    "The interval is Wilson's, at 95 %; p is the exact sign test, two-sided. Decide beforehand how many votes you "
    "will cast: who stops when the numbers please will find a winner too often."
)
HEADS = (
    "This one",
    "against",
    "Wins",
    "Losses",
    "Ties",
    "Both bad",
    "Preference rate",
    "95 % interval",
    "p",
)


def html(votes: Sequence[Vote], title: Callable[[str], str]) -> str:
    """The running score of every pair, and links that hand out the votes."""
    if not votes:
        return f'<p class="note">{NONE_YET}</p>'
    heads = "".join(f"<th scope='col'>{head}</th>" for head in HEADS)
    scores = lab.tally(votes)
    told = "".join(f"<li>{escape(_verdict(score, *duel.names(score.a, score.b, title)))}</li>" for score in scores)
    rows = "".join(_row(score, title) for score in scores)
    return (
        f"<ul>{told}</ul>"
        f"<div class='wide' tabindex='0' role='region' aria-label='Score'><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div><p class='note'>{RULE} {_places(votes)}</p>"
        f"<p class='downloads'>{_link('votes.csv', 'text/csv', as_csv(votes))}"
        f"{_link('votes.json', 'application/json', as_json(votes))}</p>"
    )


def _row(score: Score, title: Callable[[str], str]) -> str:
    a, b = duel.names(score.a, score.b, title)
    low, high = score.interval
    rate = "–" if score.rate is None else percent(score.rate)
    interval = f"{100 * low:.0f} to {100 * high:.0f} %" if score.decided else "–"
    p = f"{score.p_value:.2g}" if score.decided else "–"
    counts = (score.wins, score.losses, score.ties, score.both_bad)
    return (
        f"<tr><th scope='row'>{escape(a)}</th><th scope='row'>{escape(b)}</th>"
        + "".join(f"<td>{count}</td>" for count in counts)
        + f"<td>{_bar(score, low, high)}{rate}</td><td>{interval}</td><td>{p}</td></tr>"
    )


def _bar(score: Score, low: float, high: float) -> str:
    """The interval as a bar, a line at one half, a mark at the rate."""
    if score.rate is None:
        return ""
    return (
        "<svg class='share' viewBox='0 0 100 12' preserveAspectRatio='none' aria-hidden='true'>"
        "<rect class='all' x='0' y='5' width='100' height='2'/>"
        f"<rect class='likely' x='{100 * low:.1f}' y='3' width='{100 * (high - low):.1f}' height='6'/>"
        f"<rect class='half' x='49.5' y='0' width='1' height='12'/>"
        f"<rect class='rate' x='{min(98, max(0, 100 * score.rate - 1)):.1f}' y='0' width='2' height='12'/></svg>"
    )


def _verdict(score: Score, a: str, b: str) -> str:
    both = f"whether {a} or {b} is better" if score.a != score.b else f"{a} from itself, as it should be"
    return {
        "a": f"{a} is preferred to {b}.",
        "b": f"{b} is preferred to {a}.",
        "nearly": f"Not enough votes to tell {both}: the interval is on one side of 50 %, but p is not below 0.05.",
        "open": f"Not enough votes to tell {both}: the interval holds 50 %.",
    }[score.verdict]


def _places(votes: Sequence[Vote]) -> str:
    """Whether the place on the page seems to sway the voter."""
    decided = [vote for vote in votes if vote.choice in ("a", "b")]
    if not decided:
        return ""
    first = sum(vote.choice == vote.first for vote in decided)
    return f"Whichever model it came from, reply 1 was preferred in {first} of {len(decided)}; about half is fair."


def _link(name: str, kind: str, text: str) -> str:
    """A file inside the page itself: nothing of a visitor's votes is left on the server."""
    data = base64.b64encode(text.encode("utf-8")).decode("ascii")
    return f"<a download='{name}' href='data:{kind};base64,{data}'>{name.rpartition('.')[2].upper()}</a>"


def as_json(votes: Sequence[Vote]) -> str:
    return json.dumps([lab.plain(vote) for vote in votes], ensure_ascii=False, indent=1)


def as_csv(votes: Sequence[Vote]) -> str:
    """One line a vote; the settings of each side as JSON in one field."""
    out = io.StringIO()
    lines = csv.writer(out)
    sides = [f"{side}_{what}" for side in "ab" for what in ("model", "system", "settings", "seed")]
    lines.writerow(["at", "turn", "prompt", "choice", "first_place", *sides])
    for vote in votes:
        both = ((vote.a, vote.seeds[0]), (vote.b, vote.seeds[1]))
        fields = [
            field
            for who, seed in both
            for field in (who.reference, who.system, json.dumps(dict(who.settings)), "" if seed is None else seed)
        ]
        lines.writerow([vote.at, vote.turn, vote.prompt, vote.choice, vote.first, *fields])
    return out.getvalue()
