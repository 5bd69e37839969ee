"""The handlers of the Adapters and Ensembles panes on a tiny model with tiny adapters, named by their folders."""

import shutil
import threading

import gradio as gr
import pytest

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.layout import lay_out
from playground.tabs.merge import (
    adapter_batch,
    adapter_compose,
    adapter_extract,
    adapter_mix,
    ensemble_labels,
    ensemble_tokens,
    rack,
)
from tests import tiny
from tests.labs.adapters import made


class Laid:
    """Every bench on one page, and a visitor who has picked the tiny model and named two adapters of his own."""

    def __init__(self, cache) -> None:
        settings = Settings(cache_dir=cache, dtype="float32", threads=1, memory_budget="300MB", local_paths=True)
        with gr.Blocks() as blocks:
            self.page = lay_out(blocks, ModelCache(settings), settings, [])
            self.rack = rack.build(self.page, {}, str)
            self.mix = adapter_mix.build(self.page, self.rack)
            self.compose = adapter_compose.build(self.page, self.rack)
            self.batch = adapter_batch.build(self.page, self.rack)
            self.extract = adapter_extract.build(self.page, self.rack)
            self.labels = ensemble_labels.build(self.page)
            self.tokens = ensemble_tokens.build(self.page)
        one, other, _ = made.folders()
        self.own = {
            self.rack.own[0]: str(one),
            self.rack.own[1]: str(other),
            self.rack.sliders[-2]: 0.7,
            self.rack.sliders[-1]: 0.3,
        }

    def run(self, bench, work: str = "work", parts=(), **chosen) -> dict:
        """All updates in one. chosen: by the bench's names."""
        components = {part: getattr(part, "value", None) for part in self.rack.all | set(parts)}
        for name, part in vars(bench).items():
            if isinstance(part, gr.components.Component):
                components[part] = chosen.get(name, getattr(part, "value", None))
        values = components | self.own | {self.page.reference: str(made.base_folder())}
        shown: dict = {}
        for update in getattr(bench, work)(values, threading.Event()):
            shown |= update
        return shown


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    return Laid(tmp_path_factory.mktemp("cache"))


def test_the_mixture_and_the_model_answer_side_by_side(laid):
    bench = laid.mix
    values = {bench.prompt.text: "The cat", bench.prompt.kind: "Chat message", bench.prompt.tokens: 6}
    laid.own |= values | {bench.prompt.temperature: 0}
    shown = laid.run(bench)[bench.written]
    assert shown.count("<li>") == 2
    assert "As it is" in shown and "0.7 /" in shown and "<mark>" in shown


def test_a_mixture_is_a_reference_for_every_tab(laid):
    values = dict.fromkeys(laid.rack.all) | laid.own | {laid.page.reference: "starter:x+adapter:y#int8"}
    one, other, _ = made.folders()
    assert laid.rack.reference(values) == f"starter:x+adapter:{one}*0.7+adapter:{other}*0.3#int8"
    for slider in laid.rack.sliders:
        values[slider] = 0
    with pytest.raises(PlaygroundError, match="Move a slider"):
        laid.rack.reference(values)
    values |= {laid.rack.own[1]: str(one), laid.rack.sliders[-1]: 1, laid.rack.sliders[-2]: 1}
    with pytest.raises(PlaygroundError, match="twice"):
        laid.rack.weights(values)
    with pytest.raises(PlaygroundError, match="no name"):
        laid.rack.weights(values | {laid.rack.own[1]: " "})


def test_composed_told_drawn_and_saved(laid):
    bench = laid.compose
    shown = laid.run(bench, prompt="The cat", rank=3)
    assert "of the sum is missing" in shown[bench.told] and shown[bench.written].count("<li>") == 3
    assert len(shown[bench.layers]["value"].data[0].x) == 9
    drawn = laid.run(bench, "compare", density=0.5)[bench.chart]["value"]
    assert len(drawn.data[0].y) == len(adapter_compose.METHODS)
    assert drawn.data[0].text[0] == "exact"
    path = laid.run(bench, "save", method="cat: the exact sum")[bench.path]["value"]
    assert laid.run(bench, "save", method="cat: the exact sum")[bench.path]["value"] == path  # the same is the same
    with laid.page.models.lease(f"{made.base_folder()}+adapter:{path}") as engine:
        assert engine.reference.endswith(path)
    shutil.rmtree(path)


def test_the_methods_on_the_page_are_those_of_the_lab():
    from playground.labs.adapters import composing, routing
    from playground.tabs.merge import adapter_route

    assert set(adapter_compose.METHODS.values()) == set(composing.METHODS)
    assert adapter_route._routes([list(row) for row in adapter_route.DEFAULT]) == routing.ROUTES


def test_a_batch_with_an_adapter_a_row(laid):
    bench, (one, other, _) = laid.batch, made.folders()
    table = [[f"{one}*0.5 + {other}", "The cat"], ["", "<b>Paris</b>"], [None, None]]
    shown = laid.run(bench, table=table, tokens=5)[bench.written]
    assert shown.count("<li>") == 2 and "forward passes" in shown
    assert "<b>Paris" not in shown and "&lt;b&gt;Paris" in shown
    with pytest.raises(PlaygroundError, match="no adapter with a weight"):
        laid.run(bench, table=[["a*b", "The cat"]])


def test_an_extraction_and_its_curve(laid):
    bench, base = laid.extract, made.base_folder()
    shown = laid.run(bench, tuned=f"{base}+adapter:{made.folders()[0]}", base=str(base), rank=4)
    assert "misses <b>0.0%</b>" in shown[bench.told]
    assert shown[bench.chart]["value"].data[0].y[0] == 1
    with pytest.raises(PlaygroundError, match="Two models are needed"):
        laid.run(bench, tuned="", base=str(base))


def test_an_ensemble_beside_the_merge(laid):
    bench, folder = laid.labels, made.folders()[0]
    members = [["a", "text", "", "{text} It is"], ["b", "text", f"{folder}", "{text} That was"]]
    rows = [[f"The cat sat {i}", ("positive", "negative")[i % 2]] for i in range(12)]
    shown = laid.run(bench, text="<i>Paris</i>", labels="positive, negative", members=members, rows=rows)
    assert shown[bench.table].count("<tr>") == 1 + 2 + 4 + 1
    assert "The merge of the members" in shown[bench.told]
    assert shown[bench.one].count("<tr>") == 1 + 2 + 4 + 1
    with pytest.raises(PlaygroundError, match="no label"):
        laid.run(bench, text="x", labels="positive, negative", members=members, rows=[["a", "neutral"]] * 12)


def test_next_tokens_averaged_beside_the_merge(laid):
    bench, (one, other, _) = laid.tokens, made.folders()
    shown = laid.run(bench, members=f"{one}\n{other}\nas it is", others="", prompt="The cat", sets=["json"], n=4)
    assert shown[bench.table].count("<tr>") == 1 + 3 + 2 + 1
    assert "bits a token" in shown[bench.told]
    assert len(shown[bench.chart]["value"].data[0].y) == 6
    other_model = tiny.save(laid.page.settings.cache_dir / "bert", "bert")
    with pytest.raises(PlaygroundError, match="no causal model"):
        laid.run(bench, members="as it is", others=str(other_model), prompt="The cat", sets=["json"], n=4)
