"""The page: the bar on top, a link to the open tab, one tab under the other's name, and the post between them.

It does not know what is in a tab.
"""

from collections.abc import Sequence
from types import ModuleType

import gradio as gr

from playground.assets import ASSETS
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs import TABS, learning, model_bar, permalinks, report
from playground.tabs.forms import Forms
from playground.tabs.kit import Page


def lay_out(blocks: gr.Blocks, models: ModelCache, settings: Settings, tabs: Sequence[ModuleType] = TABS) -> Page:
    """Builds the bar and the tabs; call it inside `gr.Blocks`."""
    bar = model_bar.build(blocks, models, settings)
    post = {tab.TITLE: gr.State() for tab in tabs if getattr(tab, "TAKES_TEXTS", False)}
    votes = gr.BrowserState([], storage_key="playground-votes", secret="playground")  # fixed: it outlives a restart
    lab = gr.BrowserState(None, storage_key="playground-prompts", secret="playground")
    owner = gr.BrowserState("", storage_key="playground-owner", secret="playground")
    with gr.Row(elem_id="page-bar"):
        place, reported = permalinks.build(), report.build()
    with gr.Tabs(elem_id="tabs") as strip:
        page = Page(
            blocks=blocks, models=models, settings=settings, reference=bar.reference, made_ready=bar.made_ready,
            tabs=strip, votes=votes, lab=lab, owner=owner, load_now=bar.load_now, forms=Forms(), post=post,
        )  # fmt: skip
        for tab in tabs:
            with gr.Tab(tab.TITLE, id=tab.TITLE):
                learning.build(page, tab.TITLE)
                tab.build(page)
    gr.HTML("", visible="hidden", js_on_load=(ASSETS / "show-results.js").read_text("utf-8"))
    permalinks.connect(page, place)
    report.connect(page, reported)
    return page
