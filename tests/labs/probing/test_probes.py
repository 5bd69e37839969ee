"""What probes find in made vectors, where the answer is known beforehand."""

import threading

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from playground.errors import PlaygroundError
from playground.labs.internals.probing import (
    classifiers,
    controls,
    experiment,
    folds,
    intervals,
    mdl,
    projection,
    strength,
)
from playground.labs.internals.probing.experiment import Settings
from playground.labs.internals.probing.features import Stopped
from tests.labs.probing.made import finish, planted, texts, vectors


def run(made, settings=None, stop=None):
    return finish(experiment.probe(made, settings or Settings(), stop))


@pytest.mark.parametrize(("kind", "n_classes"), [("linear", 2), ("linear", 3), ("mlp", 2)])
def test_a_planted_label_is_found_from_its_layer_on_and_not_before(kind, n_classes):
    examples = texts(n_classes=n_classes)
    result, _ = run(planted(examples, n_layers=4, layer=2), Settings(probe=kind))
    assert result.layers == (0, 1, 2, 3) and result.complete
    assert (result.accuracy[2:] == 1).all() and result.best == 2
    for layer in (0, 1):  # chance: not even one in a thousand would be as far off
        right = round(result.accuracy[layer] * len(examples))
        assert binomtest(right, len(examples), 1 / n_classes).pvalue > 0.001
    assert list(result.above) == [False, False, True, True]
    assert (result.compression[2:] > 1.5).all() and (result.compression[:2] < 1.1).all()
    assert result.best_unseen == 1


def test_confusion_counts_every_text_once_under_its_own_label():
    examples = texts(n=90, n_classes=3)
    result, _ = run(planted(examples, 2, 1))
    assert result.confusion.shape == (2, 3, 3)
    assert (result.confusion.sum(axis=2) == 30).all()
    traces = np.array([table.trace() for table in result.confusion])
    np.testing.assert_allclose(traces / 90, result.accuracy)
    assert (result.confusion[1] == np.eye(3) * 30).all()


def test_without_anything_to_learn_selectivity_is_zero():
    examples = texts(n=160, per_item=4)
    nothing = vectors(np.zeros((1, 160, 8), np.float32), examples)
    result, _ = run(nothing)
    assert result.accuracy[0] == result.majority.accuracy == 0.5 or result.accuracy[0] <= 0.5
    assert abs(result.selectivity[0]) <= 0.05
    assert result.compression[0] == pytest.approx(1, abs=0.1)
    rng = np.random.default_rng(1)
    noise = vectors(rng.normal(size=(1, 160, 8)).astype(np.float32), examples)
    assert abs(run(noise)[0].selectivity[0]) < 0.25


def test_shuffled_vectors_have_no_selectivity():
    """The same vectors, whose label is read off them, and then each given to another text. By chance the mean of five
    differences of two shares of 1,000 coins is off 0 by 0.01 (one standard deviation); the bound is five of them."""
    examples = texts(n=1000)
    clear = planted(examples, 1, 0)
    assert run(clear)[0].selectivity[0] > 0.4
    found = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(examples))
        found.append(run(vectors(clear.values[:, order], examples), Settings(seed=seed))[0].selectivity[0])
    assert abs(np.mean(found)) < 0.05


def test_items_learned_by_heart_give_no_accuracy_and_no_selectivity():
    examples = texts(n=160, per_item=4)
    names = np.array([int(item.split()[1]) for item in examples.items])
    by_heart = vectors(np.eye(40, dtype=np.float32)[names][None], examples)  # a column an item, nothing else
    result, _ = run(by_heart, Settings(probe="mlp"))
    assert result.together and result.accuracy[0] < 0.65, "items of the test part were never seen"
    assert result.task_apart[0] > 0.95 and result.control[0] > 0.95, "where items recur, any label can be learned"
    assert abs(result.selectivity[0]) <= 0.05


def test_control_labels_are_one_an_item_and_as_frequent_as_the_tasks():
    labels = np.repeat([0, 1, 2], [100, 60, 40])
    items = np.arange(200) // 4
    control = controls.control_labels(labels, items, seed=3)
    for item in range(50):
        assert len(set(control[items == item])) == 1
    assert list(np.bincount(control)) == [100, 60, 40]
    assert (control != labels).mean() > 0.4
    assert (control == controls.control_labels(labels, items, seed=3)).all()


def test_a_uniform_code_compresses_by_exactly_one_and_a_perfect_one_pays_for_the_first_block():
    labels = np.random.default_rng(0).integers(0, 4, 96)
    sequence = mdl.order(np.arange(96))
    assert sorted(sequence) == list(range(96))
    uniform = sum(mdl.codelength(labels, sequence, 4, lambda before, now: np.full((len(now), 4), 0.25)))
    assert mdl.uniform(96, 4) / uniform == 1

    def perfect(before, now):
        return np.eye(4)[labels[now]]

    blocks = list(mdl.codelength(labels, sequence, 4, perfect))
    assert blocks[0] == mdl.blocks(96, 4)[0] * 2 and not any(blocks[1:])

    def half(before, now):
        return np.where(np.arange(4) == labels[now][:, None], 0.5, 0.5 / 3)

    assert sum(mdl.codelength(labels, sequence, 4, half)) == 8 * 2 + 88


def test_a_probe_never_pays_infinitely_for_a_label_it_has_not_seen():
    labels = np.array([0] * 40 + [1] * 8)
    made = np.zeros((48, 3), np.float32)
    sequence = np.arange(48)
    inner = mdl.inner_folds(labels, None, sequence, 2)
    bits = list(mdl.codelength(labels, sequence, 2, mdl.of_probe("linear", made, labels, inner, 2)))
    assert np.isfinite(bits).all() and bits[-1] > 8


