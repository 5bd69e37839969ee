"""The Neurons pane of the Internals tab: find one, look at it over texts, take it out.

It lays out the pane; what its parts do is in the files beside it. It does not know how activations are read or drawn.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import sending
from playground.tabs.attention.panes import Pane, progress, reported
from playground.tabs.forms import Box
from playground.tabs.internals import INTERNALS, neuron_corpus, neuron_groups, neuron_out
from playground.tabs.internals.benches import asked, bench
from playground.tabs.internals.unit import KINDS, NEURON, UnitBoxes
from playground.tabs.kit import AT_ONCE, Page, Parcel, places, title_of
from playground.views.internals.neuron_words import ABOUT

TITLE = "Neurons"
TAKES_TEXTS = True
THE_TEXT, THE_NEURON, THE_LAYER = "the text", "the neuron", "its layer"
SENDING = {
    THE_TEXT: sending.elsewhere(sending.A_PROMPT, sending.NEURONS),
    THE_NEURON: (sending.ABLATION,),
    THE_LAYER: (sending.ATTENTION, sending.STEERING, sending.PROBING),
}
LAYER, INDEX = 12, 778  # of the starter: low at words of complaint, like worst, awful, useless
TEXT = (
    "The soup was delicious and the cook was kind, but the waiter was rude, the chairs were dreadful and the bill was "
    "an awful surprise. The best evening and the worst service."
)
PLACES = (  # 24.1005 of the starter is low where the name of a place comes next
    "Paris is the capital of France and Berlin is the capital of Germany. They met in Lyon, took the train to Rome and "
    "now live near London."
)


@dataclass(frozen=True)
class Example:
    """A unit over a text."""

    caption: str
    layer: int
    index: int
    text: str


EXAMPLES = (
    Example("A neuron for complaints", LAYER, INDEX, TEXT),
    Example("One for a place that comes next", 24, 1005, PLACES),
    Example("Neuron 100 of layer 6", 6, 100, "I love this! Amazing! Great work! I hate this. Terrible. Worst ever."),
)


def build(page: Page, inbox: gr.State) -> None:
    """Lays out the pane and connects it. inbox: what other tabs send."""
    with gr.Row(elem_classes="examples", elem_id="neurons-examples"):
        gr.HTML("Examples:")
        small: dict = {"size": "sm", "min_width": 0}
        buttons = [gr.Button(one.caption, **small) for one in EXAMPLES]
        compared = [gr.Button(one.caption, elem_classes="shows-group-stop", **small) for one in neuron_groups.EXAMPLES]
        removed = [gr.Button(one.caption, elem_classes="shows-out-stop", **small) for one in neuron_out.EXAMPLES]
    gr.HTML(ABOUT, elem_id="neurons-about")

    gr.HTML("<h3>1. Look at a neuron</h3>", elem_id="neuron-look-heading")
    with gr.Row(elem_id="neuron-ask"):
        with gr.Column(scale=2, min_width=280):
            kind = gr.Radio(list(KINDS), value=NEURON, label="Look at", elem_id="neuron-kind")
            with gr.Row():
                layer = gr.Number(LAYER, label="Layer", precision=0, minimum=0, min_width=90, elem_id="neuron-layer")
                index = gr.Number(INDEX, label="Number", precision=0, minimum=0, min_width=90, elem_id="neuron-index")
        with gr.Column(scale=4, min_width=300):
            text = gr.Textbox(
                TEXT, label="Text", info="Shift and Enter looks at it.", lines=3, max_lines=10, elem_id="neuron-text"
            )
            complete = gr.Checkbox(False, label="Special tokens are in the text already", visible=False)
            with gr.Row(elem_classes="buttons"):
                look = gr.Button("Look", variant="primary", elem_id="neuron-look")
                stop = gr.Button("Stop", variant="stop", elem_id="neuron-stop")
    sending_place = gr.Column(min_width=0)
    status = gr.HTML(elem_id="neuron-status", elem_classes="doing")
    caption = gr.HTML(elem_id="neuron-caption", elem_classes="outcome")
    heat = gr.HTML(elem_id="neuron-heat", elem_classes="outcome")
    unit = UnitBoxes(kind, layer, index)
    with gr.Accordion("Where in a corpus it is most active", open=False, elem_id="neuron-corpus"):
        neuron_corpus.build(page, unit)

    gr.HTML("<h3>2. Find one: what tells two groups of sentences apart</h3>")
    groups = neuron_groups.build(page)
    gr.HTML("<h3>3. Take it out</h3>")
    out = neuron_out.build(page, unit)

    def draw(values: dict, halted: threading.Event) -> Iterator[dict]:
        """The unit over the text, and over both groups if it comes from their comparison."""
        from playground.labs.internals import neurons as lab
        from playground.views.internals import neurons as view

        reference, chosen = values[page.reference] or "", unit.read(values)
        if not (values[text] or "").strip():
            raise PlaygroundError("There is no text to read. Type some, or press an example.")
        sides = values[groups.compared] or ()
        total = 1 + sum(map(len, sides))

        def work(report):
            with page.models.lease(reference) as engine:
                own = lab.activations(engine, values[text], chosen, halted, bool(values[complete]))
                found = []
                for side in sides:
                    found.append([])
                    for sentence in side:
                        report((1 + sum(map(len, found))) / total, "Reading both groups")
                        found[-1].append(lab.activations(engine, sentence, chosen, halted))
            return own, found

        for news in reported(work, halted):
            if isinstance(news[0], float):
                yield {status: progress(*news)}
                continue
            own, found = news
            most = view.scale_of([own])
            beside = f"<h4>Over both groups</h4>{view.groups_of_texts(*found)}" if found else ""
            yield {
                caption: view.caption(own, title_of(reference)) + view.origin(own.provenance),
                heat: f"{view.legend(most)}{view.text(own, most)}{beside}{view.values_table(own)}",
            }

    boxes = {"kind": kind, "layer": layer, "number": index, "text": text}
    page.forms.offer(INTERNALS, TITLE, boxes | {"special": Box(complete, shows=True)})
    desk = bench(page, status)
    pane = Pane(TITLE, {*unit.parts, text, complete, groups.compared}, [caption, heat], draw)
    begun = asked(desk, look.click, text.submit, layer.submit, index.submit)
    desk.draw_after(begun.success, pane)
    stop.click(desk.stops.halt, None, None, **AT_ONCE)

    def open_unit(kinds: str, event: gr.SelectData) -> list:
        chosen = places(event)
        return [kinds, round(chosen[0]), round(chosen[1])]

    opened = groups.ranking.select(open_unit, groups.kind, [kind, layer, index], **AT_ONCE)
    desk.draw_after(opened.success, pane)
    opened.success(None, None, None, js=SCROLL, **AT_ONCE)

    filling = [kind, layer, index, text, complete, groups.compared]
    for button, example in zip(buttons, EXAMPLES, strict=True):

        def fill(example: Example = example) -> list:
            nothing_added = gr.update(value=False, visible=False)
            return [NEURON, example.layer, example.index, example.text, nothing_added, None]

        filled = button.click(fill, None, filling, **AT_ONCE)
        desk.draw_after(filled.success, pane)

    def receive(parcel: Parcel) -> list:
        which = [gr.skip()] * 3 if parcel.neuron is None else [NEURON, parcel.layer, parcel.neuron]
        return [*which, parcel.text, gr.update(value=parcel.complete, visible=parcel.complete), None]

    def pack(values: dict, what: str, visitor: str) -> Parcel:
        sent, chosen = Parcel(values[text] or "", complete=bool(values[complete])), unit.read(values)
        if what == THE_TEXT:
            return sent
        if what == THE_NEURON and chosen.kind != "neuron":
            raise PlaygroundError("Only MLP neurons can be taken out, and a residual dimension is chosen.")
        number = chosen.index if what == THE_NEURON else None
        return replace(sent, layer=chosen.layer, neuron=number, part="layer")

    sending.take(inbox, receive, filling, lambda came: desk.draw_after(came.success, pane))
    with sending_place:
        sending.row(page, "neurons-send-to", SENDING, {*unit.parts, text, complete}, pack)
    groups.connect(compared)
    out.connect(removed, [caption, heat])


SCROLL = "() => document.querySelector('#neuron-look-heading').scrollIntoView({behavior: 'smooth'})"
