"""The Probing pane of the Internals tab: a task, a pooling, a probe; then accuracy by layer and what to make of it.

It does not know how probes are trained or drawn.
"""

import threading
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.internals.probing import table, tasks
from playground.labs.internals.probing.examples import Examples, find
from playground.tabs import sending
from playground.tabs.attention.panes import Stops
from playground.tabs.files import write_files
from playground.tabs.forms import Box, More
from playground.tabs.internals import INTERNALS
from playground.tabs.kit import (
    AT_ONCE,
    MAY_REFUSE,
    SEEN,
    UNSEEN,
    WAITING,
    Page,
    Parcel,
    arriving,
    title_of,
    user_errors,
)
from playground.views.continuations import note

TITLE = "Probing"
TAKES_TEXTS = True  # it takes layers; a text alone says nothing to it
OWN = "own"
POOLINGS = {
    "First token": "first",
    "Mean of all tokens": "mean",
    "Last token": "last",
    "The word itself": "word",
}
PROBES = {"Linear": "linear", "Small network": "mlp"}
EVERY, ONE = "Every layer", "One layer"
NOTHING = "No word column"
REDRAW = 2.0  # seconds between two drawings of a curve that grows
STOPPED = "Stopped before the first layer was done. What was read of the texts is lost; nothing else is."
INTRODUCTION = (
    "<p>A <b>probe</b> is a simple classifier that sees nothing but what one layer makes of each text. If it can tell "
    "past from present on texts it has never seen, that layer holds the tense in a form that is easy to read. Compare "
    "it with the <b>words alone</b> (a bag of words, no model) and with a <b>control task</b> (random labels): what "
    "those reach too says nothing about the model.</p>"
)


@dataclass(frozen=True)
class Example:
    caption: str
    task: str
    pooling: str
    layers: str = EVERY
    layer: int = 6


EXAMPLES = (
    Example("Tense from layer 6's last token", "tense", "Last token", ONE),
    Example("Tense by layer", "tense", "Last token"),
    Example("Part of speech by layer", "part_of_speech", "The word itself"),
    Example("Sentence length from layer 6's first token", "sentence_length", "First token", ONE),
    Example("Length by layer", "sentence_length", "First token"),
    Example("Length from the last token", "sentence_length", "Last token"),
)


@dataclass(frozen=True, eq=False)
class Upload:
    """A file of one's own, as it was read."""

    name: str
    table: table.Table


