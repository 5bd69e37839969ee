"""What a run brought: the verdict, accuracies, disagreements, votes, calibration, files. It computes nothing itself."""

from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.prompting import library, replay, results, statistics
from playground.labs.prompting.results import Results
from playground.tabs.files import write_files
from playground.tabs.kit import AT_ONCE, SEEN, UNSEEN
from playground.views.continuations import note
from playground.views.prompting import tables, words

WHAT_TO_SEE = (
    "The bar is what came out, the diamond with its whiskers where the share right lies with 95 % confidence. Whiskers "
    "that overlap may still belong to different prompts: the sentence above compares row by row."
)
FEW = 100  # rows: with fewer, bins of a tenth would hold next to nothing
NOT_YET = "Run prompts on a table, and what came of it stands here."


@dataclass(frozen=True, eq=False)
class Outcome:
    found: gr.State  # Results, or None
    whole: gr.Column
    verdict: gr.HTML
    chart: gr.Plot
    overview: gr.HTML
    remarks: gr.HTML
    a: gr.Dropdown
    b: gr.Dropdown
    disagreements: gr.HTML
    outputs: gr.HTML
    spending: gr.Plot
    votes_tab: gr.Tab
    votes: gr.Plot
    labels_tab: gr.Tab
    reliability: gr.Plot
    leanings: gr.Plot
    leaning_words: gr.HTML
    files: gr.File
    code_of: gr.Dropdown
    code: gr.Code

    @property
    def all(self) -> list[gr.components.Component]:
        return [getattr(self, name) for name in self.__dataclass_fields__]

    def growing(self, found: Results) -> dict:
        """What changes while a run goes on."""
        from playground.views.prompting import charts  # imports Plotly

        return {
            self.whole: gr.update(**SEEN),
            self.chart: charts.accuracies(found),
            self.overview: words.overview(found),
        }

    def drawn(self, found: Results | None) -> dict:
        """Everything, for results that are whole or stopped."""
        if found is None:
            return {self.found: None, self.whole: gr.update(**UNSEEN)}
        from playground.views.prompting import charts

        offered = [(variant.name, i) for i, variant in enumerate(found.variants)]
        second = min(1, len(offered) - 1)
        voted = found.samples > 1 and found.scorer.kind != "choice"
        labelled = any(cell and cell.probabilities for line in found.cells for cell in line)
        return (
            self.growing(found)
            | self.pair(0, second, found)
            | {
                self.found: found,
                self.remarks: words.remarks(found, self._leaks(found)),
                self.a: gr.update(choices=offered, value=0, visible=len(offered) > 1),
                self.b: gr.update(choices=offered, value=second, visible=len(offered) > 1),
                self.outputs: tables.outputs(found),
                self.spending: charts.spending(found),
                self.votes_tab: gr.update(visible=voted),
                self.labels_tab: gr.update(visible=labelled),
                self.files: self._written(found),
                self.code_of: gr.update(choices=offered, value=0),
                self.code: self.python(0, found),
            }
            | (self._voted(found) if voted else {})
            | (self._labelled(found) if labelled else {})
        )

    def _leaks(self, found: Results) -> list[str]:
        said = []
        for prompt in dict.fromkeys(variant.prompt for variant in found.variants):
            try:
                which = library.leaked(prompt, found.rows)
            except PlaygroundError:  # a row lacks a value: it is marked as failed
                continue
            if which:
                listed = ", ".join(map(str, which[:8])) + (" …" if len(which) > 8 else "")
                rows = "Row" if len(which) == 1 else "Rows"
                said.append(f"{rows} {listed}: an example of “{prompt.name}” asks the same. Its answer is given away.")
        return said

    def pair(self, a: int | None, b: int | None, found: Results | None) -> dict:
        """The verdict on two of the variants, and where they disagree."""
        if found is None:
            return {self.verdict: note(NOT_YET), self.disagreements: ""}
        a, b = a or 0, b or 0
        if a == b:
            said = words.accuracy(found.variants[a].name, found.accuracy(a))
            return {self.verdict: f"<p>{note(said)}</p>", self.disagreements: note("Pick two different ones.")}
        names = found.variants[a].name, found.variants[b].name
        try:
            compared = statistics.compare(found.outcomes(a), found.outcomes(b))
        except PlaygroundError as error:
            return {self.verdict: note(str(error)), self.disagreements: ""}
        return {
            self.verdict: words.verdict(compared, *names) + words.spread(found),
            self.disagreements: tables.disagreements(found, a, b),
        }

    def _voted(self, found: Results) -> dict:
        from playground.views.prompting import charts

        curves = []
        for i, variant in enumerate(found.variants):
            rows = [cell.judged for cell in found.cells[i] if cell and len(cell.judged) == found.samples]
            if rows:
                curves.append((variant.name, statistics.convergence(rows)))
        return {self.votes: charts.votes(curves)} if curves else {}

    def _labelled(self, found: Results) -> dict:
        from playground.labs.prompting import experiment
        from playground.views.prompting import charts

        bins = []
        for i, variant in enumerate(found.variants):
            confidences, right = experiment.confidences(found, i)
            if confidences:
                wide = len(confidences) < FEW
                bins.append((variant.name, statistics.calibration(confidences, right, 5 if wide else 10)))
        shown = {self.reliability: charts.reliability(bins)}
        if any(found.leanings):
            shown |= {self.leanings: charts.leanings(found), self.leaning_words: words.leanings(found)}
        return shown

    def _written(self, found: Results) -> list[str]:
        import json

        contents = {
            "answers.csv": results.as_csv(found),
            "answers.jsonl": results.as_jsonl(found),
            "results.json": json.dumps(results.plain(found), ensure_ascii=False),
            "prompts.json": replay.as_json(list(dict.fromkeys(variant.prompt for variant in found.variants))),
        }
        return write_files(contents)

    def python(self, which: int | None, found: Results | None) -> str:
        if found is None:
            return ""
        variant = found.variants[which or 0]
        try:
            source = replay.source_of(variant.reference, found.provenance)
            choices = found.scorer.choices if found.scorer.kind == "choice" else ()
            return replay.script(variant.prompt, found.rows[:5], source, found.settings, variant.temperature, choices)
        except PlaygroundError as error:
            return f"# {error}"

    def connect(self) -> None:
        pair = [self.a, self.b, self.found]
        gr.on([self.a.input, self.b.input], self.pair, pair, [self.verdict, self.disagreements], **AT_ONCE)
        self.code_of.input(self.python, [self.code_of, self.found], self.code, **AT_ONCE)


