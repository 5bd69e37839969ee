"""The handlers of the Probing pane on a tiny model: what they show, and what they refuse."""

import threading
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import pytest

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.internals import probing
from playground.tabs.internals import tab as internals
from playground.tabs.layout import lay_out
from tests import tiny
from tests.tabs.conftest import visitor

CSV = "satz;art\n" + "".join(f"The cat sat on mat {i};a\nA doctor asked nurse {i};b\n" for i in range(8))


@dataclass
class Desk:
    pane: probing.Pane
    folder: str

    def values(self, **chosen) -> dict:
        """What Gradio hands to the handler. `chosen`: by the pane's names."""
        pane = self.pane
        given = {pane.page.reference: self.folder}
        for name in ("task", "upload", "text", "label", "word", "pooling", "probe", "which", "layer"):
            component = getattr(pane, name)
            given[component] = chosen.get(name, getattr(component, "value", None))
        return given

    def run(self, who: str = "ann", **chosen) -> list[dict]:
        return list(self.pane.work(self.values(**chosen), visitor(who)))


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    built = []

    class Remembered(probing.Pane):
        def __post_init__(self) -> None:
            built.append(self)

    folder = tiny.save(tmp_path_factory.mktemp("llama"), "llama")
    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"), dtype="float32", threads=1, memory_budget="200MB")
    with pytest.MonkeyPatch.context() as patch, gr.Blocks() as blocks:
        patch.setattr(probing, "Pane", dataclass(frozen=True)(Remembered))
        lay_out(blocks, ModelCache(settings), settings, [internals])
    return Desk(built[0], str(folder))


@pytest.fixture(scope="module")
def upload(desk, tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "mine.csv"
    path.write_bytes(CSV.encode("utf-16"))
    return desk.pane.take(str(path))


def own(desk, upload, **more):
    return (
        dict(task=probing.OWN, upload=upload[desk.pane.upload], text="satz", label="art", word=probing.NOTHING) | more
    )


def test_a_file_is_read_and_its_columns_guessed(desk, upload):
    pane = desk.pane
    assert upload[pane.text]["value"] == "satz" and upload[pane.label]["value"] == "art"
    assert upload[pane.word]["value"] == probing.NOTHING
    assert "16 texts with 2 labels; UTF-16, separated by semicolon" in upload[pane.samples]
    assert "The cat sat on mat 0" in upload[pane.samples]


def test_a_run_tells_how_far_it_is_and_shows_everything(desk, upload):
    updates = desk.run(**own(desk, upload))
    told = [update[desk.pane.status] for update in updates if desk.pane.status in update]
    assert any("Read 16 of 16 texts" in text for text in told) and any("Probing layer" in text for text in told)
    last = updates[-1]
    found = last[desk.pane.found]
    assert found.layers == (0, 1, 2, 3) and found.examples.classes == ("a", "b")
    assert "Best is layer" in last[desk.pane.verdict] and last[desk.pane.outcome]["elem_classes"] == []
    assert last[desk.pane.slider]["value"] == found.best and last[desk.pane.slider]["maximum"] == 3
    assert [path.rsplit("/", 1)[1] for path in last[desk.pane.files]] == [
        "probing-layers.csv",
        "probing-texts.csv",
        "probing.json",
    ]
    assert f"MODEL = 'PATH/TO/{Path(desk.folder).name}'" in last[desk.pane.code]
    again = desk.run(**own(desk, upload))
    assert not any("Read" in update.get(desk.pane.status, "") for update in again), "the vectors were kept"
    confusion, points = desk.pane.at_layer(found, 1.0)
    assert len(points.data) == 2 and confusion.data[0].z.shape == (2, 2)
    assert desk.pane.at_layer(None, 1.0) == [gr.skip(), gr.skip()]


def test_one_layer_is_probed_alone(desk, upload):
    found = desk.run(**own(desk, upload, which=probing.ONE, layer=2))[-1][desk.pane.found]
    assert found.layers == (2,)
    with pytest.raises(gr.Error, match="There is no layer 9"):
        desk.run(**own(desk, upload, which=probing.ONE, layer=9))
    with pytest.raises(gr.Error, match="No layer was given"):
        desk.run(**own(desk, upload, which=probing.ONE, layer=None))


def test_what_cannot_be_probed_is_refused_and_the_lease_returned(desk, upload, tmp_path):
    with pytest.raises(gr.Error, match="There is no file yet"):
        desk.run(task=probing.OWN, upload=None)
    with pytest.raises(gr.Error, match="stands for two things"):
        desk.run(**own(desk, upload, label="satz"))
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\na,b,c\n")
    with pytest.raises(gr.Error, match="Row 2 has 3 values"):
        desk.pane.take(str(bad))
    assert all(holding.lent == 0 for holding in desk.pane.page.models.ledger().holdings)


def test_stop_keeps_what_is_done(desk):
    pane, updates = desk.pane, []
    for update in pane.work(desk.values(task="subject_number"), visitor("bob")):
        updates.append(update)
        if pane.curve in update and pane.found not in update:
            assert update[pane.rest]["elem_classes"] == ["not-yet"], "what else is on the page belongs to another run"
            pane.halt(visitor("bob"))
    found = updates[-1][pane.found]
    assert not found.complete and 1 <= len(found.layers) < 4
    assert "Stopped: " in updates[-1][pane.verdict] and updates[-1][pane.rest]["elem_classes"] == []


def test_stopped_while_reading_says_so(desk, monkeypatch):
    updates = []
    for update in desk.pane.work(desk.values(task="topic"), visitor("eve")):
        updates.append(update)
        if "Reading 480 texts" in update.get(desk.pane.status, ""):
            desk.pane.halt(visitor("eve"))
    assert "Stopped before" in updates[-1][desk.pane.status] and desk.pane.found not in updates[-1]
    assert threading.active_count() < 50


def test_every_task_shows_texts_of_every_label(desk):
    from playground.labs.internals.probing import tasks

    for task in tasks.TASKS:
        shown = desk.pane.show_task(task.name, None, "", "", "")
        for label in task.classes:
            assert f">{label}</span>" in shown[desk.pane.samples]
        offered = shown[desk.pane.pooling]["choices"]
        assert ("The word itself" in offered) == task.about_a_word
        if task.about_a_word:
            assert "<mark>" in shown[desk.pane.samples]
    shown = desk.pane.show_task(probing.OWN, None, "", "", "")
    assert shown[desk.pane.own]["visible"] and "Upload a CSV file" in shown[desk.pane.samples]


def test_examples_name_tasks_and_poolings_that_exist(desk):
    from playground.labs.internals.probing import tasks

    for example in probing.EXAMPLES:
        task = tasks.named(example.task)
        assert example.pooling in probing.POOLINGS
        assert task.about_a_word or probing.POOLINGS[example.pooling] != "word"
