"""A query -> ranked chunks: by words, by meaning, or by both; filtered, spread out or reranked if wanted.

It does not know where the collection is kept, or how the query became a vector.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from playground.arrays import Floats, Ints
from playground.errors import PlaygroundError
from playground.labs.retrieval import confidence, fusion
from playground.labs.retrieval.chunking import Chunk
from playground.labs.retrieval.index import Dense
from playground.labs.retrieval.lexical import Bm25

if TYPE_CHECKING:
    from playground.engine.engine import Engine

Method = Literal["hybrid", "dense", "bm25"]
Fusion = Literal["rrf", "convex"]
MOST = 1000  # hits


class Searchable(Protocol):
    """What is needed of a collection."""

    @property
    def chunks(self) -> Sequence[Chunk]: ...

    @property
    def dense(self) -> Dense: ...

    @property
    def lexical(self) -> Bm25: ...


@dataclass(frozen=True)
class How:
    """How chunks are ranked.

    Raises:
        PlaygroundError: a value out of range.
    """

    method: Method = "hybrid"
    fusion: Fusion = "convex"
    weight: float = 0.8  # of meaning, in the convex combination; 0: words alone, 1: meaning alone
    rrf_k: int = 60
    candidates: int = 100  # that each ranking brings to the fusion
    mmr: float | None = None  # 1: relevance alone; 0: difference alone; None: not used
    documents: tuple[str, ...] = ()  # only these; empty: all
    contains: str = ""  # only chunks in whose text, heading or record this stands

    def __post_init__(self) -> None:
        for name, choices in (("method", get_args(Method)), ("fusion", get_args(Fusion))):
            if getattr(self, name) not in choices:
                raise PlaygroundError(
                    f"The {name} can be {', '.join(choices)}; “{getattr(self, name)}” is none of these."
                )
        for name, low, high in (("weight", 0, 1), ("mmr", 0, 1), ("rrf_k", 1, 10_000), ("candidates", 1, 10_000)):
            value = getattr(self, name)
            if value is None and name == "mmr":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise PlaygroundError(f"{name} is {value!r}; it must be a number from {low} to {high:,}.")


@dataclass(frozen=True)
class Hit:
    """One chunk that was found. A rank of None: it is not among the candidates of that ranking."""

    id: int  # row in the collection's chunks
    rank: int  # from 1
    score: float  # what it was ranked by
    bm25: float | None  # None: not asked
    cosine: float | None
    bm25_rank: int | None = None
    dense_rank: int | None = None
    reranked: float | None = None  # the reranker's score
    rank_before: int | None = None  # before it was reranked or spread out


@dataclass(frozen=True)
class Found:
    query: str
    how: How
    hits: tuple[Hit, ...]
    n_chunks: int  # that were searched, after the filter
    best_cosine: float | None  # of all chunks that were searched; None: not asked
    confidence: float | None  # best of the candidates, by cosine and words: what a refusal goes by; None: no vector
    notes: tuple[str, ...] = field(default=())


def allowed(chunks: Sequence[Chunk], how: How) -> Ints | None:
    """Rows that pass the filter; None: there is no filter."""
    if not how.documents and not how.contains.strip():
        return None
    names, part = frozenset(how.documents), how.contains.strip().casefold()
    return np.array(
        [
            row
            for row, chunk in enumerate(chunks)
            if (not names or chunk.document in names)
            and (not part or part in f"{chunk.text}\n{chunk.heading}\n{chunk.record}".casefold())
        ],
        np.int64,
    )


def search(collection: Searchable, query: str, vector: Floats | None, how: How, k: int = 5) -> Found:
    """The best `k` chunks. `vector`: of the query, (hidden,), length 1; may be None when the method is "bm25".

    Raises:
        PlaygroundError: there is nothing to search for, or in.
    """
    if not query.strip():
        raise PlaygroundError("There is nothing to search for. Type a question or some words.")
    if not len(collection.chunks):
        raise PlaygroundError("This collection is empty. Add documents to it first.")
    if isinstance(k, bool) or not isinstance(k, (int, float)) or not 1 <= k <= MOST:
        raise PlaygroundError(f"k is {k!r}; it must be a number from 1 to {MOST:,}.")
    if vector is not None and len(vector) != collection.dense.vectors.shape[1]:
        raise PlaygroundError(
            f"The vectors of this collection have {collection.dense.vectors.shape[1]:,} numbers and the query's "
            f"{len(vector):,}: another model made them. Make the collection anew from its documents."
        )
    k = int(k)
    rows = allowed(collection.chunks, how)
    if rows is not None and not len(rows):
        raise PlaygroundError("No chunk passes the filter. Loosen it.")
    n = max(how.candidates, k)
    lexical: dict[int, float] = {}
    dense: dict[int, float] = {}
    all_bm25 = None
    if how.method != "dense":
        lexical, all_bm25 = _lexical(collection, query, rows, n)
    if how.method != "bm25":
        if vector is None:
            raise ValueError("a search by meaning needs the query's vector")
        found = _nearest(collection, vector, rows, n)
        dense = dict(zip(found[0].tolist(), found[1].tolist(), strict=True))
    best_cosine = sure = None
    if vector is not None:
        near = np.fromiter(dense, np.int64) if dense else _nearest(collection, vector, rows, n)[0]
        best_cosine = max(dense.values()) if dense else float(collection.dense.vectors[near[0]] @ vector)
        sure = _confidence(collection, query, vector, rows, near, n)
    ranks = [{item: rank for rank, item in enumerate(each, 1)} for each in (lexical, dense)]
    scores = _scores(collection, vector, how, lexical, dense, all_bm25)
    order = fusion.by_score(scores)
    pool = order[: max(n, k)]
    chosen = pool[:k]
    if how.mmr is not None and pool:
        vectors = np.asarray(collection.dense.vectors[pool])
        chosen = fusion.diverse(pool, scores, vectors, k, how.mmr)
    before = {item: rank for rank, item in enumerate(order, 1)} if how.mmr is not None else {}
    hits = tuple(
        Hit(
            item,
            rank,
            scores[item],
            None if all_bm25 is None else float(all_bm25[item]),
            None if vector is None else dense.get(item, float(collection.dense.vectors[item] @ vector)),
            ranks[0].get(item),
            ranks[1].get(item),
            rank_before=before.get(item),
        )
        for rank, item in enumerate(chosen, 1)
    )
    notes = () if hits else ("No chunk shares a word with the query.",)
    return Found(query, how, hits, len(collection.chunks) if rows is None else len(rows), best_cosine, sure, notes)


def _nearest(collection: Searchable, vector: Floats, rows: Ints | None, n: int) -> tuple[Ints, Floats]:
    return collection.dense.top(vector, n) if rows is None else collection.dense.among(vector, rows, n)


def _lexical(collection: Searchable, query: str, rows: Ints | None, n: int) -> tuple[dict[int, float], Floats]:
    """(row: score, best first, of those that share a word), and the scores of all."""
    if rows is None:
        found, values, scores = collection.lexical.top(query, n)
        return dict(zip(found.tolist(), values.tolist(), strict=True)), scores
    scores = collection.lexical.scores(query)
    found = rows[scores[rows] > 0]
    found = found[np.lexsort((found, -scores[found]))][:n]
    return dict(zip(found.tolist(), scores[found].tolist(), strict=True)), scores


def _confidence(collection: Searchable, query: str, vector: Floats, rows: Ints | None, near: Ints, n: int) -> float:
    """Of the best chunk among the nearest and those with most of the query's words, whichever way hits are ranked."""
    shares = confidence.coverage(collection.lexical, query)
    covering = np.flatnonzero(shares) if rows is None else rows[shares[rows] > 0]
    if len(covering) > n:
        covering = covering[np.argpartition(-shares[covering], n - 1)[:n]]
    either = np.concatenate([near, covering])
    return float(confidence.confidence(collection.dense.vectors[either] @ vector, shares[either]).max())


