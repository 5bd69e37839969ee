"""Why a chunk was found, or was not: its ranks, its words, its tokens, its neighbours, its place.

Everything is computed from the collection and the query alone; it does not search differently from `search.py`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from playground.arrays import Floats, Ints
from playground.labs.retrieval import lexical
from playground.labs.retrieval.chunking import Chunk
from playground.labs.retrieval.search import Found, Searchable, allowed

if TYPE_CHECKING:
    from playground.engine.engine import Engine

_MOST_ON_MAP = 2_000
_NEAR = 700  # characters of the document on each side of a chunk


@dataclass(frozen=True)
class Tokens:
    """A query and a chunk, token by token.

    With mean pooling the cosine of the two texts is exactly the sum of `parts`: the mean vectors' product is a sum over
    pairs of tokens. Other poolings have no such parts.
    """

    query: tuple[str, ...]
    chunk: tuple[str, ...]
    cosines: Floats  # (query token, chunk token), of their last states
    parts: Floats | None  # (query token, chunk token); they sum to `cosine`
    cosine: float


@dataclass(frozen=True)
class Term:
    stem: str
    score: float  # what it adds to the chunk's BM25 score; 0: it is not there
    n_chunks: int  # that have it


@dataclass(frozen=True)
class WhyNot:
    """Where a chunk stands, and what keeps it from the list. Ranks are among all chunks that pass the filter."""

    chunk: Chunk
    id: int
    passes_filter: bool
    rank: int | None  # in the list that was shown; None: it is not in it
    bm25: float
    bm25_rank: int | None  # None: it shares no word with the query
    cosine: float | None
    dense_rank: int | None
    terms: tuple[Term, ...]
    sentences: tuple[str, ...]  # in plain words, most important first


@dataclass(frozen=True)
class Map:
    """Chunks in the plane that shows most of their spread (principal components)."""

    ids: Ints  # (n,), rows of the collection; a sample where there are many
    points: Floats  # (n, 2)
    query: Floats | None  # (2,)
    shares: tuple[float, float]  # of the variance that each axis shows


def tokens(engine: "Engine", query: str, chunk: Chunk) -> Tokens:
    """Compares each token of the query with each of the chunk, by the embedding model's last states."""
    from playground.engine import embed

    q, c = embed.token_states(engine, query, "query"), embed.token_states(engine, chunk.indexed, "passage")
    unit = [states / np.linalg.norm(states, axis=1, keepdims=True) for states in (q.states, c.states)]
    parts = None
    if engine.sentence.pooling == "mean":
        scale = np.linalg.norm(q.states.mean(0)) * np.linalg.norm(c.states.mean(0)) * len(q.states) * len(c.states)
        parts = q.states @ c.states.T / scale
    return Tokens(q.tokens, c.tokens, unit[0] @ unit[1].T, parts, float(q.vector @ c.vector))


def terms(collection: Searchable, query: str, id: int) -> tuple[Term, ...]:
    """The query's words and what each adds to a chunk's BM25 score, the largest first."""
    parts = collection.lexical.parts(query, id)
    found = [Term(stem, score, collection.lexical.n_with(stem)) for stem, score in parts.items()]
    return tuple(sorted(found, key=lambda term: (-term.score, term.stem)))


def matches(query: str, text: str) -> list[tuple[int, int]]:
    """Where the words of a query stand in a text, whatever their ending."""
    wanted = set(lexical.stems(query))
    return [(word.start, word.end) for word in lexical.words(text) if word.stem in wanted]


def why_not(collection: Searchable, found: Found, vector: Floats | None, id: int) -> WhyNot:
    """Where chunk `id` stands for a query, and why not higher."""
    chunk, how = collection.chunks[id], found.how
    rows = allowed(collection.chunks, how)
    inside = np.arange(len(collection.chunks)) if rows is None else rows
    passes = rows is None or id in rows
    bm25 = collection.lexical.scores(found.query)
    own = float(bm25[id])
    bm25_rank = int((bm25[inside] > own).sum()) + 1 if own > 0 else None
    cosine = dense_rank = None
    if vector is not None:
        cosines = collection.dense.vectors[inside] @ vector
        cosine = float(collection.dense.vectors[id] @ vector)
        dense_rank = int((cosines > cosine + 1e-7).sum()) + 1
    rank = next((hit.rank for hit in found.hits if hit.id == id), None)
    told = terms(collection, found.query, id)
    partial = WhyNot(chunk, id, passes, rank, own, bm25_rank, cosine, dense_rank, told, ())
    return WhyNot(**{**vars(partial), "sentences": tuple(_reasons(collection, found, partial, len(inside)))})


