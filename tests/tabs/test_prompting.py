"""The handlers of the Prompt lab on a tiny model: what they show, what they keep, and what they refuse."""

import html
import json
import re
from dataclasses import dataclass, replace

import gradio as gr
import pandas
import pytest

from playground.labs.prompting import library, replay
from playground.labs.prompting.kept import Kept
from playground.labs.prompting.prompts import Example, Prompt
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.layout import lay_out
from playground.tabs.prompting import builder, kept, tab
from playground.views.prompting.words import UNFINISHED
from tests import tiny
from tests.tabs.conftest import visitor


@dataclass
class Desk:
    lab: tab.Lab
    folder: str

    def values(self, worked: str = "sentiment", **changed) -> dict:
        """What Gradio hands to the handlers after an example was filled in. `changed`: by the names of the parts."""
        shown = self.lab.fill(next(w for w in library.worked() if w.name == worked))
        values = {component: component.value for component in self.lab.scoring.all}
        shown = {c: u for c, u in shown.items() if not (isinstance(u, dict) and "__type__" in u and "value" not in u)}
        values |= {c: u["value"] if isinstance(u, dict) and "value" in u else u for c, u in shown.items()}
        for frame in (self.lab.data.grid, self.lab.builder.examples):
            values[frame] = pandas.DataFrame(values[frame]["data"], columns=values[frame]["headers"])
        values |= {self.lab.page.reference: self.folder, self.lab.builder.k: 4, self.lab.builder.seed: 0}
        values |= {self.lab.preview.number: 1}
        parts = {**vars(self.lab.builder), **vars(self.lab.scoring), **vars(self.lab.data)}
        return values | {parts[name]: value for name, value in changed.items()}

    def run(self, who: str = "ann", orders: bool = False, **changed) -> list[dict]:
        return list(self.lab.work(self.values(**changed), visitor(who), orders))


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    built = []

    class Remembered(tab.Lab):
        def __post_init__(self) -> None:
            built.append(self)

    folder = tiny.save(tmp_path_factory.mktemp("llama"), "llama", context=2048)
    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"), dtype="float32", threads=1, memory_budget="200MB")
    with pytest.MonkeyPatch.context() as patch, gr.Blocks() as blocks:
        patch.setattr(tab, "Lab", dataclass(frozen=True, eq=False)(Remembered))
        lay_out(blocks, ModelCache(settings), settings, [tab])
    return Desk(built[0], str(folder))


def test_an_example_runs_and_is_compared(desk):
    lab, outcome = desk.lab, desk.lab.outcome
    *told, last = desk.run(max_new_tokens=2)
    assert any("<progress" in update.get(lab.status, "") for update in told)
    found = last[outcome.found]
    assert [len(line) for line in found.cells] == [56, 56]
    assert None not in found.outcomes(0)
    assert "lab-verdict" in last[outcome.verdict]
    assert "few-shot" in last[outcome.overview]
    assert last[outcome.votes_tab]["visible"] is False
    names = [path.rsplit("/", 1)[-1] for path in last[outcome.files]]
    assert names == ["answers.csv", "answers.jsonl", "results.json", "prompts.json"]
    assert "apply_chat_template" in last[outcome.code]
    changed = outcome.pair(1, 1, found)
    assert "zero-shot: " in changed[outcome.verdict]


def test_results_outlive_a_reload(desk):
    lab = desk.lab
    *_, last = desk.run(max_new_tokens=2)
    shown = lab.restore(json.loads(json.dumps(last[lab.page.lab])))
    assert shown[lab.outcome.found] == last[lab.outcome.found]
    assert [draft.name for draft in shown[lab.builder.drafts]] == ["few-shot", "zero-shot"]
    assert shown[lab.data.pick] == "sentiment"
    assert shown[lab.scoring.max_new_tokens] == 2
    for nothing in (None, {}, {"version": 7}, "x"):
        assert set(map(str, lab.restore(nothing).values())) == {str(gr.skip())}


def test_stop_keeps_what_is_done_and_run_goes_on(desk, monkeypatch):
    lab, dora = desk.lab, visitor("dora")
    computed = []
    put = Kept.put
    monkeypatch.setattr(Kept, "put", lambda self, *what: (computed.append(what), put(self, *what)))
    n_running = 0
    for last in lab.work(desk.values(max_new_tokens=2), dora):
        if lab.outcome.overview in last and not n_running:  # the first progress of which something is done
            n_running = len(computed)
            lab.halt(dora)
    assert tab.STOPPED in last[lab.status]
    stopped = last[lab.outcome.found]
    n_done = stopped.done(0) + stopped.done(1)
    assert 0 < n_running <= n_done == len(computed) < 112
    computed.clear()
    *_, last = desk.run("dora", max_new_tokens=2)
    assert tab.STOPPED not in last[lab.status]
    whole = last[lab.outcome.found]
    assert None not in whole.cells[0] + whole.cells[1]
    assert len(computed) == 112 - n_done
    for line, full in zip(stopped.cells, whole.cells, strict=True):
        assert all(cell in (None, other) for cell, other in zip(line, full, strict=True))


