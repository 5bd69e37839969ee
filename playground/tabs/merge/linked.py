"""What a link to the Merge tab holds beside its boxes: the recipe, as mergekit writes it."""

from collections.abc import Mapping
from typing import Any

from playground.errors import PlaygroundError
from playground.tabs.forms import More
from playground.tabs.merge.kitchen import Kitchen

UNREADABLE = "The link's recipe cannot be read, so the boxes are left as they were."


def of(kitchen: Kitchen) -> More:
    def read(values: dict, with_talk: bool) -> dict[str, Any]:
        from playground.labs.merging import mergekit_yaml

        return {"recipe": mergekit_yaml.mapping(kitchen.recipe(values))}

    def fill(plain: Mapping[str, Any]) -> tuple[dict, list[str]]:
        from playground.labs.merging import mergekit_yaml

        try:
            return kitchen.shown(mergekit_yaml.read(plain["recipe"])), []
        except (TypeError, ValueError, KeyError, AttributeError):
            raise PlaygroundError(UNREADABLE) from None

    return More(kitchen.inputs, kitchen.all, read, fill)
