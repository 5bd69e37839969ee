"""A grid gives what each cell gives alone, computes nothing twice, and loses nothing when it is stopped or fails."""

import contextlib
import dataclasses
import threading

import numpy as np
import pytest

from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.chat import replies
from playground.labs.prompting import answering, grid, labels, prompts
from playground.labs.prompting.grid import Choices, Kept, Way
from playground.labs.prompting.prompts import Example, Prompt
from playground.models.remote import Endpoint, RemoteModel
from tests import endpoint_server, llama_server, tiny

EXAMPLES = (Example("The cat sat.", "", "positive"), Example("It was comfortable.", "", "negative"))
ZERO = Prompt("zero", "Is it positive or negative?", query="{{text}}")
FEW = dataclasses.replace(ZERO, name="few", examples=EXAMPLES, style="few-shot")
CHAT = dataclasses.replace(FEW, name="chat", as_chat=True)
ROWS = [{"text": text} for text in ("The doctor asked.", "Paris", "The nurse asked the doctor to help.", "A cat")]
GREEDY = Sampling(max_new_tokens=8, temperature=0)
DRAWN = Sampling(max_new_tokens=8, temperature=1.3, seed=7)
LABELS = Choices(("positive", "negative", "capital of France"), "N/A")


@contextlib.contextmanager
def lend(reference):
    if reference == "absent":
        raise PlaygroundError("absent could not be found. Pick another model.")
    yield tiny.engine(reference)


def run(ways, rows=ROWS, **options):
    events = list(grid.run(options.pop("lend", lend), ways, rows, **options))
    done = [cell for event in events for cell in event.done]
    assert len({(d.way, d.row, d.sample) for d in done}) == len(done), "each once"
    assert events[-1].n_done == len(done)
    return {(d.way, d.row, d.sample): d for d in done}, events


def alone(engine, way, row, sample=0):
    """By the lab of the Chat tab, one at a time."""
    made, sampling = prompts.rendered(way.prompt, row), grid.sampling_of(way, sample)
    write = replies.complete if isinstance(made, str) else replies.reply
    *_, last = write(engine, made, sampling)
    return last.text, last.new_tokens, last.prompt_tokens, last.stop_reason


def test_every_cell_is_what_it_is_alone():
    """Prompts x models x settings, texts and chats; self-consistency with seeds one after the other."""
    ways = [
        Way(ZERO, "llama", GREEDY),
        Way(FEW, "qwen2", GREEDY),
        Way(CHAT, "llama", DRAWN),
        Way(FEW, "gemma2", DRAWN),
    ]
    done, events = run(ways[:2])
    more, _ = run(ways[2:], samples=3)
    assert len(done) == 8 and len(more) == 24 and events[-1].n_all == 8
    for cells, of in ((done, ways[:2]), (more, ways[2:])):
        for (w, r, s), cell in cells.items():
            got = cell.answer
            found = got.text, got.new_tokens, got.prompt_tokens, got.stop_reason
            assert found == alone(tiny.engine(of[w].reference), of[w], ROWS[r], s)
            assert not cell.kept and not cell.error
    assert len({more[0, 0, s].answer.text for s in range(3)}) > 1, "samples differ"
    assert "does not attend" in more[1, 0, 0].answer.note and not more[0, 0, 0].answer.note


def test_labels_are_those_of_the_lab():
    done, _ = run([Way(FEW, "llama", LABELS)], samples=5)
    made = [prompts.rendered(FEW, row) for row in ROWS]
    free = [prompts.rendered(FEW, {"text": "N/A"})]
    expected = {each.row: each for each in labels.label(tiny.engine("llama"), made, LABELS.texts, free)}
    assert len(done) == len(ROWS), "labels are not sampled"
    for (_, r, _), cell in done.items():
        np.testing.assert_allclose(cell.answer.label.logprobs, expected[r].logprobs, atol=1e-5)
        np.testing.assert_allclose(cell.answer.label.content_free, expected[r].content_free, atol=1e-5)
        assert cell.answer.text == expected[r].best() and cell.answer.label.row == r
        assert cell.answer.new_tokens == 0


