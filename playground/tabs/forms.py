"""What of a pane goes into a link: names and components, and how a value from outside is put into a component.

A pane lists its boxes once (`Page.forms`); what it holds otherwise than in boxes it packs itself (`More`). It does not
know links.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError

NAMES_MERGE = (
    "The link names {}, a merge, which exists in this page's memory alone: whoever opens it has to pick another model."
)
MOST_LETTERS = 100_000  # of a text
MOST_CHOSEN = 100
MOST_ROWS = 1000  # of a table
MOST_LAYERS = 512  # where a model that is not loaded yet decides how far a slider goes
Component = gr.components.Component


class UnfitError(ValueError):
    """A value that a component cannot hold."""


@dataclass(frozen=True, eq=False)
class Box:
    """A component with what its own limits do not say."""

    component: Component
    most: float | None = None  # of a slider whose end follows the model, and may be farther for another one
    choices: tuple[str, ...] | None = None  # of a choice that follows the model
    shows: bool = False  # it is seen only while it is on
    when: Callable[[dict], bool] | None = None  # by all values: whether it goes into a link; None: always
    names_model: bool = False  # of which merges stay here


@dataclass(frozen=True, eq=False)
class More:
    """What a pane packs itself."""

    inputs: set[Component]
    outputs: list[Component]
    # (values, with the conversation) -> plain values by name, and what was left out or is linked though it is wrong
    read: Callable[[dict, bool], tuple[dict[str, Any], list[str]]]
    # plain values, from outside -> updates, and what was left out; raises PlaygroundError: they cannot be read
    fill: Callable[[Mapping[str, Any]], tuple[dict, list[str]]]


@dataclass(frozen=True, eq=False)
class Form:
    """What of one pane goes into a link."""

    tab: str
    pane: str  # the sub-tab; "": all of the tab
    boxes: Mapping[str, Box]
    more: More | None = None
    also: Mapping[Component, Any] = field(default_factory=dict)  # what else opens the pane
    talks: bool = False  # it can add a conversation, if the person wants that
    then: Callable[[gr.events.Dependency], Any] | None = None  # connects what follows once it was filled in

    @property
    def inputs(self) -> set[Component]:
        return {box.component for box in self.boxes.values()} | (self.more.inputs if self.more else set())

    @property
    def outputs(self) -> list[Component]:
        own = [box.component for box in self.boxes.values()]
        return [*own, *(self.more.outputs if self.more else []), *self.also]

    def read(self, values: dict, with_talk: bool = False) -> tuple[dict[str, Any], list[str]]:
        """What stands in the pane, as plain values by name, and a sentence for each that is wrong or left out.

        Raises:
            PlaygroundError: a conversation was asked for, and there is none.
        """
        plain, told = {}, []
        for name, box in self.boxes.items():
            value = held(box.component, values[box.component])
            if box.when is not None and not box.when(values):
                continue
            if box.names_model and str(value).startswith("merge:"):
                told.append(f"{_name(box)} is a merge, which exists in this page's memory alone: it is left out.")
                continue
            plain[name] = value
        more, about = self.more.read(values, with_talk) if self.more else ({}, [])
        plain |= more
        told += [NAMES_MERGE.format(short(name)) for name in dict.fromkeys(merges(plain))]
        return plain, told + about

    def fill(self, plain: Mapping[str, Any]) -> tuple[dict, list[str]]:
        """Updates that fill the pane in, and a sentence for each value that was refused or changed."""
        updates, told = dict(self.also), []
        if self.more:
            try:
                more, refused = self.more.fill(plain)
                updates |= more
                told += refused
            except PlaygroundError as error:
                told.append(str(error))
        own, refused = put(self.boxes, plain)
        for component, update in own.items():
            before = updates.get(component)
            updates[component] = {**before, **update} if isinstance(before, dict) else update
        return updates, told + refused


class Forms(list[Form]):
    """All forms of a page, and the rows of sub-tabs that they stand in."""

    def __init__(self) -> None:
        super().__init__()
        self.strips: dict[str, gr.Tabs] = {}  # by tab
        self.inside: dict[tuple[str, str], gr.Tabs] = {}  # by tab and sub-tab

    def offer(self, tab: str, pane: str = "", boxes: Mapping[str, Component | Box] | None = None, **rest: Any) -> None:
        """Lists what of a pane goes into a link; the values' names are part of links that are out there."""
        named = {name: box if isinstance(box, Box) else Box(box) for name, box in (boxes or {}).items()}
        self.append(Form(tab, pane, named, **rest))

    def find(self, tab: str, pane: str) -> Form | None:
        """The form of a sub-tab, else that of the whole tab."""
        return next((form for want in (pane, "") for form in self if (form.tab, form.pane) == (tab, want)), None)

    def opens(self, form: Form, pane: str, inner: str = "") -> dict:
        """Updates that select the sub-tab, and the tab inside it."""
        wanted = (self.strips.get(form.tab), pane), (self.inside.get((form.tab, pane)), inner)
        return {strip: gr.update(selected=title) for strip, title in wanted if strip and title in _titles(strip)}

    @property
    def rows(self) -> list[gr.Tabs]:
        """All rows of tabs that a link can open."""
        return [*self.strips.values(), *self.inside.values()]


