"""What the picked model can do with a text, as far as that is known before it is loaded."""

from typing import Literal

from playground.errors import PlaygroundError
from playground.models.catalog import catalog
from playground.tabs.kit import Page


def what_it_can(page: Page, reference: str) -> Literal["chat", "base", "seq2seq", "none"] | None:
    """Whether the model converses, only continues text, or does not write; None: not known before it is loaded."""
    kinds = {entry.reference: entry.kind for entry in catalog()}
    kind = kinds.get(reference.partition("#")[0])
    if kind is not None:
        return kind if kind in ("chat", "base", "seq2seq") else "none"
    try:
        if page.models.status(reference).state != "ready":
            return None
        with page.models.lease(reference) as engine:
            from playground.labs.chat import replies as chat

            if not engine.anatomy.writes:
                return "none"
            if engine.anatomy.kind == "seq2seq":
                return "seq2seq"
            return "chat" if chat.has_chat_template(engine) else "base"
    except PlaygroundError:  # the bar says what is wrong with it
        return None