@dataclass(frozen=True, eq=False)
class Pane:
    """The components, and what happens to them. Its methods are the handlers."""

    page: Page
    cache: object  # labs.probing.features.Cache, made when first needed
    stops: Stops
    task: gr.Dropdown
    file: gr.File
    text: gr.Dropdown
    label: gr.Dropdown
    word: gr.Dropdown
    upload: gr.State
    own: gr.Column
    samples: gr.HTML
    pooling: gr.Radio
    probe: gr.Radio
    which: gr.Radio
    layer: gr.Number
    status: gr.HTML
    run: gr.Button
    stop: gr.Button
    outcome: gr.Column
    verdict: gr.HTML
    curve: gr.Plot
    rest: gr.Column
    slider: gr.Slider
    confusion: gr.Plot
    points: gr.Plot
    numbers: gr.HTML
    files: gr.File
    code: gr.Code
    found: gr.State
    origin: gr.HTML = field(default=None)

    # what is probed

    @property
    def columns(self) -> list[gr.Dropdown]:
        return [self.text, self.label, self.word]

    def show_task(self, name: str, upload: Upload | None, text: str, label: str, word: str) -> dict:
        """Examples of the picked task, and the pooling that its question needs."""
        if name == OWN:
            return {
                self.own: gr.update(visible=True),
                self.samples: self._own_samples(upload, text, label, word),
                self.pooling: gr.update(choices=list(POOLINGS)),
            }
        task = tasks.named(name)
        choices = list(POOLINGS) if task.about_a_word else [p for p in POOLINGS if POOLINGS[p] != "word"]
        value = "The word itself" if task.about_a_word else gr.skip()
        pooling = gr.update(choices=choices) if value is gr.skip() else gr.update(choices=choices, value=value)
        return {self.own: gr.update(visible=False), self.samples: task_samples(task), self.pooling: pooling}

    def _own_samples(self, upload: Upload | None, text: str, label: str, word: str) -> str:
        if upload is None:
            return note("Upload a CSV file whose first line names its columns: one with texts, one with labels.")
        try:
            return own_samples(self.examples(OWN, upload, text, label, word), upload)
        except PlaygroundError as error:
            return note(str(error))

    def examples(self, name: str, upload: Upload | None, text: str, label: str, word: str) -> Examples:
        """What is to be probed. Raises PlaygroundError when it cannot be."""
        if name != OWN:
            return tasks.examples(tasks.named(name))
        if upload is None:
            raise PlaygroundError("There is no file yet. Upload a CSV file, or pick one of the tasks.")
        return table.examples(upload.table, text, label, None if word == NOTHING else word, upload.name)

    def take(self, path: str | None) -> dict:
        """Reads an uploaded file and guesses its columns."""
        if path is None:
            return {self.upload: None, self.samples: self._own_samples(None, "", "", "")}
        with user_errors():
            table.check_size(Path(path).stat().st_size)
            upload = Upload(Path(path).name, table.read(Path(path).read_bytes()))
        guessed = table.guess(upload.table)
        columns = list(upload.table.columns)
        text, label, word = guessed["text"], guessed["label"], guessed["word"] or NOTHING
        return {
            self.upload: upload,
            self.text: gr.update(choices=columns, value=text),
            self.label: gr.update(choices=columns, value=label),
            self.word: gr.update(choices=[NOTHING, *columns], value=word),
            self.samples: self._own_samples(upload, text, label, word),
        }

    # running

    def begin(self) -> dict:
        return {self.status: note(WAITING), self.run: gr.update(interactive=False)}

    def work(self, values: dict, request: gr.Request) -> Iterator[dict]:
        """Probes, telling how far it is and drawing the curve as it grows."""
        reference = values[self.page.reference] or ""
        stop = self.stops.begin(request, TITLE)
        with user_errors():
            chosen = [values[c] for c in (self.task, self.upload, *self.columns)]
            examples = self.examples(*chosen)
            for news in arriving(self.page.models, reference, stop):
                yield {self.status: note(news)}
            if stop.is_set():
                yield {self.status: note("Stopped.")}
                return
            yield from self._probe(values, examples, reference, stop)

    def _probe(self, values: dict, examples: Examples, reference: str, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.internals.probing import experiment, features  # imports torch and scikit-learn
        from playground.views.internals import probing as view

        only = (whole(values[self.layer]),) if values[self.which] == ONE else None
        settings = experiment.Settings(POOLINGS[values[self.pooling]], PROBES[values[self.probe]], only)
        self.cache.setdefault("vectors", features.Cache())
        try:
            with self.page.models.lease(reference) as engine:
                reading = experiment.read(engine, examples, settings.pooling, stop, self.cache["vectors"])
                vectors = yield from self._told(reading, view)
            work = experiment.probe(vectors, settings, stop)
            due = 0.0
            while True:
                try:
                    news, so_far = next(work)
                except StopIteration as end:
                    found = end.value
                    break
                update = {self.status: view.progress(news.done, news.doing, news.seconds_left)}
                if so_far is not None and time.monotonic() >= due:
                    due = time.monotonic() + REDRAW
                    update |= self._growing(view.curve(so_far))
                yield update
        except features.Stopped:
            yield {self.status: note(STOPPED)}
            return
        yield self.drawn(found, reference)

    def _growing(self, curve) -> dict:
        """A curve that is not whole yet stands alone: the rest on the page would be that of another run."""
        return {
            self.outcome: gr.update(**SEEN),
            self.verdict: "",
            self.curve: curve,
            self.rest: gr.update(**UNSEEN),
        }

    def _told(self, reading: Generator, view) -> Generator[dict, None, object]:
        while True:
            try:
                news = next(reading)
            except StopIteration as end:
                return end.value
            yield {self.status: view.progress(news.done, news.doing, news.seconds_left)}

    def drawn(self, found, reference: str) -> dict:
        """Everything that a finished or stopped probing shows."""
        from playground.labs import published
        from playground.labs.internals.probing import plain, replay
        from playground.views.internals import probing as view

        contents = {
            "probing-layers.csv": plain.layers_csv(found),
            replay.TEXTS: plain.texts_csv(found),
            "probing.json": plain.as_json(found),
        }
        try:
            code = replay.script(found, published.of(reference, found.provenance.revision))
        except PlaygroundError as error:
            code = f"# {error}"
        last = found.layers[-1]
        return {
            self.status: "",
            self.outcome: gr.update(**SEEN),
            self.verdict: view.verdict(found, title_of(reference)),
            self.curve: view.curve(found),
            self.rest: gr.update(**SEEN),
            self.slider: gr.update(
                minimum=found.layers[0],
                maximum=max(last, found.layers[0] + 1),
                value=found.best,
                visible=len(found.layers) > 1,
            ),
            self.confusion: view.confusion(found, found.best),
            self.points: view.projection(found, found.best),
            self.numbers: view.table(found),
            self.origin: view.origin(found),
            self.files: write_files(contents),
            self.code: code,
            self.found: found,
        }

    def at_layer(self, found, layer: float) -> list:
        """Confusion and points of the layer on the slider, or the nearest that was probed."""
        if found is None:
            return [gr.skip(), gr.skip()]
        from playground.views.internals import probing as view

        nearest = min(found.layers, key=lambda other: abs(other - layer))
        return [view.confusion(found, nearest), view.projection(found, nearest)]

    def halt(self, request: gr.Request) -> None:
        self.stops.halt(request)


def build(page: Page, inbox: gr.State) -> None:
    """Lays out the pane and connects it. inbox: what other tabs send; of a layer, its output is probed."""
    from dataclasses import fields

    parts: dict = {"page": page, "cache": {}, "stops": Stops(page.blocks)}
    with gr.Row(elem_classes="examples", elem_id="probing-examples"):
        gr.HTML("Examples:")
        buttons = [gr.Button(example.caption, size="sm", min_width=0) for example in EXAMPLES]
    gr.HTML(INTRODUCTION, elem_id="probing-introduction")
    with gr.Row(elem_id="probing-ask"):
        with gr.Column(scale=2, min_width=300):
            parts |= _choices()
        with gr.Column(scale=3, min_width=320):
            parts |= _texts()
    with gr.Row(elem_classes="buttons"):
        parts["run"] = gr.Button("Run", variant="primary", elem_id="probe")
        parts["stop"] = gr.Button("Stop", variant="stop", elem_id="probe-stop")
    parts["status"] = gr.HTML(elem_id="probing-status")
    with gr.Column(**UNSEEN, elem_id="probing-outcome") as parts["outcome"]:
        parts |= _outcome()
    parts |= {"upload": gr.State(), "found": gr.State()}
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane)})
    boxes = {name: parts[name] for name in ("probe", "which", "layer")}
    shipped = Box(pane.task, choices=tuple(task.name for task in tasks.TASKS))  # a file of one's own stays here
    pooling = Box(pane.pooling, choices=tuple(POOLINGS))
    page.forms.offer(INTERNALS, TITLE, boxes | {"task": shipped, "pooling": pooling}, more=_task_of_link(pane))
    _connect(pane, buttons, inbox)