def test_a_second_run_computes_only_what_changed(monkeypatch):
    kept, computed = Kept(), []
    answered = answering.answered
    monkeypatch.setattr(
        answering, "answered", lambda w, how, cells, stop: computed.extend(cells) or answered(w, how, cells, stop)
    )
    ways = [Way(ZERO, "llama", GREEDY), Way(FEW, "llama", DRAWN), Way(FEW, "llama", LABELS)]
    first, _ = run(ways, kept=kept)
    assert len(computed) == len(kept) == 12
    computed.clear()
    again, events = run(ways, kept=kept)
    assert not computed and all(cell.kept for cell in again.values()) and events[-1].n_done == 12
    assert {k: c.answer for k, c in first.items()} == {k: c.answer for k, c in again.items()}

    changed = [dict(row) for row in ROWS]
    changed[2]["text"] = "Another one"
    run(ways, changed, kept=kept)
    assert [(c.way, c.row) for c in computed] == [(0, 2), (1, 2), (2, 2)]
    computed.clear()
    for other in (
        dataclasses.replace(ways[0], reference="qwen2"),
        dataclasses.replace(ways[0], how=dataclasses.replace(GREEDY, max_new_tokens=9)),
        dataclasses.replace(ways[1], how=dataclasses.replace(DRAWN, seed=80)),
        dataclasses.replace(ways[2], how=Choices(LABELS.texts, "")),
        dataclasses.replace(ways[0], prompt=dataclasses.replace(ZERO, instruction="Is it good?")),
    ):
        run([other], kept=kept)
        assert len(computed) == 4
        computed.clear()
    renamed = dataclasses.replace(ways[0], prompt=dataclasses.replace(ZERO, name="other"))
    greedy = dataclasses.replace(ways[0], how=dataclasses.replace(GREEDY, seed=3, top_k=7))
    run([renamed, greedy], kept=kept)
    assert not computed, "a name, and the seed of what is not drawn, change nothing"
    run([ways[1]], samples=3, kept=kept)
    assert [(c.row, c.sample) for c in computed] == [(r, s) for r in range(4) for s in (1, 2)], "the first is there"


def test_the_same_row_twice_is_computed_once(monkeypatch):
    computed = []
    answered = answering.answered
    monkeypatch.setattr(
        answering, "answered", lambda w, how, cells, stop: computed.extend(cells) or answered(w, how, cells, stop)
    )
    done, _ = run([Way(ZERO, "llama", GREEDY)], [ROWS[0], ROWS[1], ROWS[0]])
    assert len(computed) == 2 and done[0, 0, 0].answer == done[0, 2, 0].answer


@pytest.mark.parametrize("reference", ["llama", "mamba"])
def test_stop_keeps_what_is_done_and_a_run_after_it_resumes(reference):
    kept, stop, seen = Kept(), threading.Event(), []
    how = Sampling(max_new_tokens=40, temperature=1.0, seed=1)
    ways = [Way(ZERO, reference, how), Way(FEW, reference, how)]
    for event in grid.run(lend, ways, ROWS, kept=kept, stop=stop):
        seen += event.done
        if seen:
            stop.set()
    assert 1 <= len(seen) == len(kept) < 8
    done, events = run(ways, kept=kept)
    assert sum(cell.kept for cell in done.values()) == len(seen) and len(done) == 8
    assert events[-1].seconds_left == 0.0 and events[-1].n_done == events[-1].n_all == 8


def test_closing_gives_the_model_back():
    lent = []

    @contextlib.contextmanager
    def counted(reference):
        lent.append(reference)
        try:
            yield tiny.engine(reference)
        finally:
            lent.pop()

    events = grid.run(counted, [Way(ZERO, "llama", Sampling(max_new_tokens=200, temperature=0))], ROWS)
    next(events), next(events)
    assert lent
    events.close()
    assert not lent and not [t for t in threading.enumerate() if t.name.startswith("batch")]


def test_what_fails_is_marked_and_the_rest_go_on():
    rows = [ROWS[0], {"text": " "}, {"other": "x"}, {"text": "The cat sat on the mat. " * 40}, ROWS[1]]
    for how in (GREEDY, LABELS):
        done, _ = run([Way(ZERO, "llama", how)], rows)
        assert [bool(done[0, r, 0].answer) for r in range(5)] == [True, False, False, False, True]
        assert "Row 2 has nothing in column “text”" in done[0, 1, 0].error
        assert "Row 3 has no column “text”" in done[0, 2, 0].error
        assert done[0, 3, 0].error.startswith("Row 4: ") and "256" in done[0, 3, 0].error


def test_a_model_that_cannot_is_marked_and_the_others_go_on():
    ways = [
        Way(ZERO, "absent", GREEDY),
        Way(ZERO, "bert", GREEDY),
        Way(CHAT, "gpt2", GREEDY),
        Way(ZERO, "gpt2", GREEDY),
    ]
    done, _ = run(ways)
    assert [bool(done[w, 0, 0].answer) for w in range(4)] == [False, False, False, True]
    for w, sentence in enumerate(("could not be found", "does not write it", "has no chat template")):
        assert all(f"Row {r + 1}: " in done[w, r, 0].error and sentence in done[w, r, 0].error for r in range(4))


