"""What a comparison of prompts means, in sentences, as safe HTML. It does not know how prompts are run."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from playground.errors import PlaygroundError
from playground.labs.chat.votes import SURE
from playground.labs.prompting.prompts import Messages
from playground.labs.prompting.results import Results
from playground.labs.prompting.statistics import Accuracy, Comparison, Leaning, cochran
from playground.views.continuations import note
from playground.views.tokens import percent, visible

if TYPE_CHECKING:  # the lab imports torch
    from playground.labs.tokens import SeenToken

MOST_TOKENS = 2_000

UNFINISHED = "Not all rows are done: what stands here may change."


def points(difference: float) -> str:
    """A difference of two shares: 0.39 -> "39 points"."""
    n = abs(100 * difference)
    return f"{n:.0f} point{'' if round(n) == 1 else 's'}" if n >= 0.95 or n == 0 else f"{n:.1f} points"


def verdict(found: Comparison, a: str, b: str) -> str:
    """Which of the two is better, or that nobody can tell yet, and how many rows would."""
    better, worse = (a, b) if found.difference >= 0 else (b, a)
    low, high = sorted((found.low, found.high)) if found.difference >= 0 else sorted((-found.low, -found.high))
    won, lost = (found.only_a, found.only_b) if found.difference >= 0 else (found.only_b, found.only_a)
    facts = (
        f"{won} row{'s' if won != 1 else ''} only {better} got right, {lost} only {worse}; both or neither: "
        f"{found.both + found.neither} of {found.n}."
    )
    spread = f"95 % bootstrap interval {100 * low:+.0f} to {100 * high:+.0f}"
    test = f"McNemar's exact test, p = {found.p_value:.2g}"
    if found.verdict in ("a", "b"):
        head = f"{better} is better than {worse} on these rows: by {points(found.difference)} ({spread}; {test})."
    elif found.difference == 0:
        head = f"No difference between {a} and {b} was seen ({test}). That is no proof that there is none."
    else:
        reason = " Only one of interval and test is sure." if found.verdict == "nearly" else ""
        head = (
            f"Not enough data to tell whether {better} is better than {worse}: {points(found.difference)} apart "
            f"({spread}; {test}).{reason}"
        )
        if found.rows_needed is None:
            head += " A difference this small would need more than 100,000 rows."
        else:
            head += (
                f" If the difference is as large as it looks, about {found.rows_needed:,} rows would tell 4 times in 5."
            )
    sure = "sure" if found.verdict in ("a", "b") else "open"
    return f'<p class="lab-verdict {sure}">{escape(head)}</p><p class="note">{escape(facts)}</p>'


def accuracy(name: str, found: Accuracy) -> str:
    """One prompt's line: share, interval, and what could not be read."""
    if not found.n:
        return f"{name}: no row is done."
    low, high = found.interval
    unread = f", {found.unparseable} of them unparseable" if found.unparseable else ""
    failed = f"; {found.failed} rows failed" if found.failed else ""
    return (
        f"{name}: {found.correct} of {found.n} right, {percent(found.share)} (95 % interval {100 * low:.0f} to "
        f"{100 * high:.0f} %); {found.n - found.correct} not right{unread}{failed}."
    )


