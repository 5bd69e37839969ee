"""Answers to many questions under several settings of the search, judged: right or not, refused or not, and whether
what they cite supports them.

Right means that an accepted string stands in the answer: strict with other words, lenient with nonsense around it. It
does not search by itself or know how answers are written.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.labs.chat.writing import Writer
from playground.labs.retrieval import answering, asking, metrics
from playground.labs.retrieval import search as searching
from playground.labs.retrieval.answering import Answer, Wanted
from playground.labs.retrieval.chunking import Chunk
from playground.labs.retrieval.evaluation import Setting
from playground.labs.retrieval.metrics import Estimate
from playground.labs.retrieval.questions import Key, Question
from playground.labs.retrieval.store import Collection


@dataclass(frozen=True)
class Graded:
    """One question, answered."""

    question: Question
    text: str
    refused: bool
    right: bool | None  # None: nothing says what a right answer is
    given: bool  # the model was given a chunk that has the answer
    cited: int  # sentences that cite a passage, one that there is not included
    supported: int  # of those, supported by the passage they cite
    holding: int  # of those, citing a passage that has the answer
    error: str = ""


@dataclass(frozen=True)
class Grades:
    """All under one setting, so far."""

    setting: str  # its name
    rows: tuple[Graded, ...]
    total: int
    provenance: Provenance | None = None

    @property
    def answerable(self) -> list[Graded]:
        return [row for row in self.rows if row.question.relevant and not row.error]

    @property
    def accuracy(self) -> Estimate:
        """Share right of all answerable questions; a refused one is not right."""
        return metrics.estimate([float(bool(row.right)) for row in self.answerable if row.right is not None])

    @property
    def accuracy_given(self) -> Estimate:
        """The same where the model was given the passage: reading apart from finding."""
        rows = [row for row in self.answerable if row.right is not None and row.given]
        return metrics.estimate([float(bool(row.right)) for row in rows])

    @property
    def citation_precision(self) -> Estimate:
        """Share of citing sentences that the passage they cite supports."""
        return metrics.ratio([row.supported for row in self.rows], [row.cited for row in self.rows])

    @property
    def citation_source(self) -> Estimate:
        """Share of citing sentences that cite a passage which has the answer."""
        rows = self.answerable
        return metrics.ratio([row.holding for row in rows], [row.cited for row in rows])

    @property
    def refused(self) -> Estimate:
        """Share of the unanswerable that were refused."""
        return metrics.estimate([float(r.refused) for r in self.rows if not r.question.relevant and not r.error])

    @property
    def falsely_refused(self) -> Estimate:
        return metrics.estimate([float(row.refused) for row in self.answerable])


def run(
    writer: Writer,
    encoder: Engine,
    collection: Collection,
    questions: Sequence[Question],
    key: Key,
    settings: Sequence[Setting],
    wanted: Wanted,
    stop: threading.Event | None = None,
) -> Iterator[tuple[Grades, ...]]:
    """Answers one question after another, each under every setting; yields the grades of each setting so far.

    Where settings find the same passages, the question is answered once for all of them. A stop leaves out the question
    under way, so that all settings stay measured on the same ones.
    """
    from playground.engine import embed

    rows: list[list[Graded]] = [[] for _ in settings]
    origin = None
    n_passages = asking.strategy(writer, wanted.n_passages).n_passages
    vectors = embed.embed(encoder, [each.text for each in questions], "query")
    for question, vector in zip(questions, vectors, strict=True):
        answers: dict[tuple[bool, tuple[int, ...]], Answer] = {}
        judged = []
        for setting in settings:
            found = searching.search(collection, question.text, vector, setting.how, max(20, n_passages))
            given = answering.given(collection, found, n_passages)
            same = (answering.refusal(found, wanted) is None, given)
            if same not in answers:
                answers[same] = _answered(answering.answer(writer, encoder, collection, found, wanted, stop))
            if stop is not None and stop.is_set():
                return
            origin = answers[same].provenance or origin
            judged.append(grade(question, answers[same], partial(key.holds, question.id)))
        for own, row in zip(rows, judged, strict=True):
            own.append(row)
        yield tuple(Grades(each.name, tuple(own), len(questions), origin)
                    for each, own in zip(settings, rows, strict=True))  # fmt: skip


def _answered(growing: Generator[Answer, None, None]) -> Answer:
    """The last of what grows."""
    with closing(growing):
        return deque(growing, maxlen=1)[0]


def grade(question: Question, answer: Answer, holds: Callable[[Chunk], bool]) -> Graded:
    """Judges one finished answer. holds: whether a chunk has what answers the question."""
    right = None if not question.accept else question.right(answer.text) and not answer.refused
    given = [holds(chunk) for chunk in answer.passages]
    cited = [each for each in answer.sentences if each.citations or each.wrong]
    supported = sum(each.supported and bool(each.citations) for each in cited)
    holding = sum(any(given[number - 1] for number in each.citations) for each in cited)
    return Graded(question, answer.text, answer.refused, right, any(given), len(cited), supported, holding)
