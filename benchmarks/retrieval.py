"""Claims: chunks are embedded at least 0.95 times as fast as by a bare sentence-transformers loop; and with 100,000
chunks a hybrid search, the embedding of its query included, takes less than 1.3 times as long as that embedding alone;
and the memory that indexing takes does not grow with the corpus.

Embedding: the shipped documents' chunks by `encode` of sentence-transformers, batch by batch in the order given (the
bare loop), by `encode` of all at once, which sorts by length too, and by ours, in turns. The vectors must be equal. All
run on one thread in float32.

Searching: 100,000 vectors made from the shipped chunks' own by adding noise, and as many texts made from their words,
so that postings are as long as a real collection's. It is measured how long a search takes, not what it finds; of the
index the recall is.

Memory: files of 5 MB, of words drawn from the shipped documents, are read, cut, embedded and written in a process of
its own, and it is noted after each tenth what the process has held at most, above what it held before the first file.
Since speed is not what is measured, the model is the starter's first layer, with its tokenizer and width.

    python benchmarks/retrieval.py [--chunks 100000] [--turns 3] [--megabytes 20] [--only embedding|searching|memory]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def embedding(engine, folder: Path, texts: list[str], turns: int) -> None:
    import numpy as np
    from sentence_transformers import SentenceTransformer

    from playground.engine.embed import embed

    peer = SentenceTransformer(str(folder), device="cpu")

    def in_order(texts: list[str]) -> np.ndarray:
        parts = [texts[at : at + 32] for at in range(0, len(texts), 32)]
        return np.concatenate([peer.encode(part, normalize_embeddings=True) for part in parts])

    ways = {
        "loop over batches of 32": in_order,
        "encode of all": lambda texts: peer.encode(texts, normalize_embeddings=True),
        "ours": lambda texts: embed(engine, texts),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found = {}
    for turn in range(turns + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            found[name] = way(texts if turn else texts[:40])
            if turn:
                seconds[name].append(time.perf_counter() - started)
    worst = max(np.abs(found["ours"] - other).max() for other in found.values())
    print(f"{len(texts)} chunks, largest difference of the vectors {worst:.1e}")
    for name, times in seconds.items():
        ratios = [other / own for other, own in zip(times, seconds["ours"], strict=True)]
        print(
            f"{name:26} {len(texts) / statistics.median(times):6.1f} chunks/s; ours is {statistics.median(ratios):.2f} "
            f"times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def searching(engine, chunks: list, vectors, n: int, turns: int) -> None:
    import dataclasses
    from types import SimpleNamespace

    import numpy as np

    from playground.engine.embed import embed
    from playground.labs.retrieval import search
    from playground.labs.retrieval.index import Dense
    from playground.labs.retrieval.lexical import Bm25

    rng = np.random.default_rng(0)
    rows = rng.integers(len(vectors), size=n)
    many = vectors[rows] + rng.normal(0, 0.5 / np.sqrt(vectors.shape[1]), (n, vectors.shape[1])).astype(np.float32)
    many = (many / np.linalg.norm(many, axis=1, keepdims=True)).astype(np.float32)
    words = [chunk.text.split() for chunk in chunks]
    texts = [" ".join(rng.choice(words[row], 60)) for row in rows]
    started = time.perf_counter()
    dense = Dense.of(many)
    built = time.perf_counter() - started
    lexical = Bm25.of(texts)
    posted = time.perf_counter() - started - built
    print(f"\n{n:,} chunks: {dense.kind.name} built in {built:.0f} s, postings in {posted:.0f} s, "
          f"recall@10 of the index {dense.recall:.1%}")  # fmt: skip
    kept = SimpleNamespace(
        chunks=[dataclasses.replace(chunks[row], text=text) for row, text in zip(rows.tolist(), texts, strict=True)],
        dense=dense, lexical=lexical,
    )  # fmt: skip
    queries = [
        "Why are attention scores divided by the square root of the key's dimension?", "What is teacher forcing?",
        "How does byte pair encoding choose which pair of symbols to merge next?", "rotary position embeddings",
        "Which layers of a model know the capital of France, and how was that measured?",
    ]  # fmt: skip
    alone, whole, only = [], [], []
    for turn in range(turns * 8 + 1):
        for query in queries:
            started = time.perf_counter()
            embed(engine, [query], "query")
            between = time.perf_counter()
            vector = embed(engine, [query], "query")[0]
            embedded = time.perf_counter()
            search.search(kept, query, vector, search.How(), 10)
            ended = time.perf_counter()
            if turn:
                alone.append(between - started)
                whole.append(ended - between)
                only.append(ended - embedded)
    ratios = sorted(b / a for a, b in zip(alone, whole, strict=True))
    tenth = len(ratios) // 10
    print(
        f"query embedded {1000 * statistics.median(alone):.1f} ms, "
        f"searched {1000 * statistics.median(only):.1f} ms; "
        f"both together are {statistics.median(ratios):.2f} times the embedding alone (median of {len(ratios)} pairs, "
        f"nine tenths of them below {ratios[-tenth - 1]:.2f})"
    )


def memory(megabytes: int) -> None:
    """Peak memory of this process while a corpus is indexed. Call it in a fresh process: a peak never falls."""
    import resource
    import tempfile

    import numpy as np
    import torch

    from playground.labs.retrieval import indexing, shipped
    from playground.labs.retrieval.chunking import Chunking
    from playground.labs.retrieval.store import Store
    from playground.models.cache import ModelCache
    from playground.settings import Settings

    def peak() -> float:
        """MB that this process has held at most."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)

    rng = np.random.default_rng(0)
    words = np.array(" ".join(data.decode() for _, data in shipped.sources()).split())
    with tempfile.TemporaryDirectory() as place:
        model, files = one_layer(Path(place) / "model"), []
        for number in range(max(megabytes // 5, 1)):
            lines, size = [], 0
            while size < 5_000_000:
                lines.append(f"{' '.join(rng.choice(words, 20))}.")
                size += len(lines[-1]) + 1
            files.append((f"{number}.txt", Path(place) / f"{number}.txt"))
            files[-1][1].write_text("\n".join(lines))
        del lines
        kept = Store.create(Path(place) / "collection", "C", str(model), Chunking())
        models = ModelCache(Settings(threads=1, dtype="float32"))
        with models.lease(str(model)) as engine:
            torch.set_num_threads(1)
            list(indexing.add(kept, [("warm.txt", b"A few words, so that all is loaded. " * 400)], engine))
            before, begun, told = peak(), time.perf_counter(), 0
            for now in indexing.add(kept, files, engine):
                tenth = int(10 * now.fraction)
                if tenth > told:
                    told = tenth
                    print(f"{tenth * 10:4}% of {5 * len(files)} MB: {now.n_chunks:,} chunks, "
                          f"{peak() - before:,.0f} MB above the {before:,.0f} MB before", flush=True)  # fmt: skip
            assert all(each.state == "indexed" for each in now.outcomes), now.outcomes
            print(f"{now.n_chunks / (time.perf_counter() - begun):.0f} chunks/s with a model of one layer", flush=True)
        opened = kept.load()
        print(f"opened, {len(opened.chunks):,} chunks to be searched: {peak() - before:,.0f} MB above")


def one_layer(folder: Path) -> Path:
    """A copy of the embedding starter that has only its first layer."""
    import shutil

    from transformers import AutoModel

    from playground.models.sources import locate
    from playground.settings import MINILM, Settings

    whole = locate(MINILM, Settings()).folder
    shutil.copytree(whole, folder)
    AutoModel.from_pretrained(whole, num_hidden_layers=1).save_pretrained(folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=20, help="of the corpus that memory is measured with")
    parser.add_argument("--only", choices=("embedding", "searching", "memory"))
    options = parser.parse_args()
    if options.only == "memory":
        memory(options.megabytes)
        return

    import torch

    from playground.engine.embed import embed
    from playground.labs.retrieval import chunking, documents, shipped
    from playground.models.cache import ModelCache
    from playground.models.sources import locate
    from playground.settings import MINILM, Settings

    settings = Settings(threads=1, dtype="float32")
    models = ModelCache(settings)
    with models.lease(MINILM) as engine:
        torch.set_num_threads(1)
        read = [documents.read(name, data) for name, data in shipped.sources()]
        chunks = [chunk for each in read for chunk in chunking.cut(each, engine, shipped.CHUNKING)]
        texts = [chunk.indexed for chunk in chunks]
        if options.only != "searching":
            embedding(engine, locate(MINILM, settings).folder, texts, options.turns)
        if options.only != "embedding":
            searching(engine, chunks, embed(engine, texts), options.chunks, options.turns)
    if options.only is None:
        print("\nMemory while indexing", flush=True)
        again = [sys.executable, __file__, "--only", "memory", "--megabytes", str(options.megabytes)]
        subprocess.run(again, check=True)


if __name__ == "__main__":
    main()