def test_a_run_that_is_under_way_outlives_a_reload(desk):
    lab = desk.lab
    *told, last = desk.run("eve", max_new_tokens=2)
    so_far = [update for update in told if lab.page.lab in update]
    assert so_far and all("<progress" in update[lab.status] for update in so_far)
    shown = lab.restore(json.loads(json.dumps(so_far[0][lab.page.lab])))
    found, whole = shown[lab.outcome.found], last[lab.outcome.found]
    assert 0 < found.done(0) + found.done(1) < 112
    for line, full in zip(found.cells, whole.cells, strict=True):
        assert all(cell in (None, other) for cell, other in zip(line, full, strict=True))
    assert UNFINISHED in shown[lab.outcome.remarks]


def test_results_that_are_too_large_are_not_kept(desk, monkeypatch):
    monkeypatch.setattr(kept, "MOST_LETTERS", 100)
    *told, last = desk.run(max_new_tokens=2)
    assert not any(desk.lab.page.lab in update for update in told)
    assert not any("too large" in update.get(desk.lab.status, "") for update in told)
    assert last[desk.lab.page.lab] is None
    assert "too large for this browser" in last[desk.lab.status]


def test_choices_bring_their_tab(desk):
    *_, last = desk.run(worked="inference")
    assert last[desk.lab.outcome.labels_tab]["visible"] is True
    assert "N/A" in last[desk.lab.outcome.leaning_words]


def test_samples_bring_votes(desk):
    *_, last = desk.run(worked="three_problems", temperatures="1", samples=3, max_new_tokens=3)
    assert last[desk.lab.outcome.votes_tab]["visible"] is True
    assert "3 times and the majority counts" in last[desk.lab.outcome.remarks]


def test_orders_of_the_examples(desk):
    *_, last = desk.run(worked="emotion", orders=True, max_new_tokens=2)
    assert len(last[desk.lab.outcome.found].variants) == tab.ORDERS
    assert "5 orders of the same examples" in last[desk.lab.outcome.verdict]