def _task_of_link(pane: Pane) -> More:
    """What is shown of a task goes with it."""

    def fill(plain: Mapping) -> tuple[dict, list[str]]:
        known = plain.get("task") in [task.name for task in tasks.TASKS]
        return (pane.show_task(plain["task"], None, "", "", "") if known else {}), []

    return More(set(), [pane.own, pane.samples, pane.pooling], lambda values, with_talk: ({}, []), fill)


def _choices() -> dict:
    offered = [(task.title, task.name) for task in tasks.TASKS] + [("My own file (CSV)", OWN)]
    first = tasks.TASKS[0]
    return {
        "task": gr.Dropdown(
            offered,
            value=first.name,
            label="Task",
            info="What the probe is to tell, one label a text.",
            filterable=False,
            elem_id="probing-task",
        ),
        "pooling": gr.Radio(
            [name for name, value in POOLINGS.items() if value != "word"],
            value="Last token",
            label="Vector of a text (pooling)",
            info="A model that reads from left to right knows the whole text at its last token only.",
            elem_id="probing-pooling",
        ),
        "probe": gr.Radio(
            list(PROBES),
            value="Linear",
            label="Probe",
            info="Linear: logistic regression. The small network (32 units) finds more, and learns more by heart.",
            elem_id="probing-probe",
        ),
        "which": gr.Radio([EVERY, ONE], value=EVERY, label="Layers", elem_id="probing-which"),
        "layer": gr.Number(
            6,
            label="Layer",
            info="0 is what goes into the first block.",
            precision=0,
            minimum=0,
            visible=False,
            elem_id="probing-layer",
        ),
    }


