"""Attention drawn: one trace a figure, whatever the text is, and documents that reach no other machine."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import pytest

from playground.errors import PlaygroundError
from playground.views.attention import bertviz
from playground.views.attention import map as attention_map
from playground.views.attention import mosaic as attention_mosaic
from playground.views.attention import row as attention_row
from playground.views.attention.frames import NUMBER

NASTY = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "👩‍🚀",
    "你好",
    "\\ue000",
    "<!--",
    "&lt;b>",
    '"',
]


def random_weights(n_layers: int, n_heads: int, n_queries: int, n_keys: int | None = None) -> np.ndarray:
    values = np.random.default_rng(0).random((n_layers, n_heads, n_queries, n_keys or n_queries), dtype=np.float32)
    return values / values.sum(-1, keepdims=True)


def tower(n_layers: int = 3, n_heads: int = 2, labels=NASTY, **more) -> bertviz.Tower:
    weights = random_weights(n_layers, n_heads, len(labels))
    return bertviz.Tower(weights, labels, labels, range(n_layers), **more)


class Reader(HTMLParser):
    """The tags of a document and the text of its scripts, as a browser tells them apart."""

    def __init__(self, document: str):
        super().__init__(convert_charrefs=True)
        self.tags, self.scripts, self._open = [], [], False
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._open = True
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._open = self._open and tag != "script"

    def handle_data(self, data):
        if self._open:
            self.scripts[-1] += data


def inside(frame: bertviz.Frame) -> Reader:
    """The document in a frame."""
    outer = Reader(frame.html)
    [(tag, attributes)] = outer.tags
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["title"]
    assert attributes["data-held"].count(f"<script {NUMBER}") == attributes["data-held"].count("</script>")
    return Reader(attributes["data-held"])


def drawn(name: str, labels=NASTY) -> bertviz.Frame:
    if name == "neuron":
        vectors = np.random.default_rng(1).random((2, len(labels), 8), dtype=np.float32)
        return bertviz.neuron_view(random_weights(1, 2, len(labels))[0], vectors, vectors, labels, labels, 7, 1, True)
    return getattr(bertviz, f"{name}_view")(tower(labels=labels), 2)


@pytest.mark.parametrize("name", ["head", "model", "neuron"])
def test_a_document_is_whole_fetches_nothing_and_holds_no_tag_of_the_text(name):
    frame = drawn(name)
    read = inside(frame)
    n_scripts = len(read.scripts)
    assert n_scripts == len(inside(drawn(name, ["a"] * len(NASTY))).scripts), "a token opened or closed a script"
    assert not [tag for tag, _ in read.tags if tag in ("img", "b", "link", "iframe", "object")]
    assert not [attrs for _, attrs in read.tags if "src" in attrs or "href" in attrs]
    policy = next(attrs["content"] for tag, attrs in read.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    document = unescape(frame.html)
    others = set(re.findall(r"https?://[\w.-]+", document)) - {"http://www.w3.org"}
    assert not {url for url in others if not re.search(rf"(//|\*|/\*)[^\n]*{re.escape(url)}", document)}, others
    assert "cdnjs" not in document
    assert len(frame.html) < bertviz.LIMIT
    assert frame.left_out == ""


@pytest.mark.parametrize("name", ["head", "model", "neuron"])
def test_tokens_reach_bertviz_as_they_are(name):
    script = next(s for s in inside(drawn(name)).scripts if '"left_text":' in s)
    start = script.index('"left_text":') + len('"left_text":')
    assert json.JSONDecoder().raw_decode(script[start:])[0] == NASTY


def test_weights_reach_bertviz_rounded():
    given = tower(1, 1, ["a", "b", "c"])
    script = next(s for s in inside(bertviz.head_view(given, 0)).scripts if '"attn":' in s)
    [[read]] = json.JSONDecoder().raw_decode(script[script.index('"attn":') + 7 :])[0]
    np.testing.assert_allclose(read, given.weights[0, 0], atol=5.01e-4)
    assert all(len(str(value)) <= 5 for row in read for value in row)


@pytest.mark.parametrize("view", [bertviz.head_view, bertviz.model_view])
def test_many_layers_are_cut_around_the_one_asked_for(view):
    labels = ["token"] * 60
    frame = view(tower(30, 12, labels), 20)
    assert len(frame.html) < bertviz.LIMIT
    assert 20 in frame.shown
    assert 1 <= len(frame.shown) < 30
    assert f"layers {frame.shown[0]} to {frame.shown[-1]} of 30" in frame.left_out or len(frame.shown) == 1
    script = next(s for s in inside(frame).scripts if '"include_layers"' in s)
    assert f'"include_layers":{list(frame.shown)}'.replace(" ", "") in script, "the numbers are the model's"


def neurons_of(n_heads: int, n_tokens: int, head: int) -> bertviz.Frame:
    weights = random_weights(1, n_heads, n_tokens)[0]
    vectors = np.random.default_rng(0).normal(size=(n_heads, n_tokens, 64)).astype(np.float32)
    labels = ["token"] * n_tokens
    return bertviz.neuron_view(weights, vectors, vectors, labels, labels, 7, head, True)


def test_many_heads_of_the_neuron_view_are_cut_around_the_one_asked_for():
    frame = neurons_of(12, 150, head=9)
    assert len(frame.html) < bertviz.LIMIT
    first, last = map(int, re.search(r"Shown: heads (\d+) to (\d+), so that", frame.left_out).groups())
    assert first <= 9 <= last and 1 < last - first + 1 < 12
    script = next(s for s in inside(frame).scripts if "#att_head option" in s)
    assert f"o.text={list(range(first, last + 1))}[o.value]" in script, "the numbers are the model's"
    assert neurons_of(2, 20, head=1).left_out == ""


def test_a_neuron_view_of_too_many_tokens_is_refused_with_what_fits():
    with pytest.raises(PlaygroundError, match=r"700 tokens.* to (\d+) tokens") as refused:
        neurons_of(1, 700, head=0)
    fitting = int(re.search(r"to (\d+) tokens", str(refused.value))[1])
    assert fitting > 100 and len(neurons_of(1, fitting, head=0).html) < bertviz.LIMIT


def test_too_many_tokens_are_refused_with_what_fits():
    labels = ["token"] * 400
    with pytest.raises(PlaygroundError, match=r"400 tokens.* to (\d+) tokens") as refused:
        bertviz.head_view(tower(1, 12, labels), 0)
    fitting = int(re.search(r"to (\d+) tokens", str(refused.value))[1])
    assert len(bertviz.head_view(tower(1, 12, ["token"] * fitting), 0).html) < bertviz.LIMIT


def test_cross_attention_and_sentence_pairs():
    weights = random_weights(2, 2, 3, 5)
    cross = bertviz.Tower(weights, ["a"] * 3, ["b"] * 5, range(2), cross=True)
    assert '"right_text":["b","b","b","b","b"]' in str(inside(bertviz.head_view(cross, 1)).scripts)
    both = inside(bertviz.head_view(tower(2, 2, list("abcdef"), second=3), 1))
    assert any("Sentence A -> Sentence B" in script for script in both.scripts)


def test_the_map_is_one_trace_with_the_weights_and_every_label_escaped():
    weights = random_weights(1, 1, len(NASTY))[0, 0]
    figure = attention_map.figure(weights, NASTY, NASTY)
    [trace] = figure.data
    assert isinstance(trace, go.Heatmap)
    np.testing.assert_array_equal(trace.z, weights)
    assert figure.layout.yaxis.autorange == "reversed", "the first token stands on top"
    shown = [*figure.layout.xaxis.ticktext, *figure.layout.yaxis.ticktext, *np.ravel(trace.hovertext)]
    for text in shown:
        assert "<" not in re.sub(r"</?b>", "", text)
    assert trace.hovertext[3][2].startswith("<b>你好</b> looks at <b>👩‍🚀</b>")


def test_a_long_map_leaves_labels_out_but_no_cell():
    weights = random_weights(1, 1, 300)[0, 0]
    figure = attention_map.figure(weights, ["token"] * 300, ["token"] * 300)
    assert figure.data[0].z.shape == (300, 300)
    assert len(figure.layout.xaxis.ticktext) <= attention_map.MOST_LABELS
    assert len(figure.to_json()) < 1_000_000


def test_a_map_too_long_for_a_screen_is_made_smaller_by_its_largest_weights():
    weights = random_weights(1, 1, 2500)[0, 0]
    assert attention_map.is_pooled(weights) and not attention_map.is_pooled(weights[:1000, :1000])
    [trace] = attention_map.figure(weights, ["token"] * 2500, ["token"] * 2500).data
    assert trace.z.shape == (834, 834)
    assert trace.z[1, 2] == weights[3:6, 6:9].max() and trace.z.max() == weights.max()
    assert (trace.y[1], trace.x[2]) == (4, 7), "a click finds the token in the middle"


def test_the_mosaic_is_one_trace_and_a_click_finds_its_head():
    weights = random_weights(5, 3, 4)
    figure = attention_mosaic.figure(weights)
    [trace] = figure.data
    canvas = np.asarray(trace.z)
    assert canvas.shape == (3 * 5 - 1, 5 * 5 - 1)
    assert np.isnan(canvas).sum() == canvas.size - weights.size
    for row, y in enumerate(trace.y):
        for column, x in enumerate(trace.x):
            value = canvas[row, column]
            if not np.isnan(value):
                assert value in weights[round(x), round(y)]
    assert canvas[6, 12] == weights[2, 1, 1, 2]


def test_layers_without_attention_leave_a_column_empty():
    canvas = np.asarray(attention_mosaic.figure(random_weights(2, 1, 2), layers=[1, 3]).data[0].z)
    assert canvas.shape == (2, 4 * 3 - 1)
    assert np.isnan(canvas[:, :2]).all()
    assert not np.isnan(canvas[:, 3:5]).any()


def test_a_mosaic_of_a_long_text_is_made_smaller_by_its_largest_weights():
    weights = random_weights(12, 12, 200)
    small = attention_mosaic.pooled(weights)
    assert attention_mosaic.is_pooled(weights)
    assert small.size <= attention_mosaic.MOST_CELLS
    assert small.max() == weights.max()
    assert small[3, 4, 0, 0] == weights[3, 4, :5, :5].max()


def test_the_row_of_a_token_is_safe_and_says_where_it_looks():
    row = np.array([0.1, 0.2, 0.3, 0.05, 0.05, 0.1, 0.1, 0.1], dtype=np.float32)
    html = attention_row.text(NASTY, [False] * 8, row, 2) + attention_row.bars(row, NASTY, NASTY[0])
    read = Reader(html)
    assert not read.scripts
    assert not [tag for tag, _ in read.tags if tag == "img"]
    assert sum(tag == "button" for tag, _ in read.tags) == len(NASTY)
    pressed = [attrs["data-at"] for tag, attrs in read.tags if attrs.get("aria-pressed") == "true"]
    assert pressed == ["2"]
    assert "<b>👩‍🚀</b> 30 %" in html
    assert max(float(attrs["value"]) for tag, attrs in read.tags if tag == "meter") == pytest.approx(0.3)