def merges(value: Any) -> Iterator[str]:
    """The references of merges in plain values, however deep."""
    if isinstance(value, str) and re.fullmatch(r"merge:\S+", value):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from merges(each)


def _titles(strip: gr.Tabs) -> set[str]:
    return {child.id for child in strip.children if isinstance(child, gr.Tab)}


def held(component: Component, value: Any) -> Any:
    """A component's value; Gradio gives None for a box to type in that is empty."""
    typed = isinstance(component, gr.Textbox) or getattr(component, "allow_custom_value", False)
    if value is None and typed and not getattr(component, "multiselect", None):
        return ""
    if isinstance(component, gr.Dataframe):
        return [["" if cell is None else str(cell) for cell in row] for row in value or ()]
    return value


def put(boxes: Mapping[str, Box], plain: Mapping[str, Any]) -> tuple[dict, list[str]]:
    """Updates that fill boxes in, and a sentence for each value that was refused or changed."""
    updates, told = {}, []
    for name, box in boxes.items():
        if name in plain:
            try:
                updates[box.component], sentence = fitted(box, plain[name])
            except UnfitError:
                sentence = f"{_name(box)} is left as it was: the link says {short(plain[name])}."
            if sentence:
                told.append(sentence)
    return updates, told


def fitted(box: Box, value: Any) -> tuple[dict, str]:
    """An update that puts a value from outside into a component, and what was changed on the way, as a sentence.

    Raises:
        UnfitError: the component cannot hold it.
    """
    component = box.component
    if isinstance(component, gr.Slider):
        return _slid(box, _number(value))
    if isinstance(component, gr.Number):
        return _counted(box, value)
    if isinstance(component, gr.Checkbox):
        if not isinstance(value, bool):
            raise UnfitError
        return gr.update(value=value, **({"visible": True} if box.shows and value else {})), ""
    if isinstance(component, gr.Dropdown | gr.Radio | gr.CheckboxGroup):
        return gr.update(value=_chosen(box, value)), ""
    if isinstance(component, gr.Dataframe):
        return gr.update(value=_rows(component, value)), ""
    return gr.update(value=_text(value, getattr(component, "max_length", None))), ""


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError
    return value


def _clamped(box: Box, value: float, least: float | None, most: float | None) -> tuple[float, str]:
    kept = value if least is None else max(value, least)
    kept = kept if most is None else min(kept, most)
    return kept, "" if kept == value else f"{_name(box)} was {value:g} in the link, and is {kept:g} here."


def _slid(box: Box, value: float) -> tuple[dict, str]:
    slider = box.component
    most = slider.maximum if box.most is None else max(box.most, slider.maximum)
    kept, sentence = _clamped(box, value, slider.minimum, most)
    return gr.update(value=kept, **({"maximum": kept} if kept > slider.maximum else {})), sentence


def _counted(box: Box, value: Any) -> tuple[dict, str]:
    number = box.component
    if value is None:
        return gr.update(value=None), ""
    kept, sentence = _clamped(box, _number(value), number.minimum, number.maximum)
    return gr.update(value=int(kept) if number.precision == 0 else kept), sentence


def _chosen(box: Box, value: Any) -> Any:
    component = box.component
    if isinstance(component, gr.CheckboxGroup) or getattr(component, "multiselect", None):
        if not isinstance(value, list) or len(value) > MOST_CHOSEN:
            raise UnfitError
        return [_one(box, each) for each in value]
    if value is None and component.value is None:
        return None
    return _one(box, value)


def _one(box: Box, value: Any) -> Any:
    offered = box.choices or [each[1] if isinstance(each, tuple) else each for each in box.component.choices]
    if any(type(each) is type(value) and each == value for each in offered):
        return value
    if not getattr(box.component, "allow_custom_value", False):
        raise UnfitError
    return _text(value, 1000)


def _rows(table: gr.Dataframe, value: Any) -> list[list[str]]:
    if not isinstance(value, list) or len(value) > MOST_ROWS:
        raise UnfitError
    if not all(isinstance(row, list) and len(row) == len(table.headers) for row in value):
        raise UnfitError
    return [[_text(cell, None) for cell in row] for row in value]


def _text(value: Any, most: int | None) -> str:
    if not isinstance(value, str) or len(value) > (most or MOST_LETTERS):
        raise UnfitError
    return value


def _name(box: Box) -> str:
    return f"“{getattr(box.component, 'label', None) or 'One choice'}”"


def short(value: Any) -> str:
    """A value as it is quoted."""
    text = value if isinstance(value, str) else repr(value)
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"
