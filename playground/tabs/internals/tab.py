"""Look inside the model: what its layers know of a text, layer by layer.

It lays out the sub-tabs; what a sub-tab does is in its own file. To add one: a module with TITLE and build(page), and
its name in PANES; one that takes texts from other tabs says TAKES_TEXTS and builds with the place where they come.
"""

import gradio as gr

from playground.tabs.internals import INTERNALS, ablation, lens, neurons, patching, probing, steering
from playground.tabs.kit import MAY_REFUSE, Page, Parcel

TITLE = INTERNALS
TAKES_TEXTS = True  # from other tabs, by post: it goes to the sub-tab that it names, else to the lens
PANES = (  # in screen order
    lens,
    patching,
    ablation,
    steering,
    neurons,
    probing,
)


def build(page: Page) -> None:
    inboxes = {pane.TITLE: gr.State() for pane in PANES if getattr(pane, "TAKES_TEXTS", False)}
    with gr.Tabs(elem_id="internals") as strip:
        for pane in PANES:
            with gr.Tab(pane.TITLE, id=pane.TITLE):
                if pane.TITLE in inboxes:
                    pane.build(page, inboxes[pane.TITLE])
                else:
                    pane.build(page)

    page.forms.strips[TITLE] = strip

    def sort(parcel: Parcel | None) -> dict:
        """Hands a parcel on to its sub-tab."""
        if parcel is None:
            return {strip: gr.skip()}
        title = parcel.pane if parcel.pane in inboxes else lens.TITLE
        return {strip: gr.update(selected=title), inboxes[title]: parcel}

    # queued, for of other events the page's script is not told that a state has changed
    page.post[TITLE].change(sort, page.post[TITLE], [strip, *inboxes.values()], **MAY_REFUSE)
