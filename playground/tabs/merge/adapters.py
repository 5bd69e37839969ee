"""The Adapters pane of the Merge tab: several LoRA adapters on one model, a slider each, and what can be made of them.

It lays out the sliders and the benches below them; what a bench does is in its own file.
"""

import gradio as gr

from playground.models import adapters as known
from playground.models import lora
from playground.tabs.kit import Page
from playground.tabs.merge import (
    adapter_batch,
    adapter_compose,
    adapter_extract,
    adapter_mix,
    adapter_route,
    linked,
    rack,
)

TITLE = "Adapters"
INTRODUCTION = (
    "<p>A <b>LoRA adapter</b> is a small file that changes a model: it adds to some of its weight matrices a product "
    "of two narrow ones, ΔW = (α/r) B A (Hu et al. 2021, "
    "<a href='https://arxiv.org/abs/2106.09685' target='_blank' rel='noopener'>arXiv 2106.09685</a>). Several can be "
    "mixed, each with a weight. Here the mixture is computed beside the model while it answers you: the model that "
    "everybody shares stays as it is, bit for bit, and others may use other adapters at the same time.</p>"
)
FIRST = {"pirate": 0.7, "json": 0.3}
BENCHES = (adapter_mix, adapter_compose, adapter_route, adapter_batch, adapter_extract)


def build(page: Page) -> None:
    from playground.views.merge import adapters as view

    gr.HTML(INTRODUCTION, elem_id="merge-adapters-introduction", elem_classes="introduction")
    listed = known.shipped()
    about = {one.name: one.title for one in listed}
    with gr.Accordion("What these adapters were trained for, and how good they are", open=False):
        gr.HTML(view.catalogue(listed), elem_id="merge-adapters-catalogue")
        for one in listed:
            with gr.Accordion(f"Model card: {one.title}", open=False):
                gr.Markdown(one.card.partition("\n")[2])
    weights = rack.build(page, FIRST if set(FIRST) <= set(lora.shipped()) else {}, lambda name: about.get(name, ""))
    boxes = weights.boxes
    with gr.Tabs(elem_id="merge-adapters") as strip:
        for bench in BENCHES:
            with gr.Tab(bench.TITLE, id=bench.TITLE):
                boxes |= linked.named(bench.TITLE, bench.build(page, weights).boxes)
    page.forms.offer("Merge", TITLE, boxes)
    page.forms.inside["Merge", TITLE] = strip
