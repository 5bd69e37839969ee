"""Every kind of file is read with its places, and every bad one is refused in words that name the reason."""

import itertools
import json

import pytest

from playground.errors import PlaygroundError
from playground.labs.retrieval import archives
from playground.labs.retrieval.documents import Section, read
from tests.labs.retrieval import made

HTML = b"""<!doctype html><html><head><title>t</title><script>alert('boo')</script></head><body><nav>Home About</nav>
<article><h1>Volcanoes</h1><p>Etna is an active volcano on the east coast of Sicily, and one of the tallest of all.</p>
<h2>Lava</h2><p>Its lava is mostly basalt, which flows for many kilometres before it becomes hard and black.</p>
<script>document.write('evil')</script></article></body></html>"""


def sections(document) -> list[tuple[str, str]]:
    starts = [section.start for section in document.sections] + [len(document.text)]
    pieces = [document.text[a:b] for a, b in itertools.pairwise(starts)]
    return [(section.heading, piece.strip()) for section, piece in zip(document.sections, pieces, strict=True)]


def test_pdf_pages_are_known_and_hyphens_joined():
    document = read("a.pdf", made.pdf("The atten-\ntion weights\nsum to one.", "", "Page three."))
    assert [section.page for section in document.sections] == [1, 2, 3]
    assert sections(document)[0][1] == "The attention weights sum to one."
    assert document.text[document.sections[2].start :].strip() == "Page three."
    assert document.notes == ("1 of 3 pages have no text (pictures or blank).",)


def test_html_loses_its_scripts_and_keeps_its_headings():
    document = read("a.html", HTML)
    assert "basalt" in document.text and "Etna" in document.text
    assert "alert" not in document.text and "evil" not in document.text
    assert dict(sections(document))["Volcanoes › Lava"].endswith("hard and black.")


def test_markdown_headings_nest_and_code_is_none():
    text = "# A\none\n## B\ntwo\n```\n# not\n```\n## C #\n# D\n"
    document = read("a.md", text.encode())
    assert [section.heading for section in document.sections] == ["A", "A › B", "A › C", "D"]
    assert document.text[document.sections[2].start :].startswith("## C")


def test_docx_keeps_order_and_headings():
    data = made.docx(("Heading 1", "Intro"), ("Normal", "First."), ("Heading 2", "More"), ("Normal", "Second."))
    document = read("a.docx", data)
    assert sections(document) == [("Intro", "Intro\n\nFirst."), ("Intro › More", "More\n\nSecond.")]


def test_tables_and_lines_are_records_apart():
    document = read("a.csv", b'city,people\nOslo,"700,000"\n,\nRome,2800000\n')
    assert [(s.record, s.apart) for s in document.sections] == [("row 2", True), ("row 4", True)]
    assert "city: Oslo\npeople: 700,000" in document.text
    lines = [{"_id": "d1", "title": "Oslo", "text": "A city."}, {"name": "x", "n": 3}]
    document = read("a.jsonl", "\n".join(map(json.dumps, lines)).encode())
    assert [s.record for s in document.sections] == ["d1", "line 2"]
    assert document.text == "Oslo\nA city.\n\nname: x\nn: 3\n\n"


def test_text_in_other_encodings():
    assert read("a.txt", "Grüße".encode("utf-16")).text == "Grüße"
    document = read("a.txt", "Grüße aus Köln".encode("cp1252"))
    assert document.text == "Grüße aus Köln" and "Windows-1252" in document.notes[0]
    assert read("a.txt", b"one\r\ntwo").sections == (Section(0),)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.txt", b"", "0 bytes"),
        ("a.txt", b"   \n", "no text"),
        ("a.txt", bytes(range(256)) * 40, "binary data"),
        ("a.txt", b"\x89PNG\r\n\x1a\n" + b"x" * 90, "PNG picture"),
        ("a.md", b"\x7fELF" + b"\0" * 100, "a program"),
        ("a.pdf", made.pdf("Hidden", password="secret"), "password"),
        ("a.pdf", made.pdf("", ""), "OCR"),
        ("a.pdf", b"%PDF-1.7\n" + b"garbage " * 50, "damaged"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + b"\0" * 600, "password"),
        ("a.docx", made.zipped_paths({"word/document.xml": b"<broken"}), "damaged"),
        ("a.jsonl", b'{"a": 1}\nnot json', "Line 2"),
        ("a.csv", b"only,a,header\n", "no row"),
        ("in.zip", made.zipped(a=b"x"), "ZIP inside a ZIP"),
    ],
)
def test_bad_files_are_refused_in_words(name, data, said):
    with pytest.raises(PlaygroundError, match=said):
        read(name, data)


def test_a_wrong_name_is_noticed():
    document = read("notes.txt", made.pdf("Really a PDF."))
    assert document.kind == "PDF" and "name does not say so" in document.notes[0]
    document = read("a.pdf", b"just words")
    assert document.kind == "text" and "plain text" in document.notes[0]


def test_zip_members_are_read_and_bad_ones_named():
    data = made.zipped_paths({
        "good/a.txt": b"hello", "../../etc/passwd": b"root", "/abs.txt": b"x", "__MACOSX/b": b"", ".hidden": b"x",
        "big.txt": b"y" * 2000,
    })  # fmt: skip
    found = dict(archives.members(data, largest=1000))
    assert found["good/a.txt"] == b"hello"
    assert "leads out" in found["../../etc/passwd"] and "leads out" in found["/abs.txt"]
    assert "at most" in found["big.txt"]
    assert set(found) == {"good/a.txt", "../../etc/passwd", "/abs.txt", "big.txt"}


def test_zip_bombs_are_not_opened():
    bomb = made.zipped(a=b"\0" * 30_000_000)
    with pytest.raises(PlaygroundError, match="bomb"):
        list(archives.members(bomb, largest=10**9))
    with pytest.raises(PlaygroundError, match="bomb"):
        read("a.docx", made.zipped_paths({"word/document.xml": b" " * 30_000_000}))


def test_a_zip_that_lies_about_its_sizes_is_cut_off():
    data = bytearray(made.zipped(a=b"z" * 50_000))
    for mark in (b"PK\x01\x02", b"PK\x03\x04"):
        at = data.index(mark) + (24 if mark == b"PK\x01\x02" else 22)
        data[at : at + 4] = (100).to_bytes(4, "little")
    (found,) = dict(archives.members(bytes(data), largest=1000)).values()
    assert isinstance(found, str) or len(found) <= 100
