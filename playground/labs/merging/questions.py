"""Questions of the Prompt lab as one number for a model: the share that it gets right.

It does not know what the model is: a merge, a parent, anything that answers.
"""

import threading
from dataclasses import dataclass

from playground.labs.prompting import library
from playground.labs.prompting.library import Worked
from playground.labs.prompting.prompts import Prompt
from playground.models.cache import ModelCache


@dataclass(frozen=True)
class Question:
    """One prompt of a worked example on the first rows of its table."""

    worked: Worked
    prompt: Prompt
    n_rows: int

    @property
    def title(self) -> str:
        return f"{self.worked.title}, {self.prompt.name}"

    def share(self, models: ModelCache, reference: str, stop: threading.Event) -> float:
        """Right answers / rows that gave one; NaN when it was stopped before the first."""
        from playground.labs.prompting import experiment

        rows = library.rows(self.worked.data.name)[: self.n_rows]
        variants = experiment.variants((self.prompt,), (reference,), (0.0,), str)
        empty = experiment.empty(rows, variants, self.worked.scorer, max_new_tokens=self.worked.max_new_tokens)
        told = list(experiment.run(models.writer, models.lease, empty, stop=stop))
        found = told[-1].results().accuracy(0) if told else None
        return found.share if found and found.n else float("nan")


def offered(n_rows: int = 16) -> tuple[Question, ...]:
    """Every prompt of every worked example whose answers are judged without another model."""
    return tuple(
        Question(worked, prompt, n_rows)
        for worked in library.worked()
        if not worked.scorer.needs_model and worked.data.answer
        for prompt in worked.prompts
    )
