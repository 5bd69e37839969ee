"""Questions x settings -> how well each setting finds what answers them, and which questions should be refused.

The same questions for every setting, so that settings are compared question by question. It does not write answers
(`graded` judges those).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from playground.arrays import Floats
from playground.engine import provenance
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.retrieval import metrics
from playground.labs.retrieval import questions as asked
from playground.labs.retrieval import search as searching
from playground.labs.retrieval.metrics import Estimate
from playground.labs.retrieval.questions import Question
from playground.labs.retrieval.search import How
from playground.labs.retrieval.store import Collection

if TYPE_CHECKING:
    from playground.engine.engine import Engine

DEPTH = 10  # ranks that MRR and nDCG look at
MOST_SEARCHES = 200_000  # questions x settings
MEASURES = ("recall@1", "recall@5", "recall@10", "MRR@10", "nDCG@10")
_FURTHER = 10  # chunks that are looked at for each document, where documents are what is ranked


@dataclass(frozen=True)
class Setting:
    name: str
    how: How


def grid(weights: Sequence[float] = (0.5, 0.8), rrf_k: int = 60) -> tuple[Setting, ...]:
    """Words alone, meaning alone, and the ways of fusing them."""
    return (
        Setting("BM25", How("bm25")),
        Setting("dense", How("dense")),
        Setting("hybrid, RRF", How("hybrid", "rrf", rrf_k=rrf_k)),
        *(Setting(f"hybrid, {weight:.0%} meaning", How("hybrid", "convex", weight)) for weight in weights),
    )


@dataclass(frozen=True)
class Row:
    """One setting, measured."""

    setting: Setting
    values: dict[str, tuple[float, ...]]  # by measure: one a question, in the order of `Evaluation.measured`
    ranks: tuple[int | None, ...]  # of the first relevant; None: not among what was looked at

    def estimate(self, measure: str) -> Estimate:
        return metrics.estimate(self.values[measure])

    def estimate_of(self, measure: str, places: Sequence[int]) -> Estimate:
        """Of some of the questions."""
        return metrics.estimate([self.values[measure][at] for at in places])


@dataclass(frozen=True)
class Refusal:
    """What one threshold does."""

    threshold: float
    refused: int  # of the unanswerable
    n_unanswerable: int
    falsely: int  # of the answerable
    n_answerable: int


@dataclass(frozen=True)
class Evaluation:
    collection: str
    questions: tuple[Question, ...]
    measured: tuple[Question, ...]  # those that have a passage in the collection
    rows: tuple[Row, ...]
    confidences: tuple[float, ...]  # one a question, in the order of `questions`: what a refusal goes by
    notes: tuple[str, ...]
    provenance: Provenance

    def refusal(self, threshold: float) -> Refusal:
        return refusal(self.questions, self.confidences, threshold)


@dataclass(frozen=True)
class News:
    fraction: float
    doing: str
    result: Evaluation | None = None


def run(
    collection: Collection,
    questions: Sequence[Question],
    encoder: "Engine",
    settings: Sequence[Setting],
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[News]:
    """Embeds the questions, then searches for each under each setting. The last news holds the result; none when it was
    stopped before one setting was done, fewer rows when later.

    Raises:
        PlaygroundError: nothing can be measured.
    """
    from playground.engine import embed

    found, settings = asked.checked(questions), _checked(settings, len(questions))
    begun = time.monotonic()
    key = asked.key(found, {each.name: collection.text(each.name) for each in collection.documents})
    measured = tuple(each for each in found if each.id in key.ideals)
    if not measured:
        raise PlaygroundError(
            "None of these questions has a passage that answers it. Give a document for some of them."
        )
    yield News(0.0, f"Embedding {len(found):,} questions")
    vectors = embed.embed(encoder, [each.text for each in found], "query", stopped)
    if vectors is None:
        return
    sure = [_confidence(collection, each, vector) for each, vector in zip(found, vectors, strict=True)]
    of = {each.id: vector for each, vector in zip(found, vectors, strict=True)}
    rows: list[Row] = []
    for at, setting in enumerate(settings):
        kept = []
        for number, question in enumerate(measured):
            if stopped():
                break
            kept.append(_measured(collection, question, of[question.id], setting, key))
            if number % 20 == 0:
                share = (at + number / len(measured)) / len(settings)
                yield News(share, f"{setting.name}: question {number + 1:,} of {len(measured):,}")
        if len(kept) < len(measured):
            break
        values = {measure: tuple(one[0][measure] for one in kept) for measure in MEASURES}
        rows.append(Row(setting, values, tuple(one[1] for one in kept)))
    if not rows:
        return
    notes = [] if len(rows) == len(settings) else [f"Stopped after {len(rows)} of {len(settings)} settings."]
    if key.absent:
        notes.append(f"{len(key.absent):,} questions are left out: their passages are not in this collection.")
    made = {"settings": [asdict(each.setting.how) for each in rows], "covered": asked.COVERED, "questions": len(found)}
    origin = provenance.of(encoder, made, time.monotonic() - begun)
    yield News(1.0, "", Evaluation(collection.name, found, measured, tuple(rows), tuple(sure), tuple(notes), origin))


def _checked(settings: Sequence[Setting], n_questions: int) -> Sequence[Setting]:
    if not settings:
        raise PlaygroundError("There are no settings to compare. Pick at least one.")
    if len({each.name for each in settings}) < len(settings):
        raise PlaygroundError("Two settings have the same name. Give each its own.")
    if n_questions * len(settings) > MOST_SEARCHES:
        raise PlaygroundError(f"That is more than {MOST_SEARCHES:,} searches. Give fewer questions or settings.")
    return settings


def _confidence(collection: Collection, question: Question, vector: Floats) -> float:
    return searching.search(collection, question.text, vector, How("dense"), 1).confidence or 0.0


def _measured(
    collection: Collection, question: Question, vector: Floats, setting: Setting, key: asked.Key
) -> tuple[dict[str, float], int | None]:
    """Every measure for one question, and the rank of the first relevant."""
    n = DEPTH * _FURTHER if question.by_document else DEPTH
    found = searching.search(collection, question.text, vector, setting.how, n)
    gains = key.gains(question.id, [collection.chunks[hit.id] for hit in found.hits])
    ideal = key.ideals[question.id]
    values = {f"recall@{k}": metrics.recall(gains, ideal, k) for k in (1, 5, 10)}
    values |= {"MRR@10": metrics.reciprocal_rank(gains, DEPTH), "nDCG@10": metrics.ndcg(gains, ideal, DEPTH)}
    return values, next((rank for rank, gain in enumerate(gains, 1) if gain > 0), None)


def refusal(questions: Sequence[Question], confidences: Sequence[float], threshold: float) -> Refusal:
    """How many questions of each kind a threshold refuses; one without anything relevant is unanswerable."""
    below = [each < threshold for each in confidences]
    unanswerable = [not each.relevant for each in questions]
    pairs = list(zip(below, unanswerable, strict=True))
    n = sum(unanswerable)
    return Refusal(threshold, pairs.count((True, True)), n, pairs.count((True, False)), len(pairs) - n)


def choose(questions: Sequence[Question], confidences: Sequence[float], share: float = 0.9) -> float:
    """The lowest threshold, in hundredths, that refuses at least `share` of the unanswerable ones.

    Choose on questions other than those that measure it.

    Raises:
        PlaygroundError: none of them is unanswerable.
    """
    scores = sorted(c for each, c in zip(questions, confidences, strict=True) if not each.relevant)
    if not scores:
        raise PlaygroundError("There are no unanswerable questions to choose a threshold by. Add some.")
    for hundredth in range(101):
        if refusal(questions, confidences, hundredth / 100).refused >= share * len(scores):
            return hundredth / 100
    return 1.0
