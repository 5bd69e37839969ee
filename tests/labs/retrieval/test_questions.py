"""Questions and what counts as found: the shipped ones, ones of one's own, BEIR's."""

import json

import pytest

from playground.errors import PlaygroundError
from playground.labs.retrieval import beir, questions, shipped
from playground.labs.retrieval.chunking import Chunk
from playground.labs.retrieval.questions import Question, Relevant
from tests.labs.retrieval.made import zipped_paths


def chunk(document: str, start: int, end: int) -> Chunk:
    return Chunk(document, "x" * (end - start), start, end, None, "", "", 1, 0)


TEXTS = {"a": "0123456789" * 10, "b": "The passage is here. And more follows after it."}


def test_the_shipped_questions_are_what_they_are_said_to_be():
    found = questions.shipped()
    kinds = [each.kind for each in found]
    assert [kinds.count(kind) for kind in ("lexical", "paraphrase", "exact", "unanswerable")] == [15, 20, 15, 10]
    assert all(bool(each.relevant) == (each.kind != "unanswerable") for each in found)
    other = questions.tuning()
    assert sum(not each.relevant for each in other) == 20
    assert not {each.text for each in found} & {each.text for each in other}


def test_each_shipped_passage_stands_once_in_its_document():
    texts = {name: content.decode() for name, content in shipped.sources()}
    for each in (*questions.shipped(), *questions.tuning()):
        for relevant in each.relevant:
            assert texts[relevant.document].count(relevant.passage) == 1, each.id
            assert each.right(each.answer), each.id  # the answer for people is one that is accepted


def test_the_shipped_documents_are_at_least_sixty_pages():
    words = sum(len(content.split()) for name, content in shipped.sources() if name.endswith(".md"))
    assert words / 330 >= 60


def test_a_chunk_counts_with_half_of_the_passage():
    key = questions.key([Question("q", "?", (Relevant("a", TEXTS["a"][:20]),))], TEXTS)
    assert key.gains("q", [chunk("a", 11, 40), chunk("a", 10, 40), chunk("b", 0, 20)]) == [0, 1, 0]


def test_an_overlap_earns_nothing():
    key = questions.key([Question("q", "?", (Relevant("a", TEXTS["a"][:20]),))], TEXTS)
    assert key.gains("q", [chunk("b", 0, 9), chunk("a", 0, 30), chunk("a", 0, 25)]) == [0, 1, 0]


def test_where_documents_are_relevant_they_are_ranked_by_their_best_chunk():
    key = questions.key([Question("q", "?", (Relevant("b", grade=2), Relevant("a")))], TEXTS)
    ranked = [
        chunk("c", 0, 5),
        chunk("c", 5, 9),
        chunk("b", 0, 5),
        chunk("c", 9, 12),
        chunk("b", 5, 9),
        chunk("a", 0, 5),
    ]
    assert key.gains("q", ranked) == [0, 2, 1]
    assert key.ideals["q"] == (2, 1)
    assert key.holds("q", chunk("b", 0, 2)) and not key.holds("q", chunk("c", 0, 2))


def test_passages_that_are_not_there_are_told():
    asked = [
        Question("q", "?", (Relevant("b", "The passage is here."),)),
        Question("r", "?", (Relevant("b", "Nope."),)),
    ]
    assert questions.key(asked, TEXTS).absent == ("r",)
    with pytest.raises(PlaygroundError, match="Pick the collection"):
        questions.key(asked[1:], TEXTS)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("The test set has 1,319 problems.", True),
        ("It has 1319.", True),
        ("It has 13190 problems.", False),
        ("It has 1,319,000.", False),
        ("", False),
    ],
)
def test_answers_are_right_by_whole_words(answer, right):
    assert Question("q", "?", accept=("1,319",)).right(answer) is right


def test_an_answer_keeps_its_decimals():
    assert Question("q", "?", accept=("60.5",)).right("BERT scored 60.5 percent.")
    assert not Question("q", "?", accept=("60.5",)).right("BERT scored 605, or 60 5.")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not json", "Line 1 is no JSON"),
        ('{"text": "?"}', "Line 1 has no question"),
        ('{"question": "?", "passage": "x"}', "not the document"),
        ('{"question": "?", "document": 3}', "no text in “document”"),
        ('{"question": "?", "accept": "x"}', "must be a list"),
        ("", "There are no questions"),
        ('{"question": "?", "id": "a"}\n{"question": "!", "id": "a"}', "two questions with the id"),
    ],
)
def test_questions_that_cannot_be_read_are_named(line, said):
    with pytest.raises(PlaygroundError, match=said):
        questions.read(line.encode())


def files(**other: bytes) -> dict[str, bytes]:
    rows = [{"_id": "d1", "title": "One", "text": "first"}, {"_id": "d2", "title": "", "text": "second"}]
    asked = [{"_id": "q1", "text": "which?"}, {"_id": "q2", "text": "never judged"}]
    found = {
        "set/corpus.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "set/queries.jsonl": "\n".join(map(json.dumps, asked)).encode(),
        "set/qrels/dev.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\n",
        "set/qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq1\td2\t2\nq1\td1\t0\n",
    }
    return found | {
        name.replace("__", "/").replace("_jsonl", ".jsonl").replace("_tsv", ".tsv"): v for name, v in other.items()
    }


def test_a_beir_benchmark_is_read():
    found = beir.unpack(zipped_paths(files()))
    assert [(each.name, each.text) for each in found.documents] == [("d1", "One\nfirst"), ("d2", "second")]
    assert found.questions == (Question("q1", "which?", (Relevant("d2", "", 2.0),)),)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"set/corpus.jsonl": b'{"_id": "d1"}'}, "Line 1 of corpus.jsonl has no text"),
        ({"set/corpus.jsonl": b'{"text": "x"}'}, "no _id"),
        ({"set/queries.jsonl": b"[]"}, "Line 1 of queries.jsonl"),
        ({"set/qrels/test.tsv": b"q1\td1\tmany\n"}, "Line 1 of the TSV"),
        ({"set/qrels/test.tsv": b"q9\td1\t1\n"}, "no query “q9”"),
        ({"set/qrels/test.tsv": b"\xff\xfe"}, "not UTF-8"),
    ],
)
def test_a_benchmark_that_cannot_be_read_says_where(changed, said):
    with pytest.raises(PlaygroundError, match=said):
        beir.unpack(zipped_paths(files() | changed))


def test_what_is_no_benchmark_is_refused():
    damaged = bytearray(zipped_paths(files()))
    at = damaged.index(b"corpus.jsonl") + 14  # within the packed content
    damaged[at : at + 40] = b"\xff" * 40
    for data in (b"no zip", zipped_paths({"a.txt": b"x"}), bytes(damaged)):
        with pytest.raises(PlaygroundError, match="BEIR's format"):
            beir.unpack(data)
