"""Evaluations of a made-up collection whose ranks are known, and of the shipped one with the starters."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import ndcg_score
from statsmodels.stats.proportion import proportion_confint

from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.retrieval import (
    answering,
    asking,
    beir,
    confidence,
    documents,
    evaluation,
    graded,
    indexing,
    metrics,
    questions,
    report,
    shipped,
)  # fmt: skip
from playground.labs.retrieval.answering import Answer
from playground.labs.retrieval.checks import Sentence
from playground.labs.retrieval.chunking import Chunk, Chunking
from playground.labs.retrieval.graded import Graded, Grades
from playground.labs.retrieval.lexical import Bm25
from playground.labs.retrieval.questions import Question, Relevant
from tests import tiny
from tests.labs.retrieval.made import zipped_paths

README = " ".join((Path(__file__).parents[3] / "README.md").read_text("utf-8").split())
TEXTS = {
    "cats.txt": "The cat sat on the mat and slept.",
    "dogs.txt": "A dog barked at the postman all morning.",
    "birds.txt": "Birds sing before the sun is up.",
    "fish.txt": "A fish swims in the cold river.",
}


@pytest.fixture(scope="module")
def encoder():
    return tiny.engine("bert")


@pytest.fixture(scope="module")
def pets(encoder):
    found = [documents.read(name, text.encode()) for name, text in TEXTS.items()]
    return indexing.in_memory(found, encoder, Chunking("sentences", 50, 0))


ASKED = (
    Question("1", "Where did the cat sleep?", (Relevant("cats.txt", "sat on the mat"),), "easy"),
    Question("2", "dog postman", (Relevant("dogs.txt"),), "easy"),
    Question("3", "swims river", (Relevant("birds.txt", "Birds sing"),), "hard"),
    Question("4", "What does a zebra eat?"),
)


def run(pets, encoder, settings=None, asked=ASKED, **more):
    news = list(evaluation.run(pets, asked, encoder, settings or evaluation.grid(), **more))
    return news[-1].result if news else None


def test_words_alone_find_what_shares_words(pets, encoder):
    found = run(pets, encoder)
    bm25 = found.rows[0]
    assert bm25.setting.name == "BM25"
    assert bm25.ranks == (1, 1, None)  # the third shares no word with its passage
    assert bm25.values["recall@5"] == (1, 1, 0)
    assert found.rows[1].estimate("recall@10").mean == 1.0  # there are four chunks: by meaning, all are found
    assert [each.id for each in found.measured] == ["1", "2", "3"] and len(found.confidences) == 4


def test_ndcg_of_a_setting_equals_scikit_learns(pets, encoder):
    found = run(pets, encoder)
    for row in found.rows:
        for at, rank in enumerate(row.ranks):
            truth, scores = np.zeros((1, 10)), np.arange(10, 0, -1.0)[None]
            if rank:
                truth[0, rank - 1] = 1
                assert row.values["nDCG@10"][at] == pytest.approx(ndcg_score(truth, scores))
            else:
                assert row.values["nDCG@10"][at] == 0


def test_a_stop_keeps_the_settings_that_are_done(pets, encoder):
    calls = iter(range(100))
    found = run(pets, encoder, stopped=lambda: next(calls) > 5)
    assert 1 <= len(found.rows) < len(evaluation.grid())
    assert "Stopped after" in found.notes[0]


def test_what_cannot_be_measured_is_said(pets, encoder):
    with pytest.raises(PlaygroundError, match="None of these questions"):
        run(pets, encoder, asked=ASKED[3:])
    with pytest.raises(PlaygroundError, match="no settings"):
        list(evaluation.run(pets, ASKED, encoder, []))
    with pytest.raises(PlaygroundError, match="same name"):
        list(evaluation.run(pets, ASKED, encoder, [evaluation.grid()[0]] * 2))


def test_a_report_is_plain_and_complete(pets, encoder):
    found = run(pets, encoder)
    plain = json.loads(json.dumps(report.plain(found, 0.4)))
    assert [each["name"] for each in plain["settings"]] == [each.name for each in evaluation.grid()]
    assert plain["settings"][0]["by_kind"]["hard"]["mean"] == 0
    assert report.table(found).count("\n") == 1 + len(found.rows) * 3


def test_a_benchmark_in_beirs_format_is_measured(encoder):
    rows = [{"_id": name, "title": "", "text": text} for name, text in TEXTS.items()]
    asked = [{"_id": "q1", "text": "cat mat"}, {"_id": "q2", "text": "river postman"}]
    archive = zipped_paths({
        "set/corpus.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "set/queries.jsonl": "\n".join(map(json.dumps, asked)).encode(),
        "set/qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq1\tcats.txt\t1\nq2\tdogs.txt\t1\nq2\tfish.txt\t2\n",
    })  # fmt: skip
    benchmark = beir.unpack(archive)
    *before, (done, collection) = beir.indexed(benchmark, encoder)
    assert done == 1.0 and all(each is None for _, each in before)
    assert [chunk.text for chunk in collection.chunks] == list(TEXTS.values())
    found = run(collection, encoder, asked=benchmark.questions)
    assert found.rows[0].values["recall@5"] == (1, 1) and found.rows[0].ranks == (1, 1)
    assert list(beir.indexed(benchmark, encoder, stopped=lambda: True)) == []


def test_a_threshold_is_chosen_by_its_rule():
    asked = [Question(str(i), "?", () if i < 10 else (Relevant("a"),)) for i in range(20)]
    sure = [i / 20 for i in range(10)] + [0.3 + i / 20 for i in range(10)]
    chosen = evaluation.choose(asked, sure, 0.8)
    assert chosen == 0.36  # 8 of 0, .05, ..., .45 lie below
    told = evaluation.refusal(asked, sure, chosen)
    assert (told.refused, told.n_unanswerable, told.falsely, told.n_answerable) == (8, 10, 2, 10)
    with pytest.raises(PlaygroundError, match="unanswerable"):
        evaluation.choose(asked[10:], sure[10:])


def test_confidence_counts_rare_words_more():
    """Of "cat" in two texts of three, "zebra" in one and "unicorn" in none, by ln(1 + (N - n + .5) / (n + .5))."""
    lexical = Bm25.of(["a cat", "a cat and a zebra", "nothing else"])
    cat, zebra, unicorn = (np.log(1 + (3 - n + 0.5) / (n + 0.5)) for n in (2, 1, 0))
    total = cat + zebra + unicorn
    shares = confidence.coverage(lexical, "cat zebra unicorn")
    assert shares == pytest.approx([cat / total, (cat + zebra) / total, 0], abs=1e-6)
    assert confidence.confidence(np.array([0.6]), np.array([0.3])) == pytest.approx([0.5])


def chunk(document: str) -> Chunk:
    return Chunk(document, "x", 0, 1, None, "", "", 1, 0)


def answer(text: str, *sentences: Sentence, refused: bool = False) -> Answer:
    passages = () if refused else (chunk("a"), chunk("b"))
    return Answer("?", text, refused, 0.5, 0.4, None, passages, "", sentences, True)


def test_an_answer_is_judged_by_what_it_says_and_cites():
    question = Question("q", "?", (Relevant("b"),), accept=("28.4",))
    said = [
        Sentence("It is 28.4 [2].", 0, 15, (2,), supported=True),
        Sentence("It is new [1].", 16, 30, (1,)),
        Sentence("It is good [9].", 31, 46, (), (9,)),
        Sentence("It is blue.", 47, 58, ()),
    ]
    got = graded.grade(question, answer("It is 28.4 [2]. …", *said), lambda each: each.document == "b")
    assert (got.right, got.given, got.cited, got.supported, got.holding) == (True, True, 3, 1, 1)
    refused = graded.grade(question, answer("No 28.4.", refused=True), lambda each: True)
    assert refused.refused and refused.right is False and not refused.given


def test_grades_are_shares_of_the_right_questions():
    yes = Question("y", "?", (Relevant("a"),), accept=("x",))
    row = Graded(yes, "x", False, True, True, 2, 1, 2)
    rows = (row, replace(row, right=False, given=False, cited=0, supported=0, holding=0), Graded(
        Question("n", "?"), "", True, None, False, 0, 0, 0
    ))  # fmt: skip
    found = Grades("words", rows, 3)
    assert (found.accuracy.mean, found.accuracy.n) == (0.5, 2)
    assert (found.accuracy_given.mean, found.accuracy_given.n) == (1.0, 1)
    assert (found.citation_precision.mean, found.citation_source.mean) == (0.5, 1.0)
    assert (found.refused.mean, found.falsely_refused.mean) == (1.0, 0.0)
    assert report.answers([found, found]).count("\n") == 7


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    return tiny.loaded(tiny.save(tmp_path_factory.mktemp("writer"), "llama", context=2048))


WANTED = answering.Wanted(0.0, sampling=Sampling(max_new_tokens=6, temperature=0), attribution=False)


def test_settings_that_find_the_same_passage_share_its_answer(pets, encoder, writer, monkeypatch):
    key = questions.key(ASKED, TEXTS)
    settings = evaluation.grid()
    asked, plain = [], answering.answer

    def counted(writer, encoder, collection, found, *more):
        asked.append((found.query, found.hits[0].id if found.hits else None))
        return plain(writer, encoder, collection, found, *more)

    monkeypatch.setattr(answering, "answer", counted)
    *_, found = graded.run(writer, encoder, pets, ASKED, key, settings, WANTED)
    assert len(asked) == len(set(asked)) < len(settings) * len(ASKED)
    assert [each.setting for each in found] == [each.name for each in settings]
    for setting, together in zip(settings, found, strict=True):
        *_, (alone,) = graded.run(writer, encoder, pets, ASKED, key, [setting], WANTED)
        assert alone.rows == together.rows and len(alone.rows) == len(ASKED)


def test_a_stop_leaves_every_setting_with_the_same_questions(pets, encoder, writer):
    stop = threading.Event()
    key = questions.key(ASKED, TEXTS)
    turns = []
    for now in graded.run(writer, encoder, pets, ASKED, key, evaluation.grid()[:2], WANTED, stop):
        turns.append([len(each.rows) for each in now])
        if len(turns) == 2:
            stop.set()
    assert turns == [[1, 1], [2, 2]]


def test_questions_are_picked_evenly():
    assert [each.id for each in questions.spread(ASKED, 2)] == ["1", "3"]
    assert questions.spread(ASKED, 9) == ASKED
    with pytest.raises(PlaygroundError, match="whole number"):
        questions.spread(ASKED, 0)


def test_the_interval_of_citations_is_wilsons_where_each_question_has_one():
    low, high = proportion_confint(3, 4, method="wilson")
    got = metrics.ratio([1, 1, 1, 0, 0], [1, 1, 1, 1, 0])
    assert (got.mean, got.n) == (0.75, 4)
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-6)
    sure = metrics.ratio([2, 3], [2, 3])  # 5 of 5 in two questions: as sure as 2 of 2
    assert (sure.mean, sure.n, sure.low) == (1.0, 5, pytest.approx(proportion_confint(2, 2, method="wilson")[0]))
    several = metrics.ratio([2, 0, 1], [2, 2, 1])
    assert several.mean == 0.6 and several.low < 0.6 < several.high


@pytest.mark.starter
def test_the_shipped_questions_with_the_starter(starter_cache):
    """What the page promises: hybrid recall, and a threshold that was chosen on other questions by its rule; and the
    README's figures of both."""
    from playground.labs.retrieval import library
    from playground.models.cache import ModelCache
    from playground.settings import Settings

    models = ModelCache(Settings(cache_dir=str(starter_cache)))
    with models.lease(library.EMBEDDING) as encoder:
        found = [documents.read(name, content) for name, content in shipped.sources()]
        kept = indexing.in_memory(found, encoder, shipped.CHUNKING)
        assert all(asking.tells(chunk.text) and not chunk.lost for chunk in kept.chunks)
        result = run(kept, encoder, asked=questions.shipped())
        chosen = run(kept, encoder, asked=questions.tuning(), settings=evaluation.grid()[:1])
    recall = {row.setting.name: row.estimate("recall@5").mean for row in result.rows}
    assert recall["hybrid, 80% meaning"] >= max(0.95, recall["BM25"], recall["dense"])
    assert evaluation.choose(chosen.questions, chosen.confidences) == answering.THRESHOLD
    told = result.refusal(answering.THRESHOLD)
    assert told.refused >= 8 and told.falsely <= 12, told
    for row in result.rows:
        first, five, rank = (row.estimate(name) for name in ("recall@1", "recall@5", "MRR@10"))
        cells = f"| {first.mean:.2f} | {five.mean:.2f} ({five.low:.2f} to {five.high:.2f}) | {rank.mean:.3f} |"
        assert cells in README, (row.setting.name, cells)
    assert f"refuses {told.refused} of the 10 unanswerable ones" in README, told
    assert f"by mistake, {told.falsely} of the 50 others" in README, told
