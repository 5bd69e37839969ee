"""What links to the Search tab hold of the collection: its address, if others can search it too.

Documents are in no link, and the names of one's own collections neither.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.forms import More
from playground.tabs.kit import AT_ONCE
from playground.tabs.search.bench import Bench

NAME, OWN = "collection", "mine"
LEFT_OUT = (
    "Your collection is not in the link: your documents stay yours. Whoever opens it searches the collection that is "
    "picked there."
)
THEIRS = (
    "The link was made with a collection of its maker's own, which is in no link. What is picked here stays; add "
    "documents of yours under Documents."
)


def of(bench: Bench) -> More:
    def read(values: dict, with_talk: bool) -> tuple[dict[str, Any], list[str]]:
        address = bench.address(values)
        own = address.startswith(f"{OWN}/")
        return {NAME: OWN if own else address}, [LEFT_OUT] if own else []

    def fill(plain: Mapping[str, Any]) -> tuple[dict, list[str]]:
        address = plain.get(NAME)
        if address is None:  # the link is from before collections were in links
            return {}, []
        if address == OWN:
            return {}, [THEIRS]
        choices = bench.choices("")  # one's own come later: `offer_own`
        if address not in [value for _, value in choices]:
            name = str(address).partition("/")[2]
            raise PlaygroundError(f"The collection “{name[:40]}” of the link is not here. What is picked here stays.")
        return {bench.collection: gr.update(choices=choices, value=address)}, []

    return More({bench.collection}, [bench.collection], read, fill)


def offer_own(bench: Bench, filled: gr.events.Dependency) -> None:
    """Lists the visitor's own collections again once a link was filled in."""

    def offer(owner: str | None) -> dict:
        return gr.update(choices=bench.choices(owner or ""))

    filled.then(offer, bench.owner, bench.collection, **AT_ONCE)
