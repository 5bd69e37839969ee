"""The Steering pane of the Internals tab: two sets of prompts, a layer and a strength; then the text with and without.

It does not know how a direction is found or added.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields, replace
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import sending
from playground.tabs.attention.source import Kept
from playground.tabs.files import write_files
from playground.tabs.forms import MOST_LAYERS, Box
from playground.tabs.internals import INTERNALS, desk
from playground.tabs.internals import prompt as prompts
from playground.tabs.internals.desk import Desk
from playground.tabs.internals.prompt import Prompt
from playground.tabs.kit import AT_ONCE, SEEN, UNSEEN, Page, Parcel, paced, title_of
from playground.views.continuations import note

TITLE = "Steering"
TAKES_TEXTS = True
THE_TEXT, THE_STEERED, THE_LAYER = "the text", "the steered text", "the layer"
SENDING = {
    THE_TEXT: sending.elsewhere(sending.A_PROMPT, sending.STEERING),
    THE_STEERED: sending.A_TEXT,
    THE_LAYER: (sending.ATTENTION, sending.PROBING),
}
POOLINGS = {"Mean of all tokens": "mean", "Last token": "last"}
WIDEST = 8  # of the strength's slider
KEEP = 4_000_000  # bytes of directions, for all visitors together
INTRODUCTION = (
    "<p><b>Steering</b> reads two sets of prompts and takes, at one layer, the mean residual of the first minus that "
    "of the second. That direction is then added, at every token, while the model writes: towards the first set, or "
    "with a negative strength towards the second.</p>"
    "<p class='note'>A direction can carry more than its name, and too much of any direction breaks the text: judge "
    "by what is written, and compare with a <b>random direction</b> of the same length. After Turner et al. 2023 "
    "(<a href='https://arxiv.org/abs/2308.10248' target='_blank' rel='noopener'>arXiv 2308.10248</a>) and Rimsky et "
    "al. 2023 (<a href='https://arxiv.org/abs/2312.06681' target='_blank' rel='noopener'>arXiv 2312.06681</a>).</p>"
)


@dataclass(frozen=True)
class Example:
    caption: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    layer: int
    strength: float
    text: str
    look: str
    pooling: str = "Mean of all tokens"
    kind: str = prompts.PLAIN


EXAMPLES = (  # tried on the starter
    Example(
        "Was the food good?",
        (
            "I love this! It is wonderful and makes me so happy.",
            "Amazing! What a beautiful, joyful day.",
            "This is great work, I am delighted with it.",
        ),
        (
            "I hate this! It is awful and makes me so angry.",
            "Terrible! What an ugly, miserable day.",
            "This is the worst work, I am disgusted with it.",
        ),
        10,
        -2.0,
        "I went to the new restaurant and the food was",
        "Look at the word after “was”: amazing as it is, terrible when steered, and still amazing with a random "
        "direction. Then move the strength from −2 to 2, and to −6, where the text breaks.",
    ),
    Example(
        "At sea",
        (
            "The ship sailed across the stormy sea.",
            "Waves broke over the deck of the old boat.",
            "The sailors watched the ocean and the whales.",
        ),
        (
            "The farmer ploughed the dry field.",
            "Cars waited at the lights of the busy street.",
            "The clerk sat in the office and wrote letters.",
        ),
        14,
        1.5,
        "Yesterday I went out and saw",
        "Look for the sea in the steered text. A random direction of the same length changes the text too, but not "
        "towards anything.",
    ),
    Example(
        "In French",
        (
            "Bonjour, je m'appelle Pierre et j'habite à Paris.",
            "Le chat est assis sur la table de la cuisine.",
            "Nous mangeons du pain et du fromage.",
        ),
        (
            "Hello, my name is Peter and I live in London.",
            "The cat is sitting on the kitchen table.",
            "We eat bread and cheese.",
        ),
        16,
        1.5,
        "My favourite food is",
        "Three sentences in each language are enough for French-looking words. That they make no sense is this small "
        "model's French.",
    ),
)


@dataclass(frozen=True, eq=False)
class Pane:
    """The components, and what happens to them. Its methods are the handlers."""

    desk: Desk
    kept: Kept  # directions that were found lately
    prompt: Prompt
    positive: gr.Textbox
    negative: gr.Textbox
    layer: gr.Slider
    pooling: gr.Radio
    strength: gr.Slider
    control: gr.Checkbox
    look: gr.HTML
    outcome: gr.Column
    told: gr.HTML
    written: gr.HTML
    same: gr.HTML
    files: gr.File
    origin: gr.HTML
    said: gr.State  # the last steered text, with what it goes on from; "": there is none

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Finds the direction, then writes the text without it, with it and with a random one."""
        from playground.labs.internals import edited, files
        from playground.labs.internals import steering as lab
        from playground.views.internals import steering as view
        from playground.views.internals import written

        reference, strength = values[self.desk.page.reference], float(values[self.strength] or 0)
        title, names = title_of(reference), ["As it is", f"Steered, strength {strength:g}"]
        with self.desk.page.models.lease(reference) as engine:
            ids, given = self.prompt.ids(engine, values), self.prompt.given(values)
            yield {self.desk.status: note("Reading the prompts …")}
            found = self._direction(engine, reference, values, stop)
            taps = [None, lab.tap(engine, found, strength)]
            if values[self.control]:
                names.append("Random direction, same length")
                taps.append(lab.tap(engine, lab.at_random(found), strength))
            yield {
                self.desk.status: note("Writing …"),
                self.outcome: gr.update(**SEEN),
                self.told: view.sentence(found, strength),
                self.written: "",
                self.same: "",
                self.said: "",
                self.origin: view.origin(found),
            }
            replies: tuple = ()
            with closing(edited.at_once(engine, ids, self.prompt.sampling(values), taps, stop)) as texts:
                for replies in paced(texts, per_second=10):
                    yield {self.written: written.side_by_side(given, names, replies, title)}
        same = written.parting(replies, names)
        contents = {
            "steering.json": files.as_json(
                direction=found, strength=strength, texts=dict(zip(names, replies, strict=False))
            )
        }
        said = f"{given}{replies[1].text}" if len(replies) > 1 and replies[1] else ""
        yield {self.files: write_files(contents), self.same: note(same) if same else "", self.said: said}

    def _direction(self, engine, reference: str, values: dict, stop: threading.Event) -> Any:
        """The direction, found now or lately: moving the strength needs no new one."""
        from playground.labs.internals import steering as lab

        sets = [tuple((values[box] or "").splitlines()) for box in (self.positive, self.negative)]
        layer, pooling = int(values[self.layer]), POOLINGS[values[self.pooling]]

        def make():
            return lab.direction(engine, *sets, layer, pooling, stop=stop)

        key = (reference, engine.revision, *sets, layer, pooling)
        n_read = 4 * sum(len(text) for texts in sets for text in texts)  # bytes of the prompts, which are kept with it
        return self.kept.get(key, make, lambda found: found.vector.nbytes + n_read)

    def receive(self, parcel: Parcel) -> dict:
        """A text that is to be steered, a layer, or the sets that a direction is found between."""
        filled = {self.look: ""}
        if parcel.text:
            filled |= self.prompt.received(parcel)
        if parcel.layer is not None:
            filled[self.layer] = parcel.layer
        if parcel.sets:
            filled |= dict(zip((self.positive, self.negative), parcel.sets, strict=True))
        return filled

    def pack(self, values: dict, what: str, visitor: str) -> Parcel:
        """What is sent to other tabs. Raises PlaygroundError: there is nothing to send."""
        if what == THE_STEERED:
            if not (values[self.said] or "").strip():
                raise PlaygroundError("There is no steered text yet. Press Steer first.")
            return Parcel(values[self.said])
        sent = self.prompt.sent(values)
        return sent if what == THE_TEXT else replace(sent, layer=int(values[self.layer]), part="layer")


