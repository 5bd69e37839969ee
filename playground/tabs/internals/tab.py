"""Look inside the model: what its layers know of a text, layer by layer.

It lays out the sub-tabs; what a sub-tab does is in its own file. To add one: a module with TITLE and build(page), and
its name in PANES.
"""

import gradio as gr

from playground.tabs.internals import probing
from playground.tabs.kit import Page

TITLE = "Internals"
PANES = (probing,)  # in screen order; logit lens, interventions and neurons follow


def build(page: Page) -> None:
    with gr.Tabs(elem_id="internals"):
        for pane in PANES:
            with gr.Tab(pane.TITLE, id=pane.TITLE):
                pane.build(page)
