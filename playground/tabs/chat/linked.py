"""What a link to the Chat tab holds beside its boxes: the conversation, if the person wants that.

It does not know how links are made.
"""

from collections.abc import Mapping
from typing import Any

from playground.errors import PlaygroundError
from playground.labs.chat import conversations, files
from playground.labs.chat.conversations import Thread
from playground.tabs.chat import saved
from playground.tabs.chat.conversation import Pane
from playground.tabs.forms import More

NAME = "conversation"


def of(talk: Pane) -> More:
    """The conversation of a pane; opening a link without one begins a new one, and what was there stays kept."""

    def read(values: dict, with_talk: bool) -> dict[str, Any]:
        path = values[talk.thread].now.path
        if not with_talk:
            return {}
        if not path:
            raise PlaygroundError("Nothing has been said yet, so no conversation can be added. Copy the link without.")
        return {NAME: [{"role": node.role, "content": node.content} for node in path]}

    def fill(plain: Mapping[str, Any]) -> tuple[dict, list[str]]:
        thread, told = conversations.start(), []
        if NAME in plain:
            try:
                thread = Thread(files.from_messages(plain[NAME]))
            except PlaygroundError as error:
                told.append(f"The link's conversation is left out. {error}")
        shown = talk.show(thread)
        if not thread.now.path:
            shown[talk.drawer] = saved.open_new(thread.now)
        return shown, told

    return More({talk.thread}, talk.screen, read, fill)
