"""Prompts run on a table and scored: the grid's answers, judged as they come, as `Results`.

It does not know how answers are written (`grid`) or when one is right (`scorers`).
"""

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

import numpy as np

from playground.arrays import Floats
from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.prompting import grid, prompts, scorers
from playground.labs.prompting.kept import Answer, Choices, Kept
from playground.labs.prompting.prompts import Prompt, Row
from playground.labs.prompting.results import Cell, Results, Variant
from playground.labs.prompting.scorers import Judged, Scorer

NOTHING = "N/A"  # what stands in a row that says nothing (Zhao et al. 2021, arXiv 2102.09690)
SAMPLING = ("max_new_tokens", "seed", "top_p", "top_k", "repetition_penalty", "stop")  # as in `Sampling`
JUDGING, DONE = "Judging with {}", "Done"


@dataclass(frozen=True)
class Progress:
    """How far a run is. `results` puts together what there is so far."""

    n_done: int
    n_all: int
    seconds_left: float | None
    doing: str  # in words
    results: Callable[[], Results]
    alone: str = ""  # why the model at work writes one text at a time, as a sentence; empty: several together


def variants(
    drafts: Sequence[Prompt], references: Sequence[str], temperatures: Sequence[float], title: Callable[[str], str]
) -> tuple[Variant, ...]:
    """Every prompt with every model and temperature, named by what tells them apart."""
    found = []
    for prompt in drafts:
        for reference in references:
            for temperature in temperatures:
                parts = [prompt.name]
                parts += [title(reference)] if len(references) > 1 else []
                parts += [f"temperature {temperature:g}"] if len(temperatures) > 1 else []
                found.append(Variant(" · ".join(parts), prompt, reference, float(temperature)))
    return tuple(found)


def check(results: Results, most_cells: int = grid.MOST_CELLS) -> None:
    """Raises PlaygroundError with one sentence when nothing could come of a run."""
    rows, scorer = results.rows, results.scorer
    prompts.check_rows(rows)
    for prompt in dict.fromkeys(variant.prompt for variant in results.variants):
        for name in prompts.variables(prompt):
            if not any(name in row for row in rows):
                prompts.check(prompt, rows)  # says so, with the columns there are
    if scorer is not None:
        scorers.check(scorer)
    if scorer is not None and scorer.needs_expected and not any(scorer.expected in row for row in rows):
        scorers.expected(scorer, rows[0], 1)
    grid.check(_ways(results), rows, results.samples, most_cells)


def run(
    lend: grid.Lend,
    lend_engine: scorers.Lend,
    empty: Results,
    kept: Kept | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Progress]:
    """Runs all variants of `empty` on its rows. A row that cannot be run or judged is marked, and the rest go on.

    Raises:
        PlaygroundError: nothing can come of it, or a pattern takes too long.
    """
    check(empty)
    work = _Work(empty)
    with closing(grid.run(lend, _ways(empty), empty.rows, empty.samples, kept, stop)) as events:
        for event in events:
            work.take(event)
            doing = "Answers" if not event.alone else f"Answers, one at a time ({event.alone.rstrip('.')})"
            yield Progress(event.n_done, event.n_all, event.seconds_left, doing, work.results, event.alone)
    if empty.scorer is not None and empty.scorer.needs_model and not (stop is not None and stop.is_set()):
        yield from work.judge(empty.scorer, lend_engine, stop)
    yield Progress(work.n_done, work.n_done, None, DONE, work.results)


def _ways(results: Results) -> list[grid.Way]:
    ways = []
    given = {"max_new_tokens": 64, "seed": 0} | {k: v for k, v in results.settings.items() if k in SAMPLING}
    for variant in results.variants:
        how: Sampling | Choices
        if _chooses(results.scorer):
            how = Choices(results.scorer.choices, results.settings.get("content_free") or NOTHING)
        else:
            how = Sampling(temperature=variant.temperature, **given)
        ways.append(grid.Way(variant.prompt, variant.reference, how))
    return ways


def _chooses(scorer: Scorer | None) -> TypeGuard[Scorer]:
    return scorer is not None and scorer.kind == "choice"


