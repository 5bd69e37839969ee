"""What is taken out is taken out exactly, from this request alone, and what is said of it can be computed by hand."""

import threading

import numpy as np
import pytest
import torch

from playground.engine import generate
from playground.engine.intervene import intervene
from playground.engine.observe import observe
from playground.engine.sampling import Sampling
from playground.engine.tap import Site, open_tap
from playground.errors import PlaygroundError
from playground.labs.internals import ablation, edited, sweep
from playground.labs.internals.ablation import Target
from tests import tiny

TEXT = "The cat sat on the mat"
REFERENCES = ("Paris is the capital of France.", "The doctor asked the nurse to help.")


def text_for(engine):
    return TEXT + (f" {engine.tokenizer.mask_token}" if engine.anatomy.kind == "masked" else "")


def logits(engine, ids, tap=None):
    if tap is None:
        return observe(engine, {"input_ids": ids}).logits[0]
    with torch.inference_mode(), open_tap(tap):
        return engine.model(input_ids=ids).logits[0]


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "bert", "roberta"])
@pytest.mark.parametrize("how", ["zero", "mean", "resample"])
def test_before_and_after_are_the_models_own_distributions(name, how):
    engine = tiny.engine(name)
    targets = ablation.parse("head 1.2, neuron 0.5, mlp 2")
    found = ablation.ablate(engine, text_for(engine), targets, how, k=4, references=REFERENCES, seed=7)
    ids = engine.encode(text_for(engine))
    before = logits(engine, ids).log_softmax(-1)
    after = logits(engine, ids, ablation.tap(engine, targets, how, REFERENCES, 7)).log_softmax(-1)
    expected = torch.nn.functional.kl_div(after, before, reduction="none", log_target=True).sum(-1)
    np.testing.assert_allclose(found.divergences, expected, atol=1e-5)
    assert found.divergences.max() > 1e-4
    at = found.position
    np.testing.assert_allclose(found.before, before[at].exp()[found.ids], atol=1e-5)
    np.testing.assert_allclose(found.after, after[at].exp()[found.ids], atol=1e-5)
    for listed, whole in ((found.before, before), (found.after, after)):  # by value: ties may go either way
        np.testing.assert_allclose(np.sort(listed)[-4:], np.sort(whole[at].exp())[-4:], atol=1e-5)


def test_each_kind_is_what_its_name_says():
    engine = tiny.engine("llama")
    ids = engine.encode(TEXT)
    seen = observe(engine, {"input_ids": ids}, residual_layers=range(3), parts=engine.parts)

    def by_hand(kind, edit):
        with torch.inference_mode(), intervene(engine, parts={Site("decoder", 1, kind): edit}):
            return engine.model(input_ids=ids).logits[0]

    def without(columns):
        def edit(values):
            values = values.clone()
            values[..., columns] = 0
            return values

        return edit

    for target, expected in (
        (Target("head", 1, 3), by_hand("heads", without(slice(24, 32)))),
        (Target("neuron", 1, 40), by_hand("neurons", without(40))),
        (Target("attention", 1), by_hand("attention", torch.zeros_like)),
        (Target("mlp", 1), by_hand("mlp", torch.zeros_like)),
    ):
        assert torch.equal(logits(engine, ids, ablation.tap(engine, [target])), expected)
    # a layer that adds nothing hands its input on
    before = seen.residuals[Site("decoder", 0, "block")]
    with torch.inference_mode(), intervene(engine, residuals={Site("decoder", 1, "block"): lambda r: before.to(r)}):
        expected = engine.model(input_ids=ids).logits[0]
    assert torch.equal(logits(engine, ids, ablation.tap(engine, [Target("layer", 1)])), expected)
    # its attention and MLP together, where nothing else is added
    both = ablation.tap(engine, [Target("attention", 1), Target("mlp", 1)])
    torch.testing.assert_close(logits(engine, ids, both), expected, atol=1e-5, rtol=1e-4)


def test_means_and_draws_come_from_the_references():
    engine = tiny.engine("gpt2")
    site = Site("decoder", 1, "mlp")
    seen = [observe(engine, {"input_ids": engine.encode(text)}, parts=[site]).parts[site] for text in REFERENCES]
    pool = torch.cat([values[0, 1:] for values in seen])

    def put_in(how, seed):
        tap = ablation.tap(engine, [Target("mlp", 1)], how, REFERENCES, seed)
        around = next(iter(tap.around.values()))
        out = around(engine.parts[site].module.forward, (torch.zeros(1, 6, 32),), {})
        return out[0]

    with torch.inference_mode():
        torch.testing.assert_close(put_in("mean", 0), pool.mean(0).expand(6, -1))
        drawn = put_in("resample", 0)
        assert all((row == pool).all(-1).any() for row in drawn) and len({tuple(row.tolist()) for row in drawn}) > 1
        assert torch.equal(put_in("resample", 0), drawn) and not torch.equal(put_in("resample", 1), drawn)


@pytest.mark.parametrize("how", ["mean", "resample"])
def test_a_stop_while_other_texts_are_read_is_said(how):
    stop = threading.Event()
    stop.set()
    with pytest.raises(PlaygroundError, match="Stopped before the other texts were read"):
        ablation.tap(tiny.engine("gpt2"), [Target("mlp", 1)], how, REFERENCES, stop=stop)


