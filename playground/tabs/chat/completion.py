"""The completion pane of the Chat tab: one text that the model continues in place, or several times beside it.

It does not know conversations: no roles, no template, just text.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import results
from playground.tabs.chat import sends
from playground.tabs.chat.runs import Run, Runs
from playground.tabs.chat.sampling import Controls
from playground.tabs.kit import (
    AT_ONCE,
    MAY_REFUSE,
    RESULTS_BEGIN,
    WAITING,
    Page,
    arriving,
    paced,
    title_of,
    user_errors,
)
from playground.views import continuations, statistics

WORKED_EXAMPLE = "Once upon a time"


@dataclass(frozen=True)
class Completion:
    """The pane and what happens in it. Its methods are the handlers: components in, updates out."""

    page: Page
    controls: Controls
    runs: Runs
    text: gr.Textbox
    samples: gr.Slider
    go: gr.Button
    stop: gr.Button
    again: gr.Button
    back: gr.Button
    notes: gr.HTML  # statistics, and the samples when there are several
    start: gr.State  # the text before it was last continued

    def show(self, running: bool = False, can_go_back: bool = False) -> dict:
        return {
            self.text: gr.update(interactive=not running),
            self.go: gr.update(interactive=not running),
            self.stop: gr.update(interactive=running),
            self.again: gr.update(interactive=can_go_back and not running),
            self.back: gr.update(interactive=can_go_back and not running),
        }

    def begin(self, text: str, request: gr.Request) -> dict:
        with user_errors():
            if not text.strip():
                raise PlaygroundError("There is nothing to continue. Type some text first.")
            self.runs.begin(request, asked=text, before=text)
            return self.show(running=True) | {
                self.notes: continuations.note(WAITING),
                self.start: text,
            }

    def begin_again(self, text: str, start: str, request: gr.Request) -> dict:
        with user_errors():
            self.runs.begin(request, asked=start, before=text)
            return self.show(running=True) | {self.text: gr.update(value=start, interactive=False)}

    def answer(self, values: dict, request: gr.Request) -> Iterator[dict]:
        yield from self.runs.answered(request, lambda run: self._work(run, values))

    def _work(self, run: Run, values: dict) -> Iterator[dict]:
        for news in arriving(self.page.models, values[self.page.reference], run.stop):
            yield {self.notes: continuations.note(news)}
        if run.start():
            yield from self._write(run, values)

    def _write(self, run: Run, values: dict) -> Iterator[dict]:
        from playground.labs.chat import writing

        title = title_of(values[self.page.reference])
        settings = self.controls.read(values)
        done: list[writing.Reply] = []
        n_samples = int(values[self.samples])
        with self.page.models.writer(values[self.page.reference]) as writer:
            for n in range(n_samples):
                seed = None if settings.seed is None else settings.seed + n
                replies = writing.complete(writer, run.asked, replace(settings, seed=seed), run.stop)
                with closing(replies):
                    try:
                        for reply in paced(replies):
                            run.fruitful = run.fruitful or bool(reply.text)
                            if n_samples > 1:
                                yield {self.notes: continuations.html(run.asked, [*done, reply], title)}
                            else:
                                yield {
                                    self.text: run.asked + reply.text,
                                    self.notes: continuations.note(statistics.line(reply, title)),
                                }
                    except Exception:
                        if run.fruitful:  # what had come is kept
                            yield self.show(can_go_back=True)
                        raise
                done.append(reply)
                if reply.stop_reason == "stopped":
                    break
        run.fruitful = run.fruitful or reply.stop_reason != "stopped"
        if run.fruitful:
            yield self.show(can_go_back=True)

    def halt(self, request: gr.Request) -> dict:
        return self._put_back(self.runs.stop(request))

    def settle(self, request: gr.Request) -> dict:
        return self._put_back(self.runs.fruitless(request))

    def settle_failure(self, request: gr.Request) -> dict:
        return self._put_back(self.runs.fruitless(request, failed=True))

    def _put_back(self, run: Run | None) -> dict:
        if run is None:
            return gr.skip()
        return self.show() | {self.text: gr.update(value=run.before, interactive=True), self.notes: ""}

    def take_back(self, start: str) -> dict:
        return self.show() | {self.text: gr.update(value=start, interactive=True), self.notes: ""}

    @property
    def screen(self) -> list[gr.components.Component]:
        return [self.text, self.go, self.stop, self.again, self.back, self.notes, self.start]

    def go_after(self, event: gr.events.Dependency) -> None:
        """Continues the text once `event` has succeeded."""
        self.answer_after(event.success(self.begin, self.text, self.screen, **MAY_REFUSE))

    def answer_after(self, begun: gr.events.Dependency) -> None:
        """Lets the model write once `begun`, which has called `begin`, has succeeded."""
        inputs = {self.page.reference, self.samples} | self.controls.all
        # "multiple": one that was stopped while it waited must not block the next
        answered = begun.success(self.answer, inputs, self.screen, trigger_mode="multiple", **self.page.queued)
        answered.success(self.settle, None, self.screen, **AT_ONCE)
        answered.failure(self.settle_failure, None, self.screen, **AT_ONCE)


def build(page: Page, controls: Controls) -> Completion:
    """Lays out the pane and connects it."""
    text = gr.Textbox(
        WORKED_EXAMPLE,
        label="Text to continue",
        info="The model writes on where the text ends. Change anything, then continue again.",
        lines=8,
        max_lines=24,
        buttons=["copy"],
        elem_id="text",
        elem_classes=[results.RESULT, RESULTS_BEGIN],
    )
    with gr.Row(elem_classes="buttons"):
        go = gr.Button("Continue", variant="primary", elem_id="continue")
        stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="stop-text")
        again = gr.Button("Regenerate", interactive=False)
        back = gr.Button("Take back", interactive=False)
    sends.of_completion(page, text)
    notes = gr.HTML(elem_id="text-notes")
    samples = gr.Slider(
        1, 5, 1, step=1, label="Samples", info="More than 1: each is shown on its own, and the text stays as it is."
    )
    start = gr.State("")
    pane = Completion(page, controls, Runs(page.blocks), text, samples, go, stop, again, back, notes, start)
    pane.answer_after(gr.on([go.click, text.submit], pane.begin, text, pane.screen, **MAY_REFUSE))
    pane.answer_after(again.click(pane.begin_again, [text, start], pane.screen, **MAY_REFUSE))
    stop.click(pane.halt, None, pane.screen, **AT_ONCE)
    back.click(pane.take_back, start, pane.screen, **AT_ONCE)
    return pane
