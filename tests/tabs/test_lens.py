"""The handlers of the Logit lens pane on tiny models: what they draw, keep and refuse."""

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.internals import lens
from playground.tabs.internals import tab as internals
from playground.tabs.kit import Page, Parcel
from playground.tabs.layout import lay_out
from tests import tiny
from tests.tabs.conftest import visitor
from tests.tabs.visitor import Visitor

TEXT = "The cat sat on the mat because it was comfortable."


@dataclass
class Desk:
    page: Page
    bench: object
    built: lens.LensPane

    @property
    def pane(self):
        return self.built.pane

    def component(self, name):
        return next(b for b in self.page.blocks.blocks.values() if getattr(b, "elem_id", None) == name)

    def values(self, model, text=TEXT, **chosen) -> dict:
        """What Gradio hands to the handler. `chosen`: by the end of the component's id, as lens-follow."""
        given = {c: getattr(c, "value", None) for c in self.pane.inputs} | {self.page.reference: str(model)}
        given |= {self.component("lens-text"): text, self.component("lens-follow"): ""}
        for name, value in chosen.items():
            given[self.component(f"lens-{name}")] = value
        return given

    def run(self, model, text=TEXT, **chosen) -> list[dict]:
        work = self.bench._worker(lambda values: self.pane)
        return list(work(self.values(model, text, **chosen), visitor("ann")))

    def by_id(self, update, name):
        return update[self.component(f"lens-{name}")]

    def handler(self, name):
        return next(fn.fn for fn in self.page.blocks.fns.values() if fn.name == name)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: str(tiny.save(tmp_path_factory.mktemp(name), name)) for name in ("llama", "bert", "t5")}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    built, made = [], []
    original, bench = lens.build, lens.bench
    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"), dtype="float32", threads=1, memory_budget="200MB")
    with pytest.MonkeyPatch.context() as patch, gr.Blocks() as blocks:
        patch.setattr(lens, "build", lambda *given: built.append(original(*given)) or built[-1])
        patch.setattr(lens, "bench", lambda *arguments: made.append(bench(*arguments)) or made[-1])
        page = lay_out(blocks, ModelCache(settings), settings, [internals])
    return Desk(page, made[0], built[0])


def shown(update) -> lens.Shown:
    return next(value for value in update.values() if isinstance(value, lens.Shown))


def test_every_cell_shows_the_lenss_first_word_and_its_probability(desk, folders):
    from playground.labs.internals.lens import lens as lab
    from playground.views.tokens import percent

    last = desk.run(folders["llama"], follow="cat")[-1]
    seen = lab(tiny.loaded(folders["llama"]), TEXT, lens.TOP, "cat")
    grid = desk.by_id(last, "grid")
    names = re.findall(r'data-at="(\d+),(\d+)".*?aria-label="(.*?)"', grid)
    assert len(names) == len(seen.layers) * len(seen.labels)
    for row, column, name in names:
        share = float(seen.top_probabilities[int(row), int(column), 0])
        assert name.endswith(f" comes next, {percent(share)}")
    assert [row for row, *_ in names[:: len(seen.labels)]] == ["3", "2", "1", "0"], "the last layer is on top"
    assert grid.count('aria-pressed="true"') == 1
    chart = desk.by_id(last, "chart")
    np.testing.assert_array_equal(chart.data[0].y, seen.final_ranks[:, -1] + 1)
    np.testing.assert_array_equal(chart.data[1].y, seen.token_ranks[:, -1] + 1)
    assert chart.data[1].name == "·cat" or chart.data[1].name == "cat"
    assert "fp32 on cpu" in desk.by_id(last, "caption") and last[desk.bench.source.status] == ""


def test_a_click_lists_that_cells_ten_and_moves_the_curves_there(desk, folders):
    now = shown(desk.run(folders["llama"])[-1])
    update = desk.handler("pick")(now, "Probability", SimpleNamespace(index=[1, 4]))
    assert shown(update).picked == (1, 4)
    listed = re.findall(r"<tr><th scope='row'>", desk.by_id(update, "detail"))
    assert len(listed) == lens.TOP and "Layer 0 at" in desk.by_id(update, "detail")
    np.testing.assert_allclose(desk.by_id(update, "chart").data[0].y, now.seen.final_probabilities[:, 4])
    assert desk.handler("pick")(None, "Rank", SimpleNamespace(index=[1, 4])) != update


@pytest.mark.parametrize(("by", "name"), [("Entropy", "entropies"), ("KL to the last layer", "divergences")])
def test_colours_are_of_what_was_chosen(desk, folders, by, name):
    from playground.views.internals import scale

    now = shown(desk.run(folders["llama"])[-1])
    numbers = getattr(now.seen, name)
    grid = desk.by_id(desk.handler("paint")(now, by), "grid")
    styles = dict(re.findall(r'data-at="(\d+,\d+)" style="(.*?)"', grid))
    for at, style in styles.items():
        row, column = map(int, at.split(","))
        assert style == scale.cell(float(numbers[row, column] / numbers.max()))


