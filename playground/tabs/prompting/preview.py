"""The exact prompt of one row, as the model's tokens; and one answer to it, word by word."""

from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.prompting import prompts
from playground.labs.prompting.prompts import Messages, Prompt
from playground.tabs import results, sending
from playground.tabs.attention.panes import Stops
from playground.tabs.kit import AT_ONCE, WAITING, Page, Parcel, arriving, paced, title_of, user_errors
from playground.tabs.prompting.builder import Builder
from playground.tabs.prompting.scoring import Scoring
from playground.views import statistics
from playground.views.continuations import note
from playground.views.prompting import words

NOT_LOADED = "As text: the model is not in memory yet, so its tokens are not known."
ELSEWHERE = "As text: the model runs elsewhere, so its tokens are not known."
PANE = "one answer"
THE_PROMPT, THE_WORDS, THE_ANSWER = "the prompt as the model reads it", "the prompt's words", "the answer"
SENDING = {
    THE_PROMPT: sending.WITH_SPECIAL_TOKENS,
    THE_WORDS: (sending.CHAT, sending.BIAS, sending.SEARCH),
    THE_ANSWER: sending.elsewhere(sending.A_TEXT, sending.LAB),
}


@dataclass(frozen=True, eq=False)
class Preview:
    page: Page
    builder: Builder
    rows: gr.State
    scoring: Scoring
    stops: Stops
    number: gr.Number
    shown: gr.HTML
    write: gr.Button
    stop: gr.Button
    sending_place: gr.Column
    answer: gr.HTML
    said: gr.State  # the last answer as text; "": there is none

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.page.reference, self.rows, self.number, *self.builder.inputs}

    def _rendered(self, values: dict) -> tuple[Prompt, str | Messages]:
        """The edited prompt, filled from the row. Raises PlaygroundError: it cannot be."""
        drafts, rows = self.builder.current(values), values[self.rows]
        prompt = drafts[values[self.builder.which] or 0]
        if not rows:
            raise PlaygroundError("The table below is empty, so there is nothing to fill in.")
        number = min(max(int(values[self.number] or 1), 1), len(rows))
        return prompt, prompts.rendered(prompt, rows[number - 1], number)

    def look(self, values: dict) -> str:
        """The prompt as tokens, or as text with the reason why; what is wrong with it stands in its place."""
        try:
            _, made = self._rendered(values)
        except PlaygroundError as error:
            return f'<div class="warning">{note(str(error))}</div>'
        reference = values[self.page.reference] or ""
        state = self.page.models.status(reference).state
        if state != "ready":
            return note(ELSEWHERE if state == "remote" else NOT_LOADED) + words.shown_prompt(made)
        from playground.labs import tokens
        from playground.labs.chat import replies

        try:
            with self.page.models.lease(reference) as engine:
                ids = engine.encode(made) if isinstance(made, str) else replies.prompt_ids(engine, made)
                return words.seen(tokens.seen_by(engine, ids), engine.anatomy.context_length)
        except PlaygroundError as error:
            return note(str(error)) + words.shown_prompt(made)

    def ask(self, values: dict, request: gr.Request) -> Iterator[dict]:
        """One answer, as it comes."""
        from playground.engine.sampling import Sampling
        from playground.labs.chat import writing

        stop = self.stops.begin(request, PANE)
        with user_errors():
            prompt, made = self._rendered(values)
            asking = self.scoring.asking(values)
            how = Sampling(
                asking.max_new_tokens, asking.temperatures[0], seed=asking.seed, stop=prompts.stop_strings(prompt)
            )
            reference = values[self.page.reference] or ""
            for news in arriving(self.page.models, reference, stop):
                yield {self.answer: note(news)}
            if stop.is_set():
                yield {self.answer: note("Stopped.")}
                return
            with self.page.models.writer(reference) as writer:
                write = writing.complete if isinstance(made, str) else writing.reply
                for reply in paced(write(writer, made, how, stop=stop)):
                    shown = words.answer(reply.text, statistics.line(reply, title_of(reference)))
                    yield {self.answer: shown, self.said: reply.text}

    def after(self, event: gr.events.Dependency) -> None:
        """Shows the prompt anew once `event` is over, and its examples in their order."""
        builder = self.builder
        event.then(builder.chips, [builder.drafts, builder.which], builder.order, **AT_ONCE)
        event.then(self.look, self.inputs, self.shown, trigger_mode="always_last", **self.page.queued)

    def connect(self) -> None:
        changed = [self.number.input, self.page.reference.change, self.page.made_ready.then, self.page.tabs.select]
        for listen in changed:
            listen(self.look, self.inputs, self.shown, trigger_mode="always_last", **self.page.queued)
        self.ask_after(self.write.click(lambda: None, None, None, **AT_ONCE))
        self.stop.click(self.stops.halt, None, None, **AT_ONCE)
        self._send()

    def ask_after(self, event: gr.events.Dependency) -> None:
        """Has the row answered once `event` has succeeded."""
        begun = event.success(lambda: [note(WAITING), ""], None, [self.answer, self.said], **AT_ONCE)
        inputs = self.inputs | set(self.scoring.all)
        asked = begun.then(self.ask, inputs, [self.answer, self.said], trigger_mode="multiple", **self.page.queued)
        asked.failure(lambda: "", None, self.answer, **AT_ONCE)

    def _send(self) -> None:
        """Lets the prompt of the row, or its answer, go to other tabs."""

        def pack(values: dict, what: str, visitor: str) -> Parcel:
            if what == THE_ANSWER:
                if not values[self.said].strip():
                    raise PlaygroundError("There is no answer yet. Press Answer this row first.")
                return Parcel(values[self.said].strip())
            _, made = self._rendered(values)
            if isinstance(made, str):
                return Parcel(made)
            if what == THE_WORDS:
                return Parcel("\n\n".join(message["content"] for message in made))
            from playground.labs.chat import replies

            with self.page.models.lease(values[self.page.reference] or "") as engine:
                return Parcel(replies.render(engine, made), complete=True)

        with self.sending_place:
            sending.row(self.page, "lab-send-to", SENDING, self.inputs | {self.said}, pack, reads_model=True)


def build() -> dict[str, gr.components.Component]:
    """Lays the pane out; the components by their names in `Preview`."""
    parts: dict = {}
    gr.HTML("<h3>Exactly what the model is given</h3>", elem_id="lab-preview-title")
    parts["shown"] = gr.HTML(elem_id="lab-preview", elem_classes=results.NO_RESULT)
    with gr.Row(elem_classes="lesser", elem_id="lab-preview-row"):
        parts["number"] = gr.Number(1, label="For row", precision=0, minimum=1, min_width=90, elem_id="lab-row")
        parts["write"] = gr.Button("Answer this row", size="sm", elem_id="lab-one")
        parts["stop"] = gr.Button("Stop this row", size="sm", elem_id="lab-one-stop")
    parts["sending_place"] = gr.Column(min_width=0)
    parts["answer"], parts["said"] = gr.HTML(elem_id="lab-one-answer"), gr.State("")
    return parts
