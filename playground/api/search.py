"""Endpoints of the Search tab: what is found in a collection, and checked answers from it."""

from contextlib import closing

import gradio as gr

from playground.api.collections import opened
from playground.errors import PlaygroundError
from playground.labs.retrieval import library, shipped
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""
    shelves = library.of(settings)

    def found_in(query: str, address: str, key: str, k: int, **how):
        from playground.engine import embed
        from playground.labs.retrieval import search as lab

        asked = lab.How(**how)
        if not query.strip():
            raise PlaygroundError("There is nothing to search for. Give a query.")
        collection = opened(shelves, models, address, key)
        with models.lease(collection.reference) as encoder:
            vector = embed.embed(encoder, [query], "query")[0]
        return collection, lab.search(collection, query, vector, asked, k)

    def search(
        query: str,
        collection: str = shipped.ADDRESS,
        k: int = 5,
        method: str = "hybrid",
        key: str = "",
        fusion: str = "convex",
        weight: float = 0.8,
        mmr: float | None = None,
        documents: list[str] | None = None,
        contains: str = "",
    ) -> dict:
        """The chunks of a collection that fit a query best, with the rank and score of each in every ranking.

        Args:
            query: a question or some words.
            collection: an address from /collections.
            k: how many.
            method: "hybrid", "dense" (meaning) or "bm25" (words).
            key: of your own collections.
            fusion: of hybrid: "convex" (weighed scores) or "rrf" (reciprocal ranks).
            weight: of meaning, in the convex combination, 0 to 1.
            mmr: 1 to 0 spreads the hits out, less relevance for more difference; none leaves them.
            documents: only these.
            contains: only chunks that contain this.

        Returns:
            hits (rank, score, bm25, bm25_rank, cosine, dense_rank, document, place, page, heading, start, end, text,
            terms: what each of the query's stems adds to BM25), n_chunks searched, best_cosine, confidence,
            embedding, notes.
        """
        with user_errors():
            how = dict(method=method, fusion=fusion, weight=weight, mmr=mmr, contains=contains)
            kept, found = found_in(query, collection, key, k, documents=tuple(documents or ()), **how)
            from playground.labs.retrieval import hits

            return hits.plain(found, kept)

    def answer(
        query: str,
        collection: str = shipped.ADDRESS,
        model: str = settings.default_models[0],
        k: int | None = None,
        key: str = "",
        threshold: float | None = None,
        method: str = "hybrid",
        max_new_tokens: int = 96,
    ) -> dict:
        """Answers a question from a collection, streamed, each sentence checked against the passage that it cites.

        Args:
            query: the question.
            collection: an address from /collections.
            model: whoever answers: a reference from /models.
            k: passages for the model; none: as many as suit it (the starter does best with one).
            key: of your own collections.
            threshold: confidence of the best chunk (two thirds cosine, one third words) below which no model is asked;
                none: the default; 0: always ask.
            method: as in /search.
            max_new_tokens: most tokens to write.

        Returns:
            text so far, refused, confidence, threshold, strategy, passages, sentences (text, citations, supported,
            why, words, meaning, gains: what each passage adds to its log-probability in nats a token), prompt,
            finished, notes, provenance. Sentences come with the last.
        """
        with user_errors():
            from playground.engine.sampling import Sampling
            from playground.labs.retrieval import answering

            wanted = answering.Wanted(
                answering.THRESHOLD if threshold is None else threshold,
                k,
                Sampling(max_new_tokens=max_new_tokens, temperature=0),
            )
            kept, found = found_in(query, collection, key, max(k or 5, 5), method=method)
            refused = answering.refusal(found, wanted)
            if refused is not None:
                yield answering.plain(refused)
                return
            with (
                models.lease(kept.reference) as encoder,
                models.writer(model) as writer,
                closing(answering.answer(writer, encoder, kept, found, wanted)) as growing,
            ):
                for now in growing:
                    yield answering.plain(now)

    queued = model_work(settings)
    gr.api(search, api_name="search", **queued)
    gr.api(answer, api_name="answer", **queued)
