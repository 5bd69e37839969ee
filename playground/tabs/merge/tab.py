"""Blend models with sliders and talk to the result at once: nothing is written to disk until it is worth keeping.

It lays out the sub-tabs; what a sub-tab does is in its own file. To add one: a module with TITLE and build(page), and
its name in PANES.
"""

import gradio as gr

from playground.tabs.kit import AT_ONCE, Page
from playground.tabs.merge import adapters, blend, ensembles

TITLE = "Merge"
TAKES_TEXTS = True  # from other tabs, by post: the question that parents and merge are asked
PANES = (blend, adapters, ensembles)  # in screen order


def build(page: Page) -> None:
    with gr.Tabs(elem_id="merge") as strip:
        for pane in PANES:
            with gr.Tab(pane.TITLE, id=pane.TITLE):
                pane.build(page)
    page.forms.strips[TITLE] = strip
    page.post[TITLE].change(lambda: gr.update(selected=blend.TITLE), None, strip, **AT_ONCE)
