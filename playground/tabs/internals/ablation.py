"""The Ablation pane of the Internals tab: parts taken out of the model, and what it says then.

It does not know how parts are taken out or drawn.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields, replace

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import sending
from playground.tabs.attention.panes import BUTTONS, clicks
from playground.tabs.files import write_files
from playground.tabs.internals import INTERNALS, desk
from playground.tabs.internals import prompt as prompts
from playground.tabs.internals.desk import Desk
from playground.tabs.internals.prompt import Prompt
from playground.tabs.kit import AT_ONCE, SEEN, UNSEEN, Page, Parcel, paced, places, title_of
from playground.views.continuations import note

TITLE = "Ablation"
TAKES_TEXTS = True
THE_TEXT, THE_HEAD, THE_NEURON = "the text", "the first head taken out", "the first neuron taken out"
SENDING = {
    THE_TEXT: sending.elsewhere(sending.A_PROMPT, sending.ABLATION),
    THE_HEAD: (sending.ATTENTION,),
    THE_NEURON: (sending.NEURONS,),
}
KINDS = {
    "Head": "head",
    "Neuron of the MLP": "neuron",
    "A layer's attention": "attention",
    "A layer's MLP": "mlp",
    "A whole layer": "layer",
}
HOWS = {"Zero": "zero", "Mean over other texts": "mean", "From other texts (resample)": "resample"}
NOISE = {"text": "The cat is happy because it", "word": "happy", "layer": 6}  # as in labs.internals.random_vectors
HEADS, LAYERS = "Every head", "Every layer: attention, MLP, whole"
INTRODUCTION = (
    "<p><b>Ablation</b> takes parts out of the model, for your request alone, and looks at what it says without them. "
    "What it can do without, it does not need here, or something else does the same work.</p>"
    "<p class='note'><b>Zero</b> is plain and puts the model in a state it never met in training, so that it may "
    "break for that reason alone. The <b>mean</b> of the part over other sentences (Wang et al. 2022, "
    "<a href='https://arxiv.org/abs/2211.00593' target='_blank' rel='noopener'>arXiv 2211.00593</a>) and what it was "
    "at a random token of another sentence (<b>resample</b>, Chan et al. 2022) keep it nearer to its usual state. "
    "Heads that stand in for each other matter only when both are gone.</p>"
)
UNREADABLE = "Streams need a model that continues text; this one fills blanks, so only the prediction is shown."


@dataclass(frozen=True)
class Example:
    caption: str
    text: str
    targets: str
    look: str
    how: str = "Zero"
    kind: str = prompts.PLAIN


CAPITAL = "The capital of France is the city of"
EXAMPLES = (  # tried on the starter
    Example(
        "Paris without layer 23's attention",
        CAPITAL,
        "attention 23",
        "Patching finds that layer 23 carries the country to the last token. Look how far Paris falls without its "
        "attention, and what the model then takes for the capital.",
    ),
    Example(
        "… without one head",
        CAPITAL,
        "head 23.4",
        "One head of 270 takes away most of the probability of Paris, and yet Paris stays first and the text goes on "
        "as before: other parts know it too.",
    ),
    Example(
        "Who are you, without that head?",
        "Who are you?",
        "head 23.4",
        "The first word hardly changes. Look whether the model still knows its own name.",
        kind=prompts.MESSAGE,
    ),
    Example(
        "One whole layer less",
        "Who are you?",
        "layer 15",
        "One of thirty layers is skipped, and the model still talks: what a layer adds is small beside what is there.",
        kind=prompts.MESSAGE,
    ),
    Example(
        "The first MLP",
        CAPITAL,
        "mlp 0",
        "Here nothing is left of the text. Layer 0's MLP works like a part of the embedding: set it to its mean "
        "instead, and see that this does not help.",
    ),
)


@dataclass(frozen=True, eq=False)
class Pane:
    """The components, and what happens to them. Its methods are the handlers."""

    desk: Desk
    prompt: Prompt
    targets: gr.Textbox
    how: gr.Radio
    kind: gr.Dropdown
    layer: gr.Slider
    number: gr.Number
    look: gr.HTML
    outcome: gr.Column
    told: gr.HTML
    bars: gr.Plot
    written: gr.HTML
    numbers: gr.HTML
    origin: gr.HTML
    files: gr.File
    over: gr.Radio
    swept: gr.Column
    sweep_told: gr.HTML
    sweep_chart: gr.Plot
    sweep_numbers: gr.HTML
    sweep_files: gr.File
    sweep_origin: gr.HTML
    sweeps: gr.State
    noise_text: gr.Textbox
    noise_word: gr.Textbox
    noise_layer: gr.Slider
    noise_told: gr.HTML
    noise_bars: gr.Plot
    noise_origin: gr.HTML

    # parts taken out

    def add(self, targets: str, kind: str, layer: float, number: float | None) -> str:
        """Puts one more part into the box."""
        named = KINDS[kind]
        part = f"{named} {int(layer)}" + (f".{int(number or 0)}" if named in ("head", "neuron") else "")
        kept = [word.strip() for word in (targets or "").split(",") if word.strip()]
        return ", ".join(dict.fromkeys([*kept, part]))

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """The next token without the parts, then both texts as they are written."""
        from playground.labs.internals import ablation, edited, files
        from playground.views.internals import ablation as view
        from playground.views.internals import written

        taken_out, how = ablation.parse(values[self.targets] or ""), HOWS[values[self.how]]
        reference = values[self.desk.page.reference]
        title = title_of(reference)
        names = ("As it is", f"Without {', '.join(view.in_words(str(target)) for target in taken_out)}")
        yield {self.desk.status: note("Reading …")}
        with self.desk.page.models.lease(reference) as engine:
            text, complete = self.prompt.complete(engine, values)
            change = ablation.ablate(engine, text, taken_out, how, stop=stop, complete=complete)
            shown = {
                self.outcome: gr.update(**SEEN),
                self.told: view.sentence(change, title),
                self.bars: view.bars(change, names[1]),
                self.numbers: view.table(change),
                self.origin: view.origin(change.provenance),
            }
            if engine.anatomy.kind != "causal":
                contents = {"ablation.csv": files.change_csv(change), "ablation.json": files.as_json(change=change)}
                yield shown | {self.written: note(UNREADABLE), self.files: write_files(contents)}
                return
            yield shown | {self.written: "", self.desk.status: note("Writing …")}
            ids, given = self.prompt.ids(engine, values), self.prompt.given(values)
            tap = ablation.tap(engine, taken_out, how, stop=stop)
            replies = (None, None)
            with closing(edited.at_once(engine, ids, self.prompt.sampling(values), (None, tap), stop)) as texts:
                for replies in paced(texts, per_second=10):
                    yield {self.written: written.side_by_side(given, names, replies, title)}
        contents = {
            "ablation.csv": files.change_csv(change),
            "ablation.json": files.as_json(change=change, original=replies[0], edited=replies[1]),
        }
        yield {self.files: write_files(contents)}

    # every part alone

    def sweep(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Takes out each head, or each layer's halves, alone."""
        from playground.labs.internals import files
        from playground.labs.internals import sweep as lab
        from playground.views.internals import ablation as view

        reference, how = values[self.desk.page.reference], HOWS[values[self.how]]
        by_head = values[self.over] == HEADS

        def work(report) -> list:
            with self.desk.page.models.lease(reference) as engine:
                text, complete = self.prompt.complete(engine, values)
                options = dict(how=how, report=report, stop=stop, complete=complete)
                if by_head:
                    return [lab.sweep(engine, text, "head", **options)]
                return list(lab.sweep_layers(engine, text, **options))

        found = yield from self.desk.told(work, stop)
        contents = {"sweep.csv": files.sweep_csv(found), "sweep.json": files.as_json(sweeps=found)}
        yield {
            self.swept: gr.update(**SEEN),
            self.sweep_told: view.sweep_sentence(found, title_of(reference)),
            self.sweep_chart: view.sweep(found),
            self.sweep_numbers: view.sweep_table(found),
            self.sweep_files: write_files(contents),
            self.sweep_origin: view.origin(found[0].provenance),
            self.sweeps: found,
        }

    # a word made noise

    def noise(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """The next token when a word's residual is a random vector."""
        from playground.labs.internals import random_vectors as lab
        from playground.views.internals import ablation as view

        reference = values[self.desk.page.reference]
        yield {self.desk.status: note("Reading …")}
        with self.desk.page.models.lease(reference) as engine:
            text, word = values[self.noise_text] or "", values[self.noise_word] or ""
            found = lab.replace_at_random(engine, text, word, int(values[self.noise_layer]), stop=stop)
        yield {
            self.noise_told: view.noise(found, title_of(reference)),
            self.noise_bars: gr.update(value=view.bars(found.result, "Made noise"), visible=True),
            self.noise_origin: view.origin(found.result.provenance),
        }

    def pick(self, found, event: gr.SelectData) -> str:
        """The part at the cell that was clicked, for the box."""
        from playground.views.internals import ablation as view

        row, layer = places(event)
        return view.target(found, round(row), round(layer))


def build(page: Page, inbox: gr.State) -> None:
    """Lays out the pane and connects it. inbox: what other tabs send."""
    with gr.Row(elem_classes="examples", elem_id="ablation-examples"):
        gr.HTML("Examples:")
        buttons = [gr.Button(example.caption, size="sm", min_width=0) for example in EXAMPLES]
        cats = gr.Button("The cat is happy: one word made noise", size="sm", min_width=0)
    gr.HTML(INTRODUCTION, elem_id="ablation-introduction", elem_classes="introduction")
    first = EXAMPLES[0]
    parts: dict = {}
    with gr.Row(elem_classes="asked"):
        parts["prompt"] = prompts.build(first.text, "ablation")
        with gr.Column(scale=3, min_width=300):
            parts["targets"] = gr.Textbox(
                first.targets,
                label="Take out",
                info="head 5.3 is head 3 of layer 5; neuron 6.100, attention 4, mlp 4, layer 2. Commas between.",
                elem_id="ablation-targets",
            )
            with gr.Row(elem_classes="level"):
                parts["kind"] = gr.Dropdown(list(KINDS), value="Head", label="Part", filterable=False, min_width=120)
                parts["layer"] = gr.Slider(0, 29, 0, step=1, label="Layer", min_width=120, elem_id="ablation-layer")
                parts["number"] = gr.Number(0, label="Number", info="Of heads and neurons.", precision=0, min_width=90)
                add = gr.Button("Add", size="sm", min_width=80, elem_id="ablation-add")
            parts["how"] = gr.Radio(list(HOWS), value="Zero", label="What stands there instead", elem_id="ablation-how")
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Take out", variant="primary", elem_id="ablate")
        stop = gr.Button("Stop", variant="stop", elem_id="ablation-stop")
    sending_place = gr.Column(min_width=0)
    status = gr.HTML(elem_id="ablation-status", elem_classes="doing")
    parts["look"] = gr.HTML(note(first.look), elem_id="ablation-look")
    with gr.Column(**UNSEEN, elem_id="ablation-outcome") as parts["outcome"]:
        parts |= _outcome()
    with gr.Accordion("Which parts matter? Take out each alone", open=False, elem_id="ablation-sweep"):
        sweep, more = _sweep()
        parts |= more
    with gr.Accordion("One word made noise", open=False, elem_id="ablation-noise") as noisy:
        parts |= _noise()
        make_noise = gr.Button("Replace it", variant="primary", elem_id="noise")
        parts |= _noise_outcome()
    parts |= {"desk": desk.build(page, TITLE, status, stop), "sweeps": gr.State()}
    clicked = gr.HTML("", visible="hidden", js_on_load=clicks("#ablation-sweep-chart"))
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane)})

    inputs = pane.prompt.all | {pane.targets, pane.how}
    outputs = [pane.outcome, pane.told, pane.bars, pane.written, pane.numbers, pane.origin, pane.files]
    pane.desk.on([run.click, pane.targets.submit], pane.work, inputs, outputs)
    add.click(pane.add, [pane.targets, pane.kind, pane.layer, pane.number], pane.targets, **AT_ONCE)
    swept = [pane.swept, pane.sweep_told, pane.sweep_chart, pane.sweep_numbers, pane.sweep_files, pane.sweep_origin]
    pane.desk.on([sweep.click], pane.sweep, pane.prompt.all | {pane.how, pane.over}, [*swept, pane.sweeps])
    picked = gr.on([clicked.select, pane.sweep_numbers.select], pane.pick, pane.sweeps, pane.targets, **AT_ONCE)
    pane.desk.after(picked, pane.work, inputs, outputs)
    noised = {pane.noise_text, pane.noise_word, pane.noise_layer}
    shown = [pane.noise_told, pane.noise_bars, pane.noise_origin]
    pane.desk.on([make_noise.click, pane.noise_text.submit, pane.noise_word.submit], pane.noise, noised, shown)
    desk.fit_layers(page, pane.layer, pane.noise_layer)
    changed = [pane.prompt.text.input, pane.targets.input, add.click, clicked.select, pane.sweep_numbers.select]
    gr.on(changed, lambda: "", None, pane.look, **AT_ONCE)  # it was about the example
    filling = [pane.prompt.text, pane.prompt.kind, pane.targets, pane.how, pane.look]
    for button, example in zip(buttons, EXAMPLES, strict=True):

        def fill(example: Example = example) -> list:
            return [example.text, example.kind, example.targets, example.how, note(example.look)]

        pane.desk.after(button.click(fill, None, filling, **AT_ONCE), pane.work, inputs, outputs)
    targets = pane.targets

    def receive(parcel: Parcel) -> dict:
        part = gr.skip() if parcel.layer is None else part_of(parcel)
        return pane.prompt.received(parcel) | {targets: part, pane.look: ""}

    page.forms.offer(
        INTERNALS, TITLE, pane.prompt.boxes | {"take_out": targets, "instead": pane.how, "parts": pane.over}
    )
    sending.take(inbox, receive, filling, lambda came: pane.desk.after(came, pane.work, inputs, outputs))

    def pack(values: dict, what: str, visitor: str) -> Parcel:
        from playground.labs.internals import ablation

        sent = pane.prompt.sent(values)
        if what == THE_TEXT:
            return sent
        kind = "head" if what == THE_HEAD else "neuron"
        first = next((part for part in ablation.parse(values[targets] or "") if part.kind == kind), None)
        if first is None:
            raise PlaygroundError(f"There is no {kind} in “Take out”. Name one, like {kind} 5.3.")
        return replace(sent, layer=first.layer, **{kind: first.index})

    with sending_place:
        sending.row(page, "ablation-send-to", SENDING, {pane.prompt.text, pane.prompt.kind, targets}, pack)
    opened = {noisy: gr.update(open=True)}
    cat = cats.click(lambda: opened, None, [noisy], **AT_ONCE)
    pane.desk.after(cat, pane.noise, noised, shown)


