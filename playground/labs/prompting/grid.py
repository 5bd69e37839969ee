"""Runs prompts x models x settings on the rows of a table, and keeps what it has computed.

An answer is kept under a hash of what it came from: the exact prompt, the model with revision and precision, the
settings, the seed. A second run computes what is not there yet; that is also how a run that was stopped is resumed. It
does not know which answers are right, so scoring them otherwise costs nothing.
"""

import dataclasses
import secrets
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass

from playground.engine import provenance
from playground.engine.provenance import Provenance
from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.chat.writing import Writer
from playground.labs.prompting import answering, labels, prompts
from playground.labs.prompting.answering import Question
from playground.labs.prompting.kept import Answer, Choices, Kept, key_of
from playground.labs.prompting.prompts import Prompt, Row
from playground.models.remote import RemoteModel

MOST_CELLS = 20_000
MOST_SAMPLES = 64
_STOPS = 16  # as many as a request may have

Lend = Callable[[str], AbstractContextManager[Writer]]  # a reference -> what writes, for a while: `ModelCache.writer`


@dataclass(frozen=True)
class Way:
    """One way of answering: a column of the grid."""

    prompt: Prompt
    reference: str  # of the model
    how: Sampling | Choices


@dataclass(frozen=True)
class Done:
    """One cell. Either `answer` or `error` is there."""

    way: int
    row: int
    sample: int  # from 0
    answer: Answer | None = None
    error: str = ""  # why it failed, a sentence that names the row
    kept: bool = False  # it was there already: nothing was computed


@dataclass(frozen=True)
class Event:
    """One turn of a run."""

    done: tuple[Done, ...]  # since the event before
    n_done: int
    n_all: int
    seconds: float  # since the start
    seconds_left: float | None  # by the pace so far; None: nothing has been computed yet
    reference: str  # of the model at work
    alone: str = ""  # why it writes one text at a time, as a sentence; empty: several together
    provenance: Provenance | None = None  # of the model at work; None: it is not there yet


def run(
    lend: Lend,
    ways: Sequence[Way],
    rows: Sequence[Row],
    samples: int = 1,
    kept: Kept | None = None,
    stop: threading.Event | None = None,
) -> Generator[Event, None, None]:
    """Answers every row in every way; an event at least every quarter of a second while a local model writes.

    Model by model, so that each is needed once. A row that fails is marked and the rest go on. When `stop` is set, or
    the iterator closed, it ends within one token of each running row; what is done was given, and is `kept`.

    Args:
        samples: answers a row, with seeds seed, seed + 1, …; more than one needs a temperature above 0.
        kept: answers that need not be computed again; new ones are added.

    Raises:
        PlaygroundError: nothing can be run: the table, a prompt or the settings are wrong, or the grid is too large.
    """
    check(ways, rows, samples)
    ways = [_seeded(way, secrets.randbelow(2**31)) for way in ways]
    yield from _Run(lend, ways, rows, samples, kept if kept is not None else Kept(), stop or threading.Event()).events()


def check(ways: Sequence[Way], rows: Sequence[Row], samples: int = 1, most: int = MOST_CELLS) -> None:
    """Raises PlaygroundError with one sentence when this cannot be run."""
    prompts.check_rows(rows)
    if not ways:
        raise PlaygroundError("There is no prompt to run. Add one.")
    if not isinstance(samples, int) or not 1 <= samples <= MOST_SAMPLES:
        raise PlaygroundError(f"{samples} samples were asked for; it must be a whole number from 1 to {MOST_SAMPLES}.")
    n = sum(len(rows) * _n_samples(way, samples) for way in ways)
    if n > most:
        raise PlaygroundError(
            f"This grid has {n:,} cells; at most {most:,} are run. Leave out rows, prompts or samples."
        )
    for way in ways:
        prompts.check(way.prompt)
        if isinstance(way.how, Choices):
            labels.checked(way.how.texts)
        elif samples > 1 and way.how.temperature == 0:
            raise PlaygroundError(
                f"{samples} samples at temperature 0 would all be the same. Raise the temperature, or take one sample."
            )
        elif samples > 1 and way.how.beams > 1:
            raise PlaygroundError("Beams give one text, the same each time. Set beams to 1, or take one sample.")


def _n_samples(way: Way, samples: int) -> int:
    return 1 if isinstance(way.how, Choices) else samples


def _seeded(way: Way, seed: int) -> Way:
    if isinstance(way.how, Choices) or way.how.seed is not None:
        return way
    return dataclasses.replace(way, how=dataclasses.replace(way.how, seed=seed))


def sampling_of(way: Way, sample: int) -> Sampling:
    """The settings of one sample: its own seed, and where an answer ends. What has no effect has its default."""
    how = way.how
    if isinstance(how, Choices):
        raise ValueError("labels are scored, not written")
    stops = tuple(dict.fromkeys([*how.stop, *prompts.stop_strings(way.prompt)]))[:_STOPS]
    if how.temperature == 0 or how.beams > 1:
        return dataclasses.replace(how, stop=stops, seed=0, top_p=1.0, top_k=0, min_p=0.0, typical_p=1.0)
    return dataclasses.replace(how, stop=stops, seed=((how.seed or 0) + sample) % 2**63)


