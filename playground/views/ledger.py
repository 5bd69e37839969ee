"""Which model holds how much memory, as safe HTML. It does not know what decides who leaves first."""

from collections.abc import Callable
from html import escape

from playground.models.status import Ledger
from playground.views.quantities import ago, size
from playground.views.status import DTYPES

COLUMNS = ("Model", "Memory", "Where", "Precision", "In use by", "Last used")


def summary(ledger: Ledger) -> str:
    """One line, plain text: 'Models hold 269 MB of the 6.0 GB that they may use on cpu.'"""
    if not ledger.budget:
        return "The budget is measured when the first model is loaded."
    return f"Models hold {size(ledger.used)} of the {size(ledger.budget)} that they may use on {ledger.device}."


def html(ledger: Ledger, title: Callable[[str], str]) -> str:
    """A meter and a table with one row a model. `title` gives the name that a person knows a reference by."""
    share = min(1.0, ledger.used / ledger.budget) if ledger.budget else 0.0
    meter = (
        f'<p class="facts"><span>{escape(summary(ledger))}</span></p>'
        f'<meter min="0" max="1" value="{share:.3f}" aria-label="Share of the memory budget in use">{share:.0%}</meter>'
    )
    if not ledger.holdings:
        return f'<div class="ledger">{meter}<p class="detail">No model is in memory.</p></div>'
    head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
    rows = "".join(
        f'<tr><th scope="row" title="{escape(held.reference)}">{escape(title(held.reference))}</th>'
        f"<td>{size(held.n_bytes)}</td><td>{escape(held.device)}</td>"
        f"<td>{escape(DTYPES.get(held.dtype, held.dtype))}</td><td>{held.lent or 'nobody'}</td>"
        f"<td>{'now' if held.lent else ago(held.idle_seconds)}</td></tr>"
        for held in ledger.holdings
    )
    return (
        f'<div class="ledger">{meter}<div class="wide" tabindex="0" role="region" aria-label="Models in memory">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></div>"
    )
