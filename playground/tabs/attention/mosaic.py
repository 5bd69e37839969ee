"""The All heads pane of the Attention tab: every head of every layer in one figure; a click opens one in Map."""

import gradio as gr

from playground.tabs.attention.map import HIDE
from playground.tabs.attention.panes import Bench, Pane, clicks
from playground.tabs.kit import title_of
from playground.views.attention import words as words_view
from playground.views.continuations import note

TITLE = "All heads"
INTRODUCTION = "Every head of every layer, each drawn as a small map. Click one to open it in Map."


def build(bench: Bench) -> gr.HTML:
    """Lays out the pane. Returns what is selected, with (head, layer), when a head is clicked."""
    source = bench.source
    hide = gr.Radio(list(HIDE), value="As it is", label="Attention", elem_id="mosaic-hide")
    caption = gr.HTML(note(INTRODUCTION), elem_id="mosaic-caption")
    chart = gr.Plot(show_label=False, visible=False, elem_id="mosaic-chart")
    clicked = gr.HTML("", visible="hidden", js_on_load=clicks("#mosaic-chart"))

    def draw(values: dict, stop) -> dict:
        from playground.labs.attention import views as attention_views
        from playground.views.attention import mosaic as view

        asked = source.read(values)
        maps = source.maps(asked, stop=stop)
        hidden = HIDE[values[hide]]
        part = attention_views.without(maps, hidden) if hidden else maps
        return {
            caption: words_view.of_all(part, title_of(asked.reference), view.is_pooled(part.weights)),
            chart: gr.update(value=view.figure(part.weights, part.layers), visible=True),
        }

    pane = Pane(TITLE, {hide}, [caption, chart], draw)
    bench.add(pane)
    bench.draw_after(hide.input, pane)
    return clicked
