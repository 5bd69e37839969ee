"""Files -> documents: text with its pages and headings. What a file holds decides how it is read, not its name alone.

Nothing of a document is ever run or fetched. It does not know how documents are cut or kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from playground.errors import PlaygroundError

MOST_CHARACTERS = 400_000_000  # of one document's text
KINDS = "PDF, HTML, Markdown, plain text, DOCX, CSV, JSONL, or a ZIP of these"
_BY_SUFFIX = {
    ".pdf": "PDF", ".html": "HTML", ".htm": "HTML", ".xhtml": "HTML", ".md": "Markdown", ".markdown": "Markdown",
    ".docx": "DOCX", ".csv": "CSV", ".tsv": "CSV", ".jsonl": "JSONL", ".ndjson": "JSONL", ".zip": "ZIP",
}  # fmt: skip
_MAGIC = (  # how files begin that are no text
    (b"\x89PNG", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"), (b"GIF8", "a GIF picture"),
    (b"\x7fELF", "a program"), (b"MZ", "a Windows program"), (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"), (b"Rar!", "a RAR archive"), (b"SQLite format 3", "an SQLite database"),
    (b"ID3", "sound"), (b"OggS", "sound"), (b"\x00\x00\x00", "a video or another binary file"),
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A stretch of a document's text, up to where the next one starts."""

    start: int  # character
    heading: str = ""  # with those above it: "Attention › Masks"
    page: int | None = None  # from 1; None: the document has no pages
    record: str = ""  # which row of a table, or which object of a JSONL
    apart: bool = False  # a row of its own: no chunk holds it together with what is before


@dataclass(frozen=True)
class Document:
    name: str
    kind: str
    text: str
    sections: tuple[Section, ...]  # in the order of the text; the first starts at 0
    notes: tuple[str, ...] = ()  # what a person must know: pages without text, a name that misleads


Stopped = Callable[[], bool]


def read(name: str, data: bytes, stopped: Stopped = lambda: False) -> Document:
    """One file that is no ZIP (`archives.members` opens those).

    Raises:
        PlaygroundError: it is empty, encrypted, scanned, binary, damaged or too large; says which.
    """
    from playground.labs.retrieval import formats

    if not data:
        raise PlaygroundError("It is empty (0 bytes). Save it again and add it anew.")
    kind, note = kind_of(name, data)
    document = formats.READERS[kind](name, data, stopped)
    if not document.text.strip():
        raise PlaygroundError("There is no text in it.")
    if len(document.text) > MOST_CHARACTERS:
        raise PlaygroundError(
            f"It has {len(document.text):,} characters; at most {MOST_CHARACTERS:,} are read. Split it."
        )
    notes = (*((note,) if note else ()), *document.notes)
    return Document(document.name, document.kind, document.text, document.sections, notes)


def kind_of(name: str, data: bytes) -> tuple[str, str]:
    """The kind that the content has, and a sentence when the name says another.

    Raises:
        PlaygroundError: it is of no kind that is read here.
    """
    named = _BY_SUFFIX.get(PurePosixPath(name.lower()).suffix, "text")
    held = _held(data)
    if held is None:  # some text
        if named in ("PDF", "DOCX", "ZIP"):
            head = data[:2000].lstrip().lower()
            found = "HTML" if head.startswith((b"<!doctype html", b"<html")) else "text"
            return (
                found,
                f"Its name says {named}, but it is {'HTML' if found == 'HTML' else 'plain text'}; read as that.",
            )
        return named, ""
    if held not in ("PDF", "DOCX", "ZIP"):
        raise PlaygroundError(f"It is {held}, which has no text to read. Add {KINDS}.")
    if held != named:
        return held, f"Its name does not say so, but it is a {held} file; read as that."
    return held, ""


def _held(data: bytes) -> str | None:
    """What the first bytes say; None: it may be text."""
    head = data[:1024]
    if b"%PDF-" in head:
        return "PDF"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "DOCX" if b"word/document.xml" in data else "ZIP"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise PlaygroundError(
            "It is an old Office file (.doc, .xls) or a DOCX with a password. Save it as DOCX without a password."
        )
    return next((what for magic, what in _MAGIC if head.startswith(magic)), None)
