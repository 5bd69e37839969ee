"""The Ensembles pane of the Merge tab: several classifiers or models combined by their answers, beside the merge.

It lays out the benches; what a bench does is in its own file.
"""

import gradio as gr

from playground.tabs.kit import Page
from playground.tabs.merge import ensemble_labels, ensemble_tokens, linked

TITLE = "Ensembles"
INTRODUCTION = (
    "<p>A merge mixes <b>weights</b> and runs once. An <b>ensemble</b> runs all its members and mixes their "
    "<b>answers</b>. It costs as many times more, needs no common ancestor, and helps when members err on different "
    "texts. Both are shown here on the same set.</p>"
)
BENCHES = (ensemble_labels, ensemble_tokens)


def build(page: Page) -> None:
    gr.HTML(INTRODUCTION, elem_id="merge-ensembles-introduction", elem_classes="introduction")
    boxes: dict = {}
    with gr.Tabs(elem_id="merge-ensembles") as strip:
        for bench in BENCHES:
            with gr.Tab(bench.TITLE, id=bench.TITLE):
                boxes |= linked.named(bench.TITLE, bench.build(page).boxes)
    page.forms.offer("Merge", TITLE, boxes)
    page.forms.inside["Merge", TITLE] = strip
