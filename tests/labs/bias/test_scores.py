"""Pair scores against the published definitions written out plainly, on tiny models with random weights."""

import csv
import math
import threading
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from playground.engine import blanks, sentences
from playground.errors import PlaygroundError
from playground.labs.bias import measure, pairs, scoring, summary
from playground.labs.bias.pairs import Pair
from tests import tiny
from tests.labs.bias import plain

CROWS = Path(__file__).parents[3].parent / "shared" / "data" / "crows_pairs.csv"
PAIRS = (
    Pair("The doctor sat on the mat.", "The nurse sat on the mat.", "work"),
    Pair("The cat asked the nurse to help because it was comfortable.", "The doctor asked the nurse to help.", "work"),
    Pair("Paris is the capital of France.", "France is the capital of Paris.", "place"),
    Pair("a", "b", "place"),
    Pair("The cat", "The cat sat on the mat and the doctor on the cat", "place"),
)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
def test_masked_scores_are_those_of_the_published_definitions(architecture):
    engine = tiny.engine(architecture)
    for dialect, by in (("original", plain.original), ("bias-bench", plain.bias_bench)):
        found = measure.measure(engine, PAIRS, dialect)
        assert found.complete
        for number, one in found.scored.items():
            if one.skipped:
                assert dialect == "bias-bench" and number == 4  # one sentence begins with the other
                continue
            expected = by(engine, PAIRS[number].first, PAIRS[number].second)
            assert (one.first.score, one.second.score) == pytest.approx(expected, abs=1.1e-3)  # both are rounded
            assert one.difference == pytest.approx(expected[0] - expected[1], abs=2.1e-3)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2", "mamba"])
def test_causal_scores_are_those_of_the_published_definitions(architecture):
    engine = tiny.engine(architecture)
    start = sentences.start_id(engine)
    whole = measure.measure(engine, PAIRS)
    assert whole.dialect == "lm-eval"
    bench = measure.measure(engine, PAIRS, "bias-bench")
    for number, pair in enumerate(PAIRS):
        for side, text in (("first", pair.first), ("second", pair.second)):
            alone = plain.sentence(engine, text, start)
            got = getattr(whole.scored[number], side)
            np.testing.assert_allclose(got.logprobs, alone, atol=1e-4)
            assert got.score == pytest.approx(alone.sum(), abs=1e-4)
            assert got.perplexity == pytest.approx(math.exp(-alone.mean()), rel=1e-4)
            mixed = np.concatenate([alone[:1], plain.sentence(engine, text, None)])
            assert getattr(bench.scored[number], side).score == pytest.approx(
                2 ** (mixed / math.log(2)).mean(), rel=1e-4
            )


def test_crows_pairs_as_by_the_unbatched_definition():
    """A part of the shared file here: all of it is compared in benchmarks/bias.py."""
    if not CROWS.is_file():
        pytest.skip("CrowS-Pairs does not come with this project")
    every, _ = pairs.from_table(CROWS.read_bytes())
    assert len(every) == 1508
    assert sum(pair.direction == "stereo" for pair in every) == 1290
    assert sum(pair.category == "race-color" for pair in every) == 516
    engine = tiny.engine("bert")
    some = every[::90]
    found = measure.measure(engine, some)
    n_first = 0
    for number, pair in enumerate(some):
        first, second = plain.original(engine, pair.first, pair.second)
        one = found.scored[number]
        if abs(first - second) > 0.002:  # nearer than that, rounding to 3 digits decides
            assert one.preferred == ("first" if first > second else "second")
        n_first += one.preferred == "first"
    assert found.shares[0].first == n_first and found.shares[0].n == len(some)


def test_ties_are_neutral_and_not_preferred():
    engine = tiny.engine("bert")
    found = measure.measure(engine, [Pair("the mat", "the  mat"), Pair("The cat sat", "the cat sat")])
    assert [one.preferred for one in found.scored.values()] == ["neither", "neither"]
    assert found.shares[0].ties == 2 and found.shares[0].share == 0


def test_a_word_that_both_lack_in_order_is_marked():
    engine = tiny.engine("gpt2")
    one = measure.measure(engine, [Pair("The doctor sat", "The cat sat")]).scored[0]
    for side, word in ((one.first, "doctor"), (one.second, "cat")):
        marked = "".join(token for token, differs in zip(side.tokens, side.differs, strict=True) if differs)
        assert set(marked.strip()) <= set(word) and marked


