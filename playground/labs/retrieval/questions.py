"""Questions with what answers them: a passage of a document, a whole document, or nothing that there is.

The shipped ones, or a JSONL of one's own. It does not search.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.labs.retrieval.chunking import Chunk

FOLDER = ASSETS / "data" / "search"
COVERED = 0.5  # share of a passage that a chunk must hold to count as relevant
MOST = 20_000
LONGEST = 4_000  # characters of a question
_FORM = 'Each line is an object like {"question": "…", "document": "file.md", "passage": "words of it", "answer": "…"}.'


@dataclass(frozen=True)
class Relevant:
    document: str
    passage: str = ""  # as it stands there; empty: the whole document
    grade: float = 1.0  # above 0


@dataclass(frozen=True)
class Question:
    id: str
    text: str
    relevant: tuple[Relevant, ...] = ()  # empty: nothing there answers it
    kind: str = ""
    answer: str = ""  # for people to read
    accept: tuple[str, ...] = ()  # a right answer has one of these; empty: answers are not judged

    @property
    def by_document(self) -> bool:
        return all(not each.passage for each in self.relevant)

    def right(self, answer: str) -> bool:
        """Whether an answer has one of the accepted strings, as whole words; case and spaces do not count."""
        said = _plain(answer)
        return any(_plain(each) in said for each in self.accept)


def _plain(text: str) -> str:
    """Words and numbers alone, between spaces: "1,319." and "1319" are alike, "60.5" stays whole."""
    kept = "".join(c if c.isalnum() or c in ".,/%" else " " for c in text.casefold())
    words = (word.strip(".,").replace(",", "") for word in kept.split())
    return f" {' '.join(word for word in words if word)} "


def shipped() -> tuple[Question, ...]:
    """The 60 that come with the shipped documents."""
    return read((FOLDER / "questions.jsonl").read_bytes())


def tuning() -> tuple[Question, ...]:
    """40 others, by which the threshold of refusal was chosen."""
    return read((FOLDER / "threshold.jsonl").read_bytes())


def read(data: bytes) -> tuple[Question, ...]:
    """Questions from JSONL.

    Raises:
        PlaygroundError: it cannot be read; names the line.
    """
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise PlaygroundError("The questions are not UTF-8 text. Save them as JSONL in UTF-8.") from None
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            found.append(_question(number, line))
        if len(found) > MOST:
            raise PlaygroundError(f"There are more than {MOST:,} questions. Give fewer.")
    return checked(found)


def checked(found: Sequence[Question]) -> tuple[Question, ...]:
    if not found:
        raise PlaygroundError(f"There are no questions. {_FORM}")
    seen: set[str] = set()
    for each in found:
        if each.id in seen:
            raise PlaygroundError(f"There are two questions with the id “{each.id}”. Give each its own.")
        seen.add(each.id)
    return tuple(found)


def _question(number: int, line: str) -> Question:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise PlaygroundError(f"Line {number} is no JSON. {_FORM}") from None
    return of(row, f"Line {number}", str(number))


def of(row: object, called: str, number: str) -> Question:
    """One question from an object.

    Raises:
        PlaygroundError: it cannot be read; begins with `called`.
    """
    if not isinstance(row, Mapping) or not isinstance(row.get("question"), str) or not row["question"].strip():
        raise PlaygroundError(f"{called} has no question. {_FORM}")
    if len(row["question"]) > LONGEST:
        raise PlaygroundError(f"{called} has {len(row['question']):,} characters; at most {LONGEST:,} are read.")
    for name in ("document", "passage", "answer", "kind"):
        if not isinstance(row.get(name) or "", str):
            raise PlaygroundError(f"{called} has no text in “{name}”. {_FORM}")
    document, passage = row.get("document") or "", row.get("passage") or ""
    if passage and not document:
        raise PlaygroundError(f"{called} has a passage but not the document that it stands in. {_FORM}")
    accept = row.get("accept") or []
    if not isinstance(accept, list) or not all(isinstance(each, str) and _plain(each).strip() for each in accept):
        raise PlaygroundError(f'{called}: “accept” must be a list of texts, like ["1,319", "1319"].')
    answer = row.get("answer") or ""
    relevant = (Relevant(document, passage),) if document else ()
    accept = tuple(accept) or ((answer,) if _plain(answer).strip() else ())
    return Question(str(row.get("id") or number), row["question"], relevant, row.get("kind") or "", answer, accept)


def spread(found: Sequence[Question], n: int) -> tuple[Question, ...]:
    """n of the questions, evenly over their order, so that every kind is among them; all when there are no more.

    Raises:
        PlaygroundError: n is no number from 1.
    """
    if isinstance(n, bool) or not isinstance(n, (int, float)) or n < 1 or n != int(n):
        raise PlaygroundError(f"The number of questions to answer is {n!r}; it must be a whole number from 1.")
    return tuple(found[at * len(found) // int(n)] for at in range(int(n))) if n < len(found) else tuple(found)


@dataclass(frozen=True)
class Key:
    """What counts as found for each question, in one collection."""

    ideals: dict[str, tuple[float, ...]]  # by question: the grades of what there is to find
    absent: tuple[str, ...] = field(default=())  # questions whose passage is not in the collection
    _spans: dict[str, tuple[tuple[str, int, int, float], ...]] = field(default_factory=dict, repr=False)
    _whole: frozenset[str] = frozenset()

    def gains(self, question: str, ranked: Sequence[Chunk]) -> list[float]:
        """The grade at each rank. What was found before counts once, so that an overlap earns nothing; where whole
        documents are relevant, ranks are those of documents, by their best chunk."""
        if question in self._whole:
            best: dict[str, None] = dict.fromkeys(chunk.document for chunk in ranked)
            grades = {document: grade for document, _, _, grade in self._spans[question]}
            return [grades.get(document, 0.0) for document in best]
        left, gains = list(self._spans[question]), []
        for chunk in ranked:
            held = [span for span in left if _holds(chunk, span)]
            gains.append(max((span[3] for span in held), default=0.0))
            left = [span for span in left if span not in held]
        return gains

    def holds(self, question: str, chunk: Chunk) -> bool:
        """Whether this chunk has what answers the question, or is of a document that does."""
        if question in self._whole:
            return any(chunk.document == document for document, _, _, _ in self._spans[question])
        return any(_holds(chunk, span) for span in self._spans.get(question, ()))


def _holds(chunk: Chunk, span: tuple[str, int, int, float]) -> bool:
    document, start, end, _ = span
    shared = min(chunk.end, end) - max(chunk.start, start)
    return chunk.document == document and shared >= COVERED * (end - start) and shared > 0


def key(found: Sequence[Question], texts: Mapping[str, str]) -> Key:
    """Finds the passages in the documents' texts, by name.

    Raises:
        PlaygroundError: none of them is there: the questions belong to another collection.
    """
    spans: dict[str, tuple[tuple[str, int, int, float], ...]] = {}
    absent = []
    for question in found:
        if not question.relevant:
            continue
        there = [span for each in question.relevant if (span := _span(each, texts)) is not None]
        if there:
            spans[question.id] = tuple(there)
        else:
            absent.append(question.id)
    if absent and not spans:
        raise PlaygroundError(
            "None of the passages of these questions is in this collection. Pick the collection that they were written "
            "for, or give questions on this one."
        )
    ideals = {id: tuple(span[3] for span in there) for id, there in spans.items()}
    whole = frozenset(question.id for question in found if question.id in spans and question.by_document)
    return Key(ideals, tuple(absent), spans, whole)


def _span(relevant: Relevant, texts: Mapping[str, str]) -> tuple[str, int, int, float] | None:
    text = texts.get(relevant.document)
    if text is None:
        return None
    if not relevant.passage:
        return relevant.document, 0, max(len(text), 1), relevant.grade
    at = text.find(relevant.passage)
    return None if at < 0 else (relevant.document, at, at + len(relevant.passage), relevant.grade)
