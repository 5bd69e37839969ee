"""The page: the bar on top, one tab under the other's name, and the post between them.

It does not know what is in a tab.
"""

from collections.abc import Sequence
from types import ModuleType

import gradio as gr

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs import TABS, model_bar
from playground.tabs.kit import Page


def lay_out(blocks: gr.Blocks, models: ModelCache, settings: Settings, tabs: Sequence[ModuleType] = TABS) -> Page:
    """Builds the bar and the tabs; call it inside `gr.Blocks`."""
    bar = model_bar.build(blocks, models, settings)
    post = {tab.TITLE: gr.State() for tab in tabs if getattr(tab, "TAKES_TEXTS", False)}
    votes = gr.BrowserState([], storage_key="playground-votes", secret="playground")  # fixed: it outlives a restart
    lab = gr.BrowserState(None, storage_key="playground-prompts", secret="playground")
    owner = gr.BrowserState("", storage_key="playground-owner", secret="playground")
    with gr.Tabs() as strip:
        page = Page(blocks, models, settings, bar.reference, bar.made_ready, strip, votes, lab, owner, post)
        for tab in tabs:
            with gr.Tab(tab.TITLE, id=tab.TITLE):
                tab.build(page)
    return page
