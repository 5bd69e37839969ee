"""See which token looks at which: every head of every layer, drawn, named, compared and measured.

It lays out the tab and connects its panes; what a pane shows is in the file of that pane.
"""

from dataclasses import dataclass

import gradio as gr

from playground.tabs import sending
from playground.tabs.attention import attribution as attention_attribution
from playground.tabs.attention import bertviz as attention_bertviz
from playground.tabs.attention import compare as attention_compare
from playground.tabs.attention import export as attention_export
from playground.tabs.attention import heads as attention_heads
from playground.tabs.attention import map as attention_map
from playground.tabs.attention import mosaic as attention_mosaic
from playground.tabs.attention import pairs as attention_pairs
from playground.tabs.attention.map import MapPane
from playground.tabs.attention.panes import Bench, Stops
from playground.tabs.attention.source import PLACES, SECOND, Kept, Source, second_box, shape
from playground.tabs.forms import MOST_LAYERS, Box
from playground.tabs.kit import AT_ONCE, RESULTS_BEGIN, Page, Parcel, places
from playground.views.continuations import note

TITLE = "Attention"
TAKES_TEXTS = True  # from other tabs, by post
WAITING = note("Waiting for a free place …")


@dataclass(frozen=True)
class Example:
    caption: str
    text: str
    word: str  # whose row is shown first
    layer: int
    head: int
    pane: str = attention_map.TITLE
    answer: str = ""  # that attribution is asked about
    against: str = ""  # that it is compared with


THE_TEXT, THE_HEAD, THE_LAYER = "the text", "the head in Map", "the layer in Map"
SENDING = {
    THE_TEXT: sending.elsewhere(sending.A_PROMPT, sending.ATTENTION),
    THE_HEAD: (sending.ABLATION,),
    THE_LAYER: (sending.ABLATION, sending.STEERING, sending.PROBING),
}
CAT = "The cat sat on the mat because it was comfortable"
EXAMPLES = (
    Example("The cat sat on the mat", "The cat sat on the mat", "mat", 5, 3),
    Example("… because it was comfortable", CAT, "it", 5, 3),
    Example("who looks from it to mat", CAT, "it", 5, 3, attention_pairs.TITLE),
    Example("all heads", CAT, "it", 5, 3, attention_mosaic.TITLE),
    Example(
        "why Paris",
        "The capital of France is",
        "is",
        5,
        3,
        attention_attribution.TITLE,
        answer=" Paris",
        against=" London",  # one logit alone also falls and rises with all others
    ),
)


def build(page: Page) -> None:
    with gr.Row(elem_classes="examples", elem_id="attention-examples"):
        gr.HTML("Examples:")
        buttons = [gr.Button(example.caption, size="sm", min_width=0) for example in EXAMPLES]
    with gr.Row(elem_id="attention-ask"):
        text = gr.Textbox(
            CAT,
            label="Text",
            info="What the model reads. Enter looks at it.",
            lines=1,
            max_lines=6,
            scale=5,
            min_width=280,
            elem_id="attention-text",
        )
        pair = gr.Textbox(label=SECOND["pair"][0], visible=False, scale=3, min_width=220, elem_id="attention-pair")
        with gr.Column(scale=1, min_width=110, elem_id="attention-buttons"):
            look = gr.Button("Look", variant="primary", elem_id="look")
            stop = gr.Button("Stop", variant="stop", elem_id="look-stop")
    with gr.Row(elem_id="attention-more"):
        place = gr.Radio([], label="Attention of", visible=False, elem_id="attention-place")
        complete = gr.Checkbox(
            False, label="Special tokens are in the text already", visible=False, elem_id="attention-complete"
        )
    status = gr.HTML(elem_id="attention-status")
    source = Source(page, text, pair, complete, place, status, Kept())
    showing = gr.State(attention_map.TITLE)
    bench = Bench(page, source, Stops(page.blocks), showing)

    sending_place = gr.Column(min_width=0)
    opened = {}
    with gr.Tabs(elem_id="attention-panes", elem_classes=RESULTS_BEGIN) as strip:
        with gr.Tab(attention_map.TITLE, id=attention_map.TITLE) as opened[attention_map.TITLE]:
            map_pane = attention_map.build(bench)
        with gr.Tab(attention_mosaic.TITLE, id=attention_mosaic.TITLE) as opened[attention_mosaic.TITLE]:
            mosaic = attention_mosaic.build(bench)
        with gr.Tab(attention_bertviz.TITLE, id=attention_bertviz.TITLE) as opened[attention_bertviz.TITLE]:
            attention_bertviz.build(bench)
        with gr.Tab(attention_heads.TITLE, id=attention_heads.TITLE) as opened[attention_heads.TITLE]:
            scored = attention_heads.build(bench)
        with gr.Tab(attention_pairs.TITLE, id=attention_pairs.TITLE) as opened[attention_pairs.TITLE]:
            paired = attention_pairs.build(bench)
        with gr.Tab(attention_attribution.TITLE, id=attention_attribution.TITLE) as opened[attention_attribution.TITLE]:
            answers = attention_attribution.build(bench)
        with gr.Tab(attention_compare.TITLE, id=attention_compare.TITLE) as opened[attention_compare.TITLE]:
            compared = attention_compare.build(bench, map_pane)
        with gr.Tab(attention_export.TITLE, id=attention_export.TITLE) as opened[attention_export.TITLE]:
            attention_export.build(bench, map_pane)

    adapting = [pair, place, *adapters(map_pane)]

    def adapt(reference: str | None, chosen: str | None, layer: float, head: float) -> list:
        """Offers what the picked model has."""
        return adapted(page, reference or "", chosen, map_pane, layer, head)

    asking = [page.reference, place, *adapters(map_pane)]

    asked = gr.on([look.click, text.submit, pair.submit], lambda: WAITING, None, status, **AT_ONCE)
    looked = bench.draw_open_after(asked, load=True)
    for event in (looked, page.made_ready):
        event.success(adapt, asking, adapting, **AT_ONCE)
    gr.on([page.blocks.load, page.reference.change], adapt, asking, adapting, **AT_ONCE)
    stop.click(bench.stops.halt, None, None, **AT_ONCE)
    bench.draw_after(place.input, map_pane.pane)

    for title, tab in opened.items():
        chosen = tab.select(lambda title=title: title, None, showing, **AT_ONCE)
        bench.draw_open_after(chosen, load=False)

    charts = [mosaic, *scored.charts, *paired.charts]
    lists = [*scored.buttons, *paired.buttons]
    for head_of, triggers in ((head_of_chart, charts), (head_of_button, lists)):

        def open_head(event: gr.SelectData, head_of=head_of) -> list:
            return opened_head(*head_of(event))

        shown = gr.on([t.select for t in triggers], open_head, None, head_outputs(strip, showing, map_pane), **AT_ONCE)
        bench.draw_after(shown.success, map_pane.pane)

    def receive(parcel: Parcel) -> list:
        shown = [gr.skip()] * 5
        if parcel.layer is not None:
            whole = parcel.head is None
            how = attention_map.HEADS if whole else attention_map.HEAD
            shown = [*opened_head(parcel.layer, parcel.head or 0)]
            shown[2:] = [how, parcel.layer, gr.skip() if whole else parcel.head]
        return [parcel.text, "", gr.update(value=parcel.complete, visible=True), "", *shown]

    receiving = [text, pair, complete, map_pane.word, *head_outputs(strip, showing, map_pane)]
    sending.take(page.post[TITLE], receive, receiving, lambda came: bench.draw_open_after(came, load=True))

    def pack(values: dict, what: str, visitor: str) -> Parcel:
        asked = source.read(values)
        if what == THE_TEXT:
            return Parcel(asked.text, complete=asked.complete)
        chosen = map_pane.choice(values)
        return Parcel(
            asked.text, complete=asked.complete, layer=chosen.layer, head=chosen.head if what == THE_HEAD else None
        )

    with sending_place:
        sending.row(page, "attention-send-to", SENDING, source.inputs | map_pane.pane.inputs, pack)

    page.forms.strips[TITLE] = strip
    boxes = _boxes(source, map_pane, answers) | paired.linked | compared
    for title in opened:
        # every choice at first: `adapt` reads it once the link's model is picked, and narrows it then
        anywhere = gr.update(choices=list(PLACES.values()))
        page.forms.offer(TITLE, title, boxes, also={showing: title, source.place: anywhere})

    for button, example in zip(buttons, EXAMPLES, strict=True):
        filling = [text, pair, complete, *answers, map_pane.word, *head_outputs(strip, showing, map_pane)]
        filled = button.click(lambda example=example: fill(example), None, filling, **AT_ONCE)
        bench.draw_open_after(filled, load=True)


