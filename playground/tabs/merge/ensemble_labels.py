"""Ensembles, Classifiers: members that label texts, combined by vote, average, learned weights and stacking.

It does not know how any of them works.
"""

import csv
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.tabs.attention.source import Kept
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import AT_ONCE, Page, arriving
from playground.tabs.merge.adapter_batch import mixture
from playground.views.continuations import note

TITLE = "Classifiers"
KEEP = 4_000_000  # bytes of probabilities, for all visitors together
MOST_ROWS = 200
TEXT = "I expected much more of such a famous place."
LABELS = "positive, negative"
MEMBERS = [
    ["after praise", "text", "", "Review: We laughed all evening.\nSentiment: positive\n\nReview: {text}\nSentiment:"],
    ["after a complaint", "text", "",
     "Review: I want my money back.\nSentiment: negative\n\nReview: {text}\nSentiment:"],
    ["asked", "chat", "sentiment*0.05", "Is this review positive or negative?\n{text}"],
    ["by meaning", "meaning", "", "A {label} review."],
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bench:
    """The components. Its methods are the handlers."""

    desk: Desk
    kept: Kept  # what members made of rows lately
    text: gr.Textbox
    labels: gr.Textbox
    members: gr.Dataframe
    rows: gr.Dataframe
    told: gr.HTML
    one: gr.HTML
    chart: gr.Plot
    table: gr.HTML

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link."""
        return {name: getattr(self, name) for name in ("text", "labels", "members", "rows")}

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from contextlib import ExitStack

        import numpy as np

        from playground.labs.adapters import catalogue
        from playground.labs.ensembles import combining, members
        from playground.views.merge import ensembles as view

        page, reference = self.desk.page, values[self.desk.page.reference]
        labels = [label.strip() for label in (values[self.labels] or "").split(",") if label.strip()]
        asked = _members(values[self.members])
        members.check(asked)
        merged = _merge(asked)
        rows = [(str(t).strip(), str(a).strip()) for t, a in values[self.rows] or () if str(t or "").strip()]
        if len(rows) > MOST_ROWS:
            raise PlaygroundError(f"There are {len(rows)} rows; at most {MOST_ROWS} are read here. Remove some.")
        texts, new = [text for text, _ in rows], (values[self.text] or "").strip()
        if not new:
            raise PlaygroundError("There is no text to label. Type one.")
        names = dict.fromkeys(name for member in asked for name, _ in member.adapters)
        adapters = {name: catalogue.ready(name, page.settings) for name in names}
        everybody = [*asked, *([merged] if merged else [])]
        by_meaning = any(member.kind == "meaning" for member in asked)
        for news in arriving(page.models, members.MEANING, stop) if by_meaning else ():
            yield {self.desk.status: note(news)}
        with ExitStack() as held:
            writer = held.enter_context(page.models.lease(reference))
            embedder = held.enter_context(page.models.lease(members.MEANING)) if by_meaning else writer
            found = []
            for n, member in enumerate(everybody):
                engine = embedder if member.kind == "meaning" else writer
                yield {
                    self.desk.status: note(f"{member.name} reads {len(rows) + 1} texts ({n + 1} of {len(everybody)}) …")
                }
                key = (engine.reference, engine.revision, member, tuple(texts), new, tuple(labels))

                def read(engine=engine, member=member):
                    return members.probabilities(engine, adapters, member, [*texts, new], labels, stop)

                found.append(self.kept.get(key, read, lambda p: p.nbytes))
        given = np.stack(found[: len(asked)])  # (member, row, label); the last row is the new text
        ensemble = combining.combine([m.name for m in asked], given[:, :-1], labels, [a for _, a in rows])
        merge = combining.beside(ensemble, "merge", found[-1][:-1]) if merged else None
        combined = combining.one(ensemble, given[:, :-1], given[:, -1])
        yield {
            self.told: view.verdict(ensemble, merge),
            self.one: view.one_text(
                labels, [m.name for m in asked], given[:, -1], combined, found[-1][-1] if merged else None
            ),
            self.chart: gr.update(value=view.accuracies(ensemble, merge), visible=True),
            self.table: view.table(ensemble, merge),
        }


def _members(rows: list) -> list:
    from playground.labs.ensembles.members import Member

    found = []
    for name, kind, adapters, prompt in rows or ():
        if not str(name or "").strip() and not str(prompt or "").strip():
            continue
        weights = tuple(mixture(adapters).items())
        asked_as = str(kind or "").strip().lower() or "chat"
        found.append(Member(str(name or "").strip() or "unnamed", str(prompt or ""), weights, asked_as))
    return found


def _merge(asked: list):
    """The mean of the members' weights in one model, asked with the prompt of the first that has an adapter. None: they
    have no adapters, or are of one model alone.
    """
    from dataclasses import replace

    total: dict[str, float] = {}
    same = [member for member in asked if member.kind != "meaning"]  # of one architecture
    for member in same:
        for name, weight in member.adapters:
            total[name] = total.get(name, 0.0) + weight / len(same)
    first = next((member for member in same if member.adapters), None)
    return replace(first, name="merge", adapters=tuple(total.items())) if first and len(same) > 1 else None


def shipped_rows() -> list[list[str]]:
    with (ASSETS / "data" / "prompting" / "sentiment.csv").open(encoding="utf-8", newline="") as file:
        return [[row["text"], row["label"]] for row in csv.DictReader(file)]


def build(page: Page) -> Bench:
    parts: dict = {}
    with gr.Row(elem_classes="asked"):
        parts["text"] = gr.Textbox(
            TEXT, label="Text to label", lines=1, min_width=300, scale=3, elem_id="merge-ensembles-text"
        )
        parts["labels"] = gr.Textbox(
            LABELS, label="Labels", info="With commas between.", min_width=200, elem_id="merge-ensembles-choices"
        )
    gr.HTML(
        note(
            "Four weak readers: two have seen one example and lean to its side, one is asked with a hint of the "
            "sentiment adapter, one compares meanings. A member says how probable each label is; nothing is written. "
            "{text} is where the text goes; a member of the kind “meaning” (all-MiniLM-L6-v2) compares the text with "
            "its sentence for each {label}. The merge is one model with the mean of the weights of all members of the "
            "picked model, asked with the first prompt that has an adapter."
        )
    )
    parts["members"] = gr.Dataframe(
        MEMBERS,
        headers=["Member", "As (chat, text, meaning)", "Adapters", "Prompt"],
        type="array",
        interactive=True,
        wrap=True,
        row_count=len(MEMBERS),
        column_count=(4, "fixed"),
        elem_id="merge-ensembles-members",
    )
    with gr.Accordion("Rows to learn from and be judged by", open=False):
        gr.HTML(
            note(
                "Learned weights and stacking answer each fifth of the rows by what the other four fifths taught. The "
                "rows are the Prompt lab's; no adapter was trained on them."
            )
        )
        parts["rows"] = gr.Dataframe(
            shipped_rows(),
            headers=["Text", "Label"],
            type="array",
            interactive=True,
            wrap=True,
            row_count=1,
            column_count=(2, "fixed"),
            max_height=320,
            elem_id="merge-ensembles-rows",
        )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Ask all members", variant="primary", elem_id="merge-ensembles-run")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-ensembles-stop")
    status = gr.HTML(elem_id="merge-ensembles-status", elem_classes="doing")
    parts["told"] = gr.HTML(elem_id="merge-ensembles-told", elem_classes="verdict")
    parts["one"] = gr.HTML(elem_id="merge-ensembles-one")
    parts["chart"] = gr.Plot(show_label=False, visible=False, elem_id="merge-ensembles-chart")
    parts["table"] = gr.HTML(elem_id="merge-ensembles-table")
    bench = Bench(desk=desk.build(page, "Ensembles: Classifiers", status, stop), kept=Kept(KEEP), **parts)
    inputs = {parts[name] for name in ("text", "labels", "members", "rows")}
    outputs = [parts[name] for name in ("told", "one", "chart", "table")]
    bench.desk.on([run.click, parts["text"].submit], bench.work, inputs, outputs)
    gr.on([parts["text"].input], lambda: "", None, parts["one"], **AT_ONCE)  # it was about another text
    return bench