def overview(results: Results) -> str:
    """A table of all variants: counts, share, interval, tokens."""
    heads = ("Prompt", "Right", "Wrong", "Unparseable", "Failed", "Accuracy", "95 % interval", "Tokens a row")
    rows = []
    for i, variant in enumerate(results.variants):
        found, failed = results.accuracy(i), sum(bool(cell and cell.error) for cell in results.cells[i])
        low, high = found.interval
        share = percent(found.share) if found.n else "–"
        interval = f"{100 * low:.0f} to {100 * high:.0f} %" if found.n else "–"
        values = (found.correct, found.wrong, found.unparseable, failed, share, interval, f"{results.tokens(i):,.0f}")
        cells = "".join(f"<td>{value}</td>" for value in values)
        rows.append(f"<tr><th scope='row'>{escape(variant.name)}</th>{cells}</tr>")
    top = "".join(f"<th scope='col'>{head}</th>" for head in heads)
    return (
        "<div class='wide' tabindex='0' role='region' aria-label='Accuracies'><table class='numbers'><thead>"
        f"<tr>{top}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def remarks(results: Results, leaks: Sequence[str] = ()) -> str:
    """What to bear in mind."""
    said = list(leaks)
    if any(cell is None or not (cell.judged or cell.error) for line in results.cells for cell in line):
        said.append(UNFINISHED)
    n = len(results.variants)
    if n > 2:
        said.append(
            f"With {n} prompts there are {n * (n - 1) // 2} pairs: who picks the best pair afterwards finds a winner "
            "by luck more often than 1 time in 20."
        )
    if results.samples > 1:
        said.append(
            f"Each row was answered {results.samples} times and the majority counts; a tie counts as unparseable."
        )
    return "".join(f'<p class="note warning">{escape(sentence)}</p>' for sentence in said)


def spread(results: Results) -> str:
    """Whether variants that hold the same examples in other orders differ at all."""
    first = results.variants[0].prompt
    same = [
        i
        for i, variant in enumerate(results.variants)
        if sorted(map(repr, variant.prompt.examples)) == sorted(map(repr, first.examples))
        and (variant.reference, variant.temperature) == (results.variants[0].reference, results.variants[0].temperature)
    ]
    if len({results.variants[i].prompt.examples for i in same}) < 2 or len(same) < len(results.variants):
        return ""
    shares = [results.accuracy(i).share for i in same]
    try:
        p = cochran([results.outcomes(i) for i in same])
    except PlaygroundError:
        return ""
    matters = "the order matters" if p < SURE else "not enough to say that the order matters"
    return note(
        f"{len(same)} orders of the same examples: from {percent(min(shares))} to {percent(max(shares))} right. "
        f"Cochran's Q over all of them, p = {p:.2g}: {matters}."
    )


def leanings(results: Results) -> str:
    """Which label each variant prefers when the input says nothing."""
    said = []
    for variant, shares in zip(results.variants, results.leanings, strict=True):
        if shares and results.scorer:
            leaning = Leaning(results.scorer.choices, shares)
            said.append(
                f"{variant.name}: with “N/A” in the place of the text, {leaning.favourite} gets "
                f"{percent(max(shares))}, {points(leaning.excess)} more than an equal share."
            )
    return "".join(note(sentence) for sentence in said) + note(
        "That is label bias: what the prompt alone says before any text is read. The dashed line is an equal share."
    )


def shown_prompt(rendered: str | Messages) -> str:
    """A prompt as text, when no tokenizer is at hand."""
    if isinstance(rendered, str):
        return f'<pre class="lab-prompt" tabindex="0">{escape(rendered)}</pre>'
    turns = "".join(
        f"<p><b>{escape(turn['role'])}</b></p><pre class='lab-prompt' tabindex='0'>{escape(turn['content'])}</pre>"
        for turn in rendered
    )
    return f"<div>{turns}</div>"


def seen(tokens: Sequence[SeenToken], limit: int | None) -> str:
    """A prompt as the model reads it, token by token; special tokens have a frame."""
    parts = [
        f'<span class="token{" special" if token.special else ""}" title="id {token.id}">'
        f"{escape(visible(token.text))}</span>" + "<br>" * token.text.count("\n")
        for token in tokens[:MOST_TOKENS]
    ]
    room = f" of {limit:,} that fit" if limit else ""
    more = f" The first {MOST_TOKENS:,} are shown." if len(tokens) > MOST_TOKENS else ""
    return (
        f'<p class="note">{len(tokens):,} tokens{room}.{more}</p>'
        '<div class="tokens lab-tokens" tabindex="0" role="region" aria-label="Prompt as tokens">'
        f"{''.join(parts)}</div>"
    )


def answer(text: str, line: str) -> str:
    """One answer as it comes, and what stands under it."""
    return f'<pre class="lab-prompt lab-answer">{escape(text.strip()) or "…"}</pre>{note(line)}'


def progress(done: int, total: int, seconds_left: float | None, doing: str) -> str:
    """How far a run is."""
    left = ""
    if seconds_left is not None:
        left = (
            f", about {seconds_left:.0f} s left" if seconds_left < 90 else f", about {seconds_left / 60:.0f} min left"
        )
    share = done / total if total else 0
    return (
        f'<div class="progress"><progress max="1" value="{share:.3f}" aria-label="Progress"></progress>'
        f'<p class="note">{escape(doing)}: {done} of {total} answers{left}</p></div>'
    )
