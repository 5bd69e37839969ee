"""Claims: documents are indexed at least 0.95 times as fast as a bare sentence-transformers loop embeds their chunks;
with 100,000 chunks a hybrid search, the embedding of its query included, takes less than 1.3 times as long as that
embedding alone; and the memory that indexing takes does not grow with the corpus.

Embedding: the shipped documents' chunks by `encode` of sentence-transformers, batch by batch in the order given (the
bare loop), by `encode` of all at once, which sorts by length too, by our embedding, and by our whole indexing (the
files read, cut, embedded and written to disk), in turns. The vectors must be equal. All run on one thread in float32.

Searching: 100,000 vectors made from the shipped chunks' own by adding noise, and as many texts made from their words,
so that postings are as long as a real collection's. It is measured how long a search takes, not what it finds; of the
index the recall is.

Memory: files of 5 MB, of words drawn from the shipped documents, are read, cut, embedded and written in a process of
its own, and it is noted after each tenth what the process has held at most, above what it held before the first file.
Speed is not what is measured, and the starter would take hours for 200 MB on two cores; so the model is a BERT with the
starter's tokenizer and random weights, one block, 64 wide. All else is the product's: the same files, sentences, tokens
and chunks pass through it, and what is held of each is the same but for vectors a sixth as wide.

Answers: no claim, but the tables of the README's Search section: retrieval, refusals and answers on the shipped
questions, by the starters.

    python benchmarks/retrieval.py --only embedding [--turns 3]
    python benchmarks/retrieval.py --only searching [--chunks 100000] [--turns 3]
    python benchmarks/retrieval.py --only memory [--megabytes 200]
    python benchmarks/retrieval.py --only answers [--questions 60]

Without --only the first three, memory with 20 MB. It ends with 1 when a claim is missed.
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

THROUGHPUT = 0.95  # of the bare loop, at least
SEARCH = 1.3  # times the embedding of the query alone, at most
GROWTH = 50.0  # MB that the peak may rise by between the first tenth of the corpus and the last


def embedding(engine, folder: Path, texts: list[str], turns: int) -> bool:
    """Whether indexing is as fast as is claimed."""
    import tempfile

    import numpy as np
    from sentence_transformers import SentenceTransformer

    from playground.engine.embed import embed
    from playground.labs.retrieval import indexing, shipped
    from playground.labs.retrieval.store import Store

    peer = SentenceTransformer(str(folder), device="cpu")

    def in_order(texts: list[str]) -> np.ndarray:
        parts = [texts[at : at + 32] for at in range(0, len(texts), 32)]
        return np.concatenate([peer.encode(part, normalize_embeddings=True) for part in parts])

    def indexed(texts: list[str]) -> np.ndarray:
        """Of files on disk to a collection on disk; all documents, or the first when it is only to warm up."""
        files = shipped.sources() if len(texts) > 40 else shipped.sources()[:1]
        with tempfile.TemporaryDirectory() as place:
            sources = []
            for name, data in files:
                (Path(place) / name).write_bytes(data)
                sources.append((name, Path(place) / name))
            kept = Store.create(Path(place) / "collection", "C", "", shipped.CHUNKING)
            started = time.perf_counter()
            list(indexing.add(kept, sources, engine))
            taken.append(time.perf_counter() - started)
            return kept.load().vectors

    taken: list[float] = []  # seconds of each indexing alone
    whole = "our indexing, disk to disk"
    ways = {
        "loop over batches of 32": in_order,
        "encode of all": lambda texts: peer.encode(texts, normalize_embeddings=True),
        "our embedding": lambda texts: embed(engine, texts),
        whole: indexed,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found = {}
    for turn in range(turns + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            found[name] = way(texts if turn else texts[:40])
            if turn:
                seconds[name].append(taken[-1] if name == whole else time.perf_counter() - started)
    worst = max(np.abs(found[whole] - other).max() for other in found.values())
    print(f"{len(texts)} chunks, largest difference of the vectors {worst:.1e} (allowed: 1e-5)")
    loop = next(iter(ways))
    for name, times in seconds.items():
        ratios = [other / own for other, own in zip(seconds[loop], times, strict=True)]
        allowed = f"; claimed: {THROUGHPUT}" if name == whole else ""
        print(
            f"{name:26} {len(texts) / statistics.median(times):6.1f} chunks/s, {statistics.median(ratios):.2f} times "
            f"the loop ({min(ratios):.2f} to {max(ratios):.2f}{allowed})"
        )
    ratio = statistics.median(other / own for other, own in zip(seconds[loop], seconds[whole], strict=True))
    return worst < 1e-5 and ratio >= THROUGHPUT


def searching(engine, chunks: list, vectors, n: int, turns: int) -> bool:
    """Whether a search is as quick as is claimed."""
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
        f"both together are {statistics.median(ratios):.2f} times the embedding alone (allowed: {SEARCH}; median of "
        f"{len(ratios)} pairs, nine tenths of them below {ratios[-tenth - 1]:.2f})"
    )
    return statistics.median(ratios) < SEARCH


def memory(megabytes: int) -> bool:
    """Whether the peak of this process stays where it is while a corpus is indexed. Call it in a fresh process: a peak
    never falls."""
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
        model, files = light(Path(place) / "model"), []
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
            before, begun, peaks = peak(), time.perf_counter(), {0: 0.0}
            for now in indexing.add(kept, files, engine):
                tenth = int(10 * now.fraction)
                if tenth not in peaks:
                    peaks[tenth] = peak() - before
                    print(f"{tenth * 10:4}% of {5 * len(files)} MB: {now.n_chunks:,} chunks, "
                          f"{peaks[tenth]:,.0f} MB above the {before:,.0f} MB before", flush=True)  # fmt: skip
            if not all(each.state == "indexed" for each in now.outcomes):
                print(now.outcomes)
                return False
        spent = time.perf_counter() - begun
        growth = peaks[10] - min(value for tenth, value in peaks.items() if tenth)
        print(f"{now.n_chunks:,} chunks in {spent:.0f} s, {kept.n_bytes() / 1e6:,.0f} MB on disk")
        print(f"from the first tenth on the peak rose by {growth:,.0f} MB (allowed: {GROWTH:g})")
        return growth <= GROWTH


def light(folder: Path) -> Path:
    """A sentence-transformers model with the starter's tokenizer, random weights, and one narrow block."""
    import shutil

    from transformers import AutoConfig, AutoModel

    from playground.models.sources import locate
    from playground.settings import MINILM, Settings

    whole = locate(MINILM, Settings()).folder
    shutil.copytree(whole, folder)
    narrow = {"num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 64}
    config = AutoConfig.from_pretrained(whole, **narrow)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def answers(n_questions: int) -> None:
    """The tables of the README."""
    from playground.labs.retrieval import answering, evaluation, graded, indexing, library, shipped
    from playground.labs.retrieval import documents as reading
    from playground.labs.retrieval import questions as asked
    from playground.models.cache import ModelCache
    from playground.settings import read

    settings = read(["--threads", "1"])
    models, questions = ModelCache(settings), asked.spread(asked.shipped(), n_questions)
    with models.lease(library.EMBEDDING) as encoder, models.writer(settings.default_models[0]) as writer:
        found = [reading.read(name, data) for name, data in shipped.sources()]
        kept = indexing.in_memory(found, encoder, shipped.CHUNKING)
        for news in evaluation.run(kept, questions, encoder, evaluation.grid()):
            result = news.result
        print(f"{len(kept.chunks)} chunks, {len(questions)} questions, {len(result.measured)} of them with an answer\n")
        for row in result.rows:
            first, five, rank = (row.estimate(name) for name in ("recall@1", "recall@5", "MRR@10"))
            print(f"| {row.setting.name} | {first.mean:.2f} | {_interval(five)} | {rank.mean:.3f} |")
        told, limit = result.refusal(answering.THRESHOLD), answering.THRESHOLD
        print(f"\nrefused below {limit:.2f}: {told.refused} of {told.n_unanswerable} unanswerable ones, by mistake "
              f"{told.falsely} of {told.n_answerable}\n", flush=True)  # fmt: skip
        key = asked.key(questions, {each.name: kept.text(each.name) for each in kept.documents})
        wanted = answering.Wanted(attribution=False)
        for grades in graded.run(writer, encoder, kept, questions, key, evaluation.grid(), wanted):
            print(f"\r{len(grades[0].rows)} of {len(questions)}", end="", flush=True)
    print()
    for each in grades:
        cells = (each.accuracy, each.accuracy_given, each.citation_precision, each.citation_source)
        print(f"| {each.setting} | {' | '.join(f'{_interval(cell)}, of {cell.n}' for cell in cells)} |")


def _interval(found) -> str:
    return f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=20, help="of the corpus that memory is measured with")
    parser.add_argument("--questions", type=int, default=60, help="that are answered")
    parser.add_argument("--only", choices=("embedding", "searching", "memory", "answers"))
    options = parser.parse_args()
    if options.only == "memory":
        return 0 if memory(options.megabytes) else 1
    if options.only == "answers":
        answers(options.questions)
        return 0

    import torch

    from playground.engine.embed import embed
    from playground.labs.retrieval import chunking, documents, shipped
    from playground.models.cache import ModelCache
    from playground.models.sources import locate
    from playground.settings import MINILM, Settings

    settings = Settings(threads=1, dtype="float32")
    models, good = ModelCache(settings), True
    with models.lease(MINILM) as engine:
        torch.set_num_threads(1)
        read = [documents.read(name, data) for name, data in shipped.sources()]
        chunks = [chunk for each in read for chunk in chunking.cut(each, engine, shipped.CHUNKING)]
        texts = [chunk.indexed for chunk in chunks]
        if options.only != "searching":
            good &= embedding(engine, locate(MINILM, settings).folder, texts, options.turns)
        if options.only != "embedding":
            good &= searching(engine, chunks, embed(engine, texts), options.chunks, options.turns)
    if options.only is None:
        print("\nMemory while indexing", flush=True)
        again = [sys.executable, __file__, "--only", "memory", "--megabytes", str(options.megabytes)]
        good &= subprocess.run(again).returncode == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
