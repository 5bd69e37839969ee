"""Texts come out of files as people have them, and what cannot be read is said."""

import pytest

from playground.errors import PlaygroundError
from playground.labs.internals import corpora
from playground.labs.internals.probing import table


@pytest.mark.parametrize(
    ("name", "data", "texts", "how"),
    [
        ("a.txt", "One, two.\n\n  Three. \r\nFünf".encode(), ("One, two.", "Three.", "Fünf"), "UTF-8, a text a line"),
        ("a.txt", "Über".encode("cp1252"), ("Über",), "Windows-1252"),
        ("a.txt", "eins\nzwei".encode("utf-16"), ("eins", "zwei"), "UTF-16"),
        ("a.csv", b"id,Sentence\n1,One\n2,\"Two, too\"\n", ("One", "Two, too"), "column “Sentence”"),
        ("a.csv", b"1;a long text here\n2;another one\n", ("a long text here", "another one"), "column 2"),
        ("a.csv", b"Hello there\nAnother line\n", ("Hello there", "Another line"), "a text a line"),
        ("a.tsv", b"x\ttext\n1\tOne, two\n", ("One, two",), "column “text”"),
    ],
)  # fmt: skip
def test_texts_of_a_file(name, data, texts, how):
    found = corpora.read(data, name)
    assert found.texts == texts and how in found.reading and found.name == name


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.txt", b" \n\n", "no texts in this file"),
        ("a.csv", b"", "no texts in this file"),
        ("a.txt", b"\x00\x01\x02", "not a text file"),
        ("a.txt", b"\xff\xfeabc", "says that it is UTF-16"),
        ("a.txt", bytes(table.MOST_BYTES + 1), "at most 50 MB are read"),
    ],
)
def test_what_cannot_be_read_is_said(name, data, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        corpora.read(data, name)
