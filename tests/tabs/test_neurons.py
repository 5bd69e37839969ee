"""The handlers of the Neurons pane on tiny models: what they draw, and what they refuse without losing anything."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.internals import benches, neuron_corpus, neuron_groups, neuron_out, neurons
from playground.tabs.internals import tab as internals
from playground.tabs.internals.unit import DIMENSION, NEURON
from playground.tabs.kit import Page
from playground.tabs.layout import lay_out
from tests import tiny
from tests.tabs.conftest import visitor

FIRST, SECOND = "The cat sat on it.\nParis is the capital.\nIt was comfortable.", "def add(a, b):\nthe mat\nA doctor."


@dataclass
class Desk:
    page: Page
    works: dict = field(default_factory=dict)  # by the pane's title: (bench, pane)

    def component(self, name):
        return next(b for b in self.page.blocks.blocks.values() if getattr(b, "elem_id", None) == name)

    def run(self, title, model, **chosen) -> list[dict]:
        """Runs a part of the pane as Gradio would. `chosen`: by element id, with _ for -."""
        bench, pane = self.works[title]
        given = {c: getattr(c, "value", None) for c in pane.inputs} | {self.page.reference: str(model)}
        given |= {self.component("neuron-layer"): 1, self.component("neuron-index"): 5}
        given |= {self.component(name.replace("_", "-")): value for name, value in chosen.items()}
        return list(bench._worker(lambda values: pane)(given, visitor("ann")))

    def by_id(self, update, name):
        return update[self.component(name)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: str(tiny.save(tmp_path_factory.mktemp(name), name)) for name in ("llama", "bert", "mamba")}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    works = {}
    original = benches.Bench.draw_after

    def remember(self, listen, pane):
        works.setdefault(pane.title, (self, pane))
        return original(self, listen, pane)

    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"), dtype="float32", threads=1, memory_budget="200MB")
    with pytest.MonkeyPatch.context() as patch, gr.Blocks() as blocks:
        patch.setattr(benches.Bench, "draw_after", remember)
        page = lay_out(blocks, ModelCache(settings), settings, [internals])
    return Desk(page, works)


def values_in(html):
    return [float(value) for value in re.findall(r'class="token [^"]*" style="[^"]*" title="([-+.\d]+)"', html)]


def test_the_text_is_coloured_by_the_neurons_own_values(desk, folders):
    from playground.labs.internals import neurons as lab

    last = desk.run(neurons.TITLE, folders["llama"], neuron_text="The cat sat on the mat")[-1]
    expected = lab.activations(tiny.loaded(folders["llama"]), "The cat sat on the mat", lab.Unit("neuron", 1, 5))
    np.testing.assert_allclose(values_in(desk.by_id(last, "neuron-heat")), expected.values, atol=6e-4)
    assert "layer 1, MLP neuron 5" in desk.by_id(last, "neuron-caption")
    last = desk.run(neurons.TITLE, folders["bert"], neuron_kind=DIMENSION)[-1]
    assert "residual dimension 5" in desk.by_id(last, "neuron-caption")


def test_from_the_comparison_to_the_neuron_over_both_groups(desk, folders):
    from playground.labs.internals import neuron_groups as lab

    updates = desk.run("Groups", folders["llama"], group_1=FIRST, group_2=SECOND)
    assert any("Reading text 6 of 6" in str(update) for update in updates)
    last = updates[-1]
    found = lab.difference(tiny.loaded(folders["llama"]), FIRST.split("\n"), SECOND.split("\n"), most=20)
    buttons = re.findall(r'data-at="(\d+),(\d+)"', desk.by_id(last, "group-ranking"))
    assert buttons == [(str(a), str(b)) for a, b in zip(found.layers, found.indices, strict=True)]
    [path] = [value for value in last.values() if isinstance(value, str) and value.endswith(".csv")]
    assert len(Path(path).read_text("utf-8").splitlines()) == 1 + 192
    open_unit = next(fn.fn for fn in desk.page.blocks.fns.values() if fn.name == "open_unit")
    layer, index = map(int, buttons[0])
    assert open_unit(NEURON, SimpleNamespace(index=[layer, index])) == [NEURON, layer, index]

    compared = next(value for value in last.values() if isinstance(value, tuple))
    bench, pane = desk.works[neurons.TITLE]
    state = next(c for c in pane.inputs if isinstance(c, gr.State))
    given = {c: getattr(c, "value", None) for c in pane.inputs} | {desk.page.reference: folders["llama"]}
    given |= {desk.component("neuron-layer"): layer, desk.component("neuron-index"): index, state: compared}
    heat = desk.by_id(list(bench._worker(lambda values: pane)(given, visitor("bob")))[-1], "neuron-heat")
    means = [float(mean) for mean in re.findall(r"group: mean ([-+.\d]+)", heat)]
    np.testing.assert_allclose(means, [found.mean_first[0], found.mean_second[0]], atol=6e-3)


def test_a_corpus_of_ones_own_is_searched(desk, folders, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("The cat sat on the mat\nParis is the capital of France.\n", "utf-8")
    updates = desk.run("Corpus", folders["llama"], neuron_file=str(path))
    listed = desk.by_id(updates[-1], "neuron-active")
    assert "mine.txt (UTF-8, a text a line): 2 texts" in listed and "Stopped" not in listed
    shipped = desk.by_id(desk.run("Corpus", folders["llama"])[-1], "neuron-active")
    assert f"{neuron_corpus.SHIPPED}: 50 texts" in shipped


def test_a_search_ends_when_it_is_told_to(desk, folders, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("The cat sat on the mat\n" * 5000, "utf-8")
    bench, pane = desk.works["Corpus"]
    given = {c: getattr(c, "value", None) for c in pane.inputs} | {desk.page.reference: folders["llama"]}
    given |= {desk.component("neuron-layer"): 1, desk.component("neuron-index"): 5}
    given[desk.component("neuron-file")] = str(path)
    work, updates = bench._worker(lambda values: pane)(given, visitor("eve")), []
    for update in work:
        updates.append(update)
        if re.search(r"Reading text [3-9] of 5000", str(update)):
            bench.stops.halt(visitor("eve"))
    assert "Stopped before the end" in desk.by_id(updates[-1], "neuron-active")


def test_taken_out_it_shows_both_predictions_and_both_texts(desk, folders):
    from playground.labs.internals import ablation

    text = "The cat sat on the"
    updates = desk.run("Out", folders["llama"], out_text=text)
    found = ablation.ablate(tiny.loaded(folders["llama"]), text, [ablation.Target("neuron", 1, 5)])
    chart = next(desk.by_id(update, "out-chart")["value"] for update in updates if "out-chart" in ids(update))
    shares = sorted(chart.data[1].x)
    assert set(np.round(shares, 6)) <= set(np.round(found.after, 6).tolist())
    assert "Without neuron 1.5" in desk.by_id(updates[-1], "out-written")
    masked = desk.run("Out", folders["bert"], out_text="The cat [MASK] on the mat.")
    assert any("nats" in str(update) for update in masked) and "out-written" in ids(masked[-1])


def ids(update):
    return {getattr(c, "elem_id", None) for c in update}


@pytest.mark.parametrize(
    ("title", "model", "chosen", "sentence"),
    [
        (neurons.TITLE, "llama", {"neuron_text": " "}, "There is no text to read"),
        (neurons.TITLE, "llama", {"neuron_index": 64}, "no neuron 64 in layer 1: they are 0 to 63"),
        (neurons.TITLE, "llama", {"neuron_layer": 3}, "no layer 3"),
        (neurons.TITLE, "mamba", {}, "has no"),
        ("Groups", "llama", {"group_1": "One sentence."}, "The first group has 1 sentence"),
        ("Groups", "llama", {"group_2": " \n"}, "The second group has 0 sentences"),
        ("Groups", "llama", {"group_2": "a b\n" * 501}, "500 are the most"),
        ("Groups", "mamba", {}, "has no"),
        ("Out", "llama", {"neuron_kind": DIMENSION}, "Only MLP neurons"),
        ("Out", "llama", {"out_text": ""}, "There is no text to continue"),
        ("Out", "bert", {"out_text": "no mask here"}, "put .MASK. once"),
    ],
)
def test_what_cannot_be_done_is_said(desk, folders, title, model, chosen, sentence):
    with pytest.raises(gr.Error, match=sentence):
        desk.run(title, folders[model], **chosen)
    assert all(holding.lent == 0 for holding in desk.page.models.ledger().holdings)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(desk, folders, tmp_path):
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    with pytest.raises(gr.Error, match="has 60 MB; at most 50 MB"):
        desk.run("Corpus", folders["llama"], neuron_file=str(path))


def test_examples_fill_what_they_name():
    assert all(
        len(neuron_groups.sentences(side, "first")) >= 2 for e in neuron_groups.EXAMPLES for side in (e.first, e.second)
    )
    assert all(example.text for example in (*neurons.EXAMPLES, *neuron_out.EXAMPLES))