def test_progress_counts_and_tells_the_time_left():
    _, events = run([Way(ZERO, "llama", GREEDY), Way(FEW, "llama", GREEDY)])
    counts = [event.n_done for event in events]
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 8
    assert events[0].seconds_left is None
    assert all(event.seconds_left > 0 for event in events if 0 < event.n_done < 8)
    assert events[-1].provenance.reference == tiny.engine("llama").reference


@pytest.mark.parametrize(
    ("ways", "rows", "samples", "sentence"),
    [
        ([], ROWS, 1, "no prompt"),
        ([Way(ZERO, "llama", GREEDY)], [], 1, "table is empty"),
        ([Way(ZERO, "llama", GREEDY)], ROWS * 30_000, 1, "120,000 rows"),
        ([Way(ZERO, "llama", DRAWN)] * 200, ROWS, 64, "51,200 cells"),
        ([Way(ZERO, "llama", GREEDY)], ROWS, 3, "would all be the same"),
        ([Way(ZERO, "llama", dataclasses.replace(DRAWN, beams=2))], ROWS, 3, "Beams give one text"),
        ([Way(ZERO, "llama", DRAWN)], ROWS, 65, "from 1 to 64"),
        ([Way(ZERO, "llama", Choices(("a",)))], ROWS, 1, "from 2 to 100"),
        ([Way(dataclasses.replace(ZERO, query="{{text"), "llama", GREEDY)], ROWS, 1, "braces"),
    ],
)
def test_what_cannot_be_run_is_refused_beforehand(ways, rows, samples, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        next(grid.run(lend, ways, rows, samples))


def test_what_is_kept_is_bounded_and_the_unused_goes_first():
    kept = Kept(budget=10_000)
    answer = grid.Answer("x" * 200, 3)
    for n in range(20):
        kept.put(str(n), answer)
        assert kept.get("0") is answer
        kept.put("0", answer)
    assert kept.n_bytes <= 10_000 and 2 < len(kept) < 20
    assert kept.get("0") is answer and kept.get("1") is None and kept.get("19") is answer
    kept.put("large", grid.Answer("x" * 10_000, 3))
    assert len(kept) == 0 and kept.n_bytes == 0, "what is larger than all of it is not kept"


def test_an_answer_ends_where_the_next_question_would_begin():
    assert grid.sampling_of(Way(ZERO, "llama", GREEDY), 0).stop == ("\n", "\nQ:")
    assert grid.sampling_of(Way(CHAT, "llama", GREEDY), 0).stop == ()
    own = dataclasses.replace(DRAWN, stop=("!",), seed=5)
    assert grid.sampling_of(Way(ZERO, "llama", own), 2) == dataclasses.replace(own, stop=("!", "\n", "\nQ:"), seed=7)


# models that run elsewhere


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    with llama_server.running(tmp_path_factory.mktemp("llama")) as llama:
        yield llama


def elsewhere(url, name):
    @contextlib.contextmanager
    def lend(reference):
        yield RemoteModel("endpoint:far/m", Endpoint("far", url), name, silence=5.0)

    return lend


def test_a_model_elsewhere_is_asked_row_by_row(llama):
    kept = Kept()
    ways = [Way(ZERO, "far", GREEDY), Way(CHAT, "far", DRAWN), Way(ZERO, "far", LABELS)]
    done, events = run(ways, kept=kept, lend=elsewhere(llama.url, llama_server.NAME))
    here = tiny.loaded(llama.folder)
    for r, row in enumerate(ROWS):
        text = done[0, r, 0].answer.text  # the server also sends the beginning of a character, as U+FFFD
        assert text.rstrip("\ufffd").strip() == alone(here, ways[0], row)[0].rstrip("\ufffd").strip()
        assert done[1, r, 0].answer.new_tokens > 0
        assert "this needs the weights" in done[2, r, 0].error
    assert "runs elsewhere" in next(e.alone for e in events if e.alone)
    again, _ = run(ways[:2], kept=kept, lend=elsewhere(llama.url, llama_server.NAME))
    assert all(cell.kept for cell in again.values())


def test_a_server_that_fails_again_and_again_is_left_alone():
    with endpoint_server.running() as server:
        server.answer = lambda request: request.refuse(500, {"error": {"message": "out of order"}})
        done, _ = run(
            [Way(ZERO, "far", GREEDY)], [{"text": f"text {n}"} for n in range(9)], lend=elsewhere(server.url, "m")
        )
        assert len(server.requests) == 3
    assert all(cell.error for cell in done.values()) and len(done) == 9
    assert "was not asked for the rest" in done[0, 8, 0].error and "was not asked" not in done[0, 0, 0].error
