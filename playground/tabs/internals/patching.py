"""The Patching pane of the Internals tab: two texts, a site and a direction; then the map of what each patch does.

It does not know how patches are made or drawn.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import sending
from playground.tabs.attention.panes import BUTTONS, clicks
from playground.tabs.files import write_files
from playground.tabs.internals import INTERNALS, desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import AT_ONCE, SEEN, UNSEEN, Page, Parcel, places, title_of
from playground.views.continuations import note

TITLE = "Patching"
TAKES_TEXTS = True
THE_CLEAN, THE_CORRUPTED, THE_CELL = "the clean text", "the corrupted text", "the layer or head of the cell looked at"
SENDING = dict.fromkeys((THE_CLEAN, THE_CORRUPTED), sending.elsewhere(sending.A_PROMPT, sending.PATCHING)) | {
    THE_CELL: (sending.ATTENTION, sending.ABLATION, sending.STEERING, sending.PROBING)
}
SENT = note(
    "What came is the clean text; beside it stands the counterfactual that turns the answer most clearly. Press "
    "Propose a corrupted text to pick another."
)
SITES = {
    "Residual": "residual",
    "Attention output": "attention",
    "MLP output": "mlp",
    "Single heads": "head",
}
DENOISING, NOISING = "Denoising: clean into corrupted", "Noising: corrupted into clean"
DIRECTIONS = {DENOISING: "denoising", NOISING: "noising"}
CLEAN, CORRUPTED = "The capital of France is the city of", "The capital of Italy is the city of"
INTRODUCTION = (
    "<p>Two texts that differ in a word make the model say two different things. <b>Activation patching</b> runs one "
    "of them and puts in, at one place, what the other text had there. Where that brings the other answer along, the "
    "place carries what tells the texts apart.</p>"
    "<p class='note'>A patch shows what is <b>enough</b> to change the answer, or what it cannot do without; not that "
    "the model uses this place alone, nor how. After Meng et al. 2022 "
    "(<a href='https://arxiv.org/abs/2202.05262' target='_blank' rel='noopener'>arXiv 2202.05262</a>); texts of equal "
    "length and a difference of logits, as Zhang and Nanda 2023 advise "
    "(<a href='https://arxiv.org/abs/2309.16042' target='_blank' rel='noopener'>arXiv 2309.16042</a>).</p>"
)
LOOK_FOR = (
    "Teal brings the other text's answer along, orange pushes away from it; the page's own colour is no effect. Follow "
    "the bright cells from layer to layer: where they leave one token, the information has been read from there and "
    "moved. Click a cell to see its numbers."
)


@dataclass(frozen=True)
class Example:
    caption: str
    look: str  # what to look for, tried on the starter
    site: str = "Residual"
    direction: str = DENOISING
    clean: str = CLEAN
    corrupted: str = CORRUPTED
    answer: str = "Paris"
    wrong: str = "Rome"


EXAMPLES = (
    Example(
        "France or Italy",
        "Look where the bright row ends: up to layer 22 of the starter the country's own token carries the answer, and "
        "from layer 23 on the last token, where the city is about to be said.",
    ),
    Example(
        "… which heads move it",
        "Look for the one bright cell: of the starter's 270 heads, head 4 of layer 23 alone brings most of the answer "
        "along. It is in the layer in which the residual's bright row ends.",
        "Single heads",
    ),
    Example(
        "… which MLPs",
        "Look at layer 0: its MLP at the country's token is all that tells the texts apart, as if it were part of the "
        "embedding. Later MLPs add little each.",
        "MLP output",
    ),
    Example(
        "… the other way round",
        "Noising: look whether the same places that were enough to bring Paris back are also needed for it. Here they "
        "are, because nothing else in the text names the country.",
        direction=NOISING,
    ),
)


@dataclass(frozen=True, eq=False)
class Pane:
    """The components, and what happens to them. Its methods are the handlers."""

    desk: Desk
    clean: gr.Textbox
    corrupted: gr.Textbox
    answer: gr.Textbox
    wrong: gr.Textbox
    site: gr.Radio
    direction: gr.Radio
    control: gr.Checkbox
    proposed: gr.HTML
    choices: gr.State  # what was proposed
    aligned: gr.HTML
    look: gr.HTML
    outcome: gr.Column
    verdict: gr.HTML
    chart: gr.Plot
    cell: gr.HTML
    beside: gr.Accordion
    control_chart: gr.Plot
    numbers: gr.HTML
    origin: gr.HTML
    files: gr.File
    found: gr.State
    looked: gr.State  # (layer, column) of the cell beside the map

    @property
    def asked(self) -> list[gr.components.Component]:
        return [self.clean, self.corrupted, self.answer, self.wrong]

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Aligns, patches, draws."""
        from playground.labs.internals import contrasts
        from playground.labs.internals import patching as lab
        from playground.views.internals import patching as view

        reference = values[self.desk.page.reference]
        clean, corrupted, answer, wrong = (values[box] or "" for box in self.asked)
        with self.desk.page.models.lease(reference) as engine:
            two = contrasts.contrast(engine, clean, corrupted, answer, wrong)
            lab.layers_with(engine, SITES[values[self.site]])
        yield {self.aligned: view.alignment(two.clean_labels, two.corrupted_labels), self.proposed: ""}

        def patch(report):
            with self.desk.page.models.lease(reference) as engine:
                return lab.patch(
                    engine,
                    two,
                    SITES[values[self.site]],
                    DIRECTIONS[values[self.direction]],
                    bool(values[self.control]),
                    report=report,
                    stop=stop,
                )

        found = yield from self.desk.told(patch, stop)
        yield self.drawn(found, title_of(reference))

    def drawn(self, found, title: str) -> dict:
        """Everything that a finished or stopped patching shows."""
        from playground.labs.internals import files
        from playground.views.internals import patching as view

        at, column = strongest(found)
        layer = int(found.layers[at])
        contents = {"patching.csv": files.patching_csv(found), "patching.json": files.as_json(patching=found)}
        controlled = found.control is not None
        return {
            self.outcome: gr.update(**SEEN),
            self.verdict: view.verdict(found, title),
            self.chart: view.figure(found),
            self.cell: view.cell(found, column, layer),
            self.looked: (layer, int(column)),
            self.beside: gr.update(**(SEEN if controlled else UNSEEN)),
            self.control_chart: view.figure(found, control=True) if controlled else gr.skip(),
            self.numbers: view.table(found),
            self.origin: view.origin(found),
            self.files: write_files(contents),
            self.found: found,
        }

    def pick(self, found, event: gr.SelectData) -> list:
        """What stands beside the map, for the cell that was clicked, and which one that is."""
        if found is None:
            return [gr.skip(), gr.skip()]
        from playground.views.internals import patching as view

        column, layer = map(round, places(event))
        return [view.cell(found, column, layer), (layer, column)]

    def propose(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Counterfactuals of the clean text, the clearest first."""
        from playground.labs.internals import contrasts
        from playground.views.internals import patching as view

        text = values[self.clean] or ""
        with self.desk.page.models.lease(values[self.desk.page.reference]) as engine:
            found = [
                (one, contrasts.contrast(engine, text, one.corrupted, one.answer, one.wrong))
                for one in contrasts.propose(engine, text, n=4, stop=stop)
            ]
        yield {self.proposed: view.proposals(found), self.choices: (text, tuple(one for one, _ in found))}

    def take(self, choices, event: gr.SelectData) -> list:
        """Puts the counterfactual that was picked into the boxes."""
        if choices is None:
            return [gr.skip()] * 4
        text, proposals = choices
        return boxes_of(text, proposals[round(places(event)[0])])

    def patch_clearest(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Patches the clean text with the clearest of its counterfactuals."""
        (update,) = self.propose(values, stop)
        text, proposals = update[self.choices]
        filled = dict(zip(self.asked, boxes_of(text, proposals[0]), strict=True))
        yield filled | {self.look: SENT}
        yield from self.work(values | filled, stop)

    def receive(self, parcel: Parcel) -> dict:
        """A text from another tab as the clean one; the rest is found for it."""
        if parcel.complete:
            raise PlaygroundError("Patching adds special tokens itself, and this text has them. Send a plain text.")
        return dict.fromkeys(self.asked, "") | {self.clean: parcel.text, self.look: ""}

    def pack(self, values: dict, what: str, visitor: str) -> Parcel:
        """What is sent to other tabs. Raises PlaygroundError: there is nothing to send."""
        if what != THE_CELL:
            return Parcel(values[self.clean if what == THE_CLEAN else self.corrupted] or "")
        if values[self.found] is None:
            raise PlaygroundError("No cell is looked at. Press Patch, then click one.")
        layer, column = values[self.looked]
        found = values[self.found]
        if found.site == "head":
            return Parcel(found.contrast.clean, layer=layer, head=column)
        return Parcel(found.contrast.clean, layer=layer, part="layer" if found.site == "residual" else found.site)


def boxes_of(text: str, one) -> list[str]:
    """What a counterfactual puts into the boxes."""
    return [text, one.corrupted, one.answer.strip() or one.answer, one.wrong.strip() or one.wrong]


def strongest(found) -> tuple[int, int]:
    """(number of the layer, column) of the largest effect: what is shown first."""
    import numpy as np

    return np.unravel_index(np.abs(np.nan_to_num(found.effects)).argmax(), found.effects.shape)


def build(page: Page, inbox: gr.State) -> None:
    """Lays out the pane and connects it. inbox: what other tabs send."""
    with gr.Row(elem_classes="examples", elem_id="patching-examples"):
        gr.HTML("Examples:")
        buttons = [gr.Button(example.caption, size="sm", min_width=0) for example in EXAMPLES]
    gr.HTML(INTRODUCTION, elem_id="patching-introduction", elem_classes="introduction")
    first = EXAMPLES[0]
    parts: dict = {}
    with gr.Row(elem_classes="asked"):
        parts["clean"] = desk.ask(
            first.clean,
            label="Clean text",
            info="It asks for the right answer.",
            scale=3,
            min_width=260,
            elem_id="patching-clean",
        )
        parts["corrupted"] = desk.ask(
            first.corrupted,
            label="Corrupted text",
            info="One word changed, with as many tokens.",
            scale=3,
            min_width=260,
            elem_id="patching-corrupted",
        )
        with gr.Column(scale=2, min_width=220), gr.Row():
            parts["answer"] = gr.Textbox(
                first.answer, label="Right answer", info="One token.", min_width=100, elem_id="patching-answer"
            )
            parts["wrong"] = gr.Textbox(
                first.wrong, label="Wrong answer", info="One token.", min_width=100, elem_id="patching-wrong"
            )
    with gr.Row(elem_classes="asked"):
        parts["site"] = gr.Radio(list(SITES), value=first.site, label="What is patched", scale=3, min_width=260)
        parts["direction"] = gr.Radio(
            list(DIRECTIONS), value=first.direction, label="Which way", scale=3, min_width=260
        )
    parts["control"] = gr.Checkbox(
        True,
        label="Control from wrong positions",
        info="The same patches with values from a random other position. Takes twice as long.",
    )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Patch", variant="primary", elem_id="patch")
        propose = gr.Button("Propose a corrupted text", elem_id="patching-propose")
        stop = gr.Button("Stop", variant="stop", elem_id="patching-stop")
    sending_place = gr.Column(min_width=0)
    status = gr.HTML(elem_id="patching-status", elem_classes="doing")
    parts["proposed"] = gr.HTML(elem_id="patching-proposed", js_on_load=BUTTONS)
    parts["aligned"] = gr.HTML(elem_id="patching-aligned")
    parts["look"] = gr.HTML(note(first.look), elem_id="patching-look", elem_classes="no-result")
    with gr.Column(**UNSEEN, elem_id="patching-outcome") as parts["outcome"]:
        parts |= _outcome()
    parts |= {"desk": desk.build(page, TITLE, status, stop), "found": gr.State(), "choices": gr.State()}
    parts["looked"] = gr.State()
    clicked = gr.HTML("", visible="hidden", js_on_load=clicks("#patching-chart"))
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane)})

    inputs = {*pane.asked, pane.site, pane.direction, pane.control}
    outputs = [pane.aligned, pane.proposed, pane.outcome, pane.verdict, pane.chart, pane.cell, pane.beside]
    outputs += [pane.control_chart, pane.numbers, pane.origin, pane.files, pane.found, pane.looked]
    entered = [box.submit for box in (pane.answer, pane.wrong)]
    page.forms.offer(
        INTERNALS,
        TITLE,
        {name: parts[name] for name in ("clean", "corrupted", "answer", "wrong", "site", "direction", "control")},
    )
    pane.desk.on([run.click, *entered], pane.work, inputs, outputs)
    pane.desk.on([propose.click], pane.propose, {pane.clean}, [pane.proposed, pane.choices])
    pane.proposed.select(pane.take, pane.choices, pane.asked, **AT_ONCE)
    changed = [pane.proposed.select, *(box.input for box in pane.asked)]
    gr.on(changed, lambda: "", None, pane.look, **AT_ONCE)  # it was about the example
    gr.on([clicked.select, pane.numbers.select], pane.pick, pane.found, [pane.cell, pane.looked], **AT_ONCE)
    clearest = [*outputs, *pane.asked, pane.look]
    sending.take(
        inbox,
        pane.receive,
        [*pane.asked, pane.look],
        lambda came: pane.desk.after(came, pane.patch_clearest, inputs, clearest),
    )
    with sending_place:
        sending.row(page, "patching-send-to", SENDING, {*pane.asked[:2], pane.found, pane.looked}, pane.pack)
    filling = [*pane.asked, pane.site, pane.direction, pane.look]
    for button, example in zip(buttons, EXAMPLES, strict=True):

        def fill(example: Example = example) -> list:
            asked = [example.clean, example.corrupted, example.answer, example.wrong]
            return [*asked, example.site, example.direction, note(example.look)]

        pane.desk.after(button.click(fill, None, filling, **AT_ONCE), pane.work, inputs, outputs)


def _outcome() -> dict:
    parts: dict = {"verdict": gr.HTML(elem_id="patching-verdict", elem_classes="verdict")}
    gr.HTML(note(LOOK_FOR))
    parts["chart"] = gr.Plot(show_label=False, elem_id="patching-chart")
    parts["cell"] = gr.HTML(elem_id="patching-cell", elem_classes="detail")
    with gr.Accordion("Control: from wrong positions", open=False) as parts["beside"]:
        parts["control_chart"] = gr.Plot(show_label=False, elem_id="patching-control-chart")
    with gr.Accordion("All numbers", open=False, elem_id="patching-all"):
        parts["numbers"] = gr.HTML(elem_id="patching-numbers", js_on_load=BUTTONS)
    with gr.Accordion("Downloads", open=False, elem_id="patching-export"):
        parts["files"] = gr.File(
            label="Every patch as CSV, everything as JSON", file_count="multiple", interactive=False
        )
    parts["origin"] = gr.HTML(elem_id="patching-origin")
    return parts
