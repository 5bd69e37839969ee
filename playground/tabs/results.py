"""What of the page is a result, read off its events: what one that runs a model fills, and what it was asked.

Nothing has to be declared, so what a new pane shows is found like the rest. It goes by how the page is built:

- An event that runs a model waits in the queue "models" (`kit.model_work`).
- A line that says what is being done has the class "doing" or an `elem_id` that ends in "status"; it is no result.
- What else an event fills, or is given, has the class "no-result". A text box is a result only with the class "result".
- Events that fill the same components are one experiment. One that fills several panes of a strip of sub-tabs, as
  Attention's Look does, draws whichever is open: what it fills in each is apart from what it fills in the others.

It does not know any single tab.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

Component = gr.components.Component
RESULT, NO_RESULT = "result", "no-result"
SHOWS = (gr.HTML, gr.Plot, gr.Chatbot, gr.Code, gr.Dataframe, gr.Markdown)
ASKS = (gr.Textbox, gr.Slider, gr.Number, gr.Radio, gr.Dropdown, gr.Checkbox, gr.CheckboxGroup, gr.Dataframe)


@dataclass(frozen=True, eq=False)
class Experiment:
    """What is asked and shown in one place."""

    place: tuple[str, ...]  # titles of the tabs that it stands in, and of a section
    asked: tuple[Component, ...]  # boxes, in the order of the page
    shown: tuple[Component, ...]
    doing: tuple[Component, ...]  # lines that are empty, or without an ellipsis, when nothing runs


def experiments(blocks: gr.Blocks, strips: Sequence[gr.Tabs]) -> list[Experiment]:
    """All of a page. strips: the rows of sub-tabs that are panes of their own."""
    groups: list[tuple[set[Component], list[Any]]] = []
    running = [event for event in blocks.fns.values() if event.concurrency_id == "models"]
    for event, shown in [(one, shown) for one in running for shown in _by_pane(one, strips)]:
        touching = [group for group in groups if group[0] & shown]
        groups = [group for group in groups if group not in touching]
        filled = shown.union(*(group[0] for group in touching))
        groups.append((filled, [*(one for group in touching for one in group[1]), event]))
    found = [_experiment(shown, events) for shown, events in groups]
    return sorted(found, key=lambda one: one.shown[0]._id)


def is_result(component: Any) -> bool:
    """Whether it is something to look at that an event fills."""
    classes = component.elem_classes or []
    if isinstance(component, gr.Textbox):
        return RESULT in classes
    if not isinstance(component, SHOWS) or is_doing(component) or component.visible == "hidden":
        return False
    return NO_RESULT not in classes and not (isinstance(component, gr.Dataframe) and component.interactive)


def is_doing(component: Component) -> bool:
    if not isinstance(component, gr.HTML):
        return False
    return "doing" in (component.elem_classes or []) or (component.elem_id or "").endswith("status")


def above(component: Any) -> Iterator[Any]:
    """What a component stands in, from the inside."""
    while (component := component.parent) is not None:
        yield component


def _tabs(component: Component) -> tuple[gr.Tab, ...]:
    return tuple(place for place in above(component) if isinstance(place, gr.Tab))[::-1]


def _by_pane(event: Any, strips: Sequence[gr.Tabs]) -> Iterable[set[Component]]:
    """What an event shows, a set for each pane of a strip that it shows something in."""
    found: dict[tuple[gr.Tab, ...], set[Component]] = defaultdict(set)
    for component in event.outputs:
        if is_result(component):
            found[tuple(tab for tab in _tabs(component) if tab.parent in strips)].add(component)
    return found.values()


def _common(rows: Sequence[Sequence[Any]]) -> list[Any]:
    """What all begin with."""
    begin: list[Any] = []
    for level in zip(*rows, strict=False):
        if any(one is not level[0] for one in level):
            break
        begin.append(level[0])
    return begin


def _experiment(shown: set[Component], events: Sequence[Any]) -> Experiment:
    places = _common([list(above(c))[::-1] for c in shown])
    named = [place for place in places if isinstance(place, gr.Tab | gr.Accordion) and place.label]
    tabs = tuple(place for place in named if isinstance(place, gr.Tab))
    boxes = dict.fromkeys(c for event in events for c in event.inputs)
    asked = [
        c
        for c in boxes
        if isinstance(c, ASKS) and c not in shown and not _elsewhere(_tabs(c), tabs)
        and NO_RESULT not in (c.elem_classes or []) and getattr(c, "type", "") != "password"
    ]  # fmt: skip
    doing = dict.fromkeys(
        c for event in events for c in event.outputs if is_doing(c) and not _elsewhere(_tabs(c), tabs)
    )
    return Experiment(
        tuple(place.label for place in named),
        tuple(sorted(asked, key=lambda c: c._id)),
        tuple(sorted(shown, key=lambda c: c._id)),
        tuple(doing),
    )


def _elsewhere(tabs: Sequence[gr.Tab], here: Sequence[gr.Tab]) -> bool:
    """Whether one place is beside the other, not around or in it."""
    return any(one is not other for one, other in zip(tabs, here, strict=False))
