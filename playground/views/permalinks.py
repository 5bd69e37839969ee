"""The button that copies a link, and what is said of one, as safe HTML. It does not know links."""

from collections.abc import Sequence
from html import escape

from playground.views.continuations import note


def bar(more: str = "") -> str:
    """The button, and above it what there is to say."""
    button = (
        '<button type="button" data-do="wanted" title="Of the open tab: model, texts and settings">Copy link</button>'
    )
    return f'<div class="permalink">{more}<div class="copy">{button}</div></div>'


def copied(word: str, told: Sequence[str], talks: bool) -> str:
    """A link that was made. The page's script puts the address before it, shows it and copies it.

    talks: there is a conversation that could go with it.
    """
    talk = '<button type="button" data-do="wanted" data-talk="1">Copy with the conversation</button>' if talks else ""
    return bar(
        f'<div class="said" role="status" data-word="{escape(word)}"><label>Link <input type="text" readonly></label>'
        f'<span class="done"></span>{talk}{_close()}{_sentences(told)}</div>'
    )


def filled_in(what: str, told: Sequence[str]) -> str:
    """A link was opened."""
    first = f"<p>A link has filled in {escape(what)}. Press its button to run it.</p>"
    return bar(f'<div class="said" role="status">{first}{_close()}{_sentences(told)}</div>')


def asking(what: str, title: str, reference: str, told: Sequence[str]) -> str:
    """A link was opened whose model is not in memory."""
    return bar(
        f'<div class="said asks" role="alert"><p>A link has filled in {escape(what)}, for the model '
        f"<b>{escape(title)}</b> (<code>{escape(reference)}</code>), which is not in memory. Load it only if you trust "
        'who sent the link.</p><button type="button" class="agree" data-do="agreed">Use and load this model</button>'
        f"{_close()}{_sentences(told)}</div>"
    )


def refused(sentence: str) -> str:
    """A link that could not be opened, or made."""
    return bar(f'<div class="said refused" role="alert"><p>{escape(sentence)}</p>{_close()}</div>')


def _close() -> str:
    return '<button type="button" data-do="close" aria-label="Close">×</button>'


def _sentences(told: Sequence[str]) -> str:
    return "".join(note(sentence) for sentence in told)
