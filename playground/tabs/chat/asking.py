"""What panes with a box to type in have in common: a run that answers, and the page put back when nothing came of it.

It does not know what is asked, or who answers.
"""

from collections.abc import Iterator

import gradio as gr

from playground.tabs.chat.runs import Run, Runs
from playground.tabs.kit import AT_ONCE, Page


class Asking:
    """A pane's part. The pane has these, and says what it shows; its components are the outputs of every event."""

    page: Page
    runs: Runs
    message: gr.Textbox

    @property
    def screen(self) -> list[gr.components.Component]:
        """All that an update of the pane may change."""
        raise NotImplementedError

    @property
    def inputs(self) -> set[gr.components.Component]:
        """What `work` reads."""
        raise NotImplementedError

    def work(self, run: Run, values: dict) -> Iterator[dict]:
        """Updates while a run is answered."""
        raise NotImplementedError

    def before(self, run: Run) -> dict:
        """The page as it was before a run."""
        raise NotImplementedError

    def answer(self, values: dict, request: gr.Request) -> Iterator[dict]:
        yield from self.runs.answered(request, lambda run: self.work(run, values))

    def halt(self, typed: str, request: gr.Request) -> dict:
        return self._put_back(self.runs.stop(request), typed)

    def settle(self, typed: str, request: gr.Request) -> dict:
        return self._put_back(self.runs.fruitless(request), typed)

    def settle_failure(self, typed: str, request: gr.Request) -> dict:
        return self._put_back(self.runs.fruitless(request, failed=True), typed)

    def _put_back(self, run: Run | None, typed: str) -> dict:
        """The page as it was before `run`; what the visitor has typed since then is kept too."""
        if run is None:
            return gr.skip()
        return self.before(run) | {self.message: "\n".join(text for text in (run.text, typed) if text)}

    def answer_after(self, begun: gr.events.Dependency) -> gr.events.Dependency:
        """Lets the models answer once `begun`, which has begun a run, has succeeded. Returns what follows a failure."""
        # "multiple": one that was stopped while it waited must not block the next
        answered = begun.success(self.answer, self.inputs, self.screen, trigger_mode="multiple", **self.page.queued)
        answered.success(self.settle, self.message, self.screen, **AT_ONCE)
        return answered.failure(self.settle_failure, self.message, self.screen, **AT_ONCE)
