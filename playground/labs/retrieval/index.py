"""Nearest vectors by FAISS: flat, HNSW or IVF-PQ, chosen by how many there are, with what that costs in recall.

Vectors have length 1, so the inner product is the cosine. It does not know what they stand for.
"""

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from playground.arrays import Floats, Ints

FLAT_UP_TO = 20_000  # comparing with all takes a few milliseconds up to here
HNSW_UP_TO = 1_000_000  # beyond, its links and whole vectors take gigabytes
_SAMPLE = 100  # vectors that recall is measured with
LINKS, BUILD_WIDTH, SEARCH_WIDTH = 32, 80, 96  # of HNSW (Malkov and Yashunin 2016)


@dataclass(frozen=True)
class Kind:
    name: str  # "flat", "hnsw" or "ivf-pq"
    reason: str


def kind_for(n_vectors: int) -> Kind:
    """Which index suits so many vectors, and why."""
    if n_vectors <= FLAT_UP_TO:
        reason = f"with {n_vectors:,} vectors, comparing the query with every one takes milliseconds and misses nothing"
        return Kind("flat", reason)
    if n_vectors <= HNSW_UP_TO:
        return Kind(
            "hnsw",
            f"{n_vectors:,} vectors are too many to compare with each time; a graph of neighbours visits about a "
            "thousand of them and misses few",
        )
    return Kind("ivf-pq", f"{n_vectors:,} whole vectors would take gigabytes; they are kept in cells, rounded to bytes")


@dataclass(frozen=True, eq=False)
class Dense:
    """An index over `vectors`. Does not change; may be searched by many threads."""

    vectors: Floats  # (n, hidden), float32, rows of length 1
    kind: Kind
    made: Any  # the FAISS index

    @classmethod
    def of(cls, vectors: Floats, kind: Kind | None = None) -> "Dense":
        import faiss

        n, width = vectors.shape
        kind = kind or kind_for(n)
        made: Any
        match kind.name:
            case "flat":
                made = faiss.IndexFlatIP(width)
            case "hnsw":
                made = faiss.IndexHNSWFlat(width, LINKS, faiss.METRIC_INNER_PRODUCT)
                made.hnsw.efConstruction = BUILD_WIDTH
                made.hnsw.efSearch = SEARCH_WIDTH
            case "ivf-pq":
                cells = max(1, int(4 * np.sqrt(n)))
                parts = next(m for m in (64, 48, 32, 24, 16, 8, 4, 2, 1) if width % m == 0)
                made = faiss.IndexIVFPQ(faiss.IndexFlatIP(width), width, cells, parts, 8, faiss.METRIC_INNER_PRODUCT)
                made.nprobe = max(8, cells // 64)
                sample = np.random.default_rng(0).permutation(n)[: 40 * max(cells, 256)]
                made.train(vectors[sample])
            case _:
                raise ValueError(kind.name)
        for begin in range(0, n, 50_000):  # so that mapped vectors are not all in memory twice
            made.add(np.ascontiguousarray(vectors[begin : begin + 50_000]))
        return cls(vectors, kind, made)

    def top(self, query: Floats, k: int) -> tuple[Ints, Floats]:
        """(rows, cosines), best first. IVF-PQ's are rounded when compared, but the cosines given are exact."""
        k = min(k, len(self.vectors))
        if k == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        _, rows = self.made.search(np.ascontiguousarray(query[None], np.float32), k)
        rows = rows[0][rows[0] >= 0]
        cosines = self.vectors[rows] @ query
        order = np.lexsort((rows, -cosines))
        return rows[order], cosines[order]

    def among(self, query: Floats, rows: Ints, k: int) -> tuple[Ints, Floats]:
        """As `top`, of some rows alone, compared one by one."""
        cosines = self.vectors[rows] @ query
        best = np.lexsort((rows, -cosines))[:k]
        return rows[best], cosines[best]

    @cached_property
    def recall(self) -> float:
        """Share of the true ten nearest that it finds, over a sample of its own vectors. 1 for a flat one."""
        if self.kind.name == "flat" or not len(self.vectors):
            return 1.0
        rng = np.random.default_rng(0)
        with _MEASURING:
            found = []
            for row in rng.permutation(len(self.vectors))[:_SAMPLE]:
                query = self.vectors[row] + rng.normal(0, 0.3 / np.sqrt(self.vectors.shape[1]), self.vectors.shape[1])
                query = (query / np.linalg.norm(query)).astype(np.float32)
                right = np.argpartition(-(self.vectors @ query), 9)[:10]
                found.append(len(set(right.tolist()) & set(self.top(query, 10)[0].tolist())) / 10)
        return float(np.mean(found))

    def save(self, file: Path) -> None:
        """Writes the index; a flat one is its vectors and needs no file."""
        import faiss

        if self.kind.name != "flat":
            faiss.write_index(self.made, str(file))

    @classmethod
    def load(cls, vectors: Floats, file: Path) -> "Dense":
        """Reads what `save` wrote.

        Raises:
            RuntimeError, OSError: it is damaged, or of other vectors.
        """
        import faiss

        kind = kind_for(len(vectors))
        if kind.name == "flat":
            return cls.of(vectors, kind)
        made: Any = faiss.read_index(str(file))
        if made.ntotal != len(vectors) or made.d != vectors.shape[1]:
            raise RuntimeError("the index is of other vectors")
        if kind.name == "hnsw":
            made.hnsw.efSearch = SEARCH_WIDTH
        return cls(vectors, kind, made)


_MEASURING = threading.Lock()