def part_of(parcel: Parcel) -> str:
    """The part that a parcel names, as it is written in “Take out”."""
    if parcel.neuron is not None:
        return f"neuron {parcel.layer}.{parcel.neuron}"
    return f"{parcel.part} {parcel.layer}" if parcel.head is None else f"head {parcel.layer}.{parcel.head}"


def _outcome() -> dict:
    parts: dict = {"told": gr.HTML(elem_id="ablation-told", elem_classes="verdict")}
    with gr.Row(elem_classes="asked"):
        with gr.Column(scale=2, min_width=320):
            gr.HTML(note("What comes next, before and after. Look for bars that shrink, and for what grows instead."))
            parts["bars"] = gr.Plot(show_label=False, elem_id="ablation-bars")
        with gr.Column(scale=3, min_width=320):
            gr.HTML(note("Both write on at once, with the same seed. Marked is all from the first word that differs."))
            parts["written"] = gr.HTML(elem_id="ablation-written")
    with gr.Accordion("All numbers and downloads", open=False, elem_id="ablation-export"):
        parts["numbers"] = gr.HTML(elem_id="ablation-numbers")
        parts["files"] = gr.File(label="Tokens as CSV, everything as JSON", file_count="multiple", interactive=False)
    parts["origin"] = gr.HTML(elem_id="ablation-origin")
    return parts


