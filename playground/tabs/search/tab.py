"""Ask your documents, and see why each passage was found and which words of the answer it supports.

It lays out the panes; what a pane does is in its own file. To add one: a module with TITLE and build(page, bench), and
its name in PANES.
"""

import secrets
from functools import partial

import gradio as gr

from playground.labs.retrieval import library, shipped
from playground.labs.retrieval.questions import LONGEST
from playground.tabs import sending
from playground.tabs.attention.panes import Stops
from playground.tabs.kit import AT_ONCE, Page, Parcel
from playground.tabs.search import SEARCH, ask, collections, evaluate, linked, similarity
from playground.tabs.search.bench import Bench

TITLE = SEARCH
TAKES_TEXTS = True  # from other tabs, by post: they become the question
PANES = (ask, collections, evaluate, similarity)  # in screen order


def build(page: Page) -> None:
    shelves = library.of(page.settings)
    with gr.Row(elem_id="search-top"):
        picked = gr.Dropdown(
            [(f"{shipped.NAME} (comes with the playground, {shipped.counts()[0]} documents)", shipped.ADDRESS)],
            value=shipped.ADDRESS,
            label="Collection",
            info="What is searched. Add your own under Documents: they are yours alone unless you share them.",
            elem_id="search-collection",
        )
    bench = Bench(page, shelves, picked, Stops(page.blocks))

    def arrive(owner: str | None, address: str | None) -> list:
        owner = owner or secrets.token_urlsafe(24)
        choices = bench.choices(owner)
        known = [value for _, value in choices]
        return [owner, gr.update(choices=choices, value=address if address in known else shipped.ADDRESS)]

    page.blocks.load(arrive, [page.owner, picked], [page.owner, picked], **AT_ONCE)
    with gr.Tabs(elem_id="search") as strip:
        for pane in PANES:
            with gr.Tab(pane.TITLE, id=pane.TITLE):
                if pane is ask:
                    asking = ask.build(page, bench)
                else:
                    pane.build(page, bench)

    page.forms.strips[TITLE] = strip
    boxes = {"question": asking.question} | vars(asking.controls)
    page.forms.offer(TITLE, ask.TITLE, boxes, more=linked.of(bench), then=partial(linked.offer_own, bench))

    def receive(parcel: Parcel) -> list:
        return [gr.update(selected=ask.TITLE), parcel.text[:LONGEST]]

    sending.take(
        page.post[TITLE], receive, [strip, asking.question], lambda came: ask.search_after(bench, asking, came)
    )
