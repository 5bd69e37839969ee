"""Look inside the model: what its layers know of a text, layer by layer.

It lays out the sub-tabs; what a sub-tab does is in its own file. To add one: a module with TITLE and build(page), and
its name in PANES.
"""

import gradio as gr

from playground.tabs.internals import ablation, lens, neurons, patching, probing, steering
from playground.tabs.kit import AT_ONCE, Page, Parcel

TITLE = "Internals"
TAKES_TEXTS = True  # from other tabs, by post: the lens reads them
PANES = (  # in screen order
    lens,
    patching,
    ablation,
    steering,
    neurons,
    probing,
)


def build(page: Page) -> None:
    built = {}
    with gr.Tabs(elem_id="internals") as strip:
        for pane in PANES:
            with gr.Tab(pane.TITLE, id=pane.TITLE):
                built[pane.TITLE] = pane.build(page)
    reader = built[lens.TITLE]

    def receive(parcel: Parcel | None) -> list:
        return [gr.skip() if parcel is None else gr.update(selected=lens.TITLE), *reader.receive(parcel)]

    came = page.post[TITLE].change(receive, page.post[TITLE], [strip, *reader.receiving], **AT_ONCE)
    reader.listen(came.success)
