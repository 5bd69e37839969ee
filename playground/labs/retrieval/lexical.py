"""BM25: which chunks share words with a query, and how much each word counts (bm25s, Lucene's variant).

    score(q, d) = Σ_t ln(1 + (N - n_t + 0.5) / (n_t + 0.5)) · f_td / (f_td + k1 (1 - b + b |d| / mean |d|))

Words are compared by their English stems. It knows nothing about vectors.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground.arrays import Floats, Ints

K1, B = 1.5, 0.75
# One token: a word or number, or one Chinese or Japanese character, where no spaces part words.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_](?:[^\W_\u3040-\u30ff\u3400-\u9fff]|['’](?=\w))*")
_STOP = (
    "a an and are as at be been but by can could did do does for from had has have how i if in into is it its me my no "
    "nor not of on or our shall she should so such than that the their them then there these they this those to too "
    "was we were what when where which while who whom whose why will with would you your he her him his"
)
STOP_WORDS = frozenset(_STOP.split())
_local = threading.local()


@dataclass(frozen=True)
class Word:
    stem: str
    start: int  # characters of the text
    end: int


def words(text: str) -> list[Word]:
    """The words that count, each by its stem."""
    found = [(match[0].lower().replace("’", "'"), match.span()) for match in WORD.finditer(text)]
    kept = [(word.removesuffix("'s"), span) for word, span in found if word not in STOP_WORDS]
    stems = _stemmer().stemWords([word for word, _ in kept])
    return [Word(stem, *span) for stem, (_, span) in zip(stems, kept, strict=True)]


def stems(text: str) -> list[str]:
    return [word.stem for word in words(text)]


def _stemmer() -> Any:
    if not hasattr(_local, "stemmer"):  # they must not be shared by threads
        import Stemmer

        _local.stemmer = Stemmer.Stemmer("english")
    return _local.stemmer


class Bm25:
    """Postings of some texts. Does not change; may be used by many threads."""

    def __init__(self, retriever: Any, n_texts: int) -> None:
        self._retriever, self.n_texts = retriever, n_texts
        scores = retriever.scores
        self._scores, self._places, self._starts = scores["data"], scores["indices"], scores["indptr"]
        self._vocabulary: dict[str, int] = retriever.vocab_dict

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Bm25":
        import bm25s

        retriever = bm25s.BM25(k1=K1, b=B, method="lucene")
        same: dict[str, str] = {}  # each stem is in memory once, however many texts have it
        tokens = [[same.setdefault(stem, stem) for stem in stems(text)] for text in texts]
        # it cannot be made of nothing at all
        retriever.index(tokens if any(tokens) else [[""]] * max(len(tokens), 1), show_progress=False)
        return cls(retriever, len(texts))

    def scores(self, query: str) -> Floats:
        """(text,), float32; 0 where no word is shared."""
        total = np.zeros(max(self.n_texts, 1), np.float32)
        for stem in stems(query):
            places, scores = self.postings(stem)
            total[places] += scores
        return total[: self.n_texts]

    def top(self, query: str, k: int) -> tuple[Ints, Floats, Floats]:
        """(texts, their scores), best first, of those that share a word; and the scores of all."""
        scores = self.scores(query)
        found = np.flatnonzero(scores)
        if len(found) > k:
            found = found[np.argpartition(-scores[found], k - 1)[:k]]
        found = found[np.lexsort((found, -scores[found]))]
        return found, scores[found], scores

    def parts(self, query: str, text: int) -> dict[str, float]:
        """How much each of the query's stems adds to a text's score; they sum to it."""
        told: dict[str, float] = {}
        for stem in stems(query):
            places, scores = self.postings(stem)
            at = np.searchsorted(places, text)
            hit = at < len(places) and places[at] == text
            told[stem] = told.get(stem, 0.0) + (float(scores[at]) if hit else 0.0)
        return told

    def n_with(self, stem: str) -> int:
        """How many texts have it."""
        return len(self.postings(stem)[0])

    def postings(self, stem: str) -> tuple[Ints, Floats]:
        """(texts that have it, what it adds to the score of each)."""
        number = self._vocabulary.get(stem)
        if number is None or number + 1 >= len(self._starts):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        here = slice(self._starts[number], self._starts[number + 1])
        return self._places[here], self._scores[here]

    def save(self, folder: Path) -> None:
        self._retriever.save(folder, show_progress=False)

    @classmethod
    def load(cls, folder: Path, n_texts: int) -> "Bm25":
        import bm25s

        return cls(bm25s.BM25.load(folder, show_progress=False), n_texts)
