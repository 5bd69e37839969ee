"""Bias: measure it, see it, change it, measure again.

It lays out the sub-tabs; what a sub-tab does is in its own file.
"""

import gradio as gr

from playground.tabs.bias import BIAS, associations, change, fill, generation, pairs, report
from playground.tabs.kit import AT_ONCE, Page

TITLE = BIAS
TAKES_TEXTS = True  # from other tabs, by post: a blank is put into them
PANES = (fill, pairs, associations, generation, change)  # in screen order; the report comes behind them


def build(page: Page) -> None:
    sections: list[gr.State] = []
    with gr.Tabs(elem_id="bias") as strip:
        for pane in PANES:
            with gr.Tab(pane.TITLE, id=pane.TITLE):
                sections += pane.build(page)
        with gr.Tab(report.TITLE, id=report.TITLE):
            report.build(page, sections)
    page.forms.strips[TITLE] = strip
    page.post[TITLE].change(lambda: gr.update(selected=fill.TITLE), None, strip, **AT_ONCE)
