"""How a model stands, as safe HTML: its state, size, device, precision and self-checks.

Every text from outside is escaped here, because `gr.HTML` escapes nothing. It does not know where a status comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from playground.models.status import Status
from playground.views.quantities import size

if TYPE_CHECKING:  # the engine imports torch, which a page that is being laid out must not wait for
    from playground.engine.engine import Check

WORDS = {
    "absent": "not on disk",
    "on disk": "on disk",
    "fetching": "fetching",
    "loading": "loading",
    "ready": "ready",
    "failed": "failed",
    "remote": "runs elsewhere",
}
DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


def html(status: Status, about: str = "", troubles: Sequence[str] = ()) -> str:
    """What stands beside the model picker; `about` is a sentence on the model itself, `troubles` are of others."""
    others = "".join(f'<p class="detail">{escape(trouble)}</p>' for trouble in troubles if trouble != status.detail)
    return (
        f'<div class="status" data-state="{escape(status.state)}" data-revision="{escape(status.revision)}">'
        f'<p class="facts">{_chip(status)}{"".join(f"<span>{escape(fact)}</span>" for fact in _facts(status))}</p>'
        f"{_bar(status)}{_detail(status)}{_checks(status.checks)}{_about(about)}{others}</div>"
    )


def sentence(status: Status) -> str:
    """What is going on, as plain text for the place where a reply will stand: 'Fetching the weights, 40 %'."""
    return f"{status.detail.rstrip('. ')}{_percent(status)} …"


def _chip(status: Status) -> str:
    word = WORDS.get(status.state, status.state)
    return f'<span class="chip"><i aria-hidden="true"></i>{escape(word)}{_percent(status)}</span>'


def _percent(status: Status) -> str:
    return "" if status.fraction is None else f", {status.fraction:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _facts(status: Status) -> list[str]:
    facts = []
    if status.n_bytes is not None:
        facts.append(
            f"{size(status.n_bytes)} in memory" if status.state == "ready" else f"needs {size(status.n_bytes)}"
        )
    if status.device:
        facts.append(status.device)
    if status.dtype:
        facts.append(DTYPES.get(status.dtype, status.dtype))
    return facts


def _bar(status: Status) -> str:
    if status.state not in ("fetching", "loading"):
        return ""
    value = "" if status.fraction is None else f' value="{status.fraction:.3f}"'
    return f'<progress max="1"{value} aria-label="Progress of {escape(status.state)}"></progress>'


def _detail(status: Status) -> str:
    if status.state == "ready" or not status.detail:
        return ""
    return f'<p class="detail">{escape(status.detail)}</p>'


def _about(sentence: str) -> str:
    return f'<p class="about">{escape(sentence)}</p>' if sentence else ""


def _checks(checks: tuple[Check, ...]) -> str:
    """The outcome in a few words, the details one click (or Enter) away."""
    if not checks:
        return ""
    failed = sum(check.passed is False for check in checks)
    passed = sum(check.passed is True for check in checks)
    summary = f"{failed} of {failed + passed} self-checks failed" if failed else f"{passed} self-checks passed"
    rows = "".join(f"<li>{_mark(check)} <b>{escape(check.name)}</b> {escape(check.detail)}</li>" for check in checks)
    kind = "bad" if failed else "good"
    return f'<details class="checks {kind}"><summary>{summary}</summary><ul>{rows}</ul></details>'


def _mark(check: Check) -> str:
    sign, word = {True: ("✓", "passed"), False: ("✗", "failed"), None: ("–", "does not apply")}[check.passed]
    return f'<span aria-hidden="true">{sign}</span><span class="unseen">{word}:</span>'
