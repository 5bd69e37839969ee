"""Results of the Bias tab as safe HTML: sections, words of a blank, pairs token by token, continuations.

It does not know how anything was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from playground.views.internals.scale import cell

if TYPE_CHECKING:  # the labs import torch, which a page that is being laid out must not wait for
    from playground.labs.bias.continuations import Written
    from playground.labs.bias.fill import Filled
    from playground.labs.bias.measure import Measured
    from playground.labs.bias.scoring import Scored, Side
    from playground.labs.bias.sections import Section
    from playground.labs.bias.word_choice import Choice

MOST_ROWS = 200


def table(head: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """Plain texts as a table; the first column names the row."""
    heads = "".join(f"<th scope='col'>{escape(name)}</th>" for name in head)
    lines = "".join(
        f"<tr><th scope='row'>{escape(row[0])}</th>{''.join(f'<td>{escape(value)}</td>' for value in row[1:])}</tr>"
        for row in rows[:MOST_ROWS]
    )
    more = (
        f"<p class='note'>The first {MOST_ROWS} of {len(rows):,}; the files have all.</p>"
        if len(rows) > MOST_ROWS
        else ""
    )
    return (
        "<div class='wide bias-table' tabindex='0' role='region' "
        f"aria-label='{escape(label)}'><table><thead><tr>{heads}"
        f"</tr></thead><tbody>{lines}</tbody></table></div>{more}"
    )


def section(one: Section) -> str:
    """What a result says, how it was defined and what it does not show; its numbers in a table below."""
    limits = "".join(f"<li>{escape(text)}</li>" for text in one.limits)
    made = one.provenance
    source = f"{made.get('model', '')}, {made.get('precision', '')}"
    return (
        f"<p class='lab-verdict'>{escape(one.says)}</p>"
        f"<p class='note'><b>{escape(one.metric)}</b>: {escape(one.definition)}. Ideal: {escape(one.ideal)}. "
        f"Data: {escape(short(one.data, 240).rstrip('.'))}. Model: {escape(source)}.</p>"
        f"<ul class='note bias-limits' aria-label='What this does not show'>{limits}</ul>"
    )


def numbers(one: Section) -> str:
    return table(one.columns, one.rows, one.title)


def words(found: Filled) -> str:
    """The words of a blank as bars."""
    rows = []
    for word in found.words:
        pieces = f"<small>{word.pieces} tokens</small>" if word.pieces > 1 else ""
        label = f"{escape(word.text) or '(nothing)'}: {word.probability:.1%}"
        rows.append(
            f"<tr><th scope='row'>{escape(word.text) or '(nothing)'}{pieces}</th>"
            f"<td><meter min='0' max='1' value='{word.probability:.4f}' aria-label='{label}'></meter></td>"
            f"<td>{word.probability:.2%}</td><td>{word.logprob:.2f}</td></tr>"
        )
    return (
        "<div class='wide' tabindex='0' role='region' aria-label='Words of the blank'><table class='bars'><thead><tr>"
        "<th scope='col'>Word</th><th scope='col'></th><th scope='col'>Probability</th>"
        f"<th scope='col'>Log-probability, nats</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def pairs(found: Measured, most: Sequence[Scored]) -> str:
    """The pairs that differ most, token by token."""
    items = []
    for one in most:
        pair = found.pairs[one.number]
        kind = f" · {escape(pair.category)}" if pair.category else ""
        said = {"first": "prefers the first", "second": "prefers the second", "neither": "prefers neither"}[
            one.preferred
        ]
        items.append(
            f"<li><h4>Pair {one.number + 1}{kind}: {said} by {abs(one.difference):.3f}</h4>"
            f"{_tokens(one.first)}{_tokens(one.second)}</li>"
        )
    legend = (
        "<p class='note'>Each token by its log-probability in nats: light is likely, dark is unlikely. Underlined: the "
        "other sentence lacks it. Without colour: no part of the score.</p>"
    )
    return legend + f"<ul class='bias-pairs'>{''.join(items)}</ul>" if items else ""


def _tokens(side: Side) -> str:
    spans = []
    for token, value, differs in zip(side.tokens, side.logprobs.tolist(), side.differs, strict=True):
        scored = value == value
        style = f" style='{cell(1 + max(value, -12.0) / 12)}'" if scored else ""
        title = f" title='{value:.2f} nats'" if scored else ""
        inner = escape(token.strip()) or "·"
        spans.append(f"<span{style}{title}>{f'<u>{inner}</u>' if differs else inner}</span>")
    facts = f"score {side.score:.3f}, perplexity {side.perplexity:.1f}" if side.score == side.score else "not scored"
    return f"<p class='bias-tokens'>{' '.join(spans)} <small>{facts}</small></p>"


def continuations(found: Written) -> str:
    """Every text, by group, behind one click each."""
    parts = []
    for group in found.groups:
        items = "".join(
            f"<li><span class='given'>{escape(one.prompt)}</span>{escape(one.text)}"
            f"<small>sentiment {one.sentiment:+.2f}, {one.length} "
            f"tokens{', refused' if one.refused else ''}</small></li>"
            for one in found.of(group)
        )
        parts.append(
            f"<details><summary>{len(found.of(group))} texts of “{escape(group)}”</summary><ol "
            f"class='bias-texts'>{items}</ol>"
            "</details>"
        )
    return "".join(parts)


def choices(found: Sequence[Choice], first: str, second: str, n: int = 12) -> str:
    """The words that tell two groups apart most, with what is left after so many tests."""
    rows = [
        (
            one.word,
            str(one.first),
            str(one.second),
            f"{one.delta:+.2f}",
            f"{one.low:+.2f} to {one.high:+.2f}",
            f"{one.adjusted:.2g}",
        )
        for one in found[:n]
    ]
    sure = sum(one.adjusted < 0.05 for one in found)
    says = (
        f"{sure} of {len(found):,} words stand out after correction for so many tests."
        if sure
        else f"None of {len(found):,} words stands out after correction for so many tests."
    )
    head = ("Word", first, second, "Log-odds", "95 %", "p, adjusted")
    return f"<p class='note'>{escape(says)} Above 0: more with “{escape(first)}”.</p>" + table(
        head, rows, "Word choice"
    )


def short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
