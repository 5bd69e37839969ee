"""Documents: make a collection, add files or a text, see how they were cut, take them along, delete them.

It does not know how files are read or kept.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.retrieval import exchange, shipped
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.library import EMBEDDING
from playground.models.catalog import catalog
from playground.models.sources import locate
from playground.tabs import results
from playground.tabs.files import new_folder, write_files
from playground.tabs.forms import Box
from playground.tabs.kit import AT_ONCE, MAY_REFUSE, WAITING, Page, user_errors
from playground.tabs.search import SEARCH, linked
from playground.tabs.search.bench import Bench
from playground.views.continuations import note
from playground.views.search import words

TITLE = "Documents"
FIRST = "mine/My documents"  # what is made when files are added while the shipped collection is picked
BY = {"Sentences": "sentences", "Headings": "headings", "Tokens": "tokens", "Characters": "characters"}
SIZES = {"sentences": (200, 40), "headings": (200, 40), "tokens": (200, 40), "characters": (1000, 200)}
KINDS = [".pdf", ".html", ".htm", ".md", ".txt", ".docx", ".csv", ".tsv", ".jsonl", ".zip", "text"]


@dataclass(frozen=True, eq=False)
class Documents:
    """The pane. Its methods are the handlers."""

    bench: Bench
    files: gr.File
    name: gr.Textbox
    text: gr.Textbox
    folder: gr.Textbox
    addresses: gr.Textbox
    fetched: gr.State  # what came from the addresses, as sources; None: it was stopped meanwhile
    status: gr.HTML
    outcomes: gr.HTML
    listed: gr.HTML
    document: gr.Dropdown
    borders: gr.HTML
    title: gr.Textbox
    shared: gr.Checkbox
    embedding: gr.Dropdown
    by: gr.Radio
    size: gr.Number
    overlap: gr.Number

    @property
    def shown(self) -> list[gr.components.Component]:
        """What follows the collection."""
        return [self.listed, self.document, self.borders]

    def sources(self, values: dict) -> list[tuple]:
        """(name, content or path) of all that is to be added."""
        found = [(Path(path).name, Path(path)) for path in values[self.files] or []]
        if (values[self.text] or "").strip():
            name = (values[self.name] or "").strip() or "pasted text"
            found.append((name if "." in name else f"{name}.txt", values[self.text].encode()))
        folder = (values[self.folder] or "").strip()
        if folder:
            if not self.bench.page.settings.may_read_local_paths:
                raise PlaygroundError(
                    "Folders of the machine that runs this page cannot be read here. Upload the files."
                )
            root = Path(folder).expanduser()
            if not root.is_dir():
                raise PlaygroundError(f"There is no folder {folder[:200]} on the machine that runs this page.")
            inside = sorted(
                p for p in root.rglob("*") if p.is_file() and not any(q.startswith(".") for q in p.parts[1:])
            )
            found += [(str(path.relative_to(root)), path) for path in inside]
        found += values[self.fetched] or []
        if not found:
            raise PlaygroundError("There is nothing to add. Choose files, or paste a text.")
        return found

    def fetch(self, values: dict, request: gr.Request) -> Iterator[dict]:
        """Fetches the addresses, outside the queue of those who run models: slow pages keep nobody waiting there."""
        with user_errors():
            lines = (values[self.addresses] or "").strip()
            if not lines:
                yield {self.fetched: []}
                return
            from playground.labs.retrieval import web

            settings = self.bench.page.settings
            if not settings.may_fetch_addresses:
                raise PlaygroundError(web.FORBIDDEN)
            stop = self.bench.stops.begin(request, "Fetching")
            arriving = web.fetch_all(
                web.addresses(lines), new_folder(), int(settings.upload_limit), stopped=stop.is_set
            )
            with closing(arriving):
                for now in arriving:
                    yield {self.status: words.fetching(now.n_done, now.n)}
            yield {self.fetched: None if stop.is_set() else list(now.found), self.status: note(WAITING)}

    def add(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.retrieval import indexing

        if values[self.fetched] is None:
            stop.set()
            return
        bench = self.bench
        address, key = bench.address(values), bench.key(values)
        sources = self.sources(values)
        if address == shipped.ADDRESS:
            address = FIRST
            if FIRST not in [each.address for each in bench.library.listed(key)]:
                bench.library.create(FIRST, key, EMBEDDING, self.chunking(values))
        store = bench.library.store(address, key)
        reference = store.about()[1]
        yield {bench.collection: gr.update(choices=bench.choices(key), value=address)}
        yield from bench.arrived(reference, self.status, stop)
        if stop.is_set():
            return
        settings = bench.page.settings
        room = bench.library.room(key) if address.startswith("mine/") else None
        with bench.page.models.lease(reference) as encoder:
            adding = indexing.add(store, sources, encoder, stop.is_set, int(settings.upload_limit), room)
            with closing(adding):
                for now in adding:
                    yield {self.status: words.adding(now), self.outcomes: words.outcomes(now.outcomes)}
        for _, content in values[self.fetched]:
            if isinstance(content, Path):
                content.unlink(missing_ok=True)
        yield self.look(address, key) | {
            bench.collection: gr.update(choices=bench.choices(key), value=address),
            self.files: None,
            self.text: "",
            self.addresses: "",
            self.fetched: [],
        }

    def look(self, address: str | None, owner: str | None, document: str | None = None) -> dict:
        """The picked collection: its documents, and how one was cut."""
        library, key = self.bench.library, owner or ""
        if not library.is_ready(address or shipped.ADDRESS):
            return {
                self.listed: words.unread(shipped.sources()),
                self.document: gr.update(choices=[], value=None),
                self.borders: "",
            }
        collection = library.open(address or shipped.ADDRESS, key)
        listing = next((each for each in library.listed(key) if each.address == address), None)
        names = [each.name for each in collection.documents]
        document = document if document in names else names[0] if names else None
        return {
            self.listed: words.documents(collection, listing),
            self.document: gr.update(choices=names[:5000], value=document),
            self.borders: words.borders(collection, document) if document else "",
        }

    def chunking(self, values: dict) -> Chunking:
        return Chunking(BY[values[self.by]], values[self.size] or 0, values[self.overlap] or 0)

    def create(self, values: dict) -> dict:
        with user_errors():
            bench, key = self.bench, self.bench.key(values)
            where = "shared" if values[self.shared] else "mine"
            address = f"{where}/{(values[self.title] or '').strip()}"
            embedding = (values[self.embedding] or "").strip() or EMBEDDING
            locate(embedding, bench.page.settings)  # whether it can be one, without asking the hub
            bench.library.create(address, key, embedding, self.chunking(values))
            return self.look(address, key) | {
                bench.collection: gr.update(choices=bench.choices(key), value=address),
                self.title: "",
                self.status: note(f"“{address.partition('/')[2]}” is made. Add documents to it."),
            }

    def remove(self, address: str, owner: str, document: str | None) -> dict:
        with user_errors():
            if not document:
                raise PlaygroundError("Pick the document that is to go.")
            store = self.bench.library.store(address, owner or "")
            with store.writing():
                store.remove(document)
            return (
                self.look(address, owner) | {self.status: note(f"{document} is deleted.")} | self._again(owner, address)
            )

    def delete(self, address: str, owner: str) -> dict:
        with user_errors():
            self.bench.library.delete(address, owner or "")
            return (
                self.look(shipped.ADDRESS, owner)
                | {self.status: note(f"“{address.partition('/')[2]}” is deleted.")}
                | self._again(owner, shipped.ADDRESS)
            )

    def _again(self, owner: str, address: str) -> dict:
        return {self.bench.collection: gr.update(choices=self.bench.choices(owner or ""), value=address)}

    def export(self, address: str, owner: str) -> str:
        """A ZIP of the collection's plain files."""
        with user_errors():
            library = self.bench.library
            store = library.shipped() if address == shipped.ADDRESS else library.store(address, owner or "")
            name = "".join(c if c.isalnum() else "-" for c in store.about()[0])
            (path,) = write_files({f"{name}.zip": ""})
            return str(exchange.pack(store, Path(path)))

    def bring(self, path: str | None, owner: str) -> dict:
        """A collection that was taken along comes back."""
        with user_errors():
            if not path:
                raise PlaygroundError("Choose the ZIP of a collection that was taken along.")
            address, troubles = self.bench.library.bring(Path(path).read_bytes(), owner or "")
            said = " ".join([f"“{address.partition('/')[2]}” is back.", *troubles])
            return self.look(address, owner) | {self.status: note(said)} | self._again(owner, address)