class _Run:
    """One run: what has been asked for, and how far it is."""

    def __init__(
        self,
        lend: Lend,
        ways: Sequence[Way],
        rows: Sequence[Row],
        samples: int,
        kept: Kept,
        stop: threading.Event,
    ) -> None:
        self._lend, self._ways, self._rows, self._samples = lend, ways, rows, samples
        self._kept, self._stop = kept, stop
        self._n_all = sum(len(rows) * _n_samples(way, samples) for way in ways)
        self._n_done = self._n_computed = 0
        self._started = time.perf_counter()
        self._working = 0.0  # seconds in which answers were computed
        self._reference, self._alone = "", ""
        self._provenance: Provenance | None = None

    def events(self) -> Generator[Event, None, None]:
        for reference in dict.fromkeys(way.reference for way in self._ways):
            if self._stop.is_set():
                return
            self._reference, self._alone, self._provenance = reference, "", None
            yield self._event([])
            open_cells = {
                (w, row, sample)
                for w, way in enumerate(self._ways)
                if way.reference == reference
                for row in range(len(self._rows))
                for sample in range(_n_samples(way, self._samples))
            }
            try:
                with self._lend(reference) as writer:
                    self._provenance = _provenance(writer)
                    for event in self._model(writer, reference):
                        open_cells -= {(done.way, done.row, done.sample) for done in event.done}
                        yield event
            except PlaygroundError as error:  # the model cannot be had, or its memory is full
                yield self._event([self._failed(*cell, str(error)) for cell in sorted(open_cells)])

    def _model(self, writer: Writer, reference: str) -> Generator[Event, None, None]:
        for w, way in enumerate(self._ways):
            if way.reference != reference or self._stop.is_set():
                continue
            known, cells = self._planned(writer, w, way)
            if known:
                yield self._event(known)
            if cells:
                yield from self._computed(writer, way, cells)

    def _planned(self, writer: Writer, w: int, way: Way) -> tuple[list[Done], list[Question]]:
        """What is known of a column without computing, and what is left to compute."""
        known, cells = [], []
        free = None
        for r, row in enumerate(self._rows):
            try:
                prompt = prompts.rendered(way.prompt, row, r + 1)
                if isinstance(way.how, Choices) and way.how.content_free and free is None:
                    free = prompts.rendered(way.prompt, dict.fromkeys(row, way.how.content_free))
            except PlaygroundError as error:
                known += [self._failed(w, r, s, str(error)) for s in range(_n_samples(way, self._samples))]
                continue
            for s in range(_n_samples(way, self._samples)):
                how = way.how if isinstance(way.how, Choices) else sampling_of(way, s)
                key = key_of(writer, [prompt, free], how)
                answer = self._kept.get(key)
                if answer is not None:
                    known.append(Done(w, r, s, answer, kept=True))
                else:
                    cells.append(Question(w, r, s, prompt, free, how, key))
        return known, cells

    def _computed(self, writer: Writer, way: Way, cells: list[Question]) -> Generator[Event, None, None]:
        """Computes the cells of one column; of those with the same key one, whose answer is that of all."""
        by_key: dict[str, list[Question]] = {}
        for cell in cells:
            by_key.setdefault(cell.key, []).append(cell)
        ones = [same[0] for same in by_key.values()]
        started = time.perf_counter()
        before = self._working
        try:
            with closing(answering.answered(writer, way.how, ones, self._stop)) as turns:
                for turn in turns:
                    self._alone, done = turn.alone, []
                    for cell, answer in turn.answers:
                        if isinstance(answer, Answer):
                            self._kept.put(cell.key, answer)
                        done += [self._done(each, answer) for each in by_key.pop(cell.key)]
                    self._n_computed += len(done)
                    self._working = before + time.perf_counter() - started
                    yield self._event(done)
        except PlaygroundError as error:  # it cannot answer in this way at all
            yield self._event([self._done(cell, str(error)) for same in by_key.values() for cell in same])

    def _done(self, cell: Question, answer: Answer | str) -> Done:
        if isinstance(answer, str):
            return self._failed(cell.way, cell.row, cell.sample, answer)
        return Done(cell.way, cell.row, cell.sample, answer)

    def _failed(self, way: int, row: int, sample: int, sentence: str) -> Done:
        names = f"Row {row + 1}"
        return Done(way, row, sample, error=sentence if sentence.startswith(f"{names} ") else f"{names}: {sentence}")

    def _event(self, done: Sequence[Done]) -> Event:
        self._n_done += len(done)
        left = None
        if self._n_computed:
            left = self._working / self._n_computed * (self._n_all - self._n_done)
        seconds = time.perf_counter() - self._started
        return Event(
            tuple(done), self._n_done, self._n_all, seconds, left, self._reference, self._alone, self._provenance
        )


def _provenance(writer: Writer) -> Provenance:
    if isinstance(writer, RemoteModel):
        return Provenance(writer.reference, "unknown", "elsewhere", "unknown")
    return provenance.of(writer)
