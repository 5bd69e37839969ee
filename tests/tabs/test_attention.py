"""The handlers of the Attention tab on tiny models: what they draw, and what they refuse."""

import csv
import json
import re
import threading
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.attention import bertviz as attention_bertviz
from playground.tabs.attention import compare as attention_compare
from playground.tabs.attention import map as attention_map
from playground.tabs.attention import mosaic as attention_mosaic
from playground.tabs.attention import pairs as attention_pairs
from playground.tabs.attention import panes as attention_panes
from playground.tabs.attention import tab as attention
from playground.tabs.attention.source import Kept
from playground.tabs.kit import Parcel
from playground.tabs.layout import lay_out
from playground.views.attention import words as attention_words
from playground.views.continuations import note
from tests import tiny
from tests.tabs.conftest import visitor

TEXT = "The cat sat on the mat because it was comfortable"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: str(tiny.save(tmp_path_factory.mktemp(name), name)) for name in ("llama", "bert", "t5", "mamba")}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The tab, laid out, and its panes by title."""
    benches = []
    original = attention_panes.Bench

    def remember(*arguments):
        benches.append(original(*arguments))
        return benches[-1]

    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"), dtype="float32", threads=1, memory_budget="200MB")
    with pytest.MonkeyPatch.context() as patch, gr.Blocks() as blocks:
        patch.setattr(attention, "Bench", remember)
        lay_out(blocks, ModelCache(settings), settings, [attention])
    return benches[0]


def component(pane, label):
    return next(c for c in pane.inputs if getattr(c, "label", None) == label)


def values(desk, model, text=TEXT, pair="", place=None, complete=False, **chosen):
    """What Gradio hands to a handler of the tab. `chosen`: by label."""
    source = desk.source
    given = {source.page.reference: model, source.text: text, source.pair: pair}
    given |= {source.complete: complete, source.place: place, desk.showing: attention_map.TITLE}
    for pane in desk.panes.values():
        given |= {c: chosen.get(getattr(c, "label", None) or "", c.value) for c in pane.inputs}
    return given


def draw(desk, title, given):
    drawn = desk.panes[title].draw(given, threading.Event())
    return drawn if isinstance(drawn, dict) else list(drawn)[-1]


def by_id(drawn, name):
    value = next(value for c, value in drawn.items() if c.elem_id == name)
    return value["value"] if isinstance(value, dict) else value


def figure(drawn, name):
    return by_id(drawn, name)


def shown(drawn):
    return next(value for value in drawn.values() if isinstance(value, attention_map.Shown))


def maps_of(folder, text=TEXT, **more):
    from playground.labs.attention.maps import attention as lab

    return lab(tiny.loaded(folder), text, **more)


def test_one_head_is_the_models_own(desk, folders):
    drawn = draw(desk, "Map", values(desk, folders["llama"], Layer=2, Head=1))
    expected = maps_of(folders["llama"]).weights[2, 1]
    np.testing.assert_allclose(figure(drawn, "map-chart").data[0].z, expected, atol=1e-6)
    caption = by_id(drawn, "map-caption")
    assert "layer 2, head 1" in caption
    assert "fp32 on cpu" in caption
    assert re.search(r"From <b>·?it</b>", by_id(drawn, "map-token"))


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"Show": attention_map.HEADS}, "mean over its 4 heads"),
        ({"Show": attention_map.LAYERS}, "mean over 3 layers and 4 heads"),
        ({"Show": attention_map.ROLLOUT}, "Abnar"),
        ({"By": attention_map.WORDS}, "summed over the tokens looked at"),
        ({"Attention": "Without the first token (the sink)"}, "the rest was scaled up"),
    ],
)
def test_every_way_to_look_says_what_it_did_and_keeps_rows_whole(desk, folders, chosen, sentence):
    drawn = draw(desk, "Map", values(desk, folders["llama"], **chosen))
    assert sentence in by_id(drawn, "map-caption")
    np.testing.assert_allclose(np.asarray(figure(drawn, "map-chart").data[0].z).sum(-1), 1, atol=1e-5)


def test_a_layer_that_this_model_lacks_becomes_the_nearest(desk, folders):
    drawn = draw(desk, "Map", values(desk, folders["llama"], Layer=29, Head=11))
    assert "layer 2, head 3" in by_id(drawn, "map-caption")


LONG = "猫狗" * 38  # each character is three tokens


@pytest.fixture
def heavy(desk, folders, monkeypatch):
    """All layers of `LONG` are too much to record when one is enough. Its number of characters does not tell."""
    from playground.labs.attention import maps as lab
    from playground.tabs.attention import source

    engine = tiny.loaded(folders["llama"])
    n = len(lab.prepare(engine, LONG).keys)
    assert n > 2 * len(LONG)
    limit = lab.estimate(engine, n - 1, 3, 4)
    monkeypatch.setattr(source, "ALL_AT_ONCE", limit)
    monkeypatch.setattr(lab, "MOST_BYTES", limit)


@pytest.mark.parametrize("title", ["Map", "Compare", "Export", "BertViz"])
def test_of_a_long_text_one_layer_is_recorded_where_one_is_enough(desk, folders, heavy, title, monkeypatch):
    monkeypatch.setattr("playground.views.attention.export.MOST_VALUES", 10**9)
    if title == "BertViz":
        given = values(desk, folders["llama"], text=LONG, **{"Layer to open on": 29})
        assert '"include_layers":[2]' in unescape(by_id(draw(desk, title, given), "bertviz"))
        return
    drawn = draw(desk, title, values(desk, folders["llama"], text=LONG, Layer=29, Head=1))
    expected = maps_of(folders["llama"], LONG, layers=[2], heads=[1]).weights[0, 0]
    if title == "Export":
        [whole] = [path for path in by_id(drawn, "export-files") if path.endswith(".json")]
        plain = json.loads(Path(whole).read_text("utf-8"))
        assert (plain["layers"], plain["heads"]) == ([2], [1])
        np.testing.assert_allclose(plain["weights"][0][0], expected, atol=1e-6)
        assert "[2]" in by_id(drawn, "export-code")
    else:
        chart = "map-chart" if title == "Map" else "compare-left"
        np.testing.assert_allclose(figure(drawn, chart).data[0].z, expected, atol=1e-6)


def test_a_map_too_large_for_files_has_its_script(desk, folders, monkeypatch):
    monkeypatch.setattr("playground.views.attention.export.MOST_VALUES", 10)
    drawn = draw(desk, "Export", values(desk, folders["llama"]))
    assert by_id(drawn, "export-files") == []
    assert "shorten the text to 1,000 tokens" in by_id(drawn, "export-caption")
    assert "from_pretrained" in by_id(drawn, "export-code")


def test_picking_a_token_draws_its_row_without_a_model(desk, folders):
    seen = shown(draw(desk, "Map", values(desk, folders["llama"], Layer=1, Head=0)))
    at = 4
    assert seen.text(at).count('aria-pressed="true"') == 1
    best = seen.queries[int(np.argmax(seen.values[at]))]
    first = re.search(r"<code>(.*?)</code>", seen.row(at))[1]
    assert first == best


def test_cross_attention_of_an_encoder_decoder(desk, folders):
    given = values(desk, folders["t5"], pair="The doctor asked", place="Cross: decoder to encoder", Layer=1)
    drawn = draw(desk, "Map", given)
    expected = maps_of(folders["t5"], text_pair="The doctor asked", kind="cross").weights[1, 3]
    np.testing.assert_allclose(figure(drawn, "map-chart").data[0].z, expected, atol=1e-6)
    assert "cross-attention" in by_id(drawn, "map-caption")
    assert "looked-at" in by_id(drawn, "map-text")


def test_a_sentence_pair_is_read_together(desk, folders):
    given = values(desk, folders["bert"], text="The cat sat.", pair="The doctor asked.")
    labels = shown(draw(desk, "Map", given)).queries
    assert labels.count("[SEP]") == 2
    frame = by_id(draw(desk, "BertViz", given), "bertviz")
    assert "Sentence A -> Sentence B" in frame.replace("&gt;", ">")


def test_a_relic_of_another_model_does_no_harm(desk, folders):
    drawn = draw(desk, "Map", values(desk, folders["llama"], place="Encoder"))
    assert "decoder self-attention" in by_id(drawn, "map-caption")


def test_a_text_from_another_tab_gets_no_more_special_tokens(desk, folders):
    whole = shown(draw(desk, "Map", values(desk, folders["bert"], text="[CLS] the cat [SEP]", complete=True)))
    assert whole.queries.count("[CLS]") == 1
    assert whole.queries.count("[SEP]") == 1


def test_all_heads_stand_in_one_trace_and_a_click_names_one(desk, folders):
    drawn = draw(desk, attention_mosaic.TITLE, values(desk, folders["llama"]))
    [trace] = figure(drawn, "mosaic-chart").data
    n = len(maps_of(folders["llama"]).queries)
    assert np.asarray(trace.z).shape == (4 * (n + 1) - 1, 3 * (n + 1) - 1)
    assert "12 heads" in by_id(drawn, "mosaic-caption")
    assert attention.head_of_chart(SimpleNamespace(index=[2.8, 1.1])) == (1, 3)


@pytest.mark.parametrize("view", list(attention_bertviz.ABOUT))
@pytest.mark.parametrize("model", ["llama", "bert"])
def test_every_bertviz_view_draws_every_model(desk, folders, model, view):
    drawn = draw(desk, "BertViz", values(desk, folders[model], View=view))
    assert "<iframe" in by_id(drawn, "bertviz")
    assert "fp32 on cpu" in by_id(drawn, "bertviz-caption")


def test_the_neuron_view_of_a_model_with_a_bias_by_position_says_that_products_are_not_all(desk, folders):
    """T5 adds a bias between q·k and the softmax in its self-attention, and none in its cross-attention."""
    for place, said in (("Encoder", True), ("Cross: decoder to encoder", False)):
        given = values(desk, folders["t5"], pair="The doctor asked", place=place, View=attention_bertviz.NEURON_VIEW)
        drawn = draw(desk, "BertViz", given)
        assert "<iframe" in by_id(drawn, "bertviz")
        assert (attention_words.NOT_EXACT in html_of(drawn, "bertviz-caption")) == said
    exact = draw(desk, "BertViz", values(desk, folders["llama"], View=attention_bertviz.NEURON_VIEW))
    assert attention_words.NOT_EXACT not in html_of(exact, "bertviz-caption")


@pytest.mark.parametrize("title", ["Map", attention_mosaic.TITLE, "BertViz"])
def test_what_cannot_be_looked_at_is_said(desk, folders, title):
    with pytest.raises(PlaygroundError, match="no text to look at"):
        draw(desk, title, values(desk, folders["llama"], text="  "))
    with pytest.raises(PlaygroundError, match="shows no attention"):
        draw(desk, title, values(desk, folders["mamba"]))
    with pytest.raises(PlaygroundError, match="tokens long"):
        draw(desk, title, values(desk, folders["llama"], text="cat " * 300))


def test_a_stopped_request_draws_nothing(desk, folders):
    stop = threading.Event()
    stop.set()
    with pytest.raises(PlaygroundError, match="Stopped"):
        desk.panes["Map"].draw(values(desk, folders["llama"], text="A text that nobody looked at"), stop)


def test_a_new_request_ends_the_one_before_and_nobody_elses(desk):
    one, other = visitor("one"), visitor("other")
    first, theirs, benchmark = (desk.stops.begin(*who) for who in ((one, "Map"), (other, "Map"), (one, "Benchmark")))
    second = desk.stops.begin(one, "Map")
    assert first.is_set()
    assert not second.is_set()
    assert not benchmark.is_set(), "another pane goes on"
    assert desk.stops.said(one, "Map", first) is None, "the status is the second one's"
    assert desk.stops.said(other, "Map", theirs) == attention_panes.STOPPED
    desk.stops.halt(one)
    assert desk.stops.said(one, "Map", second) == attention_panes.STOPPED
    assert second.is_set()
    assert benchmark.is_set()
    assert not theirs.is_set()


def test_the_worker_waits_says_so_and_shows_an_error_in_a_sentence(desk, folders):
    work = desk._worker(lambda given: desk.panes["Map"])
    steps = list(work(values(desk, folders["llama"]), visitor("one")))
    assert "Reading" in steps[-2][desk.source.status]
    assert steps[-1][desk.source.status] == ""
    with pytest.raises(gr.Error, match="shows no attention"):
        list(work(values(desk, folders["mamba"]), visitor("one")))
    idle = desk._worker(lambda given: desk.panes["Map"], load=False)
    [only] = idle(values(desk, folders["t5"] + "/nowhere"), visitor("one"))
    assert "Press Look" in only[desk.source.status]


def test_kept_maps_stay_within_their_limit():
    kept, made = Kept(budget=10), []

    def make(name, size):
        return kept.get(name, lambda: made.append(name) or size, lambda held: held)

    assert make("a", 4) == make("a", 4) == 4
    make("b", 4)
    make("a", 4)
    make("c", 4)  # b is the oldest
    make("a", 4)
    make("b", 4)
    make("huge", 11)
    make("huge", 11)
    make("a", 4)
    make("b", 4)
    assert made == ["a", "b", "c", "b", "huge", "huge"], "what is too large drives nothing out"


def test_the_tab_adapts_to_a_model(desk, folders):
    pane = SimpleNamespace()
    for name, label, places in (("bert", "Second sentence", 1), ("t5", "Text that the decoder writes", 3)):
        with desk.page.models.lease(folders[name]):
            second, where, layers, heads = attention.adapted(desk.page, folders[name], None, pane)
        assert second["visible"]
        assert second["label"] == label
        assert len(where["choices"]) == places
        assert where["visible"] == (places > 1)
        assert (layers["maximum"], heads["maximum"]) == (2, 3)
    with desk.page.models.lease(folders["llama"]):
        second, *_ = attention.adapted(desk.page, folders["llama"], None, pane)
    assert not second["visible"]
    assert second["value"] == ""
    second, *_ = attention.adapted(desk.page, "starter:all-minilm-l6-v2", None, pane)
    assert second["visible"], "the catalog knows before it is loaded"


def test_a_slider_beyond_the_model_comes_back_to_its_end(desk, folders):
    with desk.page.models.lease(folders["llama"]) as engine:
        n_layers, n_heads = engine.anatomy.n_layers, engine.anatomy.n_heads
        *_, layer, head = attention.adapted(desk.page, folders["llama"], None, SimpleNamespace(), 512, 1)
    assert layer == gr.update(maximum=n_layers - 1, value=n_layers - 1)
    assert head == gr.update(maximum=n_heads - 1)


def test_a_parcel_fills_the_box_and_opens_its_head(desk):
    receive = next(fn.fn for fn in desk.page.blocks.fns.values() if fn.name == "receive")
    text, pair, complete, word, *head = receive(Parcel("<|im_start|>user", complete=True))
    assert (text, pair, word) == ("<|im_start|>user", "", "")
    assert complete["value"]
    assert complete["visible"]
    assert head == [gr.skip()] * 5
    *_, strip, showing, how, layer, head = receive(Parcel("Hi", layer=2, head=1))
    assert (strip["selected"], showing, how, layer, head) == ("Map", "Map", "One head", 2, 1)
    *_, how, layer, head = receive(Parcel("Hi", layer=2))
    assert (how, layer, head) == ("Mean over heads", 2, gr.skip())


def test_every_pattern_has_a_chart_and_heads_to_open(desk, folders):
    from playground.labs.attention import heads

    found = heads.heads(tiny.loaded(folders["llama"]), TEXT)
    for at, pattern in enumerate(found.patterns):
        drawn = draw(desk, "What heads do", values(desk, folders["llama"], Pattern=pattern.name))
        np.testing.assert_allclose(figure(drawn, "heads-chart").data[0].z, found.scores[at].T, atol=1e-5)
        assert pattern.sentence in html_of(drawn, "heads-caption")
    buttons = re.findall(r'data-at="(\d+),(\d+)"', by_id(drawn, "heads-ranking"))
    assert buttons == [(str(head.layer), str(head.head)) for head in heads.interesting(found)]
    layer, head = buttons[0]
    click = SimpleNamespace(index=[int(layer), int(head)])
    assert attention.head_of_button(click) == (int(layer), int(head))
    drawn = draw(desk, "What heads do", values(desk, folders["llama"], Pattern="entropy, nats"))
    assert "nats" in html_of(drawn, "heads-caption")


def html_of(drawn, name):
    return unescape(by_id(drawn, name))


def test_heads_between_two_words(desk, folders):
    drawn = draw(desk, "Who looks at whom", values(desk, folders["llama"], Threshold=0.0))
    maps = maps_of(folders["llama"])
    labels = list(maps.queries.labels)
    it, mat = (max(at for at, label in enumerate(labels) if label.strip("·") == word) for word in ("it", "mat"))
    np.testing.assert_allclose(figure(drawn, "pair-chart").data[0].z, maps.weights[:, :, it, mat].T, atol=1e-6)
    best = np.unravel_index(maps.weights[:, :, it, mat].argmax(), (3, 4))
    assert re.search(r'data-at="(\d+),(\d+)"', by_id(drawn, "pair-ranking")).groups() == tuple(map(str, best))
    none = draw(desk, "Who looks at whom", values(desk, folders["llama"], Threshold=1.0))
    assert "None is over the threshold" in by_id(none, "pair-ranking")


def test_the_benchmark_of_pronouns_draws_what_the_lab_measured(desk, folders, monkeypatch):
    from playground.labs.attention import coreference

    eight = coreference.schemas()[:8]
    monkeypatch.setattr(coreference, "schemas", lambda: eight)
    expected = coreference.coreference(tiny.loaded(folders["llama"]))
    assert expected.n == 8
    function = next(
        fn for fn in desk.page.blocks.fns.values() if any(c.elem_id == "coreference-chart" for c in fn.outputs)
    )
    *told, drawn = function.fn(values(desk, folders["llama"]), visitor("one"))
    assert any("Sentence 8 of 8" in update[desk.source.status] for update in told)
    assert drawn[desk.source.status] == ""
    best = expected.ranked[0]
    caption = html_of(drawn, "coreference-caption")
    assert f"8 sentences; guessing is right in 50 %. The best head, layer {best.layer}, head {best.head}, " in caption
    assert f"is right in {100 * best.share:.1f} %" in caption
    np.testing.assert_allclose(figure(drawn, "coreference-chart").data[0].z, expected.share.T)
    buttons = re.findall(r'data-at="(\d+),(\d+)"', by_id(drawn, "coreference-ranking"))
    assert buttons == [(str(head.layer), str(head.head)) for head in expected.ranked]


def test_words_that_the_text_lacks_are_replaced_by_some_that_it_has(desk, folders):
    drawn = draw(desk, "Who looks at whom", values(desk, folders["llama"], text="A dog saw a dog"))
    assert "From dog to" in by_id(drawn, "pair-caption")
    assert attention_pairs.taken("dog (2 of 2)") == ("dog", 2)
    assert attention_pairs.taken("dog") == ("dog", 1)
    assert attention_pairs.chosen("DOG", ["a", "dog (1 of 2)"], 0) == "dog (1 of 2)"


def test_long_work_reports_and_stops():
    stop = threading.Event()

    def work(report):
        for n in range(1000):
            report(n / 1000, "Sentence")
            if stop.wait(0.01):
                raise PlaygroundError("Stopped before the end.")

    news = attention_panes.reported(work, stop)
    assert [next(news) for _ in range(3)] == [(n / 1000, "Sentence") for n in range(3)]
    stop.set()
    with pytest.raises(PlaygroundError, match="Stopped"):
        list(news)


def test_whoever_leaves_ends_the_work():
    stop = threading.Event()
    news = attention_panes.reported(lambda report: report(0, "a") or stop.wait(10), stop)
    next(news)
    news.close()
    assert stop.is_set()


@pytest.mark.parametrize("method", ["Leave one out", "Integrated gradients", "Gradient × input"])
def test_attribution_stands_beside_attention_with_a_warning(desk, folders, method):
    drawn = draw(desk, "Token attribution", values(desk, folders["llama"], text="The cat sat on the", Method=method))
    caption = by_id(drawn, "attribution-caption")
    assert "Attention is not an explanation" in caption
    assert ("Completeness" in caption) == (method == "Integrated gradients")
    n = len(maps_of(folders["llama"], "The cat sat on the").queries)
    assert by_id(drawn, "attribution-table").count("<tr>") == n + 1
    assert by_id(drawn, "attribution-text").count('class="token speaks-') == n


def test_one_answer_alone_comes_with_a_warning_and_the_example_has_two(desk, folders):
    given = values(desk, folders["llama"], text="The cat sat on the")
    assert "One logit also rises and falls" in by_id(draw(desk, "Token attribution", given), "attribution-caption")
    given = values(
        desk, folders["llama"], text="The cat sat on the", **{"Answer asked about": "mat", "rather than": "cat"}
    )
    assert "One logit also" not in by_id(draw(desk, "Token attribution", given), "attribution-caption")
    [why] = [example for example in attention.EXAMPLES if example.pane == "Token attribution"]
    assert attention.fill(why)[3:5] == [" Paris", " London"]


def test_what_has_no_answer_is_not_attributed(desk, folders):
    with pytest.raises(PlaygroundError, match="fills blanks, and there is none"):
        draw(desk, "Token attribution", values(desk, folders["bert"]))


def test_two_texts_share_one_scale(desk, folders):
    given = values(desk, folders["llama"], Layer=1, Head=2)
    drawn = draw(desk, "Compare", given)
    left, right = (figure(drawn, f"compare-{side}").data[0] for side in ("left", "right"))
    assert left.zmax == right.zmax == pytest.approx(max(np.max(left.z), np.max(right.z)))
    second = maps_of(folders["llama"], attention_compare.EXAMPLE).weights[1, 2]
    np.testing.assert_allclose(right.z, second, atol=1e-6)


def test_a_stop_while_the_second_model_is_loaded_waits_for_nothing(desk, folders, tmp_path_factory):
    stop = threading.Event()
    stop.set()
    other = str(tiny.save(tmp_path_factory.mktemp("gpt2"), "gpt2"))
    with pytest.raises(PlaygroundError, match="Stopped before the second model"):
        list(desk.panes["Compare"].draw(values(desk, folders["llama"], **{"Second model": other}), stop))


def test_opening_compare_by_a_link_loads_no_second_model(desk, folders, tmp_path_factory):
    other = str(tiny.save(tmp_path_factory.mktemp("gpt2"), "gpt2"))
    models = desk.source.page.models
    with models.lease(folders["llama"]):  # the page's model is there
        pass
    given = values(desk, folders["llama"], **{"Second model": other}) | {desk.showing: "Compare"}
    opened = desk._worker(lambda values: desk.panes[values[desk.showing]], load=False)
    ann = SimpleNamespace(session_hash="ann")
    assert [by_id(told, "attention-status") for told in opened(given, ann)] == [note(attention_panes.NOT_LOADED)]
    assert models.status(other).state != "ready"
    same = given | {component(desk.panes["Compare"], "Second model"): attention_compare.SAME}
    assert figure(list(opened(same, ann))[-1], "compare-right") is not None


def test_two_models_share_one_scale(desk, folders):
    given = values(desk, folders["llama"], **{"Second model": folders["bert"], "Second text": ""})
    drawn = draw(desk, "Compare", given)
    np.testing.assert_allclose(
        figure(drawn, "compare-right").data[0].z, maps_of(folders["bert"]).weights[2, 3], atol=1e-6
    )
    assert "different lengths" in by_id(drawn, "compare-caption")


def test_files_hold_the_weights_and_the_script_makes_them_again(desk, folders, tmp_path, monkeypatch):
    drawn = draw(desk, "Export", values(desk, folders["llama"], Layer=1, Head=2))
    paths = {Path(path).name: Path(path) for path in by_id(drawn, "export-files")}
    expected = maps_of(folders["llama"]).weights
    with paths["attention-map.csv"].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["layer"], row["head"]) for row in rows} == {("1", "2")}
    n = expected.shape[-1]
    read = np.array([float(row["weight"]) for row in rows]).reshape(n, n)
    np.testing.assert_allclose(read, expected[1, 2], atol=1e-5)
    plain = json.loads(paths["attention.json"].read_text("utf-8"))
    np.testing.assert_allclose(plain["weights"], expected, atol=1e-6)
    assert plain["provenance"]["dtype"] == "float32"
    page = paths["attention.html"].read_text("utf-8")
    assert not re.search(r"(src|href)=|https?://(?!www\.w3\.org)", page)
    assert json.loads(re.search(r'id="data">(.*?)</script>', page)[1])["opens_on"] == [1, 2]
    script = by_id(drawn, "export-code")
    assert str(folders["llama"]) not in script  # nobody else has that folder: theirs is put in
    monkeypatch.chdir(tmp_path)
    exec(script.replace(f"PATH/TO/{Path(folders['llama']).name}", str(folders["llama"])), {})
    np.testing.assert_allclose(np.load(tmp_path / "attention.npy")[0, 0], expected[1, 2], atol=1e-5)