def _reasons(collection: Searchable, found: Found, it: WhyNot, n: int) -> list[str]:
    if not it.passes_filter:
        return ["The filter leaves it out: it was not searched at all."]
    told = [
        f"It is number {it.rank} of what was found." if it.rank else f"It is not among the {len(found.hits)} shown."
    ]
    if found.how.method != "bm25" and it.cosine is not None:
        top = max((hit.cosine for hit in found.hits if hit.cosine is not None), default=it.cosine)
        last = min((hit.cosine for hit in found.hits if hit.cosine is not None), default=it.cosine)
        told.append(
            f"By meaning it is number {it.dense_rank:,} of {n:,}: cosine {it.cosine:.3f}, where those shown have "
            f"{last:.3f} to {top:.3f}."
        )
    if found.how.method != "dense":
        absent = [term.stem for term in it.terms if not term.score]
        if it.bm25_rank is None:
            told.append("It shares no word with the query, so BM25 gives it nothing.")
        else:
            top = max((hit.bm25 for hit in found.hits if hit.bm25 is not None), default=it.bm25)
            told.append(
                f"By words it is number {it.bm25_rank:,}: BM25 {it.bm25:.2f}, where the best shown has {top:.2f}."
            )
            if absent:
                told.append(f"It lacks {', '.join(f'“{stem}…”' for stem in absent)}.")
    twin = _twin(collection, found, it)
    if twin is not None and it.rank is None and found.how.mmr is not None:
        told.append(
            f"Number {twin[0]} says nearly the same (cosine {twin[1]:.2f}), and repetition was asked to be avoided."
        )
    if it.chunk.lost:
        told.append(
            f"Its last {it.chunk.lost:,} tokens are beyond what the embedding model reads, so they do not count."
        )
    return told


def _twin(collection: Searchable, found: Found, it: WhyNot) -> tuple[int, float] | None:
    others = [hit for hit in found.hits if hit.id != it.id]
    if not others:
        return None
    cosines = collection.dense.vectors[[hit.id for hit in others]] @ collection.dense.vectors[it.id]
    best = int(cosines.argmax())
    return others[best].rank, float(cosines[best])


def surroundings(text: str, chunk: Chunk) -> tuple[str, str, str]:
    """The document before a chunk, the chunk, and behind it, `_NEAR` characters on each side."""
    return (
        text[max(0, chunk.start - _NEAR) : chunk.start],
        text[chunk.start : chunk.end],
        text[chunk.end : chunk.end + _NEAR],
    )


def plane(collection: Searchable, vector: Floats | None, keep: tuple[int, ...] = ()) -> Map:
    """A map of the chunks. `keep`: rows that must be on it."""
    n = len(collection.chunks)
    ids = np.arange(n)
    if n > _MOST_ON_MAP:
        drawn = np.random.default_rng(0).permutation(n)[:_MOST_ON_MAP]
        ids = np.unique(np.concatenate([drawn, np.array(keep, np.int64)]))
    vectors = np.asarray(collection.dense.vectors[ids], np.float64)
    middle = vectors.mean(0)
    _, values, axes = np.linalg.svd(vectors - middle, full_matrices=False)
    axes = axes[:2] if len(axes) > 1 else np.vstack([axes, np.zeros_like(axes)])
    total = float((values**2).sum()) or 1.0
    shares = [float(value**2) / total for value in values[:2]] + [0.0, 0.0]
    place = None if vector is None else (vector - middle) @ axes.T
    return Map(ids, (vectors - middle) @ axes.T, place, (shares[0], shares[1]))
