"""What is said of a probing is true of its numbers, and no text reaches the page as HTML."""

import dataclasses

import numpy as np
import pytest

from playground.labs.internals.probing import experiment
from playground.labs.internals.probing.experiment import Settings
from playground.views.internals import probing as view
from playground.views.internals import probing_texts
from tests.labs.probing.made import finish, planted, texts


@pytest.fixture(scope="module")
def found():
    """Seven layers of which the last three tell the label."""
    return finish(experiment.probe(planted(texts(n=80), 7, 4), Settings()))[0]


def with_above(found, *above):
    flags = np.array([layer in above for layer in found.layers])
    return dataclasses.replace(found, above=flags, rival="words", rival_accuracy=0.5)


@pytest.mark.parametrize(
    ("above", "sentence"),
    [
        ((4, 5, 6), "Clearly above the words alone (50.0%) from layer 4 on."),
        ((2, 4, 5, 6), "from layer 4 on, and already at layer 2."),
        ((0, 1, 2, 3, 4, 5, 6), "at every layer, before the first block too."),
        ((), "No layer is clearly above the words alone (50.0%), a bag of words without any model"),
        ((1, 2, 3, 5), "at layers 1 to 3 and 5 only."),
        ((3,), "at layer 3 only."),
    ],
)
def test_where_it_is_above_is_said_from_the_numbers(found, above, sentence):
    assert sentence in view.verdict(with_above(found, *above), "Tiny")


def test_a_bag_of_words_that_wins_is_said_to_win(found):
    none = np.zeros(len(found.layers), bool)
    lost = dataclasses.replace(found, accuracy=np.full(7, 0.7), above=none, rival="words", rival_accuracy=0.9)
    said = "A bag of words does better than any layer: the words alone (90.0%) tell more texts rightly, so nothing here"
    assert said in view.verdict(lost, "Tiny")
    guessed = dataclasses.replace(lost, rival="guessing", rival_accuracy=0.68)
    assert "No layer is clearly above guessing (68.0%): this probe finds nothing" in view.verdict(guessed, "Tiny")
    even = dataclasses.replace(lost, rival_accuracy=0.7)
    assert "does better" not in view.verdict(even, "Tiny") and "nothing here needs" in view.verdict(even, "Tiny")


def test_the_verdict_names_the_best_layer_and_its_doubts(found):
    said = view.verdict(found, "Tiny <b>")
    assert "Tiny &lt;b&gt;: Best is layer 4, which tells 100.0% of 80 texts" in said
    assert "with the layer picked on other folds it is 100.0%" in said
    assert "Each text is an item of its own" in said
    assert "from layer 4 on" in said
    backwards = dataclasses.replace(found, kind="causal", settings=Settings(pooling="first"))
    assert "first token has seen nothing of what follows" in view.verdict(backwards, "Tiny")
    assert "has seen nothing" not in said
    part = dataclasses.replace(found, wanted=tuple(range(9)))
    assert "Stopped: 7 of 9 layers are done." in view.verdict(part, "Tiny")


def test_little_selectivity_is_called_little():
    result, _ = finish(experiment.probe(planted(texts(n=80, per_item=4), 1, 0), Settings()))
    weak = dataclasses.replace(result, selectivity=np.array([0.05]))
    assert "That is little" in view.verdict(weak, "Tiny")
    strong = dataclasses.replace(result, selectivity=np.array([0.45]))
    assert "That is little" not in view.verdict(strong, "Tiny") and "selectivity +45.0%" in view.verdict(strong, "Tiny")


def test_the_curve_holds_the_numbers(found):
    drawn = {trace.name: trace for trace in view.curve(found).data}
    assert set(drawn) == {"95 % interval", "Task", "Control task", "Words alone", "Commonest label"}
    np.testing.assert_array_equal(drawn["Task"].y, found.accuracy)
    np.testing.assert_array_equal(drawn["Control task"].y, found.control)
    assert set(drawn["Words alone"].y) == {found.words.accuracy}
    assert list(drawn["95 % interval"].y[:7]) == list(found.high)
    assert len({(trace.line.dash, trace.marker.symbol) for trace in drawn.values()}) == 5, "not told by colour alone"


