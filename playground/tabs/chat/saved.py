"""Conversations that last: this browser keeps them, and nothing of them is stored on the server.

What the browser does is in assets/conversations.js; here stands what the page tells it and what it asks of the page.
"""

import time

import gradio as gr

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.labs.chat import conversations, files
from playground.labs.chat.conversations import Conversation, Made, Node
from playground.tabs import results

FULL = "This browser's room for conversations is full, so this one is not saved. See Conversations."
RELOADED = "reloaded"  # the stop reason of a reply that a reload of the page has cut


def build() -> gr.HTML:
    """The drawer. Its value is what the browser is to do next; its events are `opened`, `imported` and so on."""
    drawer = gr.HTML(
        html_template=(ASSETS / "conversations.html").read_text("utf-8"),
        js_on_load=(ASSETS / "conversations.js").read_text("utf-8"),
        elem_id="conversations",
        elem_classes=results.NO_RESULT,
    )
    drawer.full(lambda: gr.Warning(FULL), None, None, concurrency_limit=None, api_visibility="private")
    return drawer


def keep(conversation: Conversation) -> dict:
    """Asks the browser to keep a conversation, and to regard it as the one that is open."""
    return _order(conversation=files.tree(conversation))


def open_new(conversation: Conversation) -> dict:
    """Tells the browser that another one is open, in which nothing was said."""
    return _order(open=conversation.id)


def keep_draft(conversation: Conversation, content: str, made: Made) -> dict:
    """Asks the browser to keep a reply that is still being written, apart: the conversation need not be sent again."""
    draft = Node(conversations.new_id(), conversation.active, "assistant", content, made)
    return _order(draft={"of": conversation.id, "node": files.node(draft)})


def download(conversation: Conversation) -> dict:
    """Asks the browser to save a conversation as a file."""
    title = "".join(letter if letter.isalnum() else "-" for letter in conversation.name)[:60].strip("-")
    return _order(file={"name": f"{title or 'conversation'}.json", "text": files.exported(conversation)})


def restored(tree: object, draft: object) -> Conversation:
    """A conversation that the browser has kept, with what had come of a reply when the page was left.

    A draft that does not go with it is left out: in a browser that is full, the conversation may be older than it.

    Raises:
        PlaygroundError: what was kept cannot be read.
    """
    conversation = files.from_tree(tree)
    if not isinstance(draft, dict):
        return conversation
    if isinstance(made := draft.get("made"), dict):
        draft = {**draft, "made": {**made, "stop_reason": RELOADED}}
    nodes = [*files.tree(conversation)["nodes"], draft]
    try:
        return files.from_tree(files.tree(conversation) | {"nodes": nodes, "active": draft.get("id")})
    except PlaygroundError:
        return conversation


def _order(**what) -> dict:
    return what | {"number": time.time_ns()}  # so that the same order given twice is two orders
