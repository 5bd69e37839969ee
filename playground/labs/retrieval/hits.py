"""What a search found as plain data: for endpoints, as JSON, and as one CSV line a hit. It does not search."""

import csv
import io
from dataclasses import asdict
from typing import Any

from playground.labs.retrieval.report import safe
from playground.labs.retrieval.search import Found
from playground.labs.retrieval.store import Collection

_COLUMNS = (
    "rank", "score", "bm25_rank", "bm25", "dense_rank", "cosine", "reranked", "document", "page", "heading", "record",
    "start", "end", "text",
)  # fmt: skip


def plain(found: Found, collection: Collection) -> dict[str, Any]:
    """Each hit with its ranks, its chunk and what each of the query's stems adds to BM25."""
    hits = []
    for hit in found.hits:
        chunk = collection.chunks[hit.id]
        terms = collection.lexical.parts(found.query, hit.id)
        hits.append(asdict(hit) | asdict(chunk) | {"place": chunk.place, "terms": terms})
    return {
        "hits": hits,
        "n_chunks": found.n_chunks,
        "best_cosine": found.best_cosine,
        "confidence": found.confidence,
        "embedding": collection.reference,
        "notes": [*found.notes, *collection.troubles],
    }


def whole(found: Found, collection: Collection) -> dict[str, Any]:
    """The same with the query and how it was searched, for a file that is kept."""
    asked = {"query": found.query, "collection": collection.name, "how": asdict(found.how)}
    return (
        asked
        | {"chunking": asdict(collection.chunking), "index": collection.dense.kind.name}
        | plain(found, collection)
    )


def table(found: Found, collection: Collection) -> str:
    """CSV: a line a hit."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for row in plain(found, collection)["hits"]:
        cells = [row[name] for name in _COLUMNS]
        writer.writerow(["" if c is None else safe(c) if isinstance(c, str) else c for c in cells])
    return out.getvalue()
