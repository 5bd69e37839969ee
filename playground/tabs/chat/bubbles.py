"""A conversation as the chat component shows it: one bubble a message, notes under it, and which versions there are.

It does not know where the conversation is kept or who changes it.
"""

from collections import defaultdict
from itertools import groupby

from playground.labs.chat.conversations import Conversation, Made, Node
from playground.tabs.chat.token_pane import Written
from playground.tabs.kit import WAITING, title_of
from playground.views import context, statistics
from playground.views import messages as text_view

NOTHING_YET = "…"  # an empty bubble would have no text for a screen reader
EDITED = "edited by you"

Messages = list[dict]  # {"role", "content": [{"type": "text", "text"}, ...]}: what was said, then notes about it


def said(role: str, text: str, *notes: str) -> dict:
    """A message for the page. Blocks, not a plain string: Gradio would strip the indentation of a string."""
    parts = [text_view.shown(text) or NOTHING_YET, *map(text_view.literal, notes)]
    return {"role": role, "content": [{"type": "text", "text": part} for part in parts]}


def plain(messages: Messages) -> list[dict[str, str]]:
    """The messages for a lab: what was said, without the notes."""
    texts = [text_view.original(m["content"][0]["text"]) for m in messages]
    return [
        {"role": m["role"], "content": "" if text == NOTHING_YET else text}
        for m, text in zip(messages, texts, strict=True)
    ]


def waiting(news: str = WAITING) -> dict:
    """What stands where the reply will be."""
    return said("assistant", "", news)


def messages(conversation: Conversation) -> Messages:
    """The path that is looked at."""
    return [said(node.role, node.content, *notes(conversation, node)) for node in conversation.path]


def notes(conversation: Conversation, node: Node) -> list[str]:
    """What is said about a message, below it."""
    found = []
    if node.made:
        found.append(statistics.line(node.made, title_of(node.made.provenance.reference)))
        if node.made.stop_reason == "length" and used(node.made) >= (node.made.context_length or float("inf")):
            found.append("It was cut because the context is full.")
    if node.edited:
        found.append(EDITED)
    if node.shortened:
        found.append(_left_out(conversation, node))
    return found


def _left_out(conversation: Conversation, node: Node) -> str:
    ids, summary = [each.id for each in conversation.path], node.shortened.summary
    n = ids.index(node.shortened.since) if node.shortened.since in ids else 0
    left_out = f"From here on the model is not given the {n} oldest messages"
    if not summary:
        return f"{left_out}."
    before = [each.shortened.summary for each in conversation.path[: ids.index(node.id)] if each.shortened]
    return f"{left_out}, but {'what it summed up before' if summary in before else 'its summary of them'}: {summary}"


def versions(conversation: Conversation) -> list[list[dict]]:
    """For each bubble on the page, its messages: place on the path, which version is shown, and how many there are.

    Messages of the same role that follow each other share a bubble.
    """
    beside: dict[str | None, list[str]] = defaultdict(list)
    for node in conversation.nodes.values():
        beside[node.parent].append(node.id)
    rows = []
    for _, group in groupby(enumerate(conversation.path), key=lambda pair: pair[1].role):
        row = [(at, node.id, beside[node.parent]) for at, node in group]
        rows.append([{"index": at, "version": ids.index(id) + 1, "of": len(ids)} for at, id, ids in row])
    return rows


def used(made: Made) -> int:
    """Tokens of the model's context that a reply and what it answers take up."""
    return made.prompt_tokens + len(made.ids)


def meter(conversation: Conversation) -> str:
    """How full the context was after the last reply, as HTML; nothing while there is plenty of room."""
    made = conversation.leaf.made if conversation.leaf else None
    return context.meter(used(made), made.context_length) if made else ""


def written(conversation: Conversation) -> Written | None:
    """What made the last reply; None where no model did, or where its tokens are not known."""
    leaf = conversation.leaf
    if leaf is None or leaf.made is None:
        return None
    reference = leaf.made.provenance.reference
    if not leaf.made.ids and not reference.startswith("endpoint:"):
        return None
    asked, _ = conversation.up_to(leaf.parent).given()
    spoken = tuple((node.role, node.content) for node in asked)
    return Written(reference, leaf.made.system, spoken, leaf.made.ids, leaf.made.remote_tokens)
