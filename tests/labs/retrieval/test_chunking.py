"""Chunks cover the text, keep to their size in real tokens, lose nothing, and know their place."""

import dataclasses
import itertools

import pytest

from playground.engine.recipe import Recipe
from playground.errors import PlaygroundError
from playground.labs.retrieval import sentences
from playground.labs.retrieval.chunking import Chunking, cut, room
from playground.labs.retrieval.documents import Document, Section, read
from tests import tiny

STORY = " ".join(f"Sentence number {i} tells of the cat, the doctor and Paris." for i in range(60))


@pytest.fixture(scope="module")
def engine():
    return dataclasses.replace(tiny.engine("bert"), sentence=Recipe(max_tokens=64))


def chunks(text, engine, name="a.txt", **how):
    return list(cut(read(name, text.encode()), engine, Chunking(**how)))


def split(text):
    return [text[a:b] for a, b in sentences.spans(text)]


def test_sentences():
    assert split("Dr. Smith paid 3.5 dollars, e.g. to J. Doe. Then he left! “Why?” No one knew...") == [
        "Dr. Smith paid 3.5 dollars, e.g. to J. Doe.", "Then he left!", "“Why?”", "No one knew...",
    ]  # fmt: skip
    assert split("今日は。元気？はい") == ["今日は。", "元気？はい"] or split("今日は。元気？はい") == [
        "今日は。",
        "元気？",
        "はい",
    ]
    assert split("# Title\nText one\n\n- a\n- b") == ["# Title\nText one", "- a", "- b"]
    assert "".join(split("x" * 9000)) == "x" * 9000


@pytest.mark.parametrize("by", ["sentences", "tokens", "headings", "characters"])
@pytest.mark.parametrize("overlap", [0, 12])
def test_chunks_are_stretches_of_the_text_and_cover_it(engine, by, overlap):
    how = dict(size=40, overlap=overlap) if by != "characters" else dict(size=150, overlap=overlap)
    found = chunks(STORY, engine, by=by, **how)
    assert len(found) > 5
    covered = set()
    for chunk in found:
        assert STORY[chunk.start : chunk.end] == chunk.text
        assert chunk.n_tokens == len(engine.tokenizer(chunk.text, add_special_tokens=False)["input_ids"])
        covered |= set(range(chunk.start, chunk.end))
        if by == "characters":
            assert len(chunk.text) <= 150
        else:
            assert chunk.n_tokens <= 40
            assert chunk.lost == 0
    assert all(i in covered for i, letter in enumerate(STORY) if not letter.isspace())
    overlaps = [a.end > b.start for a, b in itertools.pairwise(found)]
    if by in ("tokens", "characters"):
        assert all(overlaps) == bool(overlap)
    elif not overlap:
        assert not any(overlaps)


def test_overlap_repeats_whole_sentences(engine):
    first, second, *_ = chunks(STORY, engine, size=60, overlap=30)
    again = split(second.text)[0]
    assert again == split(first.text)[-1]


def test_a_sentence_longer_than_a_chunk_comes_in_parts_and_none_is_lost(engine):
    text = "cat doctor nurse " * 100
    found = chunks(text, engine, size=30, overlap=0)
    assert all(chunk.n_tokens <= 30 for chunk in found)
    assert " ".join(chunk.text for chunk in found).split() == text.split()


def test_what_is_beyond_the_model_is_counted(engine):
    assert room(engine) == 62
    (chunk,) = chunks("the cat " * 50, engine, size=8000, overlap=0)
    tokens = len(engine.tokenizer(chunk.text, add_special_tokens=False)["input_ids"])
    assert (chunk.n_tokens, chunk.lost) == (tokens, tokens - 62)
    prefixed = dataclasses.replace(engine, sentence=Recipe(max_tokens=64, passage_prefix="the cat "))
    assert room(prefixed) == 60


def test_headings_pages_and_records_are_borders_or_known(engine):
    text = "# A\nThe cat sat.\n# B\nThe doctor asked.\n"
    by_heading = chunks(text, engine, "a.md", by="headings", size=100)
    assert [(c.heading, c.text) for c in by_heading] == [("A", "# A\nThe cat sat."), ("B", "# B\nThe doctor asked.")]
    (whole,) = chunks(text, engine, "a.md", by="sentences", size=100)
    assert whole.heading == "A"
    rows = chunks("city,people\nOslo,1\nRome,2\n", engine, "a.csv", size=100)
    assert [(c.record, c.text) for c in rows] == [
        ("row 2", "city: Oslo\npeople: 1"),
        ("row 3", "city: Rome\npeople: 2"),
    ]
    paged = Document("p.pdf", "PDF", "One here.\n\nTwo there.\n\n", (Section(0, page=1), Section(11, page=2)))
    assert [c.page for c in cut(paged, engine, Chunking(size=8, overlap=0))] in ([1, 2], [1])


def test_a_heading_alone_goes_with_what_is_below_it(engine):
    text = "# The cat\n\n## On the mat\nIt sat.\n## Nurse\n### Doctor\nHe asked.\n# Paris\n# Berlin\nToo.\n# The end"
    found = chunks(text, engine, "a.md", by="headings", size=60, overlap=0)
    assert [(chunk.heading, chunk.text) for chunk in found] == [
        ("The cat › On the mat", "# The cat\n\n## On the mat\nIt sat."),
        ("The cat › Nurse › Doctor", "## Nurse\n### Doctor\nHe asked."),
        ("Berlin", "# Paris\n# Berlin\nToo."),
        ("The end", "# The end"),  # nothing is below it
    ]
    assert [text[chunk.start : chunk.end] for chunk in found] == [chunk.text for chunk in found]
    (whole,) = chunks("# Only a title", engine, "a.md", by="headings", size=100)
    assert (whole.heading, whole.text) == ("Only a title", "# Only a title")


def test_no_chunk_of_the_shipped_documents_is_a_heading_alone(engine):
    from playground.labs.retrieval import asking, shipped

    read_in = [read(name, content) for name, content in shipped.sources()]
    found = [chunk for each in read_in for chunk in cut(each, engine, Chunking("headings", 8000, 0))]
    assert len(found) > 250 and all(asking.tells(chunk.text) for chunk in found)


def test_the_title_is_indexed_with_every_chunk_and_counts(engine):
    text = "# The cat\nIt sat.\n## On the mat\nIt was comfortable."
    first, second = chunks(text, engine, "a.md", by="headings", size=60, overlap=0)
    assert first.indexed == first.text
    assert second.indexed == "The cat. ## On the mat\nIt was comfortable."
    long = f"# {'cat ' * 25}\nIt sat.\n## B\n{'nurse ' * 30}"
    for chunk in chunks(long, engine, "a.md", by="headings", size=60, overlap=0):
        assert chunk.lost == 0
        assert len(engine.tokenizer(chunk.indexed)["input_ids"]) <= 64


@pytest.mark.parametrize("how", [dict(by="words"), dict(size=3), dict(overlap=150), dict(by="characters", size=50)])
def test_numbers_out_of_range_are_refused(how):
    with pytest.raises(PlaygroundError):
        Chunking(**how)