def test_strength_is_chosen_with_scikit_learns_own_loss():
    rng = np.random.default_rng(0)
    for n_classes in (2, 3):
        labels = np.arange(90) % n_classes
        made = rng.normal(size=(90, 20)) + np.eye(n_classes, 20)[labels]
        for c in strength.STRENGTHS:
            ours = strength.log_probabilities(made, strength.fit(made, labels, n_classes, c))
            theirs = LogisticRegression(C=c, tol=1e-8, max_iter=1000).fit(made, labels).predict_log_proba(made)
            np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_a_noisy_label_wants_a_tight_rein_and_a_clear_one_none():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    inner = folds.splits(labels, None, 3)
    clear = rng.normal(size=(200, 4))
    clear[:, 0] += 1.2 * labels
    assert strength.best(clear, labels, inner, by_bits=True) == 0.1
    noisy = rng.normal(size=(200, 400))
    noisy[:, 0] += 0.5 * labels
    assert strength.best(noisy, labels, inner, by_bits=True) < 0.01
    assert classifiers.chosen("linear", noisy[:4], labels[:4], []).strength == classifiers.FREE


def test_wilson_is_the_textbook_interval_and_items_that_agree_widen_it():
    for right, n in ((0, 20), (13, 20), (20, 20), (311, 480)):
        low, high = binomtest(right, n).proportion_ci(method="wilson")
        assert intervals.wilson(right / n, n) == pytest.approx((low, high), abs=1e-12)
    rng = np.random.default_rng(0)
    by_item = rng.random(60) < 0.7
    right = np.repeat(by_item, 8)
    items = np.repeat(np.arange(60), 8)
    effect = intervals.design_effect(right, items)
    assert effect == pytest.approx(8 * 60 / 59)
    assert intervals.interval(right, items) == pytest.approx(intervals.wilson(by_item.mean(), 59))
    assert intervals.interval(right, np.arange(480)) == pytest.approx(intervals.wilson(right.mean(), 480), abs=1e-3)


def test_being_above_a_rival_is_decided_text_by_text():
    items = np.arange(100)
    rival = np.tile([1.0, 0.0], 50)
    better = rival.copy()
    better[1:20:2] = 1  # ten more texts, and none less
    assert intervals.exceeds(better, rival, items)
    assert not intervals.exceeds(rival, rival, items) and not intervals.exceeds(rival, better, items)
    assert not intervals.exceeds(better, rival, items // 20), "ten texts of one item are one surprise"


def test_a_plane_is_that_of_scikit_learn_up_to_signs_that_follow_the_layer_before():
    rng = np.random.default_rng(0)
    made = rng.normal(size=(60, 10)) @ rng.normal(size=(10, 10))
    points, shares = projection.plane(made)
    scaled = (made - made.mean(0)) / made.std(0)
    peer = PCA(2, svd_solver="full").fit(scaled)
    np.testing.assert_allclose(np.abs(points), np.abs(peer.transform(scaled)), atol=1e-4)
    np.testing.assert_allclose(shares, peer.explained_variance_ratio_, atol=1e-6)
    np.testing.assert_allclose(points.var(axis=0, ddof=1), peer.explained_variance_, rtol=1e-4)
    turned = projection.alike([points, -points, points * [1, -1]])
    assert (turned == points).all()
    assert not projection.plane(np.zeros((5, 3)))[0].any()


@pytest.mark.parametrize("n", [1, 2, 3, 7, 31])
def test_layers_come_ends_first_and_each_once(n):
    layers = tuple(range(n))
    order = list(experiment.spread(layers))
    assert sorted(order) == list(layers)
    assert set(order[:2]) == {0, n - 1}


def test_a_stop_keeps_the_layers_that_are_done():
    stop = threading.Event()
    work = experiment.probe(planted(texts(60), 5, 3), Settings(), stop)
    for news, found in work:
        if found is not None and len(found.layers) == 2:
            assert not found.complete and "Probing layer" in news.doing and news.seconds_left > 0
            stop.set()
            break
    result, _ = finish(work)
    assert result.layers == (0, 4) and result.wanted == (0, 1, 2, 3, 4)
    stop.set()
    with pytest.raises(Stopped):
        run(planted(texts(60), 5, 3), stop=stop)


def test_chosen_layers_alone_are_probed_and_wrong_ones_refused():
    made = planted(texts(60), 3, 2)
    result, _ = run(made, Settings(layers=(2, 1)))
    assert result.layers == (1, 2)
    whole, _ = run(made)
    assert result.accuracy[1] == whole.accuracy[2] and result.bits[0] == whole.bits[1]
    with pytest.raises(PlaygroundError, match=r"no layer 3. This model has layers 0 to 2"):
        run(made, Settings(layers=(3,)))
    with pytest.raises(PlaygroundError, match=r"no probe 'tree'. There are: linear, mlp"):
        run(made, Settings(probe="tree"))


def test_where_items_and_labels_cannot_be_parted_folds_do_not_keep_items_together():
    examples = texts(n=40, per_item=10)  # two items a label
    result, _ = run(planted(examples, 1, 0))
    assert not result.together and result.accuracy[0] == 1
    assert len(result.fold_accuracy[0]) == 5


def test_choosing_the_strength_ends_within_a_step():
    random = np.random.default_rng(0)
    features, labels = random.normal(size=(60, 8)), np.arange(60) % 2
    steps = []

    def go_on():
        steps.append(1)
        if len(steps) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        classifiers.chosen("linear", features, labels, classifiers.inner_folds(labels, None), go_on=go_on)
    assert len(steps) == 3
