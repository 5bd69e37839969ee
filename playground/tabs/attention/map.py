"""The Map pane of the Attention tab: one map, and below it what one token looks at.

It does not know how maps are computed, averaged or drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import gradio as gr

from playground.tabs.attention.panes import BUTTONS, Bench, Pane, clicks
from playground.tabs.attention.source import nearest
from playground.tabs.kit import AT_ONCE, places, title_of
from playground.views.attention import row as row_view
from playground.views.attention import words as words_view
from playground.views.continuations import note

if TYPE_CHECKING:
    import numpy as np

    from playground.labs.attention.maps import Maps

TITLE = "Map"
HEAD, HEADS, LAYERS, ROLLOUT = "One head", "Mean over heads", "Mean over layers and heads", "Rollout"
TOKENS, WORDS = "Tokens", "Words"
HIDE = {"As it is": None, "Without special tokens": "special", "Without the first token (the sink)": "first"}
FIRST_LAYER, FIRST_HEAD = 5, 3  # of the worked example


@dataclass(frozen=True, eq=False)
class Shown:
    """The map on the page, so that a token can be picked without a model."""

    values: np.ndarray  # (query, key)
    queries: tuple[str, ...]
    keys: tuple[str, ...] | None  # None: the same as `queries`
    special: tuple[bool, ...]

    def row(self, at: int) -> str:
        """The picked token's row in bars."""
        return row_view.bars(self.values[at], self.keys or self.queries, self.queries[at])

    def text(self, at: int) -> str:
        return row_view.text(self.queries, self.special, self.values[at], at, self.keys)

    def find(self, word: str) -> int:
        """The last token that reads like `word`; else the last one that is text of its own."""
        plain = [label.strip("·").lower() for label in self.queries]
        if word in plain:
            return len(plain) - 1 - plain[::-1].index(word)
        texts = [at for at, special in enumerate(self.special) if not special and plain[at].isalnum()]
        return texts[-1] if texts else len(plain) - 1


@dataclass(frozen=True, eq=False)
class MapPane:
    """The components that other panes set to show a head here."""

    pane: Pane
    how: gr.Radio
    layer: gr.Slider
    head: gr.Slider
    unit: gr.Radio
    hide: gr.Radio
    word: gr.State  # the word whose row is shown first
    choice: Callable[[dict], Choice]  # values -> which map the components stand on


@dataclass(frozen=True, eq=False)
class Choice:
    """Which map of all that were recorded."""

    how: str
    layer: int
    head: int
    words: bool
    hide: str | None  # a key of labs.attention.views.HIDE

    @property
    def only(self) -> int | None:
        """The layer that is enough for it; None: it needs all."""
        return self.layer if self.how in (HEAD, HEADS) else None

    def of(self, maps: Maps) -> Maps:
        """That one map, as maps with one layer and one head."""
        from playground.labs.attention import views

        if self.how == ROLLOUT:
            maps = views.rollout(maps)
        elif self.how in (HEADS, LAYERS):
            maps = views.mean_over_heads(maps)
        if self.how == LAYERS:
            maps = views.mean_over_layers(maps)
        maps = one(maps, self.layer if maps.layers else None, self.head if maps.heads else None)
        maps = views.without(maps, self.hide) if self.hide else maps
        return views.words(maps) if self.words else maps

    def named(self, maps: Maps) -> str:
        """What is shown, in words."""
        layer, head = (nearest(self.layer, maps.layers), nearest(self.head, maps.heads))
        return {
            HEAD: f"layer {layer}, head {head}",
            HEADS: f"layer {layer}, mean over its {maps.n_heads} heads",
            LAYERS: f"mean over {len(maps.layers)} layers and {maps.n_heads} heads",
            ROLLOUT: f"rollout up to layer {layer}",
        }[self.how]


