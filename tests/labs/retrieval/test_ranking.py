"""BM25, FAISS, fusion, MMR and search against independent answers and hand-worked cases."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs.retrieval import fusion, lexical, search
from playground.labs.retrieval.chunking import Chunk
from playground.labs.retrieval.index import Dense, Kind, kind_for
from playground.labs.retrieval.lexical import Bm25
from playground.labs.retrieval.search import How

TEXTS = [
    "Paris is the capital of France.",
    "Berlin is the capital of Germany.",
    "Madrid is the capital of Spain.",
    "The cats are running in Paris; a cat runs.",
    "Nothing of this kind.",
]


@dataclass
class Made:
    chunks: list
    dense: Dense
    lexical: Bm25


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(len(TEXTS), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chunks = [Chunk(f"d{i % 2}", text, 0, len(text), None, "", "", 5, 0) for i, text in enumerate(TEXTS)]
    return Made(chunks, Dense.of(vectors), Bm25.of(TEXTS))


def by_hand(query: str) -> list[float]:
    """The formula of the docstring, on the same stems."""
    bags = [lexical.stems(text) for text in TEXTS]
    mean = sum(map(len, bags)) / len(bags)
    scores = []
    for bag in bags:
        total = 0.0
        for term in lexical.stems(query):
            n = sum(term in other for other in bags)
            f = bag.count(term)
            idf = math.log(1 + (len(bags) - n + 0.5) / (n + 0.5))
            total += idf * f / (f + 1.5 * (1 - 0.75 + 0.75 * len(bag) / mean))
        scores.append(total)
    return scores


@pytest.mark.parametrize("query", ["What is the capital of France?", "running cat in Paris", "kinds", "unheard words"])
def test_bm25_is_its_formula(query):
    found = Bm25.of(TEXTS)
    assert np.allclose(found.scores(query), by_hand(query), atol=1e-5)
    for text in range(len(TEXTS)):
        assert sum(found.parts(query, text).values()) == pytest.approx(by_hand(query)[text], abs=1e-5)


def test_texts_without_words_are_found_by_none():
    for texts in ([], ["...", "—"], ["the of", "Paris"]):
        assert Bm25.of(texts).scores("the Berlin").tolist() == [0.0] * len(texts)


def test_bm25_survives_the_disk(tmp_path):
    Bm25.of(TEXTS).save(tmp_path / "b")
    again = Bm25.load(tmp_path / "b", len(TEXTS))
    assert np.allclose(again.scores("capital of Spain"), by_hand("capital of Spain"), atol=1e-5)


def test_words_have_places_stems_and_no_stop_words():
    text = "The model’s runners ran 8-bit; 注意"
    assert [(w.stem, text[w.start : w.end]) for w in lexical.words(text)] == [
        ("model", "model’s"), ("runner", "runners"), ("ran", "ran"), ("8", "8"), ("bit", "bit"),
        ("注", "注"), ("意", "意"),
    ]  # fmt: skip


def unit(n, width, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_flat_is_brute_force():
    vectors, queries = unit(500, 16), unit(20, 16, 1)
    dense = Dense.of(vectors)
    for query in queries:
        rows, cosines = dense.top(query, 10)
        right = np.argsort(-(vectors @ query), kind="stable")[:10]
        assert rows.tolist() == right.tolist()
        assert np.allclose(cosines, vectors[right] @ query, atol=1e-6)
    assert dense.recall == 1.0


def test_the_index_follows_the_size_and_recall_is_measured(tmp_path):
    assert [kind_for(n).name for n in (10, 20_000, 20_001, 2_000_000)] == ["flat", "flat", "hnsw", "ivf-pq"]
    centres = unit(40, 16, 3)
    vectors = np.repeat(centres, 60, 0) + 0.2 * unit(2400, 16)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    hnsw = Dense.of(vectors, Kind("hnsw", ""))
    assert hnsw.recall > 0.95
    rough = Dense.of(vectors, Kind("ivf-pq", ""))
    assert 0.2 < rough.recall <= 1
    rows, cosines = rough.top(vectors[3], 5)
    assert np.allclose(cosines, vectors[rows] @ vectors[3], atol=1e-6)
    assert (np.diff(cosines) <= 0).all()


def test_reciprocal_ranks_by_hand():
    found = fusion.reciprocal_rank([[7, 8, 9], [9, 7]], k=60)
    assert found == pytest.approx({7: 1 / 61 + 1 / 62, 8: 1 / 62, 9: 1 / 63 + 1 / 61})
    assert fusion.by_score(found) == [7, 9, 8]
    assert fusion.by_score({3: 1.0, 1: 1.0, 2: 2.0}) == [2, 1, 3]


def test_convex_combination_by_hand():
    # cosines .8, .2 with best .8: (s + 1) / 1.8; BM25 4, 6 with best 6: s / 6
    found = fusion.convex({1: 0.8, 2: 0.2}, {1: 4.0, 2: 6.0}, 0.25)
    assert found == pytest.approx({1: 0.25 * 1 + 0.75 * 4 / 6, 2: 0.25 * 1.2 / 1.8 + 0.75 * 1})
    assert fusion.convex({1: 0.5}, {2: 3.0}, 0.5) == pytest.approx({1: 0.5, 2: 0.5})


def test_diversity_by_hand():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    relevance = {10: 1.0, 11: 0.9, 12: 0.0}
    assert fusion.diverse([10, 11, 12], relevance, vectors, 2, 1.0) == [10, 11]
    assert fusion.diverse([10, 11, 12], relevance, vectors, 2, 0.4) == [10, 12]  # .36 - .6 against 0


def test_each_method_ranks_as_its_parts_do(made):
    query, vector = "capital of Spain", unit(1, 8, 5)[0]
    bm25 = search.search(made, query, None, How("bm25"), 3)
    assert [hit.id for hit in bm25.hits] == np.argsort(-np.array(by_hand(query)), kind="stable")[:3].tolist()
    dense = search.search(made, query, vector, How("dense"), 5)
    assert [hit.id for hit in dense.hits] == np.argsort(-(made.dense.vectors @ vector)).tolist()
    assert dense.best_cosine == pytest.approx(dense.hits[0].cosine)
    fused = search.search(made, query, vector, How("hybrid", "rrf"), 5)
    ranks = fusion.reciprocal_rank([[hit.id for hit in bm25.hits], [hit.id for hit in dense.hits]])
    assert [hit.id for hit in fused.hits] == fusion.by_score(ranks)[:5]
    assert fused.hits[0].score == pytest.approx(ranks[fused.hits[0].id])
    for weight, other in ((0.0, bm25), (1.0, dense)):
        edge = search.search(made, query, vector, How("hybrid", "convex", weight=weight), 3)
        assert [hit.id for hit in edge.hits] == [hit.id for hit in other.hits[:3]]


def test_filters(made):
    vector = unit(1, 8, 5)[0]
    for method in ("bm25", "dense", "hybrid"):
        found = search.search(made, "capital Paris", vector, How(method, documents=("d1",)), 5)
        assert {hit.id for hit in found.hits} <= {1, 3} and found.n_chunks == 2
    found = search.search(made, "capital", vector, How("dense", contains="GERMANY"), 5)
    assert [hit.id for hit in found.hits] == [1]
    with pytest.raises(PlaygroundError, match="filter"):
        search.search(made, "capital", vector, How(contains="xyz"), 5)


def test_bad_requests(made):
    with pytest.raises(PlaygroundError, match="nothing to search for"):
        search.search(made, "  ", None, How("bm25"))
    with pytest.raises(PlaygroundError, match="empty"):
        search.search(Made([], made.dense, made.lexical), "x", None, How("bm25"))
    for bad in (dict(method="tfidf"), dict(fusion="sum"), dict(weight=2), dict(mmr=-1), dict(rrf_k=0)):
        with pytest.raises(PlaygroundError):
            How(**bad)
    assert search.search(made, "qwertz", None, How("bm25")).notes


def test_a_reranker_orders_as_the_cross_encoder_of_sentence_transformers(made, tmp_path):
    import torch
    import transformers
    from sentence_transformers import CrossEncoder

    from tests import tiny

    tokenizer = tiny._tokenizer("wordpiece")
    torch.manual_seed(0)
    config = transformers.BertConfig(**tiny.SIZES, vocab_size=len(tokenizer), num_labels=1, max_position_embeddings=256)
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    vector = unit(1, 8, 5)[0]
    found = search.search(made, "cat doctor", vector, How("dense"), 5)
    again = search.rerank(made, found, tiny.loaded(tmp_path))
    peer = CrossEncoder(str(tmp_path), device="cpu", activation_fn=torch.nn.Identity())
    right = {hit.id: float(peer.predict([("cat doctor", TEXTS[hit.id])])[0]) for hit in found.hits}
    assert [hit.id for hit in again.hits] == sorted(right, key=lambda i: -right[i])
    assert [hit.score for hit in again.hits] == pytest.approx(sorted(right.values(), reverse=True), abs=1e-5)
    with pytest.raises(PlaygroundError, match="cross-encoder"):
        search.rerank(made, found, tiny.engine("bert"))
