"""A question and what was found -> an answer that grows, cites, and is checked sentence by sentence; or a refusal.

It refuses by the retrieval score, since small models never say that they do not know. It does not search.
"""

import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from playground.arrays import Floats
from playground.engine import embed as embedding
from playground.engine import score as scoring
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.chat import replies, writing
from playground.labs.chat.writing import Writer
from playground.labs.retrieval import asking, checks
from playground.labs.retrieval.asking import Strategy
from playground.labs.retrieval.checks import Sentence
from playground.labs.retrieval.chunking import Chunk
from playground.labs.retrieval.search import Found, Searchable

THRESHOLD = 0.40  # of confidence; chosen for all-MiniLM-L6-v2 on questions that are not the ones it is measured with
REFUSAL = "These documents do not seem to answer that."


@dataclass(frozen=True)
class Wanted:
    """How to answer. `n_passages` None: as many as suit the model."""

    threshold: float = THRESHOLD  # of confidence, below which it refuses; 0: never
    n_passages: int | None = None
    sampling: Sampling = field(default_factory=lambda: Sampling(max_new_tokens=96, temperature=0))
    attribution: bool = True  # measure what each passage adds to each sentence's log-probability

    def __post_init__(self) -> None:
        for name, low, high in (("threshold", 0, 1), ("n_passages", 1, 20)):
            value = getattr(self, name)
            if value is None and name == "n_passages":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise PlaygroundError(f"{name} is {value!r}; it must be a number from {low} to {high}.")


@dataclass(frozen=True)
class Answer:
    """An answer so far; `finished` on the last one."""

    question: str
    text: str
    refused: bool
    confidence: float | None  # what the refusal goes by; None: the search went by words alone
    threshold: float
    strategy: Strategy | None  # None: nobody was asked
    passages: tuple[Chunk, ...]  # that the model was given; number 1 first
    prompt: str  # exactly what it was given
    sentences: tuple[Sentence, ...] = ()
    finished: bool = False
    doing: str = ""
    provenance: Provenance | None = None
    notes: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()  # of the passages: rows of the collection

    @property
    def supported(self) -> int:
        """How many of its sentences are."""
        return sum(each.supported for each in self.sentences)


def refusal(found: Found, wanted: Wanted) -> Answer | None:
    """The answer to a question that the collection has nothing about; None: somebody is to be asked."""
    if found.hits and (found.confidence is None or found.confidence >= wanted.threshold):
        return None
    return Answer(found.query, REFUSAL, True, found.confidence, wanted.threshold, None, (), "", finished=True)


def given(collection: Searchable, found: Found, n: int) -> tuple[int, ...]:
    """The chunks that a model is given, by their rows: the first `n` hits, less those that are nothing but a heading,
    which fit a question well and answer none. Where there are only such, they have to do."""
    telling = [hit.id for hit in found.hits if asking.tells(collection.chunks[hit.id].text)]
    return tuple((telling or [hit.id for hit in found.hits])[:n])


def answer(
    writer: Writer,
    encoder: Engine,
    collection: Searchable,
    found: Found,
    wanted: Wanted,
    stop: threading.Event | None = None,
) -> Generator[Answer, None, None]:
    """Answers `found.query` from the first of its hits.

    Raises:
        PlaygroundError: the model does not write, or the passages do not fit into its context.
    """
    refused = refusal(found, wanted)
    if refused is not None:
        yield refused
        return
    how = asking.strategy(writer, wanted.n_passages)
    ids = given(collection, found, how.n_passages)
    passages = tuple(collection.chunks[id] for id in ids)
    texts = [chunk.text for chunk in passages]
    prompt = asking.prompt(writer, how, found.query, texts)
    shown = prompt.rendered(writer)
    now = Answer(found.query, "", False, found.confidence, wanted.threshold, how, passages, shown, ids=ids)
    stops = wanted.sampling if not prompt.text else replace(wanted.sampling, stop=("\n\n", "\nPassage", "\nQuestion"))
    if prompt.text:
        written = writing.complete(writer, prompt.text, stops, stop)
    else:
        written = writing.reply(writer, prompt.messages, wanted.sampling, prompt.system, stop)
    last = None
    with closing(written):
        for last in written:
            now = replace(now, text=last.text.strip(), provenance=last.provenance, notes=last.notes)
            yield now
    if not now.text or (stop is not None and stop.is_set()):
        yield replace(now, finished=True)
        return
    yield replace(now, doing="Checking each sentence against its passage")
    parted = checks.parted(now.text, len(texts))
    told = checks.checked(parted, texts, lambda each: embedding.embed(encoder, each))
    now = replace(now, sentences=tuple(told))
    if wanted.attribution and isinstance(writer, Engine) and last is not None and last.ids:
        yield replace(now, doing="Measuring what each passage adds")
        offset = len(last.text) - len(last.text.lstrip())
        told = attributed(writer, how, found.query, texts, last.ids, told, offset, stop)
        now = replace(now, sentences=tuple(told))
    yield replace(now, finished=True)


def attributed(
    engine: Engine,
    how: Strategy,
    question: str,
    passages: Sequence[str],
    ids: Sequence[int],
    sentences: Sequence[Sentence],
    offset: int = 0,
    stop: threading.Event | None = None,
) -> list[Sentence]:
    """Each sentence with what every passage adds to it: its mean log-probability a token with all passages, less that
    without the one. Above 0, the passage made it more probable.

    ids: of the whole answer as it was written. offset: characters of it before the first sentence's 0.
    """
    ends = np.array([len(engine.tokenizer.decode(ids[: i + 1], skip_special_tokens=True)) for i in range(len(ids))])
    starts = np.concatenate([[0], ends[:-1]])

    def logprobs(given: Sequence[str]) -> Floats:
        prompt = asking.prompt(engine, how, question, given)
        encoded = (
            engine.encode(prompt.text) if prompt.text else replies.prompt_ids(engine, prompt.messages, prompt.system)
        )
        return scoring.score(engine, encoded, torch.tensor([list(ids)]), k=1).logprobs

    whole = logprobs(passages)
    without = []
    for at in range(len(passages)):
        if stop is not None and stop.is_set():
            return list(sentences)
        without.append(logprobs([*passages[:at], *passages[at + 1 :]]))
    told = []
    for each in sentences:
        inside = (ends > each.start + offset) & (starts < each.end + offset) & (ends > starts)
        gains = tuple(float((whole - other)[inside].mean()) if inside.any() else 0.0 for other in without)
        told.append(replace(each, gains=gains))
    return told


def plain(answer: Answer) -> dict[str, Any]:
    """An answer as JSON."""
    return {
        "question": answer.question,
        "text": answer.text,
        "refused": answer.refused,
        "confidence": answer.confidence,
        "threshold": answer.threshold,
        "strategy": answer.strategy and asdict(answer.strategy),
        "passages": [{"number": i, "place": c.place, "text": c.text} for i, c in enumerate(answer.passages, 1)],
        "sentences": [asdict(each) for each in answer.sentences],
        "prompt": answer.prompt,
        "finished": answer.finished,
        "notes": list(answer.notes),
        "provenance": answer.provenance and asdict(answer.provenance),
    }
