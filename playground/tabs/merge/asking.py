"""Asks both parents and their merge the same thing, with the same seed, side by side.

It does not know how the merge is made: `labs/merging`.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, fields

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import sending
from playground.tabs.kit import Page, Parcel, paced, title_of
from playground.tabs.merge import bench as benches
from playground.tabs.merge.bench import Bench
from playground.tabs.merge.visitors import Visitors
from playground.views.continuations import note
from playground.views.merge import answers as view

TITLE = "Ask all three"
SENDING = {
    "the question, with the merge as the model,": sending.elsewhere(sending.A_PROMPT, sending.SEARCH),
}
KEEP = 200  # answers of parents, which no slider changes


@dataclass(frozen=True, eq=False)
class Pane:
    """The components, and what happens to them. Its methods are the handlers."""

    page: Page
    visitors: Visitors
    bench: Bench
    prompt: gr.Textbox
    tokens: gr.Slider
    temperature: gr.Slider
    seed: gr.Number
    look: gr.HTML
    told: gr.HTML
    answers: gr.HTML
    use: gr.Button
    _said: OrderedDict = field(default_factory=OrderedDict)

    @property
    def inputs(self) -> set[gr.components.Component]:
        own = {self.prompt, self.tokens, self.temperature, self.seed, self.page.reference}
        return own | self.visitors.kitchen.inputs

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.told, self.answers, self.use, self.page.reference]

    def work(self, values: dict, stop: threading.Event, visitor: str) -> Iterator[dict]:
        """The merge of the sliders, then its answer, then the parents'."""
        recipe = self.visitors.kitchen.recipe(values)
        update, before = yield from self.bench.told(lambda tell: self.visitors.move(recipe, visitor, tell), stop)
        ledger = self.page.models.ledger().holdings
        n_bytes = next((h.n_bytes for h in ledger if h.reference.partition("#")[0] == update.reference), 0)
        yield {
            self.told: view.update(update, recipe.kind.title, n_bytes),
            self.use: gr.update(interactive=True),
            self.page.reference: self.visitors.bar(values[self.page.reference], before, update.reference),
        }
        if (values[self.prompt] or "").strip() and not stop.is_set():
            yield from self._answers(values, recipe, update.reference, stop)

    def _answers(self, values: dict, recipe, merge: str, stop: threading.Event) -> Iterator[dict]:
        roles = {"A": recipe.models[0].reference, "Merge": merge}
        roles |= {chr(ord("B") + i): model.reference for i, model in enumerate(recipe.models[1:])}
        replies = {role: self._known(values, reference) for role, reference in roles.items()}
        order = ["Merge", *(role for role in roles if role != "Merge")]

        def shown() -> dict:
            titles = {role: recipe.kind.title if role == "Merge" else title_of(roles[role]) for role in roles}
            return {self.answers: view.html([(role, titles[role], replies[role]) for role in roles])}

        yield shown()
        for role in order:
            if replies[role] is not None or stop.is_set():
                continue
            with closing(self._asked(values, roles[role], stop)) as growing:
                for reply in paced(growing, per_second=10):
                    if isinstance(reply, str):
                        yield {self.bench.status: note(reply)}
                        continue
                    replies[role] = reply
                    yield {self.bench.status: ""} | shown()
            if replies[role] is not None and replies[role].stop_reason in ("eos", "length"):
                self._keep(values, roles[role], replies[role])

    def _asked(self, values: dict, reference: str, stop: threading.Event) -> Iterator:
        """A reply that grows; before it, sentences while the model is loaded."""
        from playground.engine.sampling import Sampling
        from playground.labs.chat import writing
        from playground.tabs.kit import arriving

        yield from arriving(self.page.models, reference, stop)
        if stop.is_set():
            return
        sampling = Sampling(
            temperature=float(values[self.temperature] or 0),
            max_new_tokens=int(values[self.tokens] or 60),
            seed=int(values[self.seed] or 0),
        )
        with self.page.models.writer(reference) as writer:
            messages = [{"role": "user", "content": values[self.prompt]}]
            with closing(writing.reply_or_continue(writer, messages, sampling, "", stop)) as replies:
                yield from replies

    def _key(self, values: dict, reference: str) -> tuple:
        asked = (values[box] for box in (self.prompt, self.tokens, self.temperature, self.seed))
        return (reference, *asked)

    def _known(self, values: dict, reference: str):
        return self._said.get(self._key(values, reference))

    def _keep(self, values: dict, reference: str, reply) -> None:
        self._said[self._key(values, reference)] = reply
        while len(self._said) > KEEP:
            self._said.popitem(last=False)

    def after(self, event: gr.events.Dependency) -> gr.events.Dependency:
        """Asks once `event` has succeeded."""
        return self.bench.after(event, self.work, self.inputs, self.outputs)

    def use_everywhere(self, picked: str | None, request: gr.Request):
        """Makes the merge the model in use, in every tab."""
        from playground.tabs.model_bar import choices

        reference = self.visitors.current(request.session_hash or "")
        if reference is None:
            raise gr.Error("There is no merge yet. Press Blend and ask first.")
        told = f"Every tab now uses {reference}. Moving a slider here changes it there."
        return gr.update(choices=choices(self.page.settings, reference), value=reference), note(told)

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link, beside the recipe."""
        return {"prompt": self.prompt, "tokens": self.tokens, "temperature": self.temperature, "seed": self.seed}

    def connect_sending(self) -> None:
        """What comes is asked after a click, since a merge takes its time; the merge goes out with its question."""
        if sending.MERGE.tab in self.page.post:
            told = note("The question has come. Press Blend and ask to have all three answer it.")
            sending.take(
                self.page.post[sending.MERGE.tab], lambda parcel: [parcel.text, told], [self.prompt, self.look]
            )

        def pack(values: dict, what: str, visitor: str) -> Parcel:
            merge = self.visitors.current(visitor)
            if merge is None:
                raise PlaygroundError("There is no merge yet. Press Blend and ask first.")
            if not (values[self.prompt] or "").strip():
                raise PlaygroundError("There is no question to send. Type one first.")
            return Parcel(values[self.prompt], merge, message=True)

        sending.row(self.page, "merge-send-to", SENDING, {self.prompt}, pack)


def build(page: Page, visitors: Visitors) -> Pane:
    parts: dict = {}
    with gr.Row(elem_classes="asked"):
        parts["prompt"] = gr.Textbox(
            "What is the capital of France?",
            label="Ask all three",
            lines=2,
            max_lines=6,
            scale=3,
            min_width=300,
            elem_id="merge-prompt",
        )
        with gr.Column(scale=3, min_width=280), gr.Row():
            parts["tokens"] = gr.Slider(8, 256, 48, step=8, label="New tokens", min_width=170, scale=2)
            parts["temperature"] = gr.Slider(0, 2, 0, step=0.1, label="Temperature", min_width=170, scale=2)
            parts["seed"] = gr.Number(0, precision=0, label="Seed", min_width=90)
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Blend and ask", variant="primary", elem_id="merge-run")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-stop")
        parts["use"] = gr.Button("Use the merge in every tab", interactive=False, elem_id="merge-use")
    sending_place = gr.Column(min_width=0)
    status = gr.HTML(elem_id="merge-status", elem_classes="doing")
    parts["look"] = gr.HTML(elem_id="merge-look")
    parts["told"] = gr.HTML(elem_id="merge-told")
    parts["answers"] = gr.HTML(elem_id="merge-answers")
    parts |= {"page": page, "visitors": visitors, "bench": benches.build(page, TITLE, status, stop)}
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane) if item.name in parts})
    triggers = [run.click, pane.prompt.submit, *(slider.release for slider in visitors.kitchen.sliders)]
    pane.bench.on(triggers, pane.work, pane.inputs, pane.outputs)
    pane.use.click(
        pane.use_everywhere, page.reference, [page.reference, status], show_progress="hidden", api_visibility="private"
    )
    with sending_place:
        pane.connect_sending()
    return pane
