"""Evaluate: questions whose answers are known, settings side by side, and how well each finds them.

It does not know how anything is measured or drawn.
"""

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.files import uploaded, write_files
from playground.tabs.forms import Box
from playground.tabs.kit import AT_ONCE, SEEN, UNSEEN, Page, user_errors
from playground.tabs.search import SEARCH, linked
from playground.tabs.search.bench import Bench
from playground.tabs.search.settings import THRESHOLD
from playground.views.continuations import note

TITLE = "Evaluate"
SHIPPED, OWN, BEIR = "The 60 that come with it", "My own (JSONL)", "A benchmark in BEIR's format (ZIP)"
RANKINGS = ("BM25", "Dense", "Hybrid, RRF", "Hybrid, weighed")
ABOUT = (
    "<p>Is a setting better, or does it only look so on one question? Each question here comes with the passage that "
    "answers it, so every setting can be measured: <b>recall@k</b> (is the passage among the first k?), <b>MRR</b> "
    "(1 / its rank) and <b>nDCG@10</b>. Some questions have no answer in the documents: those should be refused.</p>"
)
FORM = note(
    'One object a line: {"question": "…", "document": "file.md", "passage": "words of it", "accept": ["1,319"]}. '
    "Without a document, nothing answers it; without a passage, the whole document does."
)
INTERVALS = (
    "Recall has Wilson's interval, MRR and nDCG the bootstrap's over questions. Overlapping intervals do not mean that "
    "two settings are alike: the sentence above compares them question by question."
)
JUDGED = (
    "The model picked above answers each question from what each of the settings finds for it. An answer is right when "
    "an accepted string stands in it, such as “28.4”. It takes some seconds a question; Stop keeps what there is."
)


