"""The same search with sentence-transformers, faiss and bm25s alone: Python that anybody can run without Playground.

It does not run it: a test does.
"""

import json

from playground.engine import embed
from playground.engine.engine import Engine
from playground.errors import PlaygroundError
from playground.labs import published
from playground.labs.retrieval import lexical
from playground.labs.retrieval.search import Found, Searchable

CHUNKS = "chunks.jsonl"  # the download that the script reads
MOST = 50_000  # chunks

_HEAD = """# The search for {query!r}, k = {k}. {chunks} is among the downloads.
import json
{imports}

QUERY, K, CANDIDATES = {query!r}, {k}, {n}
with open({chunks!r}, encoding="utf-8") as file:
    chunks = [json.loads(line) for line in file]
texts = [chunk["indexed"] for chunk in chunks]
searched = [i for i, chunk in enumerate(chunks){filter}]
"""
_DENSE = """
# by meaning: cosines of vectors of length 1
model = SentenceTransformer(MODEL{at}, device="cpu", model_kwargs={{"dtype": "{precision}"}})
model.max_seq_length = {limit}
vectors = model.encode([{passage!r} + text for text in texts], prompt="", normalize_embeddings=True)
vector = model.encode([{query!r} + QUERY], prompt="", normalize_embeddings=True)
index = faiss.IndexFlatIP(vectors.shape[1])
index.add(vectors[searched])
cosines, rows = index.search(vector, min(CANDIDATES, len(searched)))
dense = {{searched[row]: float(cosine) for row, cosine in zip(rows[0], cosines[0])}}
"""
_WORDS = """
# by words: BM25 over English stems, without the commonest words
STOP = set({stop!r}.split())
stemmer = Stemmer.Stemmer("english")


def stems(text):
    words = [match[0].lower().replace("’", "'") for match in re.finditer({word!r}, text)]
    return stemmer.stemWords([word.removesuffix("'s") for word in words if word not in STOP])


bm25 = bm25s.BM25(k1={k1}, b={b}, method="lucene")
bm25.index([stems(text) for text in texts], show_progress=False)
known = [stem for stem in stems(QUERY) if stem in bm25.vocab_dict]
scores = bm25.get_scores(known) if known else np.zeros(len(texts), np.float32)
words = sorted((i for i in searched if scores[i] > 0), key=lambda i: (-scores[i], i))[:CANDIDATES]
words = {{i: float(scores[i]) for i in words}}
"""
_CONVEX = """
# both: cosine from -1 and BM25 from 0 to the best of this query become 0 to 1, and are weighed
cosine = {{i: float(vectors[i] @ vector[0]) for i in dense.keys() | words.keys()}}
best, most = max(cosine.values()), max([float(scores[i]) for i in cosine])
found = {{
    i: {weight} * (cosine[i] + 1) / (best + 1) + {rest} * (float(scores[i]) / most if most else 0.0) for i in cosine
}}
"""
_RRF = """
# both: reciprocal ranks
found = {{}}
for ranking in (words, dense):
    for rank, i in enumerate(sorted(ranking, key=lambda i: (-ranking[i], i)), 1):
        found[i] = found.get(i, 0.0) + 1 / ({rrf_k} + rank)
"""
_MMR = """
# spread out: each next one is relevant and unlike those before it (maximal marginal relevance)
pool = order[:CANDIDATES]
least, best = min((found[i] for i in pool), default=0), max((found[i] for i in pool), default=0)
order = []
while len(order) < min(K, len(pool)):
    order.append(max(
        (i for i in pool if i not in order),
        key=lambda i: {trade} * ((found[i] - least) / (best - least) if best > least else 1.0)
        - {rest} * max([float(vectors[i] @ vectors[j]) for j in order], default=0.0),
    ))
"""
_TAIL = """
for rank, i in enumerate(order[:K], 1):
    print(json.dumps({"rank": rank, "id": i, "score": found[i], "place": chunks[i]["place"]}, ensure_ascii=False))
"""


def chunks(collection: Searchable) -> str:
    """The chunks as JSON lines, in the order of their ids: what the script reads.

    Raises:
        PlaygroundError: there are too many for a download.
    """
    if len(collection.chunks) > MOST:
        raise PlaygroundError(
            f"This collection has {len(collection.chunks):,} chunks, too many for this download (at most {MOST:,}). "
            "Take the whole collection along under Documents."
        )
    rows = (
        {"id": i, "place": c.place, "document": c.document, "heading": c.heading, "record": c.record, "text": c.text,
         "indexed": c.indexed}
        for i, c in enumerate(collection.chunks)
    )  # fmt: skip
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def script(engine: Engine, found: Found) -> str:
    """Python that finds the same hits.

    Raises:
        PlaygroundError: a reranker ordered them, or the weights are int8, which sentence-transformers alone does not
            have.
    """
    how = found.how
    if any(hit.reranked is not None for hit in found.hits):
        raise PlaygroundError("There is no short script for a search with a reranker. Search without it to get one.")
    if engine.precision == "int8":
        raise PlaygroundError("int8 weights are Playground's own. Embed the collection in another precision.")
    k = max(len(found.hits), 1)
    dense, words = how.method != "bm25" or how.mmr is not None, how.method != "dense"
    imports = [
        *(["import re"] if words else []), "",
        *(["import bm25s"] if words else []), *(["import faiss"] if dense else []), "import numpy as np",
        *(["import Stemmer"] if words else []),
        *(["from sentence_transformers import SentenceTransformer"] if dense else []),
    ]  # fmt: skip
    tests = []
    if how.documents:
        tests.append(f'chunk["document"] in {list(how.documents)!r}')
    if part := how.contains.strip().casefold():
        tests.append(f"{part!r} in f\"{{chunk['text']}}\\n{{chunk['heading']}}\\n{{chunk['record']}}\".casefold()")
    lines = [
        _HEAD.format(
            query=found.query, k=k, n=max(int(how.candidates), k), chunks=CHUNKS, imports="\n".join(imports),
            filter=f" if {' and '.join(tests)}" if tests else "",
        )
    ]  # fmt: skip
    if dense:
        place = published.of(engine.reference, engine.revision)
        lines[0] += place.line("MODEL") + "\n"
        lines.append(
            _DENSE.format(
                at=place.at, precision=engine.precision,
                limit=embed.limit(engine), passage=embed.prefix(engine, "passage"),
                query=embed.prefix(engine, "query"),
            )
        )  # fmt: skip
    if words:
        lines.append(
            _WORDS.format(
                stop=" ".join(sorted(lexical.STOP_WORDS)), word=lexical.WORD.pattern, k1=lexical.K1, b=lexical.B
            )
        )
    match how.method, how.fusion:
        case ("bm25", _):
            lines.append("\nfound = words\n")
        case ("dense", _):
            lines.append("\nfound = dense\n")
        case (_, "rrf"):
            lines.append(_RRF.format(rrf_k=int(how.rrf_k)))
        case _:
            lines.append(_CONVEX.format(weight=how.weight, rest=1 - how.weight))
    lines.append("order = sorted(found, key=lambda i: (-found[i], i))\n")
    if how.mmr is not None:
        lines.append(_MMR.format(trade=how.mmr, rest=1 - how.mmr))
    return "".join([*lines, _TAIL])
