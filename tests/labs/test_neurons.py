"""Neurons agree with hooks of PyTorch, the statistics with SciPy, and replacing a residual with doing it by hand."""

import threading

import numpy as np
import pytest
import torch
from scipy import stats

from playground.engine.observe import observe
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from playground.labs.internals import ablation, neuron_groups, neurons, random_vectors
from playground.labs.internals.neurons import Unit
from tests import tiny
from tests.engine.test_tap import twin

TEXT = "The cat sat on the mat because it was comfortable."
FIRST = ("The cat sat on it.", "Paris is the capital.", "It was comfortable.")
SECOND = ("def add(a, b):", "The doctor asked the nurse.", "return a + b", "the mat")


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_activations_are_what_a_hook_on_the_down_projection_sees(name):
    engine = tiny.engine(name)
    plain = twin(engine, "sdpa")
    find = {
        "gpt2": "transformer.h.1.mlp.c_proj",
        "llama": "model.layers.1.mlp.down_proj",
        "bert": "bert.encoder.layer.1.output.dense",
    }
    seen = []
    plain.get_submodule(find[name]).register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    ids = engine.encode(TEXT)
    with torch.no_grad():
        hidden = plain(input_ids=ids, output_hidden_states=True).hidden_states
    found = neurons.activations(engine, TEXT, Unit("neuron", 1, 13))
    np.testing.assert_allclose(found.values, seen[0][0, :, 13], atol=1e-6)
    assert len(found.labels) == ids.shape[1]
    dimension = neurons.activations(engine, TEXT, Unit("dimension", 1, 13))
    np.testing.assert_allclose(dimension.values, hidden[2][0, :, 13], atol=1e-6)


def test_the_most_active_tokens_of_a_corpus(monkeypatch):
    engine = tiny.engine("llama")
    unit = Unit("neuron", 2, 5)
    texts = [*FIRST, " ", *SECOND, TEXT, "cat " * 300]  # the last is longer than the model reads
    found = neurons.most_active(engine, unit, texts, n=6)
    every = []
    for number, text in enumerate(texts):
        if text.strip():
            ids = engine.tokenizer(text, return_tensors="pt").input_ids
            for piece in ids.split(256, dim=1):
                values = observe(engine, {"input_ids": piece}, parts=[Site("decoder", 2, "neurons")]).parts
                values = next(iter(values.values()))[0, 1:, 5]
                every += [(value, number, at + 1) for at, value in enumerate(values.tolist())]
    assert found.n_tokens == len(every) and found.n_texts == len(texts) - 1 and found.complete
    best = sorted((value for value, *_ in every), reverse=True)
    np.testing.assert_allclose([a.value for a in found.top], best[:6], atol=1e-6)
    np.testing.assert_allclose([a.value for a in found.bottom], best[::-1][:6], atol=1e-6)
    assert all(any(abs(v - a.value) < 1e-6 and (n, p) == (a.text, a.position) for v, n, p in every) for a in found.top)
    values = np.array([value for value, *_ in every])
    assert found.mean == pytest.approx(values.mean(), abs=1e-6)
    assert found.deviation == pytest.approx(values.std(), abs=1e-6)

    def endless():
        while True:
            yield TEXT

    stop = threading.Event()
    seen = []
    some = neurons.most_active(
        engine, unit, endless(), 3, lambda _, s: seen.append(s) or (len(seen) > 4 and stop.set()), stop
    )
    assert not some.complete and some.n_texts == 4 and len(some.top) == 3


def test_statistics_are_scipys():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(7, 400)), random.normal(0.4, 2, size=(5, 400))
    a[:, 0] = b[:, 0] = 1.0
    sides = []
    for texts in (a, b):
        sides.append(neuron_groups.Moments())
        for values in texts:
            sides[-1].add(values)
    p = neuron_groups.welch(*sides)
    np.testing.assert_allclose(p[1:], stats.ttest_ind(a, b, equal_var=False).pvalue[1:], rtol=1e-10)
    np.testing.assert_allclose(neuron_groups.benjamini_hochberg(p), stats.false_discovery_control(p), rtol=1e-12)
    free = 10
    pooled = np.sqrt((6 * a.var(0, ddof=1) + 4 * b.var(0, ddof=1)) / free)
    with np.errstate(invalid="ignore"):
        d = (a.mean(0) - b.mean(0)) / pooled
    g = neuron_groups.hedges_g(*sides)
    # t = d sqrt(n m / (n + m)) for equal variances; the correction is close to 1 - 3 / (4 free - 1)
    t = stats.ttest_ind(a, b, equal_var=True).statistic
    np.testing.assert_allclose(d[1:], t[1:] / np.sqrt(35 / 12), rtol=1e-9)
    np.testing.assert_allclose(g[1:], d[1:] * (1 - 3 / (4 * free - 1)), rtol=2e-3)
    assert g[0] == 0 and p[0] == 1


