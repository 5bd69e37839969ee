"""The Compare pane of the Attention tab: two texts or two models side by side, on one colour scale.

It does not know how maps are computed or drawn.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.attention.map import MapPane
from playground.tabs.attention.panes import Bench, Pane
from playground.tabs.forms import Box
from playground.tabs.kit import arriving, title_of
from playground.tabs.model_bar import choices
from playground.views.attention import words as words_view
from playground.views.continuations import note

TITLE = "Compare"
SAME = "the model in use"
EXAMPLE = "The cat sat on the mat because it was tired"
INTRODUCTION = (
    "The text above and a second text, or the same model and a second one, on one colour scale. Which map is compared "
    "is what Map is set to: layer, head, tokens or words."
)


def build(bench: Bench, map_pane: MapPane) -> dict[str, Box]:
    """Lays out the pane, which compares the map that Map is set to. Returns what of it goes into a link."""
    source, page = bench.source, bench.page
    with gr.Row(elem_classes="attention-choices"):
        text = gr.Textbox(EXAMPLE, label="Second text", scale=3, min_width=260, elem_id="compare-text")
        model = gr.Dropdown(
            [(SAME, SAME), *choices(page.settings)],
            value=SAME,
            label="Second model",
            allow_custom_value=True,
            scale=2,
            min_width=200,
            elem_id="compare-model",
        )
        run = gr.Button("Compare", variant="primary", scale=1, min_width=110, elem_id="compare")
    caption = gr.HTML(note(INTRODUCTION), elem_id="compare-caption")
    with gr.Row():
        charts = [
            gr.Plot(show_label=False, visible=False, elem_id=f"compare-{side}", min_width=320)
            for side in ("left", "right")
        ]

    def draw(values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.views.attention import map as view

        left = source.read(values)
        second = values[model] or SAME
        right = replace(left, text=values[text].strip() or left.text)
        if second != SAME:
            right = replace(right, reference=second, pair="")
        for news in arriving(page.models, right.reference, stop):
            yield {source.status: note(news)}
        if stop.is_set():
            raise PlaygroundError("Stopped before the second model was there.")
        chosen = map_pane.choice(values)
        recorded = [source.maps(asked, layer=chosen.only, stop=stop) for asked in (left, right)]
        parts = [chosen.of(maps) for maps in recorded]
        most = max(float(part.weights.max(initial=0.0)) for part in parts) or 1.0
        figures = [
            view.figure(part.weights[0, 0], part.queries.labels, part.keys.labels, most=most) for part in parts
        ]  # fmt: skip
        said = "".join(
            words_view.side(name, part, chosen.named(maps), title_of(asked.reference), asked.text)
            for name, part, maps, asked in zip(("Left", "Right"), parts, recorded, (left, right), strict=True)
        )
        drawn = [gr.update(value=figure, visible=True) for figure in figures]
        yield {caption: said + words_view.difference(*parts)} | dict(zip(charts, drawn, strict=True))

    def second(values: dict) -> list[str]:
        return [] if (values[model] or SAME) == SAME else [values[model]]

    pane = Pane(TITLE, {text, model} | map_pane.pane.inputs, [caption, *charts], draw, second)
    bench.add(pane)
    bench.draw_after(partial(gr.on, [run.click, text.submit]), pane)
    return {"compare_text": Box(text), "compare_model": Box(model, names_model=True)}