def _texts() -> dict:
    parts: dict = {}
    with gr.Column(visible=False, elem_id="probing-own") as parts["own"]:
        parts["file"] = gr.File(
            label="CSV with a text and a label in each row",
            file_types=[".csv", ".tsv", ".txt"],
            height=120,
            elem_id="probing-file",
        )
        with gr.Row():
            parts["text"] = gr.Dropdown([], label="Text column", min_width=120, filterable=False)
            parts["label"] = gr.Dropdown([], label="Label column", min_width=120, filterable=False)
            parts["word"] = gr.Dropdown(
                [NOTHING], value=NOTHING, label="Word column (optional)", min_width=120, filterable=False
            )
    parts["samples"] = gr.HTML(task_samples(tasks.TASKS[0]), elem_id="probing-samples")
    return parts


def _outcome() -> dict:
    parts: dict = {"verdict": gr.HTML(elem_id="probing-verdict")}
    gr.HTML(
        note(
            "Look for where the thick line rises above the dashed ones, and how far it stays above the dotted control. "
            "The band is a 95 % interval (Wilson, texts with the same item counted together). One layer alone is drawn "
            "as bars."
        )
    )
    parts["curve"] = gr.Plot(show_label=False, elem_id="probing-curve")
    with gr.Column(**UNSEEN, elem_id="probing-rest") as parts["rest"]:
        parts |= _layer_by_layer()
    return parts


def _layer_by_layer() -> dict:
    parts: dict = {}
    parts["slider"] = gr.Slider(
        0,
        30,
        0,
        step=1,
        label="Layer to look at",
        info="Move it and see the labels come apart, or not.",
        elem_id="probing-slider",
    )
    with gr.Row(elem_id="probing-pictures"):
        with gr.Column(scale=2, min_width=320):
            parts["confusion"] = gr.Plot(show_label=False, elem_id="probing-confusion")
            gr.HTML(note("Rows are what a text is, columns what the probe took it for. The diagonal is right."))
        with gr.Column(scale=3, min_width=320):
            parts["points"] = gr.Plot(show_label=False, elem_id="probing-points")
            gr.HTML(
                note(
                    "Each point is a text, at the two directions in which the layer varies most (PCA; it knows no "
                    "labels). Labels that mix here can still be told apart in some other direction."
                )
            )
    with gr.Accordion("All numbers", open=False, elem_id="probing-all"):
        parts["numbers"] = gr.HTML(elem_id="probing-numbers")
    with gr.Accordion("Downloads and code", open=False, elem_id="probing-export"):
        parts["files"] = gr.File(
            label="Layers and texts as CSV, everything as JSON", file_count="multiple", interactive=False
        )
        parts["code"] = gr.Code(
            label="Python that makes the best layer's accuracy again", language="python", interactive=False
        )
    parts["origin"] = gr.HTML(elem_id="probing-origin")
    return parts


