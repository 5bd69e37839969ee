"""Endpoints of the Search tab: collections, what is found in them, and checked answers.

A collection of one's own is reached with the key that `/collection_add` gives back, and by nobody without it.
"""

import secrets
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import gradio as gr
from gradio import FileData
from gradio.utils import get_upload_folder

from playground.errors import PlaygroundError
from playground.labs.retrieval import library, shipped
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.store import Collection
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors

MOST_TEXTS = 1_000  # in one call


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""
    shelves = library.of(settings)

    def opened(address: str, key: str) -> Collection:
        """The collection; the shipped one is indexed first, at its first use."""
        from playground.labs.retrieval import indexing

        if not shelves.is_ready(address):
            with models.lease(shelves.embedding(address, key)) as encoder:
                list(indexing.add(shelves.shipped(), shipped.sources(), encoder, wait=True))
        return shelves.open(address, key)

    def found_in(query: str, address: str, key: str, k: int, **how):
        from playground.engine import embed
        from playground.labs.retrieval import search as lab

        asked = lab.How(**how)
        if not query.strip():
            raise PlaygroundError("There is nothing to search for. Give a query.")
        collection = opened(address, key)
        with models.lease(collection.reference) as encoder:
            vector = embed.embed(encoder, [query], "query")[0]
        return collection, lab.search(collection, query, vector, asked, k)

    def collection_add(
        collection: str,
        texts: list[dict] | None = None,
        files: list[FileData] | None = None,
        key: str = "",
        embedding: str = library.EMBEDDING,
        by: str = "sentences",
        size: int = 200,
        overlap: int = 40,
        addresses: list[str] | None = None,
    ) -> dict:
        """Adds documents to a collection, which is made when there is none, streamed.

        Args:
            collection: "mine/name" or "shared/name".
            texts: objects with "name" and "text"; the name's ending says how to read it (.txt, .md, .html, .csv,
                .jsonl).
            files: uploaded files: PDF, HTML, Markdown, text, DOCX, CSV, JSONL, or a ZIP of these.
            key: of your own collections; none makes a new one, which you get back. Keep it: nothing else opens them.
            embedding: the embedding model of a new collection.
            by: how documents of a new collection are cut: sentences, headings, tokens or characters.
            size: of its chunks, in tokens (or characters).
            overlap: of its chunks.
            addresses: public pages on the web to fetch, at most 20, where the operator allows it.

        Returns:
            collection, key, fraction done, n_chunks embedded so far, and outcomes: name, state (indexed, replaced,
            already there, duplicate or failed), said, n_chunks of each file.
        """
        with user_errors():
            from playground.labs.retrieval import indexing

            key = _checked_key(key) if key else secrets.token_urlsafe(24)
            sources = [*_texts(texts), *_files(files), *_addresses(addresses, settings)]
            if not sources:
                raise PlaygroundError(
                    'There is nothing to add. Give texts, like [{"name": "a.txt", "text": "…"}], or files.'
                )
            if collection not in [each.address for each in shelves.listed(key)]:
                shelves.create(collection, key, embedding, Chunking(by, size, overlap))
            kept = shelves.store(collection, key)
            room = shelves.room(key) if collection.startswith(library.MINE) else None
            limit = int(settings.upload_limit)
            with (
                models.lease(kept.about()[1]) as encoder,
                closing(indexing.add(kept, sources, encoder, largest=limit, room=room)) as adding,
            ):
                for now in adding:
                    yield {
                        "collection": collection,
                        "key": key,
                        "fraction": now.fraction,
                        "n_chunks": now.n_chunks,
                        "outcomes": [asdict(each) for each in now.outcomes],
                    }

    def collections(key: str = "") -> list[dict]:
        """The collections that can be searched: the shipped one, shared ones, and with a key one's own.

        Args:
            key: of your own collections.

        Returns:
            address (what other endpoints call "collection"), name, embedding, chunking, n_documents, n_chunks (of the
            shipped one about, before its first use), may_change.
        """
        with user_errors():
            return [asdict(each) for each in shelves.listed(_checked_key(key) if key else "")]

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
    gr.api(collection_add, api_name="collection_add", **queued)
    gr.api(collections, api_name="collections", concurrency_limit=None)
    gr.api(search, api_name="search", **queued)
    gr.api(answer, api_name="answer", **queued)


def _checked_key(key: str) -> str:
    if not isinstance(key, str) or not 16 <= len(key) <= 200:
        raise PlaygroundError("This is no key. Give the one that /collection_add gave back, or none.")
    return key


def _texts(texts: list[dict] | None) -> list[tuple[str, bytes]]:
    found = []
    if len(texts or []) > MOST_TEXTS:
        raise PlaygroundError(
            f"There are {len(texts):,} texts; {MOST_TEXTS:,} are the most in one call. Call it again."
        )
    for number, each in enumerate(texts or [], 1):
        name, text = (each.get("name"), each.get("text")) if isinstance(each, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(text, str) or not name.strip():
            raise PlaygroundError(
                f'Text {number} cannot be read. Each needs a name and a text: {{"name": "a.txt", "text": "…"}}.'
            )
        found.append((name, text.encode("utf-8", "replace")))
    return found


def _addresses(given: list[str] | None, settings: Settings) -> list[tuple[str, None]]:
    from playground.labs.retrieval import web

    if not given:
        return []
    if not settings.may_fetch_addresses:
        raise PlaygroundError(web.FORBIDDEN)
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise PlaygroundError('addresses must be a list of texts, like ["https://example.org/page"].')
    return [(each, None) for each in web.addresses("\n".join(given))]


def _files(files: list | None) -> list[tuple[str, Path]]:
    """(name, path) of files that came by upload, and of no others: a path is the caller's word."""
    uploads = Path(get_upload_folder()).resolve()
    found = []
    for each in files or []:
        given = each if isinstance(each, dict) else {"path": each.path, "orig_name": each.orig_name}
        path = Path(str(given.get("path") or "")).resolve()
        if not path.is_relative_to(uploads) or not path.is_file():
            raise PlaygroundError(
                "A file is not one that was uploaded here. Upload it first, as gradio_client's handle_file does."
            )
        found.append((Path(given.get("orig_name") or path.name).name, path))
    return found