@pytest.mark.parametrize("kind", ["neuron", "dimension"])
def test_groups_are_told_apart_over_every_unit(kind):
    engine = tiny.engine("llama")
    found = neuron_groups.difference(engine, FIRST, SECOND, kind, most=10**6)
    width = 64 if kind == "neuron" else 32
    assert found.n_units == 3 * width == len(found.effects) == len({*zip(found.layers, found.indices, strict=True)})
    assert (np.diff(np.abs(found.effects)) <= 1e-12).all()
    layer, index = int(found.layers[0]), int(found.indices[0])
    means = [
        [neurons.activations(engine, t, Unit(kind, layer, index)).values[1:].mean() for t in g] for g in (FIRST, SECOND)
    ]
    assert found.mean_first[0] == pytest.approx(np.mean(means[0]), abs=1e-5)
    assert found.mean_second[0] == pytest.approx(np.mean(means[1]), abs=1e-5)
    assert found.p_values[0] == pytest.approx(stats.ttest_ind(*means, equal_var=False).pvalue, rel=1e-3)
    np.testing.assert_allclose(found.adjusted, stats.false_discovery_control(found.p_values), rtol=1e-9)


def test_labels_by_chance_are_not_found():
    """The same kind of text in both groups: after correction next to nothing may be significant."""
    engine = tiny.engine("gpt2")
    texts = ablation.sentences()
    found = neuron_groups.difference(engine, texts[:12], texts[12:24])
    assert found.n_units == 3 * 128 and found.n_significant <= 0.1 * found.n_units


def test_a_neuron_taken_out_is_zero_and_changes_the_output():
    engine = tiny.engine("llama")
    unit = Unit("neuron", 1, 3)
    from playground.engine.tap import open_tap

    ids = engine.encode(TEXT)
    with torch.inference_mode(), open_tap(neurons.without(engine, unit)):
        without = engine.model(input_ids=ids).logits
    assert not torch.equal(without, observe(engine, {"input_ids": ids}).logits)
    with pytest.raises(PlaygroundError, match="Only neurons"):
        neurons.without(engine, Unit("dimension", 1, 3))


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_a_random_vector_has_the_norm_of_what_stood_there(name):
    engine = tiny.engine(name)
    text = "The cat is comfortable" + (" [MASK]" if name == "bert" else " on the mat")
    found = random_vectors.replace_at_random(engine, text, "cat", 1, draws=3, seed=4)
    stack = engine.anatomy.main.name
    ids = engine.encode(text)
    own = observe(engine, {"input_ids": ids}, residual_layers=[1]).residuals[Site(stack, 1, "block")][0]
    np.testing.assert_allclose(found.norms, own[list(found.positions)].norm(dim=-1), rtol=1e-5)
    assert "cat" in "".join(engine.tokenizer.decode([ids[0, at]]) for at in found.positions)
    assert found.identity == 0 and (found.divergences > 1e-7).all() and len(set(found.divergences.tolist())) == 3
    if name == "gpt2":
        assert found.result.divergences[: min(found.positions)].max() == 0  # causality


def test_what_is_not_there_is_said():
    engine = tiny.engine("llama")
    for call, sentence in (
        (lambda: neurons.activations(engine, TEXT, Unit("neuron", 1, 64)), "no neuron 64 in layer 1: they are 0 to 63"),
        (lambda: neurons.activations(engine, TEXT, Unit("dimension", 1, 32)), "they are 0 to 31"),
        (lambda: neurons.activations(engine, TEXT, Unit("neuron", 9, 1)), "no layer 9"),
        (lambda: neurons.activations(engine, TEXT, Unit("nose", 1, 1)), "no kind of unit"),
        (lambda: neurons.activations(tiny.engine("mamba"), TEXT, Unit("neuron", 1, 1)), "has no neurons"),
        (lambda: neurons.most_active(engine, Unit("neuron", 1, 1), n=0), "n is 0"),
        (lambda: neurons.most_active(engine, Unit("neuron", 1, 1), ["  "]), "no tokens to look at"),
        (lambda: neuron_groups.difference(engine, FIRST[:1], SECOND), "at least two texts"),
        (lambda: random_vectors.replace_at_random(engine, TEXT, "dog", 1), "does not stand in the text"),
        (lambda: random_vectors.replace_at_random(engine, TEXT, "cat", 1, draws=0), "draws is 0"),
    ):
        with pytest.raises(PlaygroundError, match=sentence):
            call()
