"""The BertViz pane of the Attention tab: its head view, model view and neuron view, for the model in use.

It does not know how BertViz draws.
"""

from functools import partial

import gradio as gr

from playground.tabs.attention.map import FIRST_HEAD, FIRST_LAYER
from playground.tabs.attention.panes import Bench, Pane
from playground.tabs.attention.source import fitting, layers_of, nearest
from playground.tabs.kit import title_of
from playground.views.attention import words as words_view
from playground.views.attention.frames import RESIZE
from playground.views.continuations import note

TITLE = "BertViz"
HEAD_VIEW, MODEL_VIEW, NEURON_VIEW = "Head view", "Model view", "Neuron view"
ABOUT = {
    HEAD_VIEW: "One layer, a colour a head: hover over a token on the left to see where it looks; double-click a "
    "colour to see that head alone.",
    MODEL_VIEW: "Every head as a thumbnail, a row a layer; click one to enlarge it, and once more to close it.",
    NEURON_VIEW: "Hover over a token, press the plus beside it, and see its query multiplied with every key, number "
    "by number; blue is positive, orange negative.",
}


def build(bench: Bench) -> None:
    """Lays out the pane and connects it."""
    source = bench.source
    with gr.Row(elem_classes="attention-choices"):
        view = gr.Radio(list(ABOUT), value=HEAD_VIEW, label="View", scale=3, min_width=260, elem_id="bertviz-view")
        layer = gr.Slider(0, 29, FIRST_LAYER, step=1, label="Layer to open on", scale=2, min_width=150)
        head = gr.Slider(0, 11, FIRST_HEAD, step=1, label="Head", scale=2, min_width=150, visible=False)
    caption = gr.HTML(note(ABOUT[HEAD_VIEW]), elem_id="bertviz-caption")
    frame = gr.HTML(elem_id="bertviz", js_on_load=RESIZE)

    def draw(values: dict, stop) -> dict:
        from playground.views.attention import bertviz

        asked = source.read(values)
        chosen = values[view]
        if chosen == NEURON_VIEW:
            seen = vectors(asked, int(values[layer]), stop)
            drawn = bertviz.neuron_view(
                seen.weights,
                seen.queries,
                seen.keys,
                seen.looking.labels,
                seen.looked_at.labels,
                seen.layer,
                min(int(values[head]), len(seen.weights) - 1),
                seen.causal,
            )
            exact = "" if seen.exact else words_view.NOT_EXACT
            said = words_view.of_frame(ABOUT[chosen], drawn.left_out, exact, seen.provenance, title_of(asked.reference))
            sizes = {head: gr.update(maximum=max(len(seen.weights) - 1, 1), visible=True)}
        else:
            maps = source.maps(asked, layer=None if chosen == MODEL_VIEW else int(values[layer]), stop=stop)
            at = nearest(values[layer], maps.layers)
            same = maps.keys is maps.queries
            two = same and len(maps.queries.texts) > 1
            tower = bertviz.Tower(
                maps.weights,
                maps.queries.labels,
                maps.keys.labels,
                maps.layers,
                cross=not same,
                second=maps.queries.segment.tolist().index(1) if two else None,
            )
            drawn = (bertviz.head_view if chosen == HEAD_VIEW else bertviz.model_view)(tower, at)
            said = words_view.of_frame(ABOUT[chosen], drawn.left_out, "", maps.provenance, title_of(asked.reference))
            sizes = {layer: gr.update(maximum=max(maps.n_layers - 1, 1)), head: gr.update(visible=False)}
        return {caption: said, frame: drawn.html} | sizes

    def vectors(asked, at: int, stop):
        """Queries and keys of a layer, or of the nearest that the model has."""
        from playground.labs.attention import queries_keys

        with bench.page.models.lease(asked.reference) as engine:
            place, layer = fitting(engine, asked).stack_and_kind, nearest(at, layers_of(engine, asked))
            return queries_keys.queries_keys(
                engine, asked.text, layer, asked.pair, complete=asked.complete, stop=stop, **place
            )

    pane = Pane(TITLE, {view, layer, head}, [caption, frame, layer, head], draw)
    bench.add(pane)
    bench.draw_after(partial(gr.on, [view.input, layer.input, head.input]), pane)