def test_a_long_text_is_shown_in_pages_the_last_one_first(desk, folders, monkeypatch):
    monkeypatch.setattr(lens, "PAGE", 4)
    last = desk.run(folders["llama"])[-1]
    seen = shown(last).seen
    assert seen.positions.tolist() == list(range(seen.n_positions - 4, seen.n_positions))
    slider = desk.by_id(last, "first")
    assert slider["visible"] and slider["value"] == slider["maximum"] == seen.n_positions - 4
    assert f"has {seen.n_positions} tokens" in desk.by_id(last, "caption")
    *_, turned = desk.built.pages.draw(
        desk.values(folders["llama"], first=2), desk.bench.stops.begin(visitor("bob"), "x")
    )
    assert shown(turned).seen.positions.tolist() == [2, 3, 4, 5]
    assert shown(turned).seen.token == seen.token, "what is followed is the answer of the whole text"


def test_masked_models_are_read_at_the_mask(desk, folders):
    last = desk.run(folders["bert"], "The cat [MASK] on the mat.")[-1]
    now = shown(last)
    assert now.seen.labels[now.picked[1]] == "[MASK]"
    assert "stands there" in desk.by_id(last, "grid")


def test_what_an_encoder_decoder_writes_is_looked_at(desk, folders):
    now = shown(desk.run(folders["t5"], written="Paris is the")[-1])
    assert len(now.seen.labels) > 1
    again = shown(desk.run(folders["llama"], written="a relic of another model")[-1])
    assert again.seen.labels


@pytest.mark.parametrize(("text", "sentence"), [(" ", "There is no text to read"), ("cat " * 400, "tokens long")])
def test_what_cannot_be_looked_at_is_said(desk, folders, text, sentence):
    with pytest.raises(gr.Error, match=sentence):
        desk.run(folders["llama"], text)
    assert all(holding.lent == 0 for holding in desk.page.models.ledger().holdings)


def test_a_word_that_cannot_be_followed_costs_no_lens(desk, folders):
    last = desk.run(folders["llama"], follow="comfortable sofa")[-1]
    assert "one is needed" in desk.by_id(last, "caption") and len(desk.by_id(last, "chart").data) == 1


def test_files_hold_every_cell(desk, folders):
    last = desk.run(folders["llama"], follow="cat")[-1]
    seen = shown(last).seen
    paths = next(value for value in last.values() if isinstance(value, list))
    rows = list(csv.DictReader(io.StringIO(Path(paths[0]).read_text("utf-8"), newline="")))
    assert len(rows) == seen.entropies.size
    n = len(seen.labels)
    assert float(rows[n + 3]["entropy_nats"]) == pytest.approx(float(seen.entropies[1, 3]), rel=1e-5)
    assert int(rows[-1]["answer_rank"]) == 1 and int(rows[3]["followed_rank"]) == seen.token_ranks[0, 3] + 1
    held = json.loads(Path(paths[1]).read_text("utf-8"))
    np.testing.assert_allclose(held["top_probabilities"]["values"], seen.top_probabilities)
    assert held["provenance"]["settings"]["text"] == TEXT


def test_asking_anew_ends_what_runs(desk):
    running = desk.bench.stops.begin(visitor("dan"), lens.TITLE)
    theirs = desk.bench.stops.begin(visitor("fay"), lens.TITLE)
    begin = [fn.fn for fn in desk.page.blocks.fns.values() if "asked" in getattr(fn.fn, "__qualname__", "")]
    assert len(begin) >= 2  # the lens's and those of the neurons
    assert all("Waiting" in ask(visitor("dan")) for ask in begin)
    assert running.is_set() and not theirs.is_set()


def test_a_parcel_opens_the_lens_with_its_text(desk):
    post = desk.page.post[internals.TITLE]
    ann = Visitor(desk.page.blocks)
    ann.values |= {post: Parcel("<s>Hi", complete=True), desk.page.reference: "no model"}
    with pytest.raises(gr.Error, match="does not name a model"):
        ann.fire(post, "change")
    assert ann.opened["internals"] == lens.TITLE
    assert (ann.value(ann.find("lens-text")), ann.value(ann.find("lens-follow"))) == ("<s>Hi", "")
    shown = next(update for updates in ann.updates for update in updates.values() if isinstance(update, dict))
    assert shown.get("selected") == lens.TITLE


def test_examples_have_words_that_can_be_followed():
    for example in lens.EXAMPLES:
        assert example.text and " " not in example.follow.strip()
