"""Writes on from many prompts at once: what ends leaves the batch, what waits takes its place.

One forward pass a token for all that are running. Each text is drawn with a seed of its own, so it does not depend on
its neighbours but for rounding: in float32 the texts are those of one at a time, in bfloat16 a few differ. Models whose
memory of a text cannot be padded write one text at a time. It does not know what the texts are for.
"""

import dataclasses
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from playground.engine import generate
from playground.engine.decoding import TextStream
from playground.engine.engine import Engine
from playground.engine.int8 import Int8Linear
from playground.engine.memory import free_bytes, out_of_memory
from playground.engine.padded import (
    Layers,
    Padded,
    bytes_per_token,
    common_start,
    padding_shows,
    read_start,
    tokens_a_pass,
    why_alone,
)
from playground.engine.sampling import Sampling, draw
from playground.engine.steps import Step, StopReason, check_usable, end_ids
from playground.engine.stops import HeldBack
from playground.engine.words import with_words
from playground.errors import PlaygroundError

_HEARTBEAT = 0.25  # seconds: how long the caller may wait without a turn to notice that nobody listens any more
_MOST_ROWS = 32  # beyond, a CPU gains nothing and a chat beside it waits long for its turn
_MOST_ROWS_INT8 = 8  # more rows than that widen every weight (`int8`)
_MOST_BYTES = 1 << 30  # of keys and values, and never more than a quarter of what is free


@dataclass(frozen=True)
class Job:
    """One text to write."""

    ids: tuple[int, ...]  # the prompt
    sampling: Sampling


@dataclass(frozen=True)
class Written:
    """What became of a job."""

    job: int  # its place among the jobs, from 0
    ids: tuple[int, ...] = ()  # the new tokens; an end token and those of a stop string included
    text: str = ""  # without the stop string that ended it, and what follows that
    logprob: float = 0.0  # of all new tokens, natural logarithm; the model's own, before temperature and the like
    stop_reason: StopReason | None = None  # None: it failed
    stop_string: str | None = None
    error: str = ""  # why it failed, as a sentence; the others go on


class _Put(Protocol):
    """Tells the caller where things stand."""

    def __call__(
        self, finished: Sequence[Written], running: int, waiting: int, tokens: int, alone: str = "", /
    ) -> None: ...


@dataclass(frozen=True)
class Turn:
    """One turn of the stream."""

    finished: tuple[Written, ...]  # since the turn before
    n_running: int
    n_waiting: int
    n_tokens: int  # written so far, in all
    seconds: float  # since the start
    alone: str = ""  # why this model writes one text at a time; empty: it writes them together


def write(
    engine: Engine,
    jobs: Sequence[Job],
    stop: threading.Event | None = None,
    most_rows: int | None = None,
    most_bytes: int | None = None,
) -> Generator[Turn, None, None]:
    """Writes all jobs, longest prompt first; a turn at least every quarter of a second.

    What all prompts begin with is read once: give the rows of one prompt together. Closing the iterator or setting
    `stop` ends the computation within one token of each running text; what has finished was given before.

    Args:
        most_rows: texts at once; as many as pay off on this device when None.
        most_bytes: that their keys and values may hold.

    Raises:
        PlaygroundError: the model does not write, or a word has no token.
    """
    if not engine.anatomy.writes:
        raise PlaygroundError(
            f"{engine.reference} reads text but does not write it ({engine.anatomy.kind} model). "
            "Pick a chat or base model to generate."
        )
    if not jobs:
        return
    jobs = [dataclasses.replace(job, sampling=with_words(job.sampling, engine.tokenizer)) for job in jobs]
    left = threading.Event()  # nobody listens any more
    turns: queue.SimpleQueue[Turn | BaseException | None] = queue.SimpleQueue()
    started = time.perf_counter()

    def stopped() -> bool:
        return left.is_set() or (stop is not None and stop.is_set())

    def put(finished: Sequence[Written], running: int, waiting: int, tokens: int, alone: str = "") -> None:
        turns.put(Turn(tuple(finished), running, waiting, tokens, time.perf_counter() - started, alone))

    def work() -> None:
        try:
            with torch.inference_mode():
                alone = _why_alone(engine, jobs, stopped)
                if alone:
                    _one_by_one(engine, jobs, alone, stopped, put)
                else:
                    _Batch(engine, jobs, most_rows, most_bytes).run(stopped, put)
            turns.put(None)
        except BaseException as error:  # it must reach the caller, whatever it is
            turns.put(error)

    worker = threading.Thread(target=work, name=f"batch {engine.reference}", daemon=True)
    worker.start()
    last = Turn((), 0, len(jobs), 0, 0.0)
    try:
        while True:
            try:
                turn = turns.get(timeout=_HEARTBEAT)
            except queue.Empty:
                yield dataclasses.replace(last, finished=(), seconds=time.perf_counter() - started)
                continue
            if isinstance(turn, BaseException):
                raise turn
            if turn is None:
                return
            yield turn
            last = turn
    finally:
        left.set()
        worker.join()  # so that a lease is never given back while the model still runs