@dataclass(frozen=True, eq=False)
class Pane:
    """The pane. Its methods are the handlers."""

    bench: Bench
    which: gr.Radio
    file: gr.File
    rankings: gr.CheckboxGroup
    weights: gr.Textbox
    threshold: gr.Slider
    status: gr.HTML
    outcome: gr.Column
    verdict: gr.HTML
    settings: gr.Plot
    refusals: gr.Plot
    tables: gr.HTML
    ranks: gr.HTML
    files: gr.File
    found: gr.State
    n_answers: gr.Slider
    answers: gr.HTML
    answer_outcome: gr.Column
    answer_figure: gr.Plot
    answer_files: gr.File

    # what is measured

    def _asked(self, values: dict, stop: threading.Event) -> Generator[dict, None, tuple]:
        """(questions, collection); collection None: it was stopped."""
        from playground.labs.retrieval import beir, questions

        if values[self.which] == SHIPPED:
            found = questions.shipped()
        elif not values[self.file]:
            raise PlaygroundError("There is no file yet. Upload one, or take the questions that come with it.")
        else:
            data = uploaded(values[self.file]).read_bytes()
            if values[self.which] == BEIR:
                benchmark = beir.unpack(data)
                return benchmark.questions, (yield from self._benchmark(values, benchmark, stop))
            found = questions.read(data)
        return found, (yield from self.bench.opened(values, self.status, stop))

    def _benchmark(self, values: dict, benchmark, stop: threading.Event) -> Generator[dict, None, object]:
        """A benchmark's documents, embedded in memory by the picked collection's model."""
        from playground.labs.retrieval import beir
        from playground.views.internals.probing import progress

        reference = self.bench.library.embedding(self.bench.address(values), self.bench.key(values))
        yield from self.bench.arrived(reference, self.status, stop)
        begun = time.monotonic()
        with self.bench.page.models.lease(reference) as encoder:
            collection = None
            for done, now in beir.indexed(benchmark, encoder, stop.is_set):
                collection = now
                left = (time.monotonic() - begun) * (1 - done) / done if done > 0.02 else None
                yield {self.status: progress(done, f"Embedding {len(benchmark.documents):,} documents", left)}
        return None if stop.is_set() else collection

    def _settings(self, values: dict) -> list:
        from playground.labs.retrieval import evaluation

        picked = values[self.rankings]
        given = (values[self.weights] or "").replace(";", ",").split(",")
        try:
            weights = [float(each) for each in given if each.strip()] if RANKINGS[3] in picked else []
        except ValueError:
            raise PlaygroundError("The weights of meaning must be numbers from 0 to 1, like 0.5, 0.8.") from None
        kinds = {"bm25": RANKINGS[0], "dense": RANKINGS[1], "rrf": RANKINGS[2], "convex": RANKINGS[3]}
        return [
            each
            for each in evaluation.grid(dict.fromkeys(weights))
            if kinds[each.how.fusion if each.how.method == "hybrid" else each.how.method] in picked
        ]

    # running

    def measured(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Retrieval under every setting."""
        from playground.labs.retrieval import evaluation
        from playground.views.internals.probing import progress

        settings = self._settings(values)
        asked, collection = yield from self._asked(values, stop)
        if collection is None:
            return
        found = None
        begun = time.monotonic()
        with (
            self.bench.page.models.lease(collection.reference) as encoder,
            closing(evaluation.run(collection, asked, encoder, settings, stop.is_set)) as running,
        ):
            for news in running:
                found = news.result or found
                left = (
                    (time.monotonic() - begun) * (1 - news.fraction) / news.fraction if news.fraction > 0.05 else None
                )
                yield {self.status: progress(news.fraction, news.doing, left)}
        if found is not None:
            yield {self.found: found, **self._drawn(found, float(values[self.threshold]))}

    def _drawn(self, found, threshold: float) -> dict:
        from playground.views.search import evaluation as view

        return {
            self.outcome: gr.update(**SEEN),
            self.settings: view.settings(found),
            self.tables: view.table(found),
            self.ranks: view.questions(found),
            **self._at(found, threshold),
        }

    def _at(self, found, threshold: float) -> dict:
        """What depends on the threshold."""
        import json

        from playground.labs.retrieval import report
        from playground.views.search import evaluation as view

        contents = {
            "evaluation.csv": report.table(found),
            "evaluation.json": json.dumps(report.plain(found, threshold), ensure_ascii=False, indent=1),
        }
        return {
            self.verdict: view.verdict(found, threshold),
            self.refusals: view.thresholds(found, threshold),
            self.files: write_files(contents),
        }

    def moved(self, found, threshold: float) -> dict:
        """The threshold was set anew."""
        if found is None:
            return {self.verdict: gr.skip(), self.refusals: gr.skip(), self.files: gr.skip()}
        with user_errors():
            return self._at(found, float(threshold))

    def answered(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Answers by the picked model, judged as they come."""
        import json

        from playground.labs.retrieval import answering, asking, graded, questions, report
        from playground.views.internals.probing import progress
        from playground.views.search import evaluation as view

        models, reference = self.bench.page.models, values[self.bench.page.reference] or ""
        settings = self._settings(values)
        if not settings:
            raise PlaygroundError("There are no settings to compare. Pick at least one.")
        yield from self.bench.arrived(reference, self.status, stop)
        if stop.is_set():
            return
        with models.writer(reference) as writer:
            asking.strategy(writer)  # one that does not write says so before anything is computed
        asked, collection = yield from self._asked(values, stop)
        if collection is None:
            return
        some = questions.spread(asked, values[self.n_answers])
        key = questions.key(asked, {each.name: collection.text(each.name) for each in collection.documents})
        wanted = answering.Wanted(float(values[self.threshold]), attribution=False)
        begun, grades = time.monotonic(), None
        with (
            models.lease(collection.reference) as encoder,
            models.writer(reference) as writer,
            closing(graded.run(writer, encoder, collection, some, key, settings, wanted, stop)) as running,
        ):
            for grades in running:
                done = len(grades[0].rows) / grades[0].total
                left = (time.monotonic() - begun) * (1 - done) / done
                said = f"Answering: {len(grades[0].rows)} of {grades[0].total}"
                yield {self.status: progress(done, said, left), self.answers: view.grades(grades)}
        if grades is not None:
            plain = json.dumps(report.graded(grades), ensure_ascii=False, indent=1)
            files = {"answers.csv": report.answers(grades), "answers.json": plain}
            yield {
                self.answer_outcome: gr.update(**SEEN),
                self.answer_figure: view.answered(grades),
                self.answers: view.grades(grades),
                self.answer_files: write_files(files),
            }


def build(page: Page, bench: Bench) -> None:
    gr.HTML(ABOUT)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            which = gr.Radio([SHIPPED, OWN, BEIR], value=SHIPPED, label="Questions", elem_id="evaluate-questions")
            with gr.Column(visible=False) as upload:
                file = gr.File(
                    label="File", file_types=[".jsonl", ".ndjson", ".zip"], height=120, elem_id="evaluate-file"
                )
                gr.HTML(FORM)
        with gr.Column(scale=3, min_width=300):
            rankings = gr.CheckboxGroup(
                list(RANKINGS), value=list(RANKINGS), label="Settings to compare",
                info="On the same questions, so that they are compared question by question.",
                elem_id="evaluate-settings",
            )  # fmt: skip
            weights = gr.Textbox(
                "0.5, 0.8", label="Weights of meaning", info="Of “Hybrid, weighed”: one setting each, 0 to 1.",
                elem_id="evaluate-weights",
            )  # fmt: skip
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Run", variant="primary", elem_id="evaluate-run")
        stop = gr.Button("Stop", variant="stop", elem_id="evaluate-stop")
    status = gr.HTML(elem_id="evaluate-status", elem_classes="doing")
    with gr.Column(**UNSEEN, elem_id="evaluate-outcome") as outcome:
        verdict = gr.HTML(elem_id="evaluate-verdict")
        settings = gr.Plot(show_label=False, elem_id="evaluate-figure")
        gr.HTML(note(INTERVALS))
        tables = gr.HTML(elem_id="evaluate-tables")
        threshold = gr.Slider(
            0, 1, THRESHOLD, step=0.01, label="Refuse below confidence",
            info="Move it: what it wins on questions without an answer it loses on those with one.",
            elem_id="evaluate-threshold",
        )  # fmt: skip
        refusals = gr.Plot(show_label=False, elem_id="evaluate-refusals")
        with gr.Accordion("Question by question", open=False):
            ranks = gr.HTML(elem_id="evaluate-ranks")
        files = gr.File(label="CSV and JSON", file_count="multiple", interactive=False)
    with gr.Accordion("Answers too: accuracy and citations", open=False, elem_id="evaluate-answers"):
        gr.HTML(note(JUDGED))
        with gr.Row(elem_classes="buttons"):
            n_answers = gr.Slider(4, 60, 12, step=1, label="Questions", info="Evenly over the set.", min_width=200)
            answer = gr.Button("Answer and judge", elem_id="evaluate-answer")
        answers = gr.HTML(elem_id="evaluate-graded")
        with gr.Column(**UNSEEN) as answer_outcome:
            answer_figure = gr.Plot(show_label=False, elem_id="evaluate-answer-figure")
            answer_files = gr.File(label="CSV and JSON", file_count="multiple", interactive=False)
    found = gr.State()
    pane = Pane(
        bench, which, file, rankings, weights, threshold, status, outcome, verdict, settings, refusals, tables, ranks,
        files, found, n_answers, answers, answer_outcome, answer_figure, answer_files,
    )  # fmt: skip
    inputs = {which, file, rankings, weights, threshold, n_answers}
    boxes = {"settings": rankings, "weights": weights, "threshold": threshold, "answers": n_answers}
    shipped = Box(which, choices=(SHIPPED,))  # a file stays here
    page.forms.offer(SEARCH, TITLE, boxes | {"questions": shipped}, more=linked.of(bench))
    outputs = [outcome, verdict, settings, refusals, tables, ranks, files, found]
    which.change(lambda value: gr.update(visible=value != SHIPPED), which, upload, **AT_ONCE)
    bench.on([run.click], TITLE, status, pane.measured, inputs, outputs)
    bench.on([answer.click], TITLE, status, pane.answered, inputs,
             [answers, answer_outcome, answer_figure, answer_files])  # fmt: skip
    threshold.release(pane.moved, [found, threshold], [verdict, refusals, files], **AT_ONCE)
    stop.click(bench.stops.halt, None, None, **AT_ONCE)
