"""One reader a kind of file: bytes -> `Document`. Each says in words why a file cannot be read.

It does not decide which kind a file is.
"""

import csv
import io
import itertools
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator

from playground.errors import PlaygroundError
from playground.labs.jsonl import as_text, lines
from playground.labs.retrieval.documents import Document, Section, Stopped

MOST_PAGES = 10_000
# What a damaged or unusual ZIP raises while it is read.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    RuntimeError,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
)
MOST_UNPACKED = 500_000_000  # bytes of a DOCX or ZIP, unpacked
FENCE = re.compile(r"^ {0,3}(```|~~~)")
HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def decoded(data: bytes) -> tuple[str, str]:
    """Text of bytes, and a sentence when the encoding was guessed.

    Raises:
        PlaygroundError: these bytes are no text.
    """
    note = ""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
            note = "It is not UTF-8; it was read as Windows-1252, so some letters may be wrong."
    sample = text[:200_000]
    strange = len(_CONTROL.findall(sample)) + sample.count("\ufffd")
    if "\x00" in sample or strange > 0.02 * len(sample) + 1:
        raise PlaygroundError("It holds binary data, not text, whatever its name says. Add the document itself.")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(" ", text), note


def text(name: str, data: bytes, stopped: Stopped) -> Document:
    whole, note = decoded(data)
    return Document(name, "text", whole, (Section(0),), (note,) if note else ())


def markdown(name: str, data: bytes, stopped: Stopped) -> Document:
    whole, note = decoded(data)
    return Document(name, "Markdown", whole, headings(whole), (note,) if note else ())


def headings(whole: str) -> tuple[Section, ...]:
    """Sections by ATX headings (CommonMark 4.2), those in fenced code left out."""
    sections, fence, at = [Section(0)], "", 0
    above: list[tuple[int, str]] = []  # level and title
    for line in whole.split("\n"):
        if found := FENCE.match(line):
            fence = "" if fence == found[1] else fence or found[1]
        elif not fence and (found := HEADING.match(line)):
            level = len(found[1])
            above = [(n, title) for n, title in above if n < level] + [(level, found[2])]
            sections.append(Section(at, " › ".join(title for _, title in above)))
        at += len(line) + 1
    return tuple(sections if len(sections) == 1 or sections[1].start else sections[1:])


def html(name: str, data: bytes, stopped: Stopped) -> Document:
    """The article of a page, as trafilatura finds it: no menus, no scripts; all visible text where it finds none."""
    import trafilatura
    from lxml import html as lxml_html

    whole, note = decoded(data)
    notes = [note] if note else []
    found = trafilatura.extract(
        whole, output_format="markdown", include_tables=True, include_comments=False, include_formatting=True
    )
    if not found or len(found) < 200:
        try:
            tree = lxml_html.fromstring(whole.encode(), parser=lxml_html.HTMLParser(encoding="utf-8"))
        except Exception:  # lxml has several errors of its own for what is no HTML
            raise PlaygroundError("It could not be read as HTML. Open it in a browser and save it as text.") from None
        for element in tree.xpath("//script|//style|//noscript|//template|//head|//iframe"):
            element.drop_tree()
        plain = re.sub(r"\s*\n\s*", "\n\n", tree.text_content()).strip()
        if len(plain) > len(found or ""):
            found = plain
            notes.append("No article was found in the page, so all of its visible text was taken.")
    found = found or ""
    return Document(name, "HTML", found, headings(found), tuple(notes))


def pdf(name: str, data: bytes, stopped: Stopped) -> Document:
    """The text layer, page by page (pypdf)."""
    import pypdf
    from pypdf.errors import PyPdfError

    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise PlaygroundError("It is encrypted and asks for a password. Save it without one and add it again.")
        n_pages = len(reader.pages)
        if n_pages > MOST_PAGES:
            raise PlaygroundError(f"It has {n_pages:,} pages; at most {MOST_PAGES:,} are read. Split it.")
        parts, sections, empty, at = [], [], 0, 0
        for number, page in enumerate(reader.pages, 1):
            if stopped():
                break
            try:
                content = _joined(page.extract_text() or "")
            except Exception:  # a damaged page raises anything at all; the others can still be read
                content = ""
            empty += not content.strip()
            sections.append(Section(at, page=number))
            parts.append(content + "\n\n")
            at += len(parts[-1])
    except PlaygroundError:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError, RecursionError) as error:
        raise PlaygroundError(
            f"This PDF is damaged ({str(error)[:80] or type(error).__name__}). Save it again."
        ) from None
    if parts and empty == len(parts):
        raise PlaygroundError(
            "Its pages are pictures without a text layer (a scan). Run text recognition (OCR) over it and add it again."
        )
    note = f"{empty} of {len(parts)} pages have no text (pictures or blank)."
    return Document(name, "PDF", "".join(parts), tuple(sections), (note,) if empty else ())