def build(page: Page, inbox: gr.State) -> None:
    """Lays out the pane and connects it. inbox: what other tabs send."""
    with gr.Row(elem_classes="examples", elem_id="steering-examples"):
        gr.HTML("Examples:")
        buttons = [gr.Button(example.caption, size="sm", min_width=0) for example in EXAMPLES]
    gr.HTML(INTRODUCTION, elem_id="steering-introduction", elem_classes="introduction")
    first = EXAMPLES[0]
    parts: dict = {}
    with gr.Row(elem_classes="asked"):
        for name, label, lines in (
            ("positive", "Towards (strength above 0)", first.positive),
            ("negative", "Away from (strength below 0: towards)", first.negative),
        ):
            parts[name] = gr.Textbox(
                "\n".join(lines),
                label=label,
                info="A prompt a line. Alike in all but what is meant.",
                lines=3,
                max_lines=12,
                min_width=280,
                elem_id=f"steering-{name}",
            )
    with gr.Row(elem_classes="asked"):
        parts["prompt"] = prompts.build(first.text, "steering", tokens=30)
        with gr.Column(scale=3, min_width=300):
            parts["layer"] = gr.Slider(
                0,
                29,
                first.layer,
                step=1,
                label="Layer",
                info="After which the direction is found and added. In the papers the middle steers best.",
                elem_id="steering-layer",
            )
            parts["strength"] = gr.Slider(
                -WIDEST,
                WIDEST,
                first.strength,
                step=0.5,
                label="Strength",
                info="How many times it is added. 0 changes nothing; move it and both write anew.",
                elem_id="steering-strength",
            )
            parts["pooling"] = gr.Radio(
                list(POOLINGS), value=first.pooling, label="What stands for a prompt", elem_id="steering-pooling"
            )
            parts["control"] = gr.Checkbox(
                True, label="Also a random direction of the same length", elem_id="steering-control"
            )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Steer", variant="primary", elem_id="steer")
        stop = gr.Button("Stop", variant="stop", elem_id="steering-stop")
    sending_place = gr.Column(min_width=0)
    status = gr.HTML(elem_id="steering-status", elem_classes="doing")
    parts["look"] = gr.HTML(note(first.look), elem_id="steering-look")
    with gr.Column(**UNSEEN, elem_id="steering-outcome") as parts["outcome"]:
        parts |= _outcome()
    parts |= {"desk": desk.build(page, TITLE, status, stop), "kept": Kept(KEEP)}
    parts["said"] = gr.State("")
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane)})

    inputs = pane.prompt.all | {pane.positive, pane.negative, pane.layer, pane.pooling, pane.strength, pane.control}
    outputs = [pane.outcome, pane.told, pane.written, pane.same, pane.files, pane.origin, pane.said]
    boxes = {name: parts[name] for name in ("positive", "negative", "pooling", "strength", "control")}
    page.forms.offer(INTERNALS, TITLE, pane.prompt.boxes | boxes | {"layer": Box(pane.layer, most=MOST_LAYERS)})
    pane.desk.on([run.click], pane.work, inputs, outputs)
    pane.desk.while_moving([pane.strength.input, pane.layer.input], pane.work, inputs, outputs)
    desk.fit_layers(page, pane.layer)
    changed = [box.input for box in (pane.positive, pane.negative, pane.prompt.text)]
    gr.on(changed, lambda: "", None, pane.look, **AT_ONCE)  # it was about the example
    filling = [pane.positive, pane.negative, pane.layer, pane.strength, pane.pooling]
    filling += [pane.prompt.text, pane.prompt.kind, pane.look]
    sending.take(inbox, pane.receive, filling, lambda came: pane.desk.after(came, pane.work, inputs, outputs))
    with sending_place:
        sent = {pane.prompt.text, pane.prompt.kind, pane.layer, pane.said}
        sending.row(page, "steering-send-to", SENDING, sent, pane.pack)
    for button, example in zip(buttons, EXAMPLES, strict=True):

        def fill(example: Example = example) -> list:
            sets = ["\n".join(lines) for lines in (example.positive, example.negative)]
            where = [example.layer, example.strength, example.pooling]
            return [*sets, *where, example.text, example.kind, note(example.look)]

        pane.desk.after(button.click(fill, None, filling, **AT_ONCE), pane.work, inputs, outputs)


def _outcome() -> dict:
    parts: dict = {"told": gr.HTML(elem_id="steering-told", elem_classes="verdict")}
    gr.HTML(note("All write on at once, with the same seed. Marked is all from the first word that differs."))
    parts["written"] = gr.HTML(elem_id="steering-written")
    parts["same"] = gr.HTML(elem_id="steering-same")
    with gr.Accordion("Downloads", open=False, elem_id="steering-export"):
        parts["files"] = gr.File(label="The direction and all texts as JSON", file_count="multiple", interactive=False)
    parts["origin"] = gr.HTML(elem_id="steering-origin")
    return parts