def build(page: Page, bench: Bench) -> None:
    gr.HTML(
        "<p>PDF, HTML, Markdown, text, DOCX, CSV, JSONL, or a ZIP of these. What you add is yours alone, kept on the "
        "machine that runs this page and found again by this browser. Scripts in a document are dropped, and what a "
        "document tells a model to do is quoted to it, not obeyed.</p>"
    )
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            files = gr.File(label="Files", file_count="multiple", file_types=KINDS, height=140, elem_id="search-files")
            with gr.Accordion("… or paste a text", open=False):
                name = gr.Textbox(label="Its name", placeholder="notes.txt", max_lines=1)
                text = gr.Textbox(label="Text", lines=6, max_lines=12, elem_id="search-paste")
            folder = gr.Textbox(
                label="… or a folder of the machine that runs this page", max_lines=1,
                visible=page.settings.may_read_local_paths,
            )  # fmt: skip
            addresses = gr.Textbox(
                label="… or addresses on the web, one a line", lines=2, max_lines=8, elem_id="search-addresses",
                placeholder="https://example.org/page", visible=page.settings.may_fetch_addresses,
            )  # fmt: skip
            with gr.Row(elem_classes="buttons"):
                add = gr.Button("Add to the collection", variant="primary", elem_id="search-add")
                stop = gr.Button("Stop", variant="stop", elem_id="search-add-stop")
        with gr.Column(scale=1, min_width=320):
            with gr.Accordion("A new collection", open=False, elem_id="search-new"):
                title = gr.Textbox(label="Name", max_lines=1)
                shared = gr.Checkbox(
                    label="Shared: every visitor can search and change it", visible=page.settings.may_share_collections
                )
                embedding = gr.Dropdown(
                    [(f"{e.title}", f"{e.reference}#float32") for e in catalog() if e.kind == "embedding"],
                    value=EMBEDDING, label="Embedding model", allow_custom_value=True,
                    info="Any sentence-transformers model; it cannot be changed later.",
                )  # fmt: skip
                by = gr.Radio(list(BY), value="Sentences", label="Cut by")
                with gr.Row():
                    size = gr.Number(
                        200, label="Size", info="Tokens of the embedding model (or characters).", precision=0
                    )
                    overlap = gr.Number(40, label="Overlap", precision=0)
                make = gr.Button("Make it", elem_id="search-make")
            status = gr.HTML(elem_id="search-add-status", elem_classes="doing")
            outcomes = gr.HTML(elem_id="search-outcomes", elem_classes=results.NO_RESULT)
            listed = gr.HTML(
                note("Documents of the picked collection stand here."),
                elem_id="search-documents",
                elem_classes=results.NO_RESULT,
            )
            with gr.Row(elem_classes="buttons"):
                take = gr.Button("Take it along (ZIP)", elem_id="search-export", min_width=150)
                back = gr.UploadButton(
                    "Bring one back (ZIP)", file_types=[".zip"], elem_id="search-import", min_width=150
                )
                burn = gr.Button("Delete the collection", variant="stop", elem_id="search-delete", min_width=150)
            with gr.Row(elem_classes="buttons", visible=False) as sure:
                gr.HTML(note("All its documents go, and do not come back unless you have taken it along."))
                really = gr.Button("Delete it", variant="stop", elem_id="search-delete-sure", min_width=120)
                keep = gr.Button("Keep it", elem_id="search-keep", min_width=120)
    with gr.Row(elem_classes="buttons"):
        document = gr.Dropdown([], label="How a document was cut", elem_id="search-document", min_width=260, scale=3)
        drop = gr.Button("Delete this document", elem_id="search-drop", scale=1)
    taken = gr.File(label="The collection", interactive=False, visible=False, elem_id="search-taken")
    borders = gr.HTML(elem_id="search-borders", elem_classes=results.NO_RESULT)
    pane = Documents(bench, files, name, text, folder, addresses, gr.State([]), status, outcomes, listed, document,
                     borders, title, shared, embedding, by, size, overlap)  # fmt: skip
    picked = bench.collection
    cut = {by, size, overlap}
    boxes = {"cut_by": by, "size": size, "overlap": overlap, "embedding": Box(embedding, names_model=True)}

    def fetch_first(click: gr.events.Dependency) -> gr.events.Dependency:
        fetched = click.success(
            pane.fetch, {addresses}, [status, pane.fetched], concurrency_id="addresses",
            concurrency_limit=page.settings.concurrency, show_progress="hidden", api_visibility="private",
        )  # fmt: skip
        fetched.failure(lambda: "", None, status, **AT_ONCE)
        return fetched

    bench.on(
        [add.click], TITLE, status, pane.add, {files, name, text, folder, pane.fetched} | cut,
        [picked, outcomes, files, text, addresses, pane.fetched, *pane.shown],
        fetch_first if page.settings.may_fetch_addresses else None,
    )  # fmt: skip
    stop.click(bench.stops.halt, None, None, **AT_ONCE)

    def look(address: str, owner: str, document: str | None = None) -> dict:
        with user_errors():
            return pane.look(address, owner, document)

    def look_after(filled: gr.events.Dependency) -> None:
        filled.then(look, [picked, bench.owner], pane.shown, **AT_ONCE)

    page.forms.offer(SEARCH, TITLE, boxes, more=linked.of(bench), then=look_after)
    picked.input(look, [picked, bench.owner], pane.shown, **MAY_REFUSE)
    page.blocks.load(look, [picked, bench.owner], pane.shown, **AT_ONCE)
    document.input(look, [picked, bench.owner, document], pane.shown, **MAY_REFUSE)
    by.input(lambda chosen: list(SIZES[BY[chosen]]), by, [size, overlap], **AT_ONCE)
    make.click(
        pane.create, {title, shared, embedding, *cut, *bench.ground}, [picked, title, status, *pane.shown], **MAY_REFUSE
    )
    drop.click(pane.remove, [picked, bench.owner, document], [picked, status, *pane.shown], **MAY_REFUSE)
    burn.click(lambda: gr.update(visible=True), None, sure, **AT_ONCE)
    gr.on([keep.click, really.click], lambda: gr.update(visible=False), None, sure, **AT_ONCE)
    really.click(pane.delete, [picked, bench.owner], [picked, status, *pane.shown], **MAY_REFUSE)
    back.upload(pane.bring, [back, bench.owner], [picked, status, *pane.shown], **MAY_REFUSE)
    take.click(pane.export, [picked, bench.owner], taken, **MAY_REFUSE).success(
        lambda: gr.update(visible=True), None, taken, **AT_ONCE
    )