def one(maps: Maps, layer: int | None, head: int | None) -> Maps:
    """The maps with one layer and one head left, the nearest that there are. None: that axis is a mean already."""
    if layer is not None:
        layer = nearest(layer, maps.layers)
        maps = replace(maps, weights=maps.weights[[maps.layers.index(layer)]], layers=(layer,))
    if head is not None:
        head = nearest(head, maps.heads)
        maps = replace(maps, weights=maps.weights[:, [maps.heads.index(head)]], heads=(head,))
    return maps


def end(most: int, value: int) -> dict:
    """An update of a slider's end; what stands farther comes back to it, since Gradio takes no value beyond."""
    most = max(most, 1)
    return gr.update(maximum=most) | ({"value": most} if value > most else {})


def build(bench: Bench) -> MapPane:
    """Lays out the pane and connects it."""
    source = bench.source
    with gr.Row(elem_classes="attention-choices"):
        how = gr.Radio([HEAD, HEADS, LAYERS, ROLLOUT], value=HEAD, label="Show", scale=3, min_width=260)
        layer = gr.Slider(0, 29, FIRST_LAYER, step=1, label="Layer", scale=2, min_width=150, elem_id="map-layer")
        head = gr.Slider(0, 11, FIRST_HEAD, step=1, label="Head", scale=2, min_width=150, elem_id="map-head")
    with gr.Row(elem_classes="attention-choices"):
        unit = gr.Radio([TOKENS, WORDS], value=TOKENS, label="By", min_width=160)
        hide = gr.Radio(
            list(HIDE), value="As it is", label="Attention", scale=3, min_width=260, elem_id="map-hide",
        )  # fmt: skip
    caption = gr.HTML(note(words_view.BEFORE), elem_id="map-caption")
    with gr.Row(elem_id="map-row"):
        with gr.Column(scale=3, min_width=320):
            chart = gr.Plot(show_label=False, visible=False, elem_id="map-chart")
        with gr.Column(scale=2, min_width=280):
            text = gr.HTML(elem_id="map-text", js_on_load=BUTTONS)
            row = gr.HTML(elem_id="map-token")
    clicked = gr.HTML("", visible="hidden", js_on_load=clicks("#map-chart"))
    shown, word = gr.State(), gr.State("it")

    def choice(values: dict) -> Choice:
        return Choice(
            values[how], int(values[layer]), int(values[head]), values[unit] == WORDS, HIDE[values[hide]]
        )  # fmt: skip

    def draw(values: dict, stop) -> dict:
        from playground.views.attention import map as view

        asked, chosen = source.read(values), choice(values)
        maps = source.maps(asked, layer=chosen.only, stop=stop)
        part = chosen.of(maps)
        weights = part.weights[0, 0]
        seen = Shown(
            weights,
            part.queries.labels,
            None if part.keys is part.queries else part.keys.labels,
            tuple(part.queries.special.tolist()),
        )
        at = seen.find(values[word])
        said = words_view.caption(part, chosen.named(maps), title_of(asked.reference), view.is_pooled(weights))
        return {
            caption: said,
            chart: gr.update(value=view.figure(weights, part.queries.labels, part.keys.labels), visible=True),
            text: seen.text(at),
            row: seen.row(at),
            shown: seen,
            layer: end(maps.n_layers - 1, chosen.layer) | {"interactive": chosen.how != LAYERS},
            head: end(maps.n_heads - 1, chosen.head) | {"interactive": chosen.how == HEAD},
        }

    def pick(seen: Shown | None, event: gr.SelectData) -> list:
        if seen is None:
            return [gr.skip()] * 3
        at = min(max(round(places(event)[0]), 0), len(seen.queries) - 1)
        return [seen.text(at), seen.row(at), seen.queries[at].strip("·").lower()]

    pane = Pane(TITLE, {how, layer, head, unit, hide, word}, [caption, chart, text, row, shown, layer, head], draw)
    bench.add(pane)
    bench.draw_after(partial(gr.on, [component.input for component in (how, layer, head, unit, hide)]), pane)
    gr.on([text.select, clicked.select], pick, shown, [text, row, word], **AT_ONCE)
    return MapPane(pane, how, layer, head, unit, hide, word, choice)