class _Work:
    """The cells of one run, as answers come."""

    def __init__(self, empty: Results) -> None:
        self._empty, self._scorer = empty, empty.scorer
        self._samples = 1 if _chooses(self._scorer) else empty.samples
        self._answers: dict[tuple[int, int], dict[int, Answer]] = {}
        self._cells: dict[tuple[int, int], Cell] = {}
        self._provenance: dict[str, dict[str, Any]] = {}
        self._leanings: dict[int, tuple[float, ...]] = {}
        self.n_done = 0

    def take(self, event: grid.Event) -> None:
        self.n_done = event.n_done
        if event.provenance is not None:
            self._provenance[event.reference] = asdict(event.provenance)
        for done in event.done:
            at = (done.way, done.row)
            if done.error:
                self._cells[at] = Cell(error=done.error)
            elif done.answer is not None and at not in self._cells:
                answers = self._answers.setdefault(at, {})
                answers[done.sample] = done.answer
                if len(answers) == self._samples:
                    self._cells[at] = self._cell(at, [answers[i] for i in sorted(answers)])

    def _cell(self, at: tuple[int, int], answers: list[Answer]) -> Cell:
        way, row = at
        label = answers[0].label
        if label is not None and label.content_free is not None:
            self._leanings[way] = tuple(_shares(label.content_free))
        settings = self._empty.settings
        by = settings.get("by", "sum"), bool(settings.get("content_free"))
        cell = Cell(
            outputs=tuple(answer.text if answer.label is None else answer.label.best(*by) for answer in answers),
            prompt_tokens=answers[0].prompt_tokens,
            new_tokens=sum(answer.new_tokens for answer in answers),
            probabilities=() if label is None else tuple(label.probabilities(*by).tolist()),
        )
        scorer = self._scorer
        return cell if scorer is None or scorer.needs_model else self._judged(scorer, cell, row)

    def _judged(self, scorer: Scorer, cell: Cell, row: int) -> Cell:
        try:
            judged = [scorers.score(scorer, text, self._empty.rows[row], row + 1) for text in cell.outputs]
        except scorers.SlowPatternError:
            raise
        except PlaygroundError as error:
            return dataclasses.replace(cell, error=str(error))
        return dataclasses.replace(cell, judged=tuple(judged))

    def judge(self, scorer: Scorer, lend: scorers.Lend, stop: threading.Event | None) -> Iterator[Progress]:
        """Judges all outputs by the model that does it, cell by cell; what it cannot judge is marked."""
        open_cells = [(at, cell) for at, cell in self._cells.items() if not cell.error]
        texts = [text for _, cell in open_cells for text in cell.outputs]
        rows = [self._empty.rows[at[1]] for at, cell in open_cells for _ in cell.outputs]
        numbers = [at[1] + 1 for at, cell in open_cells for _ in cell.outputs]
        doing, started, n_judged = JUDGING.format(scorer.reference), time.monotonic(), 0
        yield Progress(0, len(texts), None, doing, self.results)
        with closing(scorers.judging(scorer, texts, rows, lend, stop, numbers)) as verdicts:
            for at, cell in open_cells:
                found = [said for _, said in itertools.islice(verdicts, len(cell.outputs))]
                if len(found) < len(cell.outputs):
                    return  # stopped
                errors = [said for said in found if isinstance(said, str)]
                if errors:
                    self._cells[at] = dataclasses.replace(cell, error=_of_row(errors[0], at[1] + 1))
                else:
                    judged = tuple(one for one in found if isinstance(one, Judged))
                    self._cells[at] = dataclasses.replace(cell, judged=judged)
                n_judged += len(found)
                left = (time.monotonic() - started) / n_judged * (len(texts) - n_judged)
                yield Progress(n_judged, len(texts), left, doing, self.results)

    def results(self) -> Results:
        n, m = len(self._empty.variants), len(self._empty.rows)
        return dataclasses.replace(
            self._empty,
            cells=tuple(tuple(self._cells.get((way, row)) for row in range(m)) for way in range(n)),
            provenance=tuple(self._provenance.values()),
            leanings=tuple(self._leanings.get(way, ()) for way in range(n)) if self._leanings else (),
        )


def _of_row(sentence: str, number: int) -> str:
    return sentence if sentence.startswith(f"Row {number} ") else f"Row {number}: {sentence}"


def _shares(logprobs: Floats) -> list[float]:
    shares = np.exp(logprobs - logprobs.max())
    return (shares / shares.sum()).tolist()


def confidences(results: Results, variant: int) -> tuple[list[float], list[bool]]:
    """The probability of each chosen label, and whether it was right."""
    cells = [cell for cell in results.cells[variant] if cell and cell.probabilities and cell.judged]
    return [max(cell.probabilities) for cell in cells], [cell.judged[0].outcome == "correct" for cell in cells]


def empty(rows: Sequence[Row], wanted: Sequence[Variant], scorer: Scorer | None, **settings: Any) -> Results:
    """Results in which nothing has been run.

    settings: those in `SAMPLING`, samples; for the scorer "choice" by (as `labels.Label.scores`) and content_free (an
    input that says nothing: probabilities are calibrated with it then).
    """
    return Results(tuple(rows), tuple(wanted), tuple((None,) * len(rows) for _ in wanted), scorer, settings)
