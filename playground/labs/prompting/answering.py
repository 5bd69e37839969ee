"""Answers to questions, by whatever answers them: a model of this machine, many at once, or one that runs elsewhere.

It does not know the table that the questions came from, and keeps nothing.
"""

import dataclasses
import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from playground.engine import batch
from playground.engine.engine import Engine
from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat
from playground.labs.chat import writing
from playground.labs.chat.writing import Writer
from playground.labs.prompting import labels
from playground.labs.prompting.kept import Answer, Choices
from playground.labs.prompting.labels import Rendered
from playground.models.remote import RemoteModel, needs_weights

_GIVE_UP = 3  # questions that a server fails one after the other, before the rest are not asked any more


@dataclass(frozen=True)
class Question:
    """One cell of a grid."""

    way: int
    row: int
    sample: int
    prompt: Rendered
    free: Rendered | None  # the prompt with an input that says nothing
    how: Sampling | Choices
    key: str

    @property
    def sampling(self) -> Sampling:
        """How an answer is written, where one is."""
        if isinstance(self.how, Choices):
            raise ValueError("labels are scored, not written")
        return self.how


@dataclass(frozen=True)
class Turn:
    """What has come since the turn before: an answer, or the sentence why there is none."""

    answers: tuple[tuple[Question, Answer | str], ...]
    alone: str = ""  # why one text at a time, as a sentence; empty: several together


def answered(
    writer: Writer, how: Sampling | Choices, questions: Sequence[Question], stop: threading.Event
) -> Generator[Turn, None, None]:
    """Answers the questions of one prompt, whose settings are of one kind: all `Sampling`, or all the same `Choices`.

    Raises:
        PlaygroundError: this model cannot answer that way at all.
    """
    if isinstance(writer, RemoteModel):
        if isinstance(how, Choices):
            raise needs_weights(writer.reference)
        return _asked(writer, questions, stop)
    return _labelled(writer, how, questions, stop) if isinstance(how, Choices) else _written(writer, questions, stop)


def _written(engine: Engine, questions: Sequence[Question], stop: threading.Event) -> Generator[Turn, None, None]:
    """By a model of this machine, many at once."""
    jobs, wanted, failed = [], [], []
    for question in questions:
        prompt = question.prompt
        try:
            ids = engine.encode(prompt) if isinstance(prompt, str) else chat.prompt_ids(engine, prompt)
        except PlaygroundError as error:
            failed.append((question, str(error)))
            continue
        jobs.append(batch.Job(tuple(ids[0].tolist()), question.sampling))
        wanted.append(question)
    if failed:
        yield Turn(tuple(failed))
    with closing(batch.write(engine, jobs, stop)) as turns:
        for turn in turns:
            yield Turn(
                tuple((wanted[w.job], _answer(w, len(jobs[w.job].ids), turn.alone)) for w in turn.finished), turn.alone
            )


def _answer(written: batch.Written, prompt_tokens: int, alone: str) -> Answer | str:
    if written.error:
        return written.error
    n = len(written.ids)
    return Answer(written.text, prompt_tokens, n, written.logprob, written.stop_reason, note=alone)


def _labelled(
    engine: Engine, how: Choices, questions: Sequence[Question], stop: threading.Event
) -> Generator[Turn, None, None]:
    """By a model of this machine, without writing."""
    free = [] if questions[0].free is None else [questions[0].free]
    with closing(labels.label(engine, [q.prompt for q in questions], how.texts, free, stop)) as found:
        for label in found:
            question = questions[label.row]
            label = dataclasses.replace(label, row=question.row)
            answer = label.error or Answer(label.best(), label.prompt_tokens, label=label, note=label.alone)
            yield Turn(((question, answer),), label.alone)


def _asked(model: RemoteModel, questions: Sequence[Question], stop: threading.Event) -> Generator[Turn, None, None]:
    """By a model that runs elsewhere, one at a time."""
    alone = f"{model.reference} runs elsewhere and is asked one row at a time."
    in_vain = 0
    for place, question in enumerate(questions):
        if stop.is_set():
            return
        prompt, sampling = question.prompt, question.sampling
        reply: chat.Reply | None = None
        try:
            if isinstance(prompt, str):
                written = writing.complete(model, prompt, sampling, stop)
            else:
                written = writing.reply(model, prompt, sampling, stop=stop)
            with closing(written) as replies:
                for latest in replies:
                    reply = latest
                    yield Turn((), alone)
            if stop.is_set():
                return
            if reply is None or reply.stop_reason == "cut":
                raise PlaygroundError(". ".join(reply.notes) if reply else f"{model.reference} wrote nothing.")
        except PlaygroundError as error:
            in_vain += 1
            yield Turn(((question, str(error)),), alone)
            if in_vain == _GIVE_UP:
                rest = f"{error} It failed {_GIVE_UP} times in a row, and was not asked for the rest."
                yield Turn(tuple((other, rest) for other in questions[place + 1 :]), alone)
                return
            continue
        in_vain = 0
        yield Turn(((question, _told(reply)),), alone)


def _told(reply: chat.Reply) -> Answer:
    logprob = sum(token.logprob for token in reply.remote_tokens) if reply.remote_tokens else None
    notes = "; ".join(reply.notes)
    return Answer(reply.text, reply.prompt_tokens, reply.new_tokens, logprob, reply.stop_reason, note=notes)