def _sweep() -> tuple[gr.Button, dict]:
    parts: dict = {}
    gr.HTML(
        note(
            "Each part is taken out alone, in the way chosen above, and the likeliest next token of the text above is "
            "watched. A part that matters alone is not all: two that stand in for each other matter only together."
        )
    )
    with gr.Row(elem_classes="asked"):
        parts["over"] = gr.Radio([HEADS, LAYERS], value=LAYERS, label="Parts", elem_id="ablation-over", min_width=260)
        run = gr.Button("Try each", variant="primary", elem_id="sweep", min_width=110)
    with gr.Column(**UNSEEN) as parts["swept"]:
        parts["sweep_told"] = gr.HTML(elem_id="ablation-sweep-told", elem_classes="verdict")
        parts["sweep_chart"] = gr.Plot(show_label=False, elem_id="ablation-sweep-chart")
        with gr.Accordion("All numbers", open=False):
            parts["sweep_numbers"] = gr.HTML(elem_id="ablation-sweep-numbers", js_on_load=BUTTONS)
            parts["sweep_files"] = gr.File(
                label="Every part as CSV, everything as JSON", file_count="multiple", interactive=False
            )
        parts["sweep_origin"] = gr.HTML()
    return run, parts


def _noise() -> dict:
    gr.HTML(
        note(
            "A causal test at one word: what stands there after a layer is replaced by random vectors of the same "
            "length. Were it not used further on, the prediction would stay as it is."
        )
    )
    parts = {}
    with gr.Row(elem_classes="asked"):
        parts["noise_text"] = gr.Textbox(NOISE["text"], label="Text", scale=3, min_width=240, elem_id="noise-text")
        parts["noise_word"] = gr.Textbox(
            NOISE["word"], label="Word", info="As it stands there.", scale=1, min_width=120, elem_id="noise-word"
        )
        parts["noise_layer"] = gr.Slider(
            0, 29, NOISE["layer"], step=1, label="After layer", scale=2, min_width=160, elem_id="noise-layer"
        )
    return parts


def _noise_outcome() -> dict:
    return {
        "noise_told": gr.HTML(elem_id="noise-told", elem_classes="verdict"),
        "noise_bars": gr.Plot(show_label=False, visible=False, elem_id="noise-bars"),
        "noise_origin": gr.HTML(),
    }