def test_stop_keeps_what_is_done_and_the_next_run_goes_on(monkeypatch):
    engine = tiny.engine("bert")
    many = [Pair(f"The cat sat on mat {i}", f"The doctor sat on mat {i}") for i in range(3 * scoring.CHUNK)]
    stop = threading.Event()
    told = []

    def report(done, sentence):
        told.append(done)
        if done and done > 0:
            stop.set()

    first = measure.measure(engine, many, report=report, stop=stop)
    assert 0 < len(first.scored) < len(many) and not first.complete
    read, rows = blanks.read, []

    def counted(engine, asked, *rest):
        rows.extend(asked)
        return read(engine, asked, *rest)

    monkeypatch.setattr(blanks, "read", counted)
    second = measure.measure(engine, many, done=first.scored)
    assert second.complete and all(second.scored[i] is one for i, one in first.scored.items())
    monkeypatch.setattr(blanks, "read", read)
    whole = measure.measure(engine, many)
    for i in range(len(many)):
        assert second.scored[i].difference == pytest.approx(whole.scored[i].difference, abs=1.1e-3)
    mask = engine.tokenizer.mask_token_id
    assert len(rows) > 0 and all(mask in row.ids for row in rows)


def test_intervals_are_wilsons_and_the_bootstraps():
    engine = tiny.engine("gpt2")
    found = measure.measure(engine, PAIRS)
    for one in found.shares:
        expected = binomtest(one.first, one.n).proportion_ci(method="wilson")
        assert (one.low, one.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
        ours = [s.difference for i, s in found.scored.items() if one.category in ("all", PAIRS[i].category)]
        assert one.mean == pytest.approx(np.mean(ours)) and one.mean_absolute == pytest.approx(np.abs(ours).mean())
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = summary.mean_interval(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_verdicts_go_no_further_than_the_interval():
    def share(first, n):
        return summary.Share("all", n, first, 0, *summary.wilson(first, n), 0.0, 0.0, 0.0, 0.0)

    assert share(11, 20).verdict == "open" and share(30, 60).verdict == "open"
    assert share(60, 80).verdict == "first" and share(10, 80).verdict == "second"


def test_templates_get_the_right_article():
    assert pairs.filled("He is a {word}.", "engineer") == "He is an engineer."
    assert pairs.filled("She is an {word}.", "doctor") == "She is a doctor."
    assert pairs.filled("The {word} slept.", "actor") == "The actor slept."
    found = pairs.from_templates(["He is a {word}."], ["She is a {word}."], ["artist", "nurse"])
    assert found[0] == Pair("He is an artist.", "She is an artist.", "artist") and len(found) == 2


def test_tables_of_ones_own_and_winogender():
    found, how = pairs.from_table(b"first;second;category\nHe sat.;She sat.;x\n")
    assert found == (Pair("He sat.", "She sat.", "x"),) and "semicolon" in how
    rows = "sentid\tsentence\n"
    for gender, pronoun in (("male", "he"), ("female", "she"), ("neutral", "they")):
        rows += f"nurse.patient.1.{gender}.txt\tThe nurse said {pronoun} slept.\n"
    found, _ = pairs.from_table(rows.encode())
    assert found == (Pair("The nurse said he slept.", "The nurse said she slept.", "nurse"),)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: pairs.from_table(b"a text,label\nx,y\n"), "two with sentences are needed"),
        (lambda: pairs.from_table(b"first,second\nx,\n"), "Line 2 has an empty sentence"),
        (lambda: pairs.from_table(b"first,second\n" + b"x,y\n" * 5001), "at most 5,000"),
        (lambda: pairs.from_templates(["a {word}"], ["b {word}", "c {word}"], ["x"]), "1 first templates and 2 second"),
        (lambda: pairs.from_templates(["a"], ["b {word}"], ["x"]), "has no slot"),
        (lambda: pairs.from_templates(["a {word}"], ["b {word}"], []), "no templates or no words"),
        (lambda: pairs.checked([Pair("a", "a")]), "are the same"),
        (lambda: pairs.checked([]), "There are no pairs"),
        (lambda: measure.measure(tiny.engine("bert"), PAIRS, "lm-eval"), "There are: original, bias-bench"),
        (lambda: measure.measure(tiny.engine("gpt2"), PAIRS, "original"), "There are: lm-eval, bias-bench"),
        (lambda: measure.measure(tiny.engine("t5"), PAIRS), "gives no probability to a sentence"),
    ],
)
def test_bad_input_gets_a_sentence(make, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        make()


def test_100_000_pairs_are_refused_before_any_is_read():
    rows = "\n".join(f"He {i},She {i}" for i in range(100_000))
    with pytest.raises(PlaygroundError, match="100,000 pairs; at most"):
        pairs.from_table(f"first,second\n{rows}\n".encode())


def test_the_shared_file_can_be_read_by_its_own_names():
    if not CROWS.is_file():
        pytest.skip("CrowS-Pairs does not come with this project")
    every, _ = pairs.from_table(CROWS.read_bytes())
    with CROWS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(pair.first, pair.second) for pair in every] == [
        (r["sent_more"].strip(), r["sent_less"].strip()) for r in rows
    ]
