"""Ensembles, Next token: probabilities of several models averaged token by token, beside the merge of their weights.

It does not know how the means are computed.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import Page, arriving
from playground.tabs.merge.adapter_batch import mixture
from playground.views.continuations import note

TITLE = "Next token"
FOLDER = ASSETS / "data" / "adapters"
MOST_TEXTS = 24


@dataclass(frozen=True, eq=False)
class Bench:
    """The components. Its methods are the handlers."""

    desk: Desk
    members: gr.Textbox
    others: gr.Textbox
    prompt: gr.Textbox
    sets: gr.CheckboxGroup
    n: gr.Slider
    table: gr.HTML
    told: gr.HTML
    chart: gr.Plot

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link."""
        return {name: getattr(self, name) for name in ("members", "others", "prompt", "sets", "n")}

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from contextlib import ExitStack

        from playground.engine.adapters import Attached
        from playground.labs.adapters import catalogue
        from playground.labs.ensembles import next_token as lab
        from playground.views.merge import ensembles as view

        page, reference = self.desk.page, values[self.desk.page.reference]
        lines = [line.strip() for line in (values[self.members] or "").splitlines() if line.strip()]
        mixtures = [{} if line.lower() == "as it is" else mixture(line) for line in lines]
        others = [line.strip() for line in (values[self.others] or "").splitlines() if line.strip()]
        names = list(dict.fromkeys(name for one in mixtures for name in one))
        adapters = [catalogue.ready(name, page.settings) for name in names]
        for other in others:
            for news in arriving(page.models, other, stop):
                yield {self.desk.status: note(news)}
        with ExitStack() as held:
            engine = held.enter_context(page.models.lease(reference))

            def tap(weights: dict[str, float]):
                return Attached(engine, adapters, [[weights.get(name, 0.0) for name in names]]).tap if weights else None

            voices = [lab.Voice(line, engine, tap(one)) for line, one in zip(lines, mixtures, strict=True)]
            mean = {name: sum(one.get(name, 0.0) for one in mixtures) / max(len(mixtures), 1) for name in names}
            merge = lab.Voice("the merge", engine, tap(mean)) if names and not others else None
            voices += [lab.Voice(other, held.enter_context(page.models.lease(other))) for other in others]
            lab.check(voices)
            if (values[self.prompt] or "").strip():
                yield {self.table: view.next_tokens(lab.next_token(voices, values[self.prompt], merge))}
            pairs = _pairs(values[self.sets] or (), int(values[self.n]))
            found = yield from self.desk.told(lambda report: lab.bits(voices, pairs, merge, report, stop), stop)
        if found is not None:
            yield {self.told: view.bits_told(found), self.chart: gr.update(value=view.bits(found), visible=True)}


def _pairs(sets, n: int) -> list[tuple[str, str]]:
    """The first rows of each held-out set, n in all."""
    if not sets:
        raise PlaygroundError("No set of texts was picked. Tick at least one.")
    pairs = []
    for name in sets:
        lines = (FOLDER / f"{name}.heldout.jsonl").read_text("utf-8").splitlines()[: -(-n // len(sets))]
        pairs += [tuple(message["content"] for message in json.loads(line)["messages"]) for line in lines]
    return pairs[:MOST_TEXTS]


def build(page: Page) -> Bench:
    sets = sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.heldout.jsonl"))
    parts: dict = {}
    gr.HTML(
        note(
            "Specialists that each know one of the tasks. Averaged, whoever knows the next token is heard; merged, "
            "each has a share of one model's weights."
        )
    )
    with gr.Row(elem_classes="asked"):
        parts["members"] = gr.Textbox(
            "\n".join(sets),
            label="Members: adapters on the picked model",
            info="One a line, like `pirate*0.7 + json*0.3`, or “as it is”. The merge is the mean of their weights.",
            lines=4,
            min_width=280,
            elem_id="merge-tokens-members",
        )
        parts["others"] = gr.Textbox(
            "",
            label="Members: other models",
            info="A reference a line, of the same vocabulary.",
            lines=4,
            min_width=240,
            elem_id="merge-tokens-others",
        )
    with gr.Row(elem_classes="asked"):
        parts["prompt"] = gr.Textbox(
            "What is the capital of Germany?", label="What comes first in the answer to", min_width=280, scale=2,
            elem_id="merge-tokens-prompt",
        )  # fmt: skip
        parts["sets"] = gr.CheckboxGroup(
            sets,
            value=sets,
            label="Judged by the held-out answers of",
            min_width=240,
            elem_id="merge-tokens-sets",
        )
        parts["n"] = gr.Slider(4, MOST_TEXTS, 16, step=4, label="Texts", min_width=140, elem_id="merge-tokens-n")
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Average and compare", variant="primary", elem_id="merge-tokens-run")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-tokens-stop")
    status = gr.HTML(elem_id="merge-tokens-status", elem_classes="doing")
    parts["table"] = gr.HTML(elem_id="merge-tokens-table")
    parts["told"] = gr.HTML(elem_id="merge-tokens-told", elem_classes="verdict")
    parts["chart"] = gr.Plot(show_label=False, visible=False, elem_id="merge-tokens-chart")
    bench = Bench(desk=desk.build(page, "Ensembles: Next token", status, stop), **parts)
    inputs = {parts[name] for name in ("members", "others", "prompt", "sets", "n")}
    bench.desk.on([run.click], bench.work, inputs, [bench.table, bench.told, bench.chart])
    return bench
