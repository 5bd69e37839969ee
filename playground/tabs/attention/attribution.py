"""The Token attribution pane of the Attention tab: which tokens speak for an answer, beside what attention says.

It does not know how scores are computed or drawn.
"""

import threading
from collections.abc import Iterator
from functools import partial

import gradio as gr

from playground.tabs.attention.panes import Bench, Pane, progress, reported
from playground.tabs.kit import title_of
from playground.views.attention import words as words_view
from playground.views.continuations import note

TITLE = "Token attribution"
METHODS = {  # on the page: in the lab
    "Leave one out": "leave one out",
    "Integrated gradients": "integrated gradients",
    "Gradient × input": "gradient x input",
}
INTRODUCTION = (
    "Which tokens of the text speak for the model's answer? Press Attribute. The answer is the next token, the masked "
    "token or the class; leave the boxes empty to ask about the most probable one."
)


def build(bench: Bench) -> tuple[gr.Textbox, gr.Textbox]:
    """Lays out the pane. Returns the boxes with the answer that is asked about and the one it is compared with."""
    source = bench.source
    with gr.Row(elem_classes="attention-choices"):
        method = gr.Radio(list(METHODS), value="Leave one out", label="Method", scale=3, min_width=260)
        target = gr.Textbox(label="Answer asked about", placeholder="the most probable", scale=2, min_width=150)
        against = gr.Textbox(label="rather than", placeholder="nothing", scale=2, min_width=150)
        run = gr.Button("Attribute", variant="primary", scale=1, min_width=110, elem_id="attribute")
    caption = gr.HTML(note(INTRODUCTION), elem_id="attribution-caption")
    coloured = gr.HTML(elem_id="attribution-text")
    table = gr.HTML(elem_id="attribution-table")

    def draw(values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.attention import attribution
        from playground.views.attention import attribution as view

        asked = source.read(values)

        def work(report):
            with bench.page.models.lease(asked.reference) as engine:
                return attribution.attribute(
                    engine,
                    asked.text,
                    METHODS[values[method]],
                    values[target] or None,
                    values[against] or None,
                    asked.pair,
                    asked.complete,
                    report=report,
                    stop=stop,
                )

        for news in reported(work, stop):
            if isinstance(news, tuple):
                yield {source.status: progress(*news)}
                continue
            said = words_view.paragraph(view.sentence(news), title_of(asked.reference), news.provenance)
            yield {
                caption: said + f'<p class="note warning">{view.WARNING}</p>',
                coloured: view.text(news),
                table: view.table(news),
            }

    pane = Pane(TITLE, {method, target, against}, [caption, coloured, table], draw)
    bench.add(pane)
    bench.draw_after(partial(gr.on, [run.click, target.submit, against.submit]), pane)
    return target, against