def test_the_caption_of_the_best_layer_stays_inside_the_chart(found):
    for best, anchor in ((0, "left"), (3, "center"), (6, "right")):
        caption = view.curve(dataclasses.replace(found, best=best)).layout.annotations[0]
        assert (caption.x, caption.xanchor) == (best, anchor)


def test_confusion_and_points_are_those_of_the_layer(found):
    for layer in (0, 5):
        drawn = view.confusion(found, layer).data[0]
        np.testing.assert_allclose(np.array(drawn.z) * 40, found.confusion[found.at(layer)])
        points = view.projection(found, layer).data
        assert sum(len(trace.x) for trace in points) == 80
        np.testing.assert_array_equal(points[1].x, found.points[found.at(layer)][1::2, 0])
    assert "of the variance" in view.projection(found, 5).layout.xaxis.title.text


def test_labels_and_texts_are_text_never_markup(found):
    evil = "<img src=x onerror=alert(1)>"
    labels = tuple(evil if label == "label 0" else label for label in found.examples.labels)
    examples = dataclasses.replace(
        found.examples, texts=(evil,) * 80, labels=labels, classes=(evil, "label 1"), item=evil, notes=(evil,)
    )
    bad = dataclasses.replace(found, examples=examples)
    html = view.verdict(bad, evil) + view.table(bad) + view.origin(bad) + view.progress(0.5, evil, 3)
    html += probing_texts.samples([(evil, evil, None), (evil, evil, (1, 4))], evil, evil)
    html += view.projection(bad, 4).to_json() + view.confusion(bad, 4).to_json()
    assert "<img" not in html and "\\u003cimg" not in html


def test_a_word_is_marked_in_its_text():
    html = probing_texts.samples([("a <cat> sat", "noun", (3, 6))], "?", "")
    assert "a &lt;<mark>cat</mark>&gt; sat" in html


def test_the_table_has_every_layer_and_both_baselines(found):
    html = view.table(found)
    assert html.count('<th scope="row">') == 9
    assert f'<tr class=best><th scope="row">{found.best}</th><td>100.0%</td>' in html


def test_one_layer_alone_is_drawn_and_said_too():
    found, _ = finish(experiment.probe(planted(texts(n=40), 3, 0), Settings(layers=(2,))))
    said = view.verdict(found, "Tiny")
    assert "Tiny: Layer 2 tells 100.0%" in said and "flatters" not in said
    assert "Clearly above" in said and "at this layer." in said
    task, *others = view.curve(found).data
    assert [task.x[0]] + [bar.x[0] for bar in others] == [
        found.accuracy[0], found.control[0], found.words.accuracy, found.majority.accuracy
    ]  # fmt: skip
    assert task.y[0] == "Layer 2, 100%" and others[1].y[0].startswith("Words alone, ")
    assert task.error_x.array[0] == pytest.approx(found.high[0] - found.accuracy[0])
    assert task.error_x.arrayminus[0] == pytest.approx(found.accuracy[0] - found.low[0]) and found.low[0] < 1
    assert not any(bar.error_x.array for bar in others), "they have no interval"
    growing = dataclasses.replace(found, wanted=(1, 2))
    assert {trace.name for trace in view.curve(growing).data} >= {"Task", "Control task"}, "the first of several"


@pytest.mark.parametrize(("seconds", "said"), [(None, "Reading"), (8.4, "about 8 s left"), (200, "about 3 min left")])
def test_progress_says_how_long(seconds, said):
    assert said in view.progress(0.25, "Reading", seconds) and 'value="0.250"' in view.progress(
        0.25, "Reading", seconds
    )
