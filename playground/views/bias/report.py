"""A report on one page of HTML that opens anywhere, without a network. It does not know how anything was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the labs import torch, which a page that is being laid out must not wait for
    from playground.labs.bias.sections import Section

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1e293b;"
    "background:#fff}table{border-collapse:collapse;font-size:.9rem}"
    "th,td{text-align:left;padding:.25rem .9rem .25rem 0;vertical-align:top;font-weight:400}"
    "thead th{color:#475569;border-bottom:1px solid #94a3b8}"
    ".says{padding:.5rem .9rem;border-left:5px solid #d97706;background:#f8fafc;font-size:1.05rem}"
    ".wide{overflow-x:auto}dt{color:#475569}dd{margin:0 0 .4rem}pre{white-space:pre-wrap;font-size:.8rem}"
)


def page(sections: Sequence[Section]) -> str:
    """One HTML document with every section: what it says, how it was measured, all numbers, and what it does not "
    "show."""
    body = "".join(_section(one) for one in sections) or "<p>Nothing has been measured yet.</p>"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Bias report</title><style>{_STYLE}</style></head><body><h1>Bias report</h1>"
        "<p>Each section names its model, data, metric and ideal value, gives intervals where there are any, and "
        "ends with "
        "what it does not show. Nothing here shows that a model is free of bias.</p>"
        f"{body}</body></html>"
    )


def _section(one: Section) -> str:
    heads = "".join(f"<th scope='col'>{escape(name)}</th>" for name in one.columns)
    rows = "".join(
        f"<tr><th scope='row'>{escape(row[0])}</th>{''.join(f'<td>{escape(value)}</td>' for value in row[1:])}</tr>"
        for row in one.rows
    )
    limits = "".join(f"<li>{escape(text)}</li>" for text in one.limits)
    made = json.dumps(one.provenance, ensure_ascii=False, indent=1, default=str)
    return (
        f"<section><h2>{escape(one.title)}</h2><p class='says'>{escape(one.says)}</p><dl>"
        f"<dt>Model</dt><dd>{escape(str(one.provenance.get('model', '')))}, revision "
        f"{escape(str(one.provenance.get('revision', '')))}, {escape(str(one.provenance.get('precision', '')))}</dd>"
        f"<dt>Data</dt><dd>{escape(one.data)}</dd><dt>Metric</dt><dd>{escape(one.metric)}: "
        f"{escape(one.definition)}</dd>"
        f"<dt>Ideal value</dt><dd>{escape(one.ideal)}</dd></dl>"
        f"<div class='wide'><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"<h3>What this does not show</h3><ul>{limits}</ul>"
        f"<details><summary>How it was made</summary><pre>{escape(made)}</pre></details></section>"
    )
