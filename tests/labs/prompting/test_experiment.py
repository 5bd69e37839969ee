"""A run on a tiny model: every cell is judged, what fails is marked, and nothing is computed twice."""

import contextlib
import threading

import pytest

from playground.errors import PlaygroundError
from playground.labs.prompting import experiment, scorers
from playground.labs.prompting.kept import Answer, Kept
from playground.labs.prompting.prompts import Example, Prompt
from playground.labs.prompting.scorers import Scorer
from playground.views.prompting import tables, words
from tests import tiny

ROWS = [{"text": t, "label": "a"} for t in ("The cat", "the mat", "The doctor", "Paris")]
PROMPTS = (Prompt("zero"), Prompt("few", examples=(Example("q", "", "a"), Example("p", "", "b")), style="few-shot"))


def lend(reference):
    return contextlib.nullcontext(tiny.engine("llama"))


def empty(scorer=None, drafts=PROMPTS, rows=ROWS, temperatures=(0.0,), **settings):
    found = experiment.variants(drafts, ["x"], temperatures, str)
    return experiment.empty(rows, found, scorer or Scorer("contains"), **{"max_new_tokens": 4} | settings)


def run(wanted, kept=None, stop=None):
    *_, last = experiment.run(lend, lend, wanted, kept, stop)
    return last.results()


def test_every_cell_is_there_and_judged():
    found = run(empty())
    assert [found.done(v) for v in (0, 1)] == [4, 4]
    for variant in (0, 1):
        for row, cell in zip(ROWS, found.cells[variant], strict=True):
            assert cell.judged == (scorers.score(found.scorer, cell.outputs[0], row),)
            assert cell.prompt_tokens > 0
            assert 0 < cell.new_tokens <= 4
    assert found.provenance[0]["reference"] == tiny.engine("llama").reference
    assert [variant.name for variant in found.variants] == ["zero", "few"]


def test_a_second_run_computes_only_what_changed():
    kept = Kept()
    first = run(empty(), kept)
    n = len(kept)
    otherwise = run(empty(Scorer("exact")), kept)
    assert len(kept) == n == 8
    assert [c.outputs for c in otherwise.cells[0]] == [c.outputs for c in first.cells[0]]


def test_a_row_that_fails_is_marked_and_the_rest_go_on():
    rows = [*ROWS, {"text": "", "label": "a"}, {"text": "x", "label": ""}, {"text": "y " * 3000, "label": "a"}]
    found = run(empty(rows=rows))
    assert found.outcomes(0)[4:] == [None, None, None]
    errors = [cell.error for cell in found.cells[0][4:]]
    assert errors[0].startswith("Row 5 has nothing in column “text”")
    assert errors[1].startswith("Row 6 has no right answer")
    assert errors[2].startswith("Row 7")
    assert None not in found.outcomes(0)[:4]


def test_choices_bring_probabilities_and_what_the_prompt_says_alone():
    found = run(empty(Scorer("choice", choices=("a", "b"))))
    for line in found.cells:
        for cell in line:
            assert sum(cell.probabilities) == pytest.approx(1)
            assert cell.outputs[0] == "ab"[int(cell.probabilities[1] > cell.probabilities[0])]
    assert all(sum(leaning) == pytest.approx(1) for leaning in found.leanings)
    confidences, right = experiment.confidences(found, 0)
    assert len(confidences) == len(right) == 4


def test_samples_vote():
    found = run(empty(temperatures=(1.0,), samples=3))
    assert {len(cell.judged) for line in found.cells for cell in line} == {3}
    again = run(empty(temperatures=(1.0,), samples=3))
    assert [c.outputs for c in again.cells[0]] == [c.outputs for c in found.cells[0]]


def test_a_judge_reads_every_answer():
    found = run(empty(Scorer("judge", reference="x"), PROMPTS[:1]))
    assert all(cell.final is not None for cell in found.cells[0])


def test_variants_are_named_by_what_tells_them_apart():
    names = [v.name for v in experiment.variants(PROMPTS[:1], ["m", "n"], (0.0, 0.7), str.upper)]
    assert names == [f"zero · {m} · temperature {t}" for m in "MN" for t in ("0", "0.7")]


def test_a_stopped_run_keeps_what_is_done():
    stop = threading.Event()
    running = experiment.run(lend, lend, empty(max_new_tokens=200), Kept(), stop)
    for now in running:
        if now.n_done:
            stop.set()
    found = now.results()
    done = sum(cell is not None for line in found.cells for cell in line)
    assert 0 < done <= 8
    assert found.rows == tuple(ROWS)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (empty(rows=[]), "table is empty"),
        (empty(rows=ROWS * 25_000), "100,000 rows"),
        (empty(drafts=[Prompt("p", query="{{txt}}")]), "Row 1 has no column “txt”"),
        (empty(drafts=[Prompt("p", query="{{text")]), "braces"),
        (empty(Scorer("exact", expected="answer")), "Row 1 has no column “answer”"),
        (empty(Scorer("regex", pattern="(")), "pattern cannot be read"),
        (empty(samples=3), "temperature 0"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(wanted, words):
    with pytest.raises(PlaygroundError, match=words):
        run(wanted)


def test_a_pattern_that_takes_too_long_ends_the_run():
    slow = Scorer("regex", pattern=r"(?s)(?:.+.+.+)+[\x00\x01]")
    drafts, kept = [Prompt("chat", as_chat=True)], Kept()
    with pytest.raises(PlaygroundError, match=r"more than 0\.2 s on the output of row"):
        run(empty(slow, drafts, max_new_tokens=400), kept)
    n, computed, put = len(kept), [], kept.put
    assert n > 0
    kept.put = lambda *what: (computed.append(what), put(*what))
    run(empty(Scorer("contains"), drafts, max_new_tokens=400), kept)  # nothing of what was written is lost
    assert len(computed) == len(ROWS) - n


@pytest.mark.parametrize("after", [1, 3])
def test_a_judge_stops_and_leaves_what_it_has_judged(after):
    stop = threading.Event()
    for now in experiment.run(lend, lend, empty(Scorer("judge", reference="x"), PROMPTS[:1]), Kept(), stop):
        if now.doing == "Judging with x" and now.n_done == after:
            stop.set()
    (line,) = now.results().cells
    assert [bool(cell.judged) for cell in line].count(True) == after
    assert all(cell.outputs and not cell.error for cell in line)
    table = tables.outputs(now.results())
    assert table.count("not judged") == 4 - after
    assert "failed" not in table
    assert words.UNFINISHED in words.remarks(now.results())


def test_a_row_that_the_judge_cannot_read_is_marked_and_the_rest_go_on():
    rows = [*ROWS, {"text": "x", "label": "a " * 3_000}, {"text": "x", "label": " "}]
    found = run(empty(Scorer("judge", reference="x"), PROMPTS[:1], rows))
    (line,) = found.cells
    assert all(cell.judged for cell in line[:4])
    assert line[4].error.startswith("Row 5: ")
    assert line[5].error.startswith("Row 6 has no right answer")
    assert line[4].outputs


def test_kept_answers_of_several_threads():
    kept, failed = Kept(budget=40_000), []

    def work(who: int) -> None:
        try:
            for i in range(2_000):
                kept.put(f"{i % 97}", Answer("text", 1))
                kept.get(f"{(i + who) % 97}")
        except KeyError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert 0 < kept.n_bytes <= kept.budget
    assert kept.n_bytes == len(kept) * 516 + sum(len(str(i)) for i in range(97) if kept.get(str(i)) is not None)
