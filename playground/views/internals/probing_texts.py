"""Labelled texts as safe HTML. It does not know what they are probed for."""

from collections.abc import Sequence
from html import escape

LONGEST = 24  # characters of a label


def samples(texts: Sequence[tuple[str, str, tuple[int, int] | None]], question: str, facts: str) -> str:
    """Some labelled texts, as safe HTML: (text, label, characters from and to of the word it is about)."""
    rows = []
    for text, label, span in texts:
        shown = escape(text)
        if span is not None:
            start, end = span
            shown = f"{escape(text[:start])}<mark>{escape(text[start:end])}</mark>{escape(text[end:])}"
        rows.append(f'<li><span class="chip">{escape(short(label))}</span> {shown}</li>')
    return (
        f'<p><b>{escape(question)}</b></p><ul class="samples">{"".join(rows)}</ul><p class="note">{escape(facts)}</p>'
    )


def short(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