def test_generation_side_by_side_is_both_streams_alone():
    engine = tiny.engine("llama")
    ids, sampling = engine.encode(TEXT), Sampling(max_new_tokens=15, temperature=1, seed=5)

    def alone(tap):
        return [step.token.id for step in generate.stream(engine, ids, sampling, tap=tap) if step.token]

    for how in ("zero", "resample"):
        targets = [Target("layer", 1), Target("head", 0, 0)]
        pairs = list(edited.side_by_side(engine, ids, sampling, ablation.tap(engine, targets, how, REFERENCES, 3)))
        assert list(pairs[-1].original.ids) == alone(None)
        assert list(pairs[-1].edited.ids) == alone(ablation.tap(engine, targets, how, REFERENCES, 3))
        assert pairs[-1].original.ids != pairs[-1].edited.ids
        assert pairs[-1].original.stop_reason and pairs[-1].edited.stop_reason


def test_a_layer_that_is_skipped_still_keeps_its_keys():
    """With a cache, token by token, as in one pass without: layer 0 among others."""
    from transformers import DynamicCache

    engine = tiny.engine("llama")
    ids = engine.encode(TEXT)
    tap = ablation.tap(engine, [Target("layer", 0)])
    cache, rows = DynamicCache(config=engine.model.config), []
    with torch.inference_mode(), open_tap(tap):
        for token in ids[0]:
            rows.append(engine.model(input_ids=token.reshape(1, 1), past_key_values=cache, use_cache=True).logits[0, 0])
    torch.testing.assert_close(torch.stack(rows), logits(engine, ids, tap), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("kind", "columns"), [("head", 4), ("attention", 1), ("mlp", 1), ("layer", 1)])
@pytest.mark.parametrize("how", ["zero", "mean"])
def test_a_sweep_is_one_ablation_at_a_time(kind, columns, how):
    engine = tiny.engine("gemma2")
    found = sweep.sweep(engine, TEXT, kind, how, REFERENCES)
    assert found.divergences.shape == (3, columns) and found.complete
    for layer in range(3):
        for index in range(columns):
            target = Target(kind, layer, index if kind == "head" else None)
            one = ablation.ablate(engine, TEXT, [target], how, references=REFERENCES)
            assert found.divergences[layer, index] == pytest.approx(one.divergences[-1], abs=1e-5)
            at = one.ids.tolist().index(found.answer)
            change = np.log(one.after[at] / one.before[at])
            assert found.changes[layer, index] == pytest.approx(change, abs=1e-4)


@pytest.mark.parametrize("how", ["zero", "mean", "resample"])
def test_the_parts_of_a_layer_in_one_pass_are_each_alone(how, monkeypatch):
    engine, passes = tiny.engine("llama"), []
    alone = [sweep.sweep(engine, TEXT, kind, how, REFERENCES) for kind in ("attention", "mlp", "layer")]
    original = sweep.passes.last_residual

    def last_residual(engine, inputs, *arguments, **named):
        passes.append(len(inputs["input_ids"]))
        return original(engine, inputs, *arguments, **named)

    monkeypatch.setattr(sweep.passes, "last_residual", last_residual)
    together = sweep.sweep_layers(engine, TEXT, how, REFERENCES)
    assert passes.count(3) == 3  # layers, of three parts each
    for one, other in zip(together, alone, strict=True):
        assert (one.kind, one.answer, one.layers.tolist()) == (other.kind, other.answer, other.layers.tolist())
        np.testing.assert_allclose(one.changes, other.changes, atol=1e-5)
        np.testing.assert_allclose(one.divergences, other.divergences, atol=1e-5)
    assert [one.kind for one in sweep.sweep_layers(tiny.engine("mamba"), TEXT)][-1] == "layer"


@pytest.mark.parametrize("how", ["zero", "resample"])
def test_heads_in_several_batches_are_the_heads_in_one(how, monkeypatch):
    engine, sizes = tiny.engine("llama"), []
    whole = sweep.sweep(engine, TEXT, "head", how, REFERENCES)
    original = sweep.passes.last_residual

    def last_residual(engine, inputs, *arguments, **named):
        sizes.append(len(inputs["input_ids"]))
        return original(engine, inputs, *arguments, **named)

    monkeypatch.setattr(sweep.passes, "last_residual", last_residual)
    monkeypatch.setattr(sweep, "_TOKENS_AT_ONCE", 3 * engine.encode(TEXT).shape[1])
    pieces = sweep.sweep(engine, TEXT, "head", how, REFERENCES)
    assert max(sizes) == 3
    np.testing.assert_allclose(pieces.changes, whole.changes, atol=1e-5)


def test_targets_are_read_and_refused_in_words():
    assert ablation.parse("Head 5.3,\n neuron 6:100; layer 2, layer 2") == (
        Target("head", 5, 3),
        Target("neuron", 6, 100),
        Target("layer", 2),
    )
    engine = tiny.engine("llama")
    for wrong, sentence in (
        ("nose 3", "names no part"),
        ("head 3", "names no part"),
        ("layer 3.1", "names no part"),
        (" ", "Nothing is to be taken out"),
    ):
        with pytest.raises(PlaygroundError, match=sentence):
            ablation.parse(wrong)
    for target, sentence in (
        (Target("head", 1, 4), "no head 4 in layer 1: they are 0 to 3"),
        (Target("neuron", 1, 64), "they are 0 to 63"),
        (Target("layer", 3), "no layer 3"),
    ):
        with pytest.raises(PlaygroundError, match=sentence):
            ablation.ablate(engine, TEXT, [target])
    with pytest.raises(PlaygroundError, match="no way to take a part out"):
        ablation.ablate(engine, TEXT, [Target("layer", 1)], "nonsense")
    with pytest.raises(PlaygroundError, match="has no heads in layer 0"):
        ablation.ablate(tiny.engine("mamba"), TEXT, [Target("head", 0, 0)])
    assert len(ablation.sentences()) >= 40 and all(text.strip() for text in ablation.sentences())
