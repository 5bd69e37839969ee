"""What a link to the Chat tab holds beside its boxes: the conversation, if the person wants that; of a duel both sides.

It does not know how links are made.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from playground.errors import PlaygroundError
from playground.labs.chat import conversations, files
from playground.labs.chat.conversations import Thread
from playground.tabs.chat import saved
from playground.tabs.chat.arena import Arena
from playground.tabs.chat.conversation import Pane
from playground.tabs.forms import Box, More

NAME, FOLLOWED = "conversation", "duel_follows"
Duels = Callable[[dict], bool]  # whether two models are asked, by all values


def boxes_of(two: Arena, duels: Duels) -> dict[str, Box]:
    """What of a duel goes into a link, while there is one."""
    found = {"blind": Box(two.blind), "duel_message": Box(two.message), "duel_seed": Box(two.seed)}
    for name, side in zip("ab", two.sides, strict=True):
        found[f"{name}_model"] = Box(side.model, names_model=True)
        found[f"{name}_system"] = Box(side.system)
        controls = {setting: Box(control) for setting, control in vars(side.controls).items() if setting != "seed"}
        found |= {f"{name}_{setting}": box for setting, box in controls.items()}
    return {name: replace(box, when=duels) for name, box in found.items()}


def of(talk: Pane, two: Arena, duels: Duels) -> More:
    """The conversation of a pane; opening a link without one begins a new one, and what was there stays kept.

    Of a duel also the model that its sides followed, so that they do not follow another one when the link is opened.
    """

    def read(values: dict, with_talk: bool) -> tuple[dict[str, Any], list[str]]:
        path = values[talk.thread].now.path
        picked = values[two.page.reference] or ""
        found = {FOLLOWED: picked} if duels(values) and not picked.startswith("merge:") else {}
        if with_talk and not path:
            raise PlaygroundError("Nothing has been said yet, so no conversation can be added. Copy the link without.")
        if with_talk:
            found[NAME] = [{"role": node.role, "content": node.content} for node in path]
        return found, []

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
        if isinstance(plain.get(FOLLOWED), str):
            shown[two.followed] = plain[FOLLOWED][:1000]
        return shown, told

    return More({talk.thread, two.page.reference}, [*talk.screen, two.followed], read, fill)