def _connect(pane: Pane, buttons: list[gr.Button], inbox: gr.State) -> None:
    choosing = [pane.task, pane.upload, *pane.columns]
    seen = [pane.own, pane.samples, pane.pooling]
    gr.on([pane.task.input, *(c.input for c in pane.columns)], pane.show_task, choosing, seen, **AT_ONCE)
    taken = [pane.upload, *pane.columns, pane.samples]
    read = gr.on(
        [pane.file.upload, pane.file.clear], pane.take, pane.file, taken, trigger_mode="multiple", **MAY_REFUSE
    )
    read.failure(lambda: None, None, pane.file, **AT_ONCE)  # what could not be read does not stay as if it had been
    pane.which.change(lambda which: gr.update(visible=which == ONE), pane.which, pane.layer, **AT_ONCE)

    inputs = {pane.page.reference, *choosing, pane.pooling, pane.probe, pane.which, pane.layer}
    outputs = [pane.status, pane.outcome, pane.verdict, pane.curve, pane.rest, pane.slider, pane.confusion, pane.points]
    outputs += [pane.numbers, pane.origin, pane.files, pane.code, pane.found]

    def run_after(event: gr.events.Dependency) -> None:
        worked = event.success(pane.work, inputs, outputs, trigger_mode="multiple", **pane.page.queued)
        worked.success(lambda: gr.update(interactive=True), None, pane.run, **AT_ONCE)
        worked.failure(lambda: ("", gr.update(interactive=True)), None, [pane.status, pane.run], **AT_ONCE)

    run_after(pane.run.click(pane.begin, None, [pane.status, pane.run], **AT_ONCE))
    pane.stop.click(pane.halt, None, None, **AT_ONCE)
    moved = [pane.found, pane.slider]
    pane.slider.change(pane.at_layer, moved, [pane.confusion, pane.points], trigger_mode="always_last", **AT_ONCE)

    def receive(parcel: Parcel) -> list:
        layer = gr.update(value=(parcel.layer or 0) + 1, visible=True)  # 0 is what goes into the first block
        return [ONE, layer, *pane.begin().values()]

    sending.take(inbox, receive, [pane.which, pane.layer, pane.status, pane.run], run_after)
    filling = [pane.task, *seen, pane.which, pane.layer, pane.status, pane.run]
    for button, example in zip(buttons, EXAMPLES, strict=True):

        def fill(example: Example = example) -> dict:
            shown = pane.show_task(example.task, None, "", "", "")
            shown[pane.pooling] = gr.update(choices=shown[pane.pooling]["choices"], value=example.pooling)
            return (
                shown
                | pane.begin()
                | {
                    pane.task: example.task,
                    pane.which: example.layers,
                    pane.layer: gr.update(value=example.layer, visible=example.layers == ONE),
                }
            )

        run_after(button.click(fill, None, filling, **AT_ONCE))


def task_samples(task: tasks.Task) -> str:
    """A few texts of a task that ships, one or two of each label."""
    from playground.views.internals.probing_texts import samples

    examples = tasks.examples(task)
    facts = f"{len(examples)} texts; a probe is asked about texts whose {task.item} it has not seen. {task.note}"
    return samples(_some(examples), task.question, facts)


def own_samples(examples: Examples, upload: Upload) -> str:
    from playground.views.internals.probing_texts import samples

    kept = f" {examples.notes[0]}" if examples.notes else ""
    facts = f"{len(examples):,} texts with {len(examples.classes)} labels; {upload.table.reading}.{kept}"
    return samples(_some(examples), upload.name, facts)


def _some(examples: Examples, most: int = 6) -> list[tuple[str, str, tuple[int, int] | None]]:
    """The first texts of each label by turns: text, label, and where the word is that it is about."""
    each = max(most // len(examples.classes), 1)
    chosen = [
        i for label in examples.classes for i in [i for i, other in enumerate(examples.labels) if other == label][:each]
    ][: max(most, len(examples.classes))]
    words = examples.words or [None] * len(examples)
    return [
        (examples.texts[i], examples.labels[i], None if words[i] is None else find(examples.texts[i], words[i]))
        for i in chosen
    ]


def whole(number: float | None) -> int:
    """The layer that was typed."""
    if number is None:
        raise PlaygroundError("No layer was given. Type its number, or pick every layer.")
    return int(number)
