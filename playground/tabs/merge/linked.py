"""What a link to the Merge tab holds: of Blend the recipe, as mergekit writes it; of others what stands in the boxes.

A recipe that makes no sense has no such form: then the link holds what stands in each of its boxes.
"""

from collections.abc import Mapping
from typing import Any

from playground.errors import PlaygroundError
from playground.tabs.forms import Box, Component, More, held, put
from playground.tabs.merge.kitchen import Kitchen

UNREADABLE = "The link's recipe cannot be read, so the boxes are left as they were."


AS_IT_STANDS = "The recipe cannot be blended as it stands, and the link passes it on so. {}"


def of(kitchen: Kitchen) -> More:
    boxes = boxes_of(kitchen)

    def read(values: dict, with_talk: bool) -> tuple[dict[str, Any], list[str]]:
        from playground.labs.merging import mergekit_yaml

        try:
            return {"recipe": mergekit_yaml.mapping(kitchen.recipe(values))}, []
        except PlaygroundError as error:
            found = {name: held(box.component, values[box.component]) for name, box in boxes.items()}
            return {"boxes": found}, [AS_IT_STANDS.format(error)]

    def fill(plain: Mapping[str, Any]) -> tuple[dict, list[str]]:
        from playground.labs.merging import mergekit_yaml

        if "recipe" not in plain and isinstance(plain.get("boxes"), dict):
            return as_it_stands(kitchen, boxes, plain["boxes"])
        try:
            return kitchen.shown(mergekit_yaml.read(plain["recipe"])), []
        except (TypeError, ValueError, KeyError, AttributeError):
            raise PlaygroundError(UNREADABLE) from None

    return More(kitchen.inputs, kitchen.all, read, fill)


def named(bench: str, boxes: Mapping[str, Component]) -> dict[str, Component]:
    """The boxes of one of several benches, under names of its own."""
    return {f"{bench.lower().replace(' ', '_')}_{name}": box for name, box in boxes.items()}


def boxes_of(kitchen: Kitchen) -> dict[str, Box]:
    """The boxes of a recipe by their names."""
    from playground.labs.merging import methods

    dialects = tuple(dict.fromkeys(name for method in methods.METHODS.values() for name in method.dialects))
    named = {name: box for name, box in vars(kitchen).items() if box in kitchen.inputs}
    return {name: Box(box, choices=dialects if name == "dialect" else None) for name, box in named.items()}


def as_it_stands(kitchen: Kitchen, boxes: Mapping[str, Box], plain: Mapping[str, Any]) -> tuple[dict, list[str]]:
    """Updates that fill in what stood in the boxes, and show those of its method; and what could not be filled in."""
    filled, told = put(boxes, plain)
    method = filled.get(kitchen.method)
    updates = kitchen.fit(method["value"]) if method else {}
    for box, update in filled.items():
        updates[box] = {**updates.get(box, {}), **update}
    return updates, told
