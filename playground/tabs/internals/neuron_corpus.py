"""Where in a corpus a neuron is most active: the shipped sentences, or a file of one's own.

It does not know how the corpus is searched or drawn.
"""

import threading
from collections.abc import Iterator

import gradio as gr

from playground.tabs.attention.panes import Pane, progress, reported
from playground.tabs.files import uploaded
from playground.tabs.internals.benches import asked, bench
from playground.tabs.internals.unit import UnitBoxes
from playground.tabs.kit import AT_ONCE, Page

MOST = 12  # tokens listed at each end
SHIPPED = "50 shipped sentences"


def build(page: Page, unit: UnitBoxes) -> None:
    with gr.Row():
        file = gr.File(
            label="Your own texts, one a line or in a CSV file (optional)",
            file_types=[".txt", ".csv", ".tsv", ".md"],
            height=140,
            scale=3,
            elem_id="neuron-file",
        )
        with gr.Column(scale=1, min_width=130):
            search = gr.Button("Search", variant="primary", elem_id="neuron-search")
            stop = gr.Button("Stop", variant="stop", elem_id="neuron-search-stop")
    status = gr.HTML(elem_id="neuron-search-status", elem_classes="doing")
    listed = gr.HTML(elem_id="neuron-active")

    def draw(values: dict, halted: threading.Event) -> Iterator[dict]:
        from playground.labs.internals import neurons as lab
        from playground.views.internals import neurons as view

        chosen, corpus = unit.read(values), read(values[file])

        def work(report):
            with page.models.lease(values[page.reference] or "") as engine:
                texts = None if corpus is None else corpus.texts
                return lab.most_active(engine, chosen, texts, MOST, report, halted)

        name = SHIPPED if corpus is None else f"{corpus.name} ({corpus.reading})"
        for news in reported(work, halted):
            if isinstance(news, tuple):
                yield {status: progress(*news)}
            else:
                yield {listed: view.most_active(news, name) + view.origin(news.provenance)}

    desk = bench(page, status)
    begun = asked(desk, search.click)
    desk.draw_after(begun.success, Pane("Corpus", unit.parts | {file}, [listed], draw))
    stop.click(desk.stops.halt, None, None, **AT_ONCE)


def read(path: str | None):
    """The labs.internals.corpora.Corpus of an uploaded file; None without one."""
    from playground.labs.internals import corpora

    if path is None:
        return None
    file = uploaded(path)
    corpora.check_size(file.stat().st_size)
    return corpora.read(file.read_bytes(), file.name)