def _joined(page: str) -> str:
    """A page's lines as paragraphs: words that were parted at a line's end are whole again."""
    page = _CONTROL.sub(" ", page)
    page = re.sub(r"(?<=[a-zà-ÿ])-\n(?=[a-zà-ÿ])", "", page)
    return re.sub(r"(?<![.!?:\n])\n(?=[^\n•\-–*\d])", " ", page)


def docx(name: str, data: bytes, stopped: Stopped) -> Document:
    """Paragraphs and tables in their order; heading styles become sections (python-docx)."""
    import docx as python_docx
    from docx.table import Table

    check_unpacked(data)
    try:
        document = python_docx.Document(io.BytesIO(data))
        blocks = list(document.iter_inner_content())
    except Exception as error:  # it raises KeyError, BadZipFile and XML errors alike
        raise PlaygroundError(f"This DOCX is damaged ({type(error).__name__}). Open it and save it again.") from None
    parts, sections, at = [], [Section(0)], 0
    above: list[tuple[int, str]] = []  # level and title
    for block in blocks:
        if isinstance(block, Table):
            rows = [" | ".join(cell.text.strip() for cell in row.cells) for row in block.rows]
            content = "\n".join(rows)
        else:
            content = block.text
            style = (block.style.name or "") if block.style is not None else ""
            level = 1 if style == "Title" else int(style[8:]) if re.fullmatch(r"Heading \d", style) else 0
            if level and content.strip():
                above = [(n, title) for n, title in above if n < level] + [(level, content.strip())]
                sections.append(Section(at, " › ".join(title for _, title in above)))
        if content.strip():
            parts.append(content + "\n\n")
            at += len(parts[-1])
    kept = sections if len(sections) == 1 or sections[1].start else sections[1:]
    return Document(name, "DOCX", "".join(parts), tuple(kept))


def check_unpacked(data: bytes, most: int = MOST_UNPACKED) -> None:
    """Raises PlaygroundError for a ZIP container that is damaged, encrypted, or grows out of all proportion.

    most: bytes, unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise PlaygroundError(f"It is damaged: {error}. Save it again.") from None
    total = sum(info.file_size for info in infos)
    if total > most or total > 1_000_000 + 200 * len(data):
        raise PlaygroundError(
            f"It would unpack from {len(data) / 1e6:.1f} to {total / 1e6:,.0f} MB, as ZIP bombs do; it was not opened."
        )


def _records(name: str, kind: str, rows: Iterator[tuple[str, str]], notes: tuple[str, ...] = ()) -> Document:
    """(label, text) pairs, each apart from the others."""
    parts, sections, at = [], [], 0
    for label, content in rows:
        if content.strip():
            sections.append(Section(at, record=label, apart=True))
            parts.append(content + "\n\n")
            at += len(parts[-1])
    return Document(name, kind, "".join(parts), tuple(sections) or (Section(0),), notes)


def table(name: str, data: bytes, stopped: Stopped) -> Document:
    """A row a record: “column: value”, line by line."""
    whole, note = decoded(data)
    head = whole[:20_000]
    try:
        dialect = csv.Sniffer().sniff(head, delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    rows = csv.reader(io.StringIO(whole), dialect)
    try:
        names = next(rows, [])
        filled = [(f"row {number}", row) for number, row in enumerate(rows, 2) if any(map(str.strip, row))]
    except csv.Error as error:
        raise PlaygroundError(f"This CSV is damaged ({error}). Save it again as CSV in UTF-8.") from None
    if not filled:
        raise PlaygroundError("This CSV has no row below its first line, which names the columns.")

    def content(row: list[str]) -> str:
        pairs = itertools.zip_longest(names, row, fillvalue="")
        return "\n".join(f"{key}: {value}" if key else value for key, value in pairs if value.strip())

    return _records(name, "CSV", ((label, content(row)) for label, row in filled), (note,) if note else ())


def jsonl(name: str, data: bytes, stopped: Stopped) -> Document:
    """A line a record: its title and text where it has them, else all its values. Labelled by its id."""
    whole, note = decoded(data)

    def rows() -> Iterator[tuple[str, str]]:
        for number, value in lines(whole):
            label = f"line {number}"
            if isinstance(value, dict):
                label = str(value.get("_id", value.get("id", label)))
                shown = [value.get("title"), value.get("text")] if "text" in value else None
                pieces = shown or [f"{key}: {as_text(each)}" for key, each in value.items() if key not in ("_id", "id")]
                value = "\n".join(as_text(piece) for piece in pieces if piece)
            yield label, as_text(value)

    return _records(name, "JSONL", rows(), (note,) if note else ())


def _zip(name: str, data: bytes, stopped: Stopped) -> Document:
    raise PlaygroundError("It is a ZIP inside a ZIP, which is not opened. Unpack it first.")


READERS = {
    "PDF": pdf, "HTML": html, "Markdown": markdown, "text": text, "DOCX": docx, "CSV": table, "JSONL": jsonl,
    "ZIP": _zip,
}  # fmt: skip