def _scores(
    collection: Searchable,
    vector: Floats | None,
    how: How,
    lexical: dict[int, float],
    dense: dict[int, float],
    all_bm25: Floats | None,
) -> dict[int, float]:
    if how.method == "bm25":
        return lexical
    if how.method == "dense":
        return dense
    if how.fusion == "rrf":
        return fusion.reciprocal_rank([list(lexical), list(dense)], int(how.rrf_k))
    assert vector is not None and all_bm25 is not None  # both were asked
    both = np.array(sorted(lexical.keys() | dense.keys()), np.int64)
    cosines = dict(zip(both.tolist(), (collection.dense.vectors[both] @ vector).tolist(), strict=True))
    bm25 = dict(zip(both.tolist(), all_bm25[both].tolist(), strict=True))
    return fusion.convex(cosines, bm25, how.weight)


def rerank(
    collection: Searchable, found: Found, engine: "Engine", stopped: Callable[[], bool] = lambda: False
) -> Found:
    """Orders the hits anew by a cross-encoder, which reads query and chunk together.

    Raises:
        PlaygroundError: the model does not score pairs of texts.
    """
    import torch

    if engine.anatomy.kind != "classifier" or engine.model.config.num_labels != 1:
        raise PlaygroundError(
            f"{engine.reference} does not rate pairs of texts with one number, as a reranker does. Pick a "
            "cross-encoder, such as cross-encoder/ms-marco-MiniLM-L6-v2."
        )
    scores: list[float] = []
    limit = engine.anatomy.context_length or 512
    for begin in range(0, len(found.hits), 16):
        if stopped():
            return found
        texts = [collection.chunks[hit.id].text for hit in found.hits[begin : begin + 16]]
        batch = engine.tokenizer(
            [found.query] * len(texts), texts, truncation="longest_first", max_length=limit, padding=True,
            return_tensors="pt",
        )  # fmt: skip
        with torch.inference_mode():
            scores += engine.model(**batch.to(engine.device)).logits[:, 0].float().tolist()
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    hits = (
        replace(found.hits[i], rank=rank, score=scores[i], reranked=scores[i], rank_before=found.hits[i].rank)
        for rank, i in enumerate(order, 1)
    )
    return replace(found, hits=tuple(hits))


def first(found: Found, k: int) -> Found:
    """The first `k` of what was found."""
    return replace(found, hits=found.hits[:k])
