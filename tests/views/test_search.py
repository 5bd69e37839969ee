"""Nothing of a document becomes markup, and what is said is what was found."""

import dataclasses

import pytest

from playground.labs.retrieval import indexing, microscope, search
from playground.labs.retrieval.answering import Answer
from playground.labs.retrieval.asking import Strategy
from playground.labs.retrieval.checks import Sentence
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.documents import Document, Section
from playground.labs.retrieval.indexing import Outcome, Progress
from playground.labs.retrieval.search import How
from playground.views.search import charts, words
from tests import tiny

EVIL = '<img src=x onerror=alert(1)> cats & "dogs" run'


@pytest.fixture(scope="module")
def kept():
    found = [
        Document(EVIL, "text", f"{EVIL}. The cat sat.", (Section(0, heading=EVIL),)),
        Document("b", "text", "Dogs.", (Section(0),)),
    ]
    return indexing.in_memory(found, tiny.engine("bert"), Chunking(size=60, overlap=0))


def test_documents_stay_text_everywhere(kept):
    vector = kept.vectors[0]
    found = search.search(kept, "cat <b>run</b>", vector, How(), 2)
    it = microscope.why_not(kept, found, vector, 0)
    sentence = Sentence(f"{EVIL} [1] [9]", 0, 5, (1,), (9,), 1, 0.5, 0.4, (), EVIL, (0.5,), False, EVIL)
    told = Answer(
        "q",
        f"{EVIL} [1]",
        False,
        0.5,
        0.4,
        Strategy("one example", 1, EVIL),
        (kept.chunks[0],),
        EVIL,
        (sentence,),
        True,
    )
    pieces = [
        words.hits(found, kept, 0),
        words.answer(told, [0]),
        words.why(it),
        words.place(kept, it, "cat"),
        words.terms(it),
        words.borders(kept, EVIL),
        words.outcomes([Outcome(EVIL, "failed", EVIL)]),
    ]
    for html in pieces:
        assert "<img" not in html
    assert "<mark>cat</mark>" in pieces[0] or "<mark>cats</mark>" in pieces[0]
    assert "data-at='0'" in pieces[1] and "There is no such passage" in pieces[1] and "not supported" in pieces[1]
    figures = [
        charts.ranks(found, kept, 0),
        charts.plane(microscope.plane(kept, vector), kept, found, 0),
        charts.tokens(microscope.tokens(tiny.engine("bert"), "cat", kept.chunks[0]), True),
    ]
    assert all("<img" not in figure.to_json().replace("\\u003c", "<") for figure in figures)


def test_a_refusal_names_score_and_threshold():
    told = words.answer(Answer("q", "No.", True, 0.312, 0.45, None, (), "", finished=True))
    assert "0.312" in told and "0.45" in told


def test_marks_do_not_overlap_and_keep_all_text():
    assert words.marked("a<b>c", [(1, 3), (2, 4)]) == "a<mark>&lt;b</mark>&gt;c"


def test_one_chunk_is_no_plural(kept):
    assert "1 chunk of" in words.borders(kept, "b") and "1 chunks" not in words.borders(kept, "b")
    told = words.outcomes([Outcome("a.txt", "indexed", "", 1), Outcome("b.txt", "indexed", "", 2)])
    assert "added, 1 chunk." in told and "added, 2 chunks." in told


def test_a_collection_says_how_it_is_searched_and_what_is_lost(kept):
    listing = None
    told = words.documents(kept, listing)
    assert "Index: flat, because with 2 vectors, comparing the query with every one" in told
    assert "No token is lost" in words.borders(kept, "b")
    long = [Document("long", "text", "cat " * 400, (Section(0),))]
    cut = indexing.in_memory(long, tiny.engine("bert"), Chunking(size=8000, overlap=0))
    (chunk,) = cut.chunks
    assert chunk.lost > 0
    assert f"{chunk.lost:,} tokens are beyond what the embedding model reads" in words.borders(cut, "long")
    damaged = dataclasses.replace(kept, troubles=("A file is damaged & left out.",))
    assert "damaged &amp; left out" in words.documents(damaged, listing)


def test_progress_says_what_and_how_long():
    told = words.adding(Progress(0.25, "Embedding a.pdf", (), 1_000, 40.0, 75.0))
    assert 'value="0.250"' in told and "Embedding a.pdf … 1,000 chunks, 40 a second, about 75 s left" in told
    assert "left" not in words.adding(Progress(0.01, "Reading a.pdf", (), 1, 40.0))
    assert "Fetched 1 of 3 pages" in words.fetching(1, 3)


def test_headings_in_a_passage_are_shown_as_such_and_documents_before_they_are_read():
    text = "# The cat\n\n## On <b> mats\nIt sat."
    found = [Document("a.md", "Markdown", text, (Section(0, heading="The cat"),))]
    kept = indexing.in_memory(found, tiny.engine("bert"), Chunking(size=60, overlap=0))
    told = words.hits(search.search(kept, "mats", kept.vectors[0], How(), 1), kept, 0)
    assert "<b>The cat</b>\n<b>On &lt;b&gt; <mark>mats</mark></b>\nIt sat." in told
    told = words.unread([("a.md", b"# Cats & dogs\nText."), ("b.txt", b"Only <i>.")])
    assert "2 documents" in told and "Cats &amp; dogs" in told and "Only &lt;i&gt;." in told