def build() -> Outcome:
    parts: dict = {"found": gr.State()}
    with gr.Column(**UNSEEN, elem_id="lab-outcome") as parts["whole"]:
        parts["verdict"] = gr.HTML(elem_id="lab-verdict")
        with gr.Row(elem_id="lab-pair"):
            parts["a"] = gr.Dropdown(label="Compare", filterable=False, min_width=160, elem_id="lab-a")
            parts["b"] = gr.Dropdown(label="with", filterable=False, min_width=160, elem_id="lab-b")
        parts["chart"] = gr.Plot(show_label=False, elem_id="lab-chart")
        gr.HTML(note(WHAT_TO_SEE))
        parts["remarks"] = gr.HTML(elem_id="lab-remarks")
        parts["overview"] = gr.HTML(elem_id="lab-overview")
        with gr.Tabs(elem_id="lab-details"):
            with gr.Tab("Disagreements", id="disagreements"):
                parts["disagreements"] = gr.HTML(elem_id="lab-disagreements")
            with gr.Tab("All answers", id="answers"):
                parts["outputs"] = gr.HTML(elem_id="lab-answers")
            with gr.Tab("Cost", id="cost"):
                gr.HTML(note("Up and to the left is better: more right answers for fewer tokens read and written."))
                parts["spending"] = gr.Plot(show_label=False, elem_id="lab-spending")
            with gr.Tab("Votes", id="votes", visible=False) as parts["votes_tab"]:
                gr.HTML(
                    note(
                        "How the share right grows with the number of samples that vote (self-consistency). Where a "
                        "line is flat, more samples are wasted. A tie counts as not right."
                    )
                )
                parts["votes"] = gr.Plot(show_label=False, elem_id="lab-votes")
            with gr.Tab("Probabilities", id="probabilities", visible=False) as parts["labels_tab"]:
                gr.HTML(
                    note(
                        "On the dashed line a label that gets 70 % is right 7 times in 10; below it the model is too "
                        "sure. ECE is the mean distance from the line. Larger points stand for more rows."
                    )
                )
                parts["reliability"] = gr.Plot(show_label=False, elem_id="lab-reliability")
                parts["leaning_words"] = gr.HTML(elem_id="lab-leaning-words")
                parts["leanings"] = gr.Plot(show_label=False, elem_id="lab-leanings")
            with gr.Tab("Downloads and code", id="files"):
                parts["files"] = gr.File(
                    label="Answers as CSV and JSONL, everything as JSON, prompts to bring back",
                    file_count="multiple",
                    interactive=False,
                    elem_id="lab-files",
                )
                parts["code_of"] = gr.Dropdown(label="As Python", filterable=False, elem_id="lab-code-of")
                parts["code"] = gr.Code(
                    label="Plain transformers, for the first five rows",
                    language="python",
                    interactive=False,
                    max_lines=30,
                    elem_id="lab-code",
                )
    outcome = Outcome(**parts)
    outcome.connect()
    return outcome
