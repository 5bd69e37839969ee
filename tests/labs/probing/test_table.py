"""Files of one's own: read however they come, refused with the row to blame."""

import pytest

from playground.errors import PlaygroundError
from playground.labs.internals.probing import table
from playground.labs.internals.probing.examples import checked, find

ROWS = [("Text", "Label")] + [(f"Das Tor {i} fällt, endlich", "gut" if i % 2 else "schlecht") for i in range(12)]


def csv_of(rows, separator=","):
    return "\n".join(separator.join(f'"{value}"' for value in row) for row in rows)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separators_and_encodings_are_found(separator, encoding):
    read = table.read(csv_of(ROWS, separator).encode(encoding))
    assert read.columns == ("Text", "Label") and read.rows == tuple(ROWS[1:])
    assert table.SEPARATORS[separator] in read.reading
    found = table.guess(read)
    assert found == {"text": "Text", "label": "Label", "word": None}
    assert table.examples(read, "Text", "Label").classes == ("schlecht", "gut")


def test_columns_are_guessed_by_name_then_by_place():
    read = table.read(b"id,word,sentence,kind\n1,cat,the cat,a\n")
    assert table.guess(read) == {"text": "sentence", "label": "id", "word": "word"}
    assert table.guess(table.read(b"a;b\n1;2\n")) == {"text": "a", "label": "b", "word": None}


def test_lines_are_those_of_the_file_even_behind_a_text_of_two_lines():
    data = b'text,label\n"one\ntwo",a\n\nthree,b\nfour,\n'
    read = table.read(data)
    assert read.lines == (3, 5, 6)
    with pytest.raises(PlaygroundError, match=r"Row 6 has no label\. Fill it in"):
        table.examples(read, "text", "label")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no rows below its first line"),
        (b"text,label\n", "no rows below its first line"),
        (b"text\nabc\n", "Only one column"),
        (b"text,label,text\na,b,c\n", "Two columns are called “text”"),
        (b"text,label\na,b\nhello, world,c\n", "Row 3 has 3 values, the first line 2.*quotation marks"),
        (b"PK\x03\x04\0\0\0", "not a text file"),
        (b"\xff\xfea", "says that it is UTF-16"),
        (b"x" * 50_000_001, "has 50 MB"),
        (b'text,label\n"' + b"x" * 200_000 + b"\n", "Line .* cannot be read as CSV"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(data, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        table.read(data)


def test_columns_must_be_there_and_differ():
    read = table.read(csv_of(ROWS).encode())
    with pytest.raises(PlaygroundError, match=r"no column “tag”. There are: Text, Label"):
        table.examples(read, "Text", "tag")
    with pytest.raises(PlaygroundError, match="stands for two things"):
        table.examples(read, "Text", "Text")


A, B = ["the cat sat"] * 6, ["a dog ran"] * 6


@pytest.mark.parametrize(
    ("texts", "labels", "words", "sentence"),
    [
        ([], [], None, "There are no texts"),
        (A, ["x"] * 6, None, "All 6 texts have the label “x”.*add texts of another label"),
        (A + B[:2], ["x"] * 6 + ["y"] * 2, None, "The label “y” has only 2 texts.*add 3 more"),
        (A + B[:1], ["x"] * 6 + ["y"], None, "only 1 text. "),
        ([*A, " "], ["x"] * 7, None, "Row 7 has no text"),
        (A + B, ["x"] * 6 + ["y"] * 6, ["cat"] * 6 + ["cat"] * 6, "Row 7: the word “cat” is not in its text “a dog"),
        (A, ["x"] * 6, ["cat"] * 5 + [""], "Row 6 has no word"),
        (A * 4, list("abcdefghijklmnopqrstuvwx"), None, "There are 24 different labels"),
    ],
)
def test_what_cannot_be_probed_is_refused_in_a_sentence(texts, labels, words, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        checked(texts, labels, words)


def test_many_texts_are_sampled_in_proportion_and_it_is_said():
    found = checked([f"text {i}" for i in range(3000)], ["a"] * 2700 + ["b"] * 294 + ["c"] * 6, most=300)
    counts = {label: found.labels.count(label) for label in found.classes}
    assert counts == {"a": 270, "b": 29, "c": 5}
    assert "3,000 texts; 304 of them were drawn by chance" in found.notes[0]
    again = checked([f"text {i}" for i in range(3000)], ["a"] * 2700 + ["b"] * 294 + ["c"] * 6, most=300)
    assert again.texts == found.texts


@pytest.mark.parametrize(
    ("text", "word", "span"),
    [
        ("The cart of the cat", "cat", (16, 19)),
        ("Cat and cat", "cat", (8, 11)),
        ("CAT", "cat", (0, 3)),
        ("half-time show", "half-time", (0, 9)),
        ("concatenate", "cat", None),
        ("Grüße an Zoë", "Zoë", (9, 12)),
    ],
)
def test_a_word_is_found_whole_and_by_its_case_first(text, word, span):
    assert find(text, word) == span
