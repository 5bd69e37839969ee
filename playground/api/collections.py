"""Endpoints for collections of documents: add to one, list them, take one along and bring it back, delete.

A collection of one's own is reached with the key that `/collection_add` or `/collection_import` gives back, and by
nobody without it.
"""

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import gradio as gr
from gradio import FileData
from gradio.utils import get_upload_folder

from playground.errors import PlaygroundError
from playground.labs.retrieval import exchange, library, shipped
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.library import Library
from playground.labs.retrieval.store import Collection
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.files import new_folder
from playground.tabs.kit import model_work, user_errors

if TYPE_CHECKING:
    from playground.labs.retrieval.web import Arrived

MOST_TEXTS = 1_000  # in one call


def opened(shelves: Library, models: ModelCache, address: str, key: str) -> Collection:
    """The collection; the shipped one is indexed first, or the rest of it, if nobody has yet."""
    from playground.labs.retrieval import indexing

    if not shelves.is_ready(address):
        with models.lease(shelves.embedding(address, key)) as encoder:
            list(indexing.add(shelves.shipped(), shipped.sources(), encoder, wait=True))
    return shelves.open(address, key)


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""
    shelves = library.of(settings)

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
            addresses: public pages on the web to fetch, at most 20, where the operator allows it. They are fetched
                first, within 60 seconds for all together.

        Returns:
            collection, key, fraction done, n_chunks embedded so far, and outcomes: name, state (indexed, replaced,
            already there, duplicate or failed), said, n_chunks of each file.
        """
        with user_errors():
            from playground.engine import embed
            from playground.labs.retrieval import indexing

            key = _own_or_new(key)
            sources, wanted = [*_texts(texts), *_files(files)], _addresses(addresses, settings)
            if not sources and not wanted:
                raise PlaygroundError(
                    'There is nothing to add. Give texts, like [{"name": "a.txt", "text": "…"}], or files.'
                )
            how = Chunking(by, size, overlap)
            if collection not in [each.address for each in shelves.listed(key)]:
                with models.lease(embedding or library.EMBEDDING) as encoder:
                    embed.check_embeds(encoder)  # before there is a collection that nothing can be added to
            kept = shelves.open_or_create(collection, key, embedding, how)
            room = shelves.room(key) if collection.startswith(library.MINE) else None
            limit = int(settings.upload_limit)

            named = {"collection": collection, "key": key}
            with TemporaryDirectory() as folder:
                for arrived in _fetched(wanted, Path(folder), limit):
                    yield named | {"fraction": 0.0, "n_chunks": 0, "outcomes": []}
                    if arrived.n_done == arrived.n:
                        sources += arrived.found
                with (
                    models.lease(kept.about()[1]) as encoder,
                    closing(indexing.add(kept, sources, encoder, largest=limit, room=room)) as adding,
                ):
                    for now in adding:
                        found = [asdict(each) for each in now.outcomes]
                        yield named | {"fraction": now.fraction, "n_chunks": now.n_chunks, "outcomes": found}

    def collections(key: str = "") -> list[dict]:
        """The collections that can be searched: the shipped one, shared ones, and with a key one's own.

        Args:
            key: of your own collections.

        Returns:
            address (what other endpoints call "collection"), name, embedding, chunking, n_documents, n_chunks (of the
            shipped one about, before it is indexed), may_change.
        """
        with user_errors():
            return [asdict(each) for each in shelves.listed(_or_none(key))]

    def collection_export(collection: str = shipped.ADDRESS, key: str = "") -> FileData:
        """A collection as a ZIP of plain files, which `/collection_import` brings back, here or elsewhere.

        Args:
            collection: an address from /collections.
            key: of your own collections.

        Returns:
            the file.
        """
        with user_errors():
            if collection == shipped.ADDRESS:
                opened(shelves, models, collection, key)
            store = shelves.shipped() if collection == shipped.ADDRESS else shelves.store(collection, _or_none(key))
            name = "".join(c if c.isalnum() else "-" for c in store.about()[0])
            file = exchange.pack(store, new_folder() / f"{name}.zip")
            return FileData(path=str(file), orig_name=file.name)

    def collection_import(file: FileData, key: str = "") -> dict:
        """Brings back a collection that was taken along, as one of your own; what it holds is checked file by file.

        Args:
            file: the ZIP that /collection_export or the page gave.
            key: of your own collections; none makes a new one, which you get back.

        Returns:
            collection (its address: under another name where its own is taken), key, and damaged: a sentence for each
            document that was left out.
        """
        with user_errors():
            key = _own_or_new(key)
            ((_, path),) = _files([file])
            address, damaged = shelves.bring(path.read_bytes(), key)
            return {"collection": address, "key": key, "damaged": damaged}

    def collection_delete(collection: str, key: str = "", document: str = "") -> dict:
        """Deletes a collection, or one document of it.

        Args:
            collection: an address from /collections.
            key: of your own collections.
            document: its name; empty: the whole collection goes.

        Returns:
            collection and the documents that are left in it.
        """
        with user_errors():
            key = _or_none(key)
            if not document:
                shelves.delete(collection, key)
                return {"collection": collection, "documents": []}
            store = shelves.store(collection, key)
            with store.writing():
                store.remove(document)
            return {"collection": collection, "documents": [each.name for each in store.filed()[0]]}

    queued = model_work(settings)
    # fetching must not hold a place among those who run models
    adding = {"concurrency_id": "addresses"} if settings.may_fetch_addresses else {}
    gr.api(collection_add, api_name="collection_add", **queued | adding)
    gr.api(collections, api_name="collections", concurrency_limit=None)
    gr.api(collection_export, api_name="collection_export", **queued)
    gr.api(collection_import, api_name="collection_import", **queued)
    gr.api(collection_delete, api_name="collection_delete", concurrency_limit=None)


def _own_or_new(key: str) -> str:
    return _or_none(key) or secrets.token_urlsafe(24)


def _or_none(key: str) -> str:
    if key and (not isinstance(key, str) or not 16 <= len(key) <= 200):
        raise PlaygroundError("This is no key. Give the one that /collection_add gave back, or none.")
    return key or ""


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


def _addresses(given: list[str] | None, settings: Settings) -> list[str]:
    from playground.labs.retrieval import web

    if not given:
        return []
    if not settings.may_fetch_addresses:
        raise PlaygroundError(web.FORBIDDEN)
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise PlaygroundError('addresses must be a list of texts, like ["https://example.org/page"].')
    return web.addresses("\n".join(given))


def _fetched(wanted: list[str], folder: Path, largest: int) -> "Iterator[Arrived]":
    from playground.labs.retrieval import web

    if wanted:
        with closing(web.fetch_all(wanted, folder, largest)) as arriving:
            yield from arriving


def _files(files: list | None) -> list[tuple[str, Path]]:
    """(name, path) of files that lie where uploads do, under names that nobody guesses: a path is the caller's word."""
    uploads = Path(get_upload_folder()).resolve()
    found = []
    if not isinstance(files or [], list) or not all(isinstance(each, dict | FileData) for each in files or []):
        raise PlaygroundError("`files` has to be a list of files that were uploaded here, as gradio_client sends them.")
    for each in files or []:
        given = each if isinstance(each, dict) else {"path": each.path, "orig_name": each.orig_name}
        path = Path(str(given.get("path") or "")).resolve()
        if not path.is_relative_to(uploads) or not path.is_file():
            raise PlaygroundError(
                "A file is not one that was uploaded here. Upload it first, as gradio_client's handle_file does."
            )
        found.append((Path(given.get("orig_name") or path.name).name, path))
    return found
