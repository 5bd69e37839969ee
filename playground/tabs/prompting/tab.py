"""Does this prompt work better, and is that luck? Write prompts, run them on a table, compare what comes.

It lays the parts out and connects them; each part is in a file of its own.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr

from playground.labs.prompting import library, statistics
from playground.labs.prompting.library import Worked
from playground.labs.prompting.results import Results
from playground.tabs.ability import what_it_can
from playground.tabs.attention.panes import Stops
from playground.tabs.kit import (
    AT_ONCE,
    MAY_REFUSE,
    RESULTS_BEGIN,
    SENT_BEGINS,
    WAITING,
    Page,
    arriving,
    title_of,
    user_errors,
)
from playground.tabs.prompting import builder as builders
from playground.tabs.prompting import data as tables
from playground.tabs.prompting import kept as keeping
from playground.tabs.prompting import linked
from playground.tabs.prompting import outcome as outcomes
from playground.tabs.prompting import scoring as scorings
from playground.tabs.prompting.builder import Builder
from playground.tabs.prompting.data import Data
from playground.tabs.prompting.outcome import Outcome
from playground.tabs.prompting.preview import Preview
from playground.tabs.prompting.preview import build as build_preview
from playground.tabs.prompting.scoring import Asking, Scoring
from playground.views.continuations import note
from playground.views.prompting import words

if TYPE_CHECKING:  # the page must not wait for torch
    from playground.labs.prompting.experiment import Progress
    from playground.labs.prompting.kept import Kept

TITLE = "Prompt lab"
TAKES_TEXTS = True  # from other tabs, by post: each becomes one more prompt
REDRAW = 2.0  # seconds between two drawings of results that grow
ORDERS = 5
VISITORS = 32  # whose answers are kept for a second run
SENT = "What came is a prompt of its own above. Press Run and compare to try all prompts on the whole table."
UNLESS_LINKED = "(kept) => location.hash.startsWith('#link=') ? null : kept"  # a link says what is to stand here
STOPPED = "Stopped. What is done stands below; Run goes on where it stopped."
_ANSWERS = threading.Lock()


@dataclass(frozen=True, eq=False)
class Lab:
    """All parts, and what runs. Its methods are the handlers."""

    page: Page
    builder: Builder
    data: Data
    scoring: Scoring
    preview: Preview
    outcome: Outcome
    run: gr.Button
    stop: gr.Button
    orders: gr.Button
    status: gr.HTML
    look: gr.HTML
    stops: Stops
    answers: "OrderedDict[str, Kept]"  # by Gradio's session: a second run computes only what changed

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.page.reference, self.data.grid, self.data.pick, *self.builder.inputs, *self.scoring.all}

    def fill(self, worked: Worked) -> dict:
        """Puts a worked example into all boxes."""
        rows = library.rows(worked.data.name)
        asking = Asking(worked.max_new_tokens, (0.0,), 1, 0, ())
        return (
            self.builder.shown(worked.prompts)
            | self.data.shown(rows, worked.data.name)
            | self.scoring.shown(worked.scorer, list(rows[0]), asking)
            | {self.look: note(worked.look)}
        )

    @property
    def filled(self) -> list[gr.components.Component]:
        return [*self.builder.outputs, *self.data.outputs, *self.scoring.all, self.look]

    # running

    def begin(self) -> dict:
        return {self.status: note(WAITING), self.run: gr.update(interactive=False)}

    def wanted(self, values: dict, orders: bool = False) -> Results:
        """What is to be run, by all boxes. Raises PlaygroundError: it cannot be."""
        from playground.labs.prompting import experiment

        drafts = self.builder.current(values)
        builders.check(drafts)
        asking, scorer = self.scoring.asking(values), self.scoring.scorer(values)
        rows = tables.from_frame(values[self.data.grid])
        if orders:
            drafts = statistics.orders(drafts[values[self.builder.which] or 0], ORDERS, asking.seed)
        references = tuple(dict.fromkeys([values[self.page.reference] or "", *asking.models]))
        temperatures = (0.0,) if scorer.kind == "choice" else asking.temperatures
        found = experiment.variants(drafts, references, temperatures, title_of)
        settings = {"max_new_tokens": asking.max_new_tokens, "samples": asking.samples, "seed": asking.seed}
        empty = experiment.empty(rows, found, scorer, **settings)
        experiment.check(empty)
        return empty

    def work(self, values: dict, request: gr.Request, orders: bool = False) -> Iterator[dict]:
        """Runs the grid, telling how far it is and drawing accuracies as they grow."""
        stop = self.stops.begin(request, TITLE)
        with user_errors():
            empty = self.wanted(values, orders)
            first = empty.variants[0].reference
            for news in arriving(self.page.models, first, stop):
                yield {self.status: note(news)}
            if stop.is_set():
                yield {self.status: note("Stopped.")}
                return
            yield from self._run(empty, stop, self._answers(request))

    def _answers(self, request: gr.Request) -> "Kept":
        from playground.labs.prompting.kept import Kept

        if request.session_hash is None:  # nobody's: such visitors must not share
            return Kept()
        with _ANSWERS:  # one visitor may run twice at once
            mine = self.answers.pop(request.session_hash, None) or Kept()
            self.answers[request.session_hash] = mine
            while len(self.answers) > VISITORS:
                self.answers.popitem(last=False)
            return mine

    def _run(self, empty: Results, stop: threading.Event, answers: "Kept") -> Iterator[dict]:
        from playground.labs.prompting import experiment

        models, due, last = self.page.models, 0.0, None
        with closing(experiment.run(models.writer, models.lease, empty, answers, stop)) as running:
            for last in running:
                told = {self.status: self._progress(last)}
                if time.monotonic() >= due and last.n_done:
                    due = time.monotonic() + REDRAW
                    so_far = last.results()
                    told |= self.outcome.growing(so_far) | self.keep_so_far(so_far)
                yield told
        found = last.results()
        yield self.outcome.drawn(found) | {self.status: note(STOPPED if stop.is_set() else "")} | self.keep(found)

    def _progress(self, now: "Progress") -> str:
        return words.progress(now.n_done, now.n_all, now.seconds_left, now.doing)

    def keep_so_far(self, found: Results) -> dict:
        """Asks the browser to keep what a run has brought until now, if it can; it leaves the status alone."""
        value, _ = keeping.kept(found)
        return {self.page.lab: value} if value is not None else {}

    def keep(self, found: Results) -> dict:
        """Asks the browser to keep the results."""
        value, trouble = keeping.kept(found)
        return {self.page.lab: value} | ({self.status: note(trouble)} if trouble else {})

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.status, *self.outcome.all, self.page.lab]

    def restore(self, value: object) -> dict:
        """The page as it was left: prompts, table, scorer and results."""
        found = keeping.restored(value)
        if found is None:
            return dict.fromkeys([*self.filled, *self.outcome.all], gr.skip())
        drafts = tuple(dict.fromkeys(variant.prompt for variant in found.variants))[: builders.MOST_PROMPTS]
        temperatures = tuple(dict.fromkeys(variant.temperature for variant in found.variants))
        others = tuple(dict.fromkeys(variant.reference for variant in found.variants))[1:]
        settings = found.settings
        asking = Asking(int(settings["max_new_tokens"]), temperatures, found.samples, int(settings["seed"]), others)
        pick = next((d.name for d in library.data_sets() if library.rows(d.name) == found.rows), tables.OWN)
        return (
            self.builder.shown(drafts)
            | self.data.shown(found.rows, pick)
            | self.scoring.shown(found.scorer, list(found.rows[0]), asking)
            | {self.look: note("This is your last run, as this browser has kept it.")}
            | self.outcome.drawn(found)
        )

    def draw(self, values: dict) -> dict:
        """Examples drawn from the table; the rows that they came from leave it."""
        with user_errors():
            rows = tables.from_frame(values[self.data.grid])
            shown, left = self.builder.draw(values, rows, values[self.scoring.expected] or "")
            told = f"{len(rows) - len(left)} rows are examples now and were taken out of the table. "
            updates = shown | self.data.shown(left, tables.OWN)
            return updates | {self.data.told: note(told + tables.described(left))}

    def halt(self, request: gr.Request) -> None:
        self.stops.halt(request)

    def run_after(self, event: gr.events.Dependency, orders: bool = False) -> None:
        """Runs the grid once `event` has succeeded."""

        def work(values: dict, request: gr.Request) -> Iterator[dict]:
            yield from self.work(values, request, orders)

        worked = event.success(work, self.inputs, self.outputs, trigger_mode="multiple", **self.page.queued)
        worked.then(lambda: gr.update(interactive=True), None, self.run, **AT_ONCE)
        worked.failure(lambda: "", None, self.status, **AT_ONCE)

    def connect(self, examples: Sequence[tuple[gr.Button, Worked]], buttons: dict[str, gr.Button], bring: gr.File):
        data, builder = self.data, self.builder
        self.builder.connect(buttons, bring, self.preview.after)
        drawn_outputs = [*builder.outputs, *data.outputs]
        self.preview.after(
            buttons["draw"].click(self.draw, self.inputs | {builder.k, builder.seed}, drawn_outputs, **MAY_REFUSE)
        )

        def expected(rows: tuple, now: str) -> dict:
            return self.scoring.columns(rows, now)

        for event in (
            data.pick.input(data.chosen, data.pick, data.outputs, **AT_ONCE),
            data.file.upload(data.take, data.file, data.outputs, **MAY_REFUSE),
            data.grid.input(data.edited, data.grid, [data.rows, data.told], trigger_mode="always_last", **MAY_REFUSE),
        ):
            followed = event.success(expected, [data.rows, self.scoring.expected], self.scoring.expected, **AT_ONCE)
            self.preview.after(followed)
        self.scoring.kind.input(
            self.scoring.choose,
            self.scoring.kind,
            [box for box in self.scoring.boxes if box not in (self.scoring.kind, self.scoring.expected)],
            **AT_ONCE,
        )
        started = [self.status, self.run]
        self.run_after(self.run.click(self.begin, None, started, **AT_ONCE))
        self.run_after(self.orders.click(self.begin, None, started, **AT_ONCE), orders=True)
        self.stop.click(self.halt, None, None, **AT_ONCE)
        for button, worked in examples:

            def fill(worked: Worked = worked) -> dict:
                return self.fill(worked) | self.begin()

            filled = button.click(fill, None, [*self.filled, *started], **AT_ONCE)
            self.preview.after(filled)
            self.run_after(filled)
        restored = self.page.blocks.load(
            self.restore, self.page.lab, [*self.filled, *self.outcome.all], js=UNLESS_LINKED, **AT_ONCE
        )
        self.preview.after(restored)
        self.page.blocks.unload(self.leave)
        self._receive()
        more = linked.of(self)
        self.page.forms.offer(TITLE, more=more, then=self.preview.after)

    def _receive(self) -> None:
        """What other tabs send becomes one more prompt; one row of it is answered, the table waits for a click."""
        if TITLE not in self.page.post:
            return
        post, inputs = self.page.post[TITLE], self.builder.inputs | {self.page.reference}
        outputs = [*self.builder.outputs, self.status]

        def receive(values: dict) -> dict:
            parcel = values[post]
            if parcel is None:
                return {self.status: gr.skip()}
            with user_errors():
                as_chat = what_it_can(self.page, parcel.reference or values[self.page.reference] or "")
                filled = self.builder.receive(parcel.text, parcel.system, as_chat in ("chat", None), values)
                return filled | {self.status: note(SENT)}

        came = post.change(receive, inputs | {post}, outputs, **MAY_REFUSE)
        self.preview.after(came)
        self.preview.ask_after(came)

    def leave(self, request: gr.Request) -> None:
        """The visitor is gone."""
        with _ANSWERS:
            self.answers.pop(request.session_hash, None)


def build(page: Page) -> None:
    listed = library.worked()
    first = listed[0]
    with gr.Row(elem_classes="examples", elem_id="lab-worked"):
        gr.HTML("Examples:")
        buttons = [
            gr.Button(worked.title, size="sm", min_width=0, variant="primary" if i < 2 else "secondary")
            for i, worked in enumerate(listed)
        ]
    look = gr.HTML(note(first.look), elem_id="lab-look")
    with gr.Row(elem_id="lab-write"):
        with gr.Column(scale=3, min_width=320):
            builder, others, bring = builders.build(first.prompts)
        with gr.Column(scale=2, min_width=300, elem_classes=["stays", SENT_BEGINS]):
            parts = build_preview()
    with gr.Row(elem_id="lab-ask"):
        with gr.Column(scale=3, min_width=320):
            data = tables.build(first.data)
        with gr.Column(scale=2, min_width=300):
            columns = list(library.rows(first.data.name)[0])
            scoring = scorings.build(first.scorer, columns, first.max_new_tokens)
    with gr.Row(elem_classes=["buttons", RESULTS_BEGIN]):
        run = gr.Button("Run and compare", variant="primary", elem_id="lab-run")
        stop = gr.Button("Stop", variant="stop", elem_id="lab-stop")
        orders = gr.Button(f"Try {ORDERS} orders of the examples", elem_id="lab-orders")
    status = gr.HTML(elem_id="lab-status")
    outcome = outcomes.build()
    stops = Stops(page.blocks)
    preview = Preview(page, builder, data.rows, scoring, Stops(page.blocks), **parts)
    lab = Lab(page, builder, data, scoring, preview, outcome, run, stop, orders, status, look, stops, OrderedDict())
    preview.connect()
    lab.connect(list(zip(buttons, listed, strict=True)), others, bring)