def _boxes(source: Source, pane: MapPane, answers: tuple[gr.Textbox, gr.Textbox]) -> dict:
    """What of the tab goes into a link."""
    return {
        "text": source.text,
        "second": source.pair,
        "special": Box(source.complete, shows=True),
        "of": Box(source.place, choices=tuple(PLACES.values())),
        "show": pane.how,
        "layer": Box(pane.layer, most=MOST_LAYERS),
        "head": Box(pane.head, most=MOST_LAYERS),
        "by": pane.unit,
        "attention": pane.hide,
        "word": pane.word,
        "answer": answers[0],
        "against": answers[1],
    }


def head_of_chart(event: gr.SelectData) -> tuple[int, int]:
    """(layer, head) of a click into a chart with a column a layer and a row a head."""
    head, layer = places(event)
    return round(layer), round(head)


def head_of_button(event: gr.SelectData) -> tuple[int, int]:
    """(layer, head) of a click on a button that names a head."""
    layer, head = places(event)
    return round(layer), round(head)


def head_outputs(strip: gr.Tabs, showing: gr.State, pane: MapPane) -> list:
    """What has to change so that one head stands in Map."""
    return [strip, showing, pane.how, pane.layer, pane.head]


def opened_head(layer: int, head: int, title: str = attention_map.TITLE) -> list:
    """Updates of `head_outputs`."""
    return [gr.update(selected=title), title, attention_map.HEAD, layer, head]


def fill(example: Example) -> list:
    nothing_added = gr.update(value=False, visible=False)
    return [
        example.text,
        "",
        nothing_added,
        example.answer,
        example.against,
        example.word,
        *opened_head(example.layer, example.head, example.pane),
    ]


def adapters(pane: MapPane) -> list:
    return [pane.layer, pane.head]


def adapted(page: Page, reference: str, chosen: str | None, pane: MapPane, layer: float = 0, head: float = 0) -> list:
    """Updates of the second box, the choice of attention and the sliders, for a model."""
    use = second_box(page, reference)
    label, info = SECOND[use or "pair"]
    second = gr.update(label=label, info=info, visible=use is not None)
    second |= {} if use else {"value": ""}
    known = shape(page, reference)
    if known is None or not known["layers"]:
        return [second, gr.update(visible=False), gr.skip(), gr.skip()]
    places = known["places"]
    where = gr.update(choices=places, value=chosen if chosen in places else places[0], visible=len(places) > 1)
    return [
        second,
        where,
        attention_map.end(known["layers"] - 1, layer),
        attention_map.end(known["heads"] - 1, head),
    ]