def test_given_away_answers_are_told(desk):
    row = {"text": "The movie was a complete waste of time.", "label": "negative"}
    frame = pandas.DataFrame([row, {"text": "x", "label": "positive"}])
    *_, last = desk.run(grid=frame, max_new_tokens=2)
    assert "Row 1: an example of “few-shot” asks the same" in last[desk.lab.outcome.remarks]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"query": "{{text"}, "braces of the query"),
        ({"query": "{{txt}}"}, "Row 1 has no column “txt”"),
        ({"grid": pandas.DataFrame({"text": [""], "label": [""]})}, "table is empty"),
        ({"grid": pandas.DataFrame([["a", "b"]], columns=["x", "x"])}, "Two columns are called “x”"),
        ({"temperatures": "warm"}, "“warm” is no temperature"),
        ({"temperatures": "9"}, "between 0 and 5"),
        ({"samples": 3}, "At temperature 0"),
        ({"choices": "positive"}, "Fewer than two labels"),
        ({"name": "zero-shot"}, "Two prompts are called “zero-shot”"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(desk, changed, words):
    with pytest.raises(gr.Error, match=words):
        desk.run(**changed)


def test_what_was_typed_is_kept_whatever_it_is(desk):
    pane = desk.lab.builder
    kept_now = pane.keep(desk.values(query="{{text", name="broken"))
    assert kept_now[pane.drafts][0].query == "{{text"
    assert kept_now[pane.drafts][1].name == "zero-shot"
    assert kept_now[pane.which]["choices"][0] == ("A · broken", 0)


def test_prompts_are_added_and_removed(desk):
    pane = desk.lab.builder
    values = desk.values(instruction="Another.")
    more = pane.add(values)
    assert [draft.name for draft in more[pane.drafts]] == ["few-shot", "zero-shot", "few-shot copy"]
    assert more[pane.drafts][2].instruction == "Another."
    assert more[pane.which]["value"] == 2
    fewer = pane.remove(values | {pane.drafts: more[pane.drafts], pane.which: 1})
    assert len(fewer[pane.drafts]) == 2
    with pytest.raises(gr.Error, match="the only prompt"):
        pane.remove(values | {pane.drafts: (Prompt("x"),), pane.which: 0})
    with pytest.raises(gr.Error, match="8 prompts already"):
        pane.add(values | {pane.drafts: (Prompt("x"),) * 8, pane.which: 0})


def test_examples_are_drawn_from_the_table_and_leave_it(desk):
    lab = desk.lab
    shown = lab.draw(desk.values(worked="emotion"))
    assert len(shown[lab.builder.drafts][0].examples) == 4
    assert len(shown[lab.data.rows]) == 20
    assert "4 rows are examples now" in shown[lab.data.told]


def test_prompts_come_from_a_file(desk, tmp_path):
    pane = desk.lab.builder
    path = tmp_path / "prompts.json"
    path.write_text(replay.as_json([Prompt("few-shot", "Mine.")]))
    shown = pane.bring(str(path), desk.values())
    assert [draft.name for draft in shown[pane.drafts]] == ["few-shot", "zero-shot", "few-shot 2"]
    path.write_text("{")
    with pytest.raises(gr.Error, match="no JSON"):
        pane.bring(str(path), desk.values())


def test_a_file_becomes_the_table(desk, tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"q": "one", "right": "1"}\n')
    shown = desk.lab.data.take(str(path))
    assert shown[desk.lab.data.rows] == ({"q": "one", "right": "1"},)
    assert desk.lab.scoring.columns(shown[desk.lab.data.rows], "label")["value"] == "right"


def test_two_columns_of_one_name_are_refused_while_one_types(desk):
    frame = pandas.DataFrame([["a", "b"]], columns=["x", "x"])
    with pytest.raises(gr.Error, match="Two columns are called “x”"):
        desk.lab.data.edited(frame)
    queued = [event.queue for event in desk.lab.page.blocks.fns.values() if event.name == "edited"]
    assert queued and False not in queued  # Gradio shows an error only if its event was queued


def test_the_prompt_is_shown_as_tokens(desk):
    desk.run(max_new_tokens=2)  # the model is there now
    shown = desk.lab.preview.look(desk.values())
    assert "tokens of 2,048 that fit" in shown
    assert "braces of the query" in desk.lab.preview.look(desk.values(query="{{text"))
    missing = desk.lab.preview.look(desk.values() | {desk.lab.page.reference: "/nowhere"})
    assert "not in memory yet" in missing
    assert "The soup was cold" in missing


def test_one_row_is_answered(desk):
    *_, last = desk.lab.preview.ask(desk.values(max_new_tokens=3), visitor("bob"))
    assert "tokens" in last[desk.lab.preview.answer]


def test_shuffled_examples_are_the_same_ones(desk):
    pane = desk.lab.builder
    values = desk.values()
    mixed = pane.shuffle(values)[pane.drafts][0].examples
    assert mixed != values[pane.drafts][0].examples
    assert set(mixed) == set(values[pane.drafts][0].examples)
    assert builder.prompt_of([values[box] for box in pane.boxes]) == values[pane.drafts][0]


def test_an_example_goes_to_another_place(desk):
    pane = desk.lab.builder
    values = desk.values()
    first, second, *rest = values[pane.drafts][0].examples
    up = pane.move(values, 1, 0)
    assert up[pane.drafts][0].examples == (second, first, *rest)
    assert [line[0] for line in up[pane.examples]["data"]][:2] == [second.question, first.question]
    assert pane.move(values, 0, len(rest) + 1)[pane.drafts][0].examples == (second, *rest, first)
    for start, to in ((0, len(rest) + 2), (-1, 0), (99, 0)):  # the examples were changed in the meantime
        assert pane.move(values, start, to)[pane.drafts][0].examples == (first, second, *rest)


def test_the_chips_follow_the_prompt_that_is_edited(desk):
    pane = desk.lab.builder
    values = desk.values()
    examples = values[pane.drafts][0].examples
    chips = pane.chips(pane.move(values, 1, 0)[pane.drafts], 0)
    assert [int(n) for n in re.findall(r'data-line="(\d+)"', chips)] == list(range(len(examples)))
    assert chips.index(html.escape(examples[1].question[:20])) < chips.index('data-line="1"')
    one = replace(values[pane.drafts][0], examples=(Example("<b>", "", "&"),))
    assert pane.chips((one,), 0) == ""
    two = replace(one, examples=one.examples * 2)
    assert "&lt;b&gt; → &amp;" in pane.chips((one, two), 1) and "<b>1</b>" in pane.chips((one, two), 1)
    assert pane.chips((one,), 5) == ""  # a prompt that was removed