def _why_alone(engine: Engine, jobs: Sequence[Job], stopped: Callable[[], bool]) -> str:
    if any(job.sampling.beams > 1 for job in jobs):
        return "Beams are searched for one text at a time."
    return why_alone(engine) or (padding_shows(engine, stopped) if len(jobs) > 1 else "")


def _one_by_one(engine: Engine, jobs: Sequence[Job], alone: str, stopped: Callable[[], bool], put: _Put) -> None:
    """Every job by `generate.stream`."""
    n_tokens = 0
    for i, job in enumerate(jobs):
        waiting = len(jobs) - i - 1
        ids: list[int] = []
        text, logprob, last = "", 0.0, Step(None, None, 0.0)
        try:
            steps = generate.stream(engine, torch.tensor([job.ids], device=engine.device), job.sampling)
            try:
                for step in steps:
                    last = step
                    if stopped():
                        return
                    if step.instead is not None:
                        ids, text = [token.id for token in step.instead], step.text
                        logprob = sum(token.logprob for token in step.instead)
                    elif step.token is not None:
                        ids.append(step.token.id)
                        logprob += step.token.logprob
                    if step.instead is None:
                        text += step.text
                    n_tokens += step.token is not None
                    put((), 1, waiting, n_tokens, alone)
            finally:
                steps.close()
            written = Written(i, tuple(ids), text, logprob, last.stop_reason, last.stop_string)
        except PlaygroundError as error:
            written = Written(i, error=str(error))
        put((written,), 0, waiting, n_tokens, alone)


class _Row:
    """A text that is being written."""

    def __init__(self, engine: Engine, number: int, job: Job, room: int) -> None:
        self.number, self.sampling, self.room = number, job.sampling, room
        self.ids: list[int] = []
        self.logprob = 0.0
        self.text = ""
        self._prompt = job.ids
        self._stream, self._shown = TextStream(engine.tokenizer), HeldBack(job.sampling.stop)
        self._generator = torch.Generator()
        if job.sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(job.sampling.seed)

    @property
    def takes_the_best(self) -> bool:
        """Whether its next token is the most probable one, whatever came before."""
        s = self.sampling
        return s.temperature == 0 and not s.logit_bias and s.repetition_penalty == 1 and not s.no_repeat_ngram

    def choose(self, logits: Tensor) -> int:
        """Its next token, given the logits, (vocabulary,), float32, on the CPU."""
        return draw(logits, torch.tensor([*self._prompt, *self.ids]), self.sampling, self._generator)

    def add(self, token: int, logprob: float, ends: frozenset[int]) -> Written | None:
        """Takes a token in; what was written, if that was the last."""
        self.ids.append(token)
        self.logprob += logprob
        new, found = self._shown.add("" if token in ends else self._stream.add(token))
        self.text += new
        reason: StopReason | None = None
        if token in ends:
            reason = "eos"
        elif found:
            reason = "stop string"
        elif len(self.ids) == self.room:
            reason = "length"
        if reason is None:
            return None
        self.text += self._shown.rest()
        return Written(self.number, tuple(self.ids), self.text, self.logprob, reason, found)


class _Batch:
    """All jobs, of which some run and the others wait."""

    def __init__(self, engine: Engine, jobs: Sequence[Job], most_rows: int | None, most_bytes: int | None) -> None:
        self._engine, self._jobs = engine, jobs
        self._ends = end_ids(engine)
        self._failed: list[Written] = []
        self._rooms: dict[int, int] = {}
        for i, job in enumerate(jobs):
            try:
                self._rooms[i] = generate.room_for(engine, len(job.ids), 0, job.sampling.max_new_tokens)
            except PlaygroundError as error:
                self._failed.append(Written(i, error=str(error)))
        self._waiting = deque(sorted(self._rooms, key=lambda i: -len(jobs[i].ids)))
        self._running: list[_Row] = []
        self._texts: Padded | None = None  # what is read of those that run, in their order
        self._start: Layers = ()
        self._n_start = 0
        few = any(type(module) is Int8Linear for module in engine.model.modules())
        self._capacity = most_rows or (_MOST_ROWS_INT8 if few else _MOST_ROWS)
        self._bytes = min(_MOST_BYTES, free_bytes(engine.device) // 4) if most_bytes is None else most_bytes
        self._n_tokens = 0

    def run(self, stopped: Callable[[], bool], put: _Put) -> None:
        if self._failed:
            put(self._failed, 0, len(self._waiting), 0)
        if not self._waiting:
            return
        texts = [self._jobs[i].ids for i in self._waiting]
        self._n_start = common_start(texts)
        start = read_start(self._engine, texts[0][: self._n_start], stopped)
        if start is None:
            return
        self._start = start
        while (self._running or self._waiting) and not stopped():
            try:
                finished = self._step(stopped)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error) or not self._halve():
                    raise
                continue
            if finished is None:
                return
            put(finished, len(self._running), len(self._waiting), self._n_tokens)

    def _step(self, stopped: Callable[[], bool]) -> list[Written] | None:
        """One token more for all, or the first one of those that are let in; None when it was `stopped`."""
        free = min(self._capacity, self._capacity_by_bytes()) - len(self._running)
        texts = self._texts
        if texts is None or (self._waiting and free >= max(1, self._capacity // 4)):
            return self._let_in(max(free, 1), stopped)
        logits = texts.next([row.ids[-1] for row in self._running])
        written, going = self._chosen(self._running, logits)
        if len(going) < len(self._running):
            self._running = [self._running[i] for i in going]
            self._texts = texts if going else None
            if going:
                texts.select(going)
        return written

    def _let_in(self, n: int, stopped: Callable[[], bool]) -> list[Written] | None:
        """Reads prompts that wait, as many as fit in one pass, each as often as it is there only once."""
        numbers: list[int] = []
        prompts: dict[tuple[int, ...], int] = {}
        width = 0
        while self._waiting and len(numbers) < n:
            ids = self._jobs[self._waiting[0]].ids[self._n_start :]
            if ids not in prompts and prompts and (len(prompts) + 1) * width > tokens_a_pass(self._engine):
                break
            width = max(width, len(ids))
            prompts.setdefault(ids, len(prompts))
            numbers.append(self._waiting.popleft())
        rows = [_Row(self._engine, i, self._jobs[i], self._rooms[i]) for i in numbers]
        self._running += rows  # so that they are not lost when memory is
        texts = Padded(self._engine, self._start, len(prompts))
        logits = texts.read(list(prompts), stopped)
        if logits is None:
            return None
        of_prompt = [prompts[self._jobs[i].ids[self._n_start :]] for i in numbers]
        written, going = self._chosen(rows, logits[of_prompt])
        del self._running[len(self._running) - len(rows) :]
        if going:
            if [of_prompt[i] for i in going] != list(range(len(prompts))):
                texts.select([of_prompt[i] for i in going])
            if self._texts is None:
                self._texts = texts
            else:
                self._texts.join(texts)
            self._running += [rows[i] for i in going]
        return written

    def _chosen(self, rows: Sequence[_Row], logits: Tensor) -> tuple[list[Written], list[int]]:
        """Gives each row its next token, by the logits, (row, vocabulary): what ended, and places of the rest."""
        logits = logits.float()
        check_usable(self._engine, logits)
        best, totals = logits.argmax(-1).tolist(), logits.logsumexp(-1).tolist()
        written, going = [], []
        for place, row in enumerate(rows):
            try:
                token = best[place] if row.takes_the_best else row.choose(logits[place].cpu())
            except PlaygroundError as error:
                written.append(Written(row.number, error=str(error)))
                continue
            ended = row.add(token, logits[place, token].item() - totals[place], self._ends)
            self._n_tokens += 1
            self._engine.written.add()
            if ended:
                written.append(ended)
            else:
                going.append(place)
        return written, going

    def _capacity_by_bytes(self) -> int:
        layers = self._start or (self._texts.layers if self._texts else ())
        if not layers:  # nothing is known yet, and little will be read at first
            return self._capacity
        longest = max(len(self._jobs[i].ids) + room for i, room in self._rooms.items())
        return max(1, int(self._bytes / bytes_per_token(layers)) // longest)

    def _halve(self) -> bool:
        """Half as many at once from now on, the running ones from their beginning; False when one alone is too much."""
        n = len(self._running)
        if n <= 1:
            return False
        self._capacity = n // 2
        self._waiting.extendleft(row.number for row in reversed(self._running))
        self._n_tokens -= sum(len(row.ids) for row in self._running)
        self._running, self._texts = [], None
        if self._engine.device.type == "cuda":
            torch.cuda.empty_cache()
        return True
