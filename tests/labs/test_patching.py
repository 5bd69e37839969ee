"""Patching: exact where it must be exact, and the batch equal to one patch at a time."""

import itertools
import threading

import numpy as np
import pytest
import torch

from playground.engine.intervene import intervene
from playground.engine.observe import observe
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from playground.labs.internals import ablation, contrasts, known, patching
from tests import tiny


def pair(name):
    """A contrast that any tiny tokenizer can make; masked models get a mask at the end."""
    engine = tiny.engine(name)
    mask = f" {engine.tokenizer.mask_token}" if engine.anatomy.kind == "masked" else ""
    clean, corrupted = "The cat sat on it because" + mask, "The mat sat on it because" + mask
    answers = [token for token in (8, 20, 31, 47, 60, 72) if contrasts._writable(engine, clean, token)][:2]
    return engine, contrasts.contrast(engine, clean, corrupted, *map(engine.tokenizer.decode, answers))


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "bert", "roberta"])
def test_a_whole_layer_restores_the_clean_logits_bit_for_bit(name):
    engine, two = pair(name)
    clean, corrupted = (observe(engine, {"input_ids": ids}, residual_layers=range(3)) for ids in patching._texts(two))
    assert not torch.equal(clean.logits, corrupted.logits)
    for site, values in clean.residuals.items():
        with torch.inference_mode(), intervene(engine, residuals={site: lambda r, v=values: v.to(r)}):
            assert torch.equal(engine.model(two.corrupted_ids).logits, clean.logits)
        with torch.inference_mode(), intervene(engine, residuals={site: lambda r, v=corrupted.residuals[site]: v}):
            assert torch.equal(engine.model(two.corrupted_ids).logits, corrupted.logits)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_a_patch_changes_nothing_before_it_and_the_last_restores_the_answer(name):
    engine, two = pair(name)
    clean = observe(engine, {"input_ids": two.clean_ids}, residual_layers=range(3))
    plain = observe(engine, {"input_ids": two.corrupted_ids}).logits
    for layer in range(3):
        site = Site("decoder", layer, "block")
        for position in range(two.clean_ids.shape[1]):

            def put(residual, p=position, v=clean.residuals[site]):
                residual = residual.clone()
                residual[:, p] = v[:, p]
                return residual

            with torch.inference_mode(), intervene(engine, residuals={site: put}):
                patched = engine.model(two.corrupted_ids).logits
            assert torch.equal(patched[:, :position], plain[:, :position])
            if layer == 2 and position == two.position:
                torch.testing.assert_close(patched[:, -1], clean.logits[:, -1], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "bert", "mamba"])
@pytest.mark.parametrize("direction", ["denoising", "noising"])
def test_effects_are_those_of_plain_forward_passes(name, direction):
    """Each cell against the model run as anybody would run it, one patch at a time."""
    engine, two = pair(name)
    stack = engine.anatomy.main.name
    runs = [observe(engine, {"input_ids": ids}, residual_layers=range(3)) for ids in patching._texts(two)]

    def lead(logits):
        at = logits[0, two.position].double()
        return (at[two.answer] - at[two.wrong]).item()

    clean, corrupted = (lead(run.logits) for run in runs)
    (source, target), ids = (runs, two.corrupted_ids) if direction == "denoising" else (runs[::-1], two.clean_ids)
    found = patching.patch(engine, two, direction=direction, seed=1)
    assert found.complete and found.effects.shape == found.control.shape == (3, ids.shape[1])
    wrong = patching.wrong_positions(ids.shape[1], seed=1)
    assert (wrong != np.arange(len(wrong))).all() and (wrong > 0).all()
    causal = engine.anatomy.kind == "causal"
    assert found.first == (min(two.differing) if causal else 0)
    assert np.isnan(found.control[:, : found.first]).all() and not np.isnan(found.control[:, found.first :]).any()
    for layer in range(3):
        site = Site(stack, layer, "block")
        for position in range(ids.shape[1]):
            for taken, cell in ((position, found.effects), (wrong[position], found.control)):
                if cell is found.control and position < found.first:
                    continue

                def put(residual, p=position, q=taken, v=source.residuals[site]):
                    residual = residual.clone()
                    residual[:, p] = v[:, q]
                    return residual

                with torch.inference_mode(), intervene(engine, residuals={site: put}):
                    logits = engine.model(ids).logits
                effect = (lead(logits) - lead(target.logits)) / (lead(source.logits) - lead(target.logits))
                assert cell[layer, position] == pytest.approx(effect, rel=1e-3, abs=1e-3)
                if cell is found.effects:
                    both = logits[0, two.position].softmax(-1)[[two.answer, two.wrong]]
                    np.testing.assert_allclose(found.probabilities[layer, position], both, atol=1e-5)
                    assert found.differences[layer, position] == pytest.approx(lead(logits), abs=1e-4)
    assert found.clean_difference == pytest.approx(clean, abs=1e-5)
    assert found.corrupted_difference == pytest.approx(corrupted, abs=1e-5)
    np.testing.assert_allclose(found.whole, 1, atol=1e-4)  # all of a layer: as the source
    for run, reading in zip(runs, (found.clean, found.corrupted), strict=True):
        np.testing.assert_allclose(
            reading[1:], run.logits[0, two.position].softmax(-1)[[two.answer, two.wrong]], atol=1e-5
        )
    if causal:  # before the first differing token both texts are the same: exactly nothing
        assert (found.effects[:, : min(two.differing)] == 0).all()
        assert found.effects[-1, -1] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("site", ["residual", "attention", "mlp", "head"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_the_batch_is_one_at_a_time(name, site):
    engine, two = pair(name)
    batch = patching.patch(engine, two, site)
    single = patching.patch(engine, two, site, rows_at_once=1, skip=False)
    n = engine.anatomy.n_heads if site == "head" else len(two.clean_labels)
    assert batch.effects.shape == (3, n) and len(batch.columns) == n
    assert single.first == 0  # every position ran, those too at which both texts are the same
    if site != "head" and engine.anatomy.kind == "causal":
        assert batch.first == min(two.differing) > 0
    for values in ("effects", "whole", "differences", "probabilities"):
        np.testing.assert_allclose(getattr(batch, values), getattr(single, values), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(batch.control[:, batch.first :], single.control[:, batch.first :], rtol=1e-3, atol=1e-3)
    assert np.abs(batch.effects).max() > 1e-3


def test_heads_are_query_heads():
    """Patching head h alone is putting its columns at the output projection's input, by hand; with grouped keys too."""
    engine, two = pair("llama")
    assert engine.anatomy.n_kv_heads < engine.anatomy.n_heads
    found = patching.patch(engine, two, "head", control=False)
    assert found.control is None and found.control_level is None
    site = Site("decoder", 1, "heads")
    clean = observe(engine, {"input_ids": two.clean_ids}, parts=[site]).parts[site]
    for head in range(4):

        def put(values, columns=slice(8 * head, 8 * head + 8)):
            values = values.clone()
            values[..., columns] = clean[..., columns]
            return values

        with torch.inference_mode(), intervene(engine, parts={site: put}):
            at = engine.model(two.corrupted_ids).logits[0, -1]
        assert found.differences[1, head] == pytest.approx((at[two.answer] - at[two.wrong]).item(), abs=1e-5)


def test_blocks_that_pass_more_between_them_are_not_skipped(monkeypatch):
    engine, two = pair("llama")
    skipping = patching.patch(engine, two, "mlp")
    run = patching._unpatched(engine, two, two.clean_ids, "mlp", [0], None)
    assert known.can_leave_out(engine, run.ids, run.blocks)
    monkeypatch.setattr(known, "hidden", lambda output: None)
    assert not known.can_leave_out(engine, run.ids, run.blocks)
    np.testing.assert_allclose(patching.patch(engine, two, "mlp").effects, skipping.effects, rtol=1e-3, atol=1e-3)


def test_stop_keeps_what_is_done():
    engine, two = pair("llama")
    stop = threading.Event()

    def report(fraction, sentence):
        if "layer 2" in sentence:
            stop.set()

    found = patching.patch(engine, two, report=report, stop=stop)
    assert not found.complete
    assert not np.isnan(found.effects[:2]).any() and np.isnan(found.effects[2]).all()
    with pytest.raises(PlaygroundError, match="Stopped before the first layer"):
        patching.patch(engine, two, stop=stop)


def test_what_cannot_be_patched_is_said():
    engine = tiny.engine("llama")
    for arguments, sentence in (
        (
            ("The cat sat", "The cat sat on the mat", "the", "was"),
            r"Clean has 3 tokens: The \| ·cat \| ·sat\. Corrupted has 6",
        ),
        (("The cat sat", "The cat sat", "the", "was"), "the same to this model"),
        (("The cat sat", "The mat sat", "comfortable sofa", "was"), "tokens to this model"),
        (("The cat sat", "The mat sat", "the", "the"), "same token"),
        (("The cat sat", "The mat sat", "the", " "), "Both answers are needed"),
    ):
        with pytest.raises(PlaygroundError, match=sentence):
            contrasts.contrast(engine, *arguments)
    with pytest.raises(PlaygroundError, match="put \\[MASK\\] once"):
        contrasts.contrast(tiny.engine("bert"), "The cat", "The mat", "the", "was")
    with pytest.raises(PlaygroundError, match="seq2seq model"):
        contrasts.contrast(tiny.engine("t5"), "The cat", "The mat", "the", "was")
    mamba, two = pair("mamba")
    with pytest.raises(PlaygroundError, match="has no head that can be reached"):
        patching.patch(mamba, two, "head")
    engine, two = pair("llama")
    with pytest.raises(PlaygroundError, match="sites and directions are residual"):
        patching.patch(engine, two, "nonsense")
    with pytest.raises(PlaygroundError, match="are 0 to 2"):
        patching.patch(engine, two, layers=[1, 3])
    np.testing.assert_array_equal(
        patching.patch(engine, two, layers=[1]).effects[0], patching.patch(engine, two).effects[1]
    )


def test_proposals_are_aligned_and_told_apart_by_the_model():
    engine = tiny.engine("llama")
    text = "The doctor was happy and the cat was a bird"
    for proposal in contrasts.propose(engine, text, n=5):
        two = contrasts.contrast(engine, text, proposal.corrupted, proposal.answer, proposal.wrong)
        assert proposal.corrupted == text.replace(proposal.word, proposal.replacement, 1)
        assert two.differing == proposal.differing
        for ids, difference in (
            (two.clean_ids, proposal.clean_difference),
            (two.corrupted_ids, proposal.corrupted_difference),
        ):
            logits = observe(engine, {"input_ids": ids}).logits[0, -1]
            assert (logits[two.answer] - logits[two.wrong]).item() == pytest.approx(difference, abs=1e-4)
        assert proposal.clean_difference > 0 > proposal.corrupted_difference
    with pytest.raises(PlaygroundError, match="No word of this text has a stand-in"):
        contrasts.propose(engine, "Nonsense")


def test_proposals_from_a_long_text_stop_and_keep_few(monkeypatch):
    engine, stop, tried = tiny.engine("llama"), threading.Event(), []
    original = contrasts._aligned

    def aligned(*rows):
        tried.append(rows)
        if len(tried) == 3:
            stop.set()
        return original(*rows)

    monkeypatch.setattr(contrasts, "_aligned", aligned)
    with pytest.raises(PlaygroundError, match="Stopped before all stand-ins were tried"):
        contrasts.propose(engine, "The doctor was happy and the cat was a bird", stop=stop)
    assert len(tried) == 3
    assert len(list(itertools.islice(contrasts._swappable("cat " * 10**5), contrasts._WORDS))) == contrasts._WORDS


@pytest.mark.parametrize(("n_heads", "control", "first"), [(None, True, 2), (None, False, 0), (3, True, 0)])
def test_rows_in_pieces_are_the_rows(n_heads, control, first):
    rows = patching._rows(6, n_heads, control, 0, torch.device("cpu"), first)
    n = n_heads or 6 - first
    ((where, taken_from),) = rows.split(100)
    assert len(rows) == len(where) == n * (2 if control else 1) + 1 and where[-1].all()
    for column in range(n):
        expected = torch.zeros(6, n_heads or 1, dtype=torch.bool)
        expected[(slice(None), column) if n_heads else (column + first, slice(None))] = True
        for row in (column, n + column) if control else (column,):
            assert torch.equal(where[row], expected)
    wrong = torch.from_numpy(patching.wrong_positions(6, 0))
    for row, places in enumerate(taken_from):
        assert torch.equal(places, wrong if control and n <= row < 2 * n else torch.arange(6))
    pieces = list(rows.split(2))
    assert max(len(piece) for piece, _ in pieces) == 2
    assert torch.equal(torch.cat([piece for piece, _ in pieces]), where)
    assert torch.equal(torch.cat([piece for _, piece in pieces]), taken_from)


@pytest.mark.starter
def test_the_starter_knows_where_paris_is(starter_cache):
    """The worked example: the country carries the answer through two thirds of the layers, then the last token does."""
    from playground.models.cache import ModelCache
    from playground.settings import Settings

    models = ModelCache(Settings(cache_dir=starter_cache, dtype="float32", offline=True))
    with models.lease("starter:smollm2-135m-instruct") as engine:
        two = contrasts.contrast(engine, *patching.EXAMPLE)
        assert two.differing == (3,)
        found = patching.patch(engine, two, control=False, layers=(0, 10, 20, 27))
        heads = patching.patch(engine, two, site="head", control=False, layers=(22, 23, 24))
        without = ablation.ablate(engine, patching.EXAMPLE[0], ablation.parse("head 23.4"))
    assert found.clean_difference > 5 and found.corrupted_difference < -5
    assert (found.effects[:3, 3] > 0.9).all() and (np.abs(found.effects[:3, 4:]) < 0.1).all()
    assert found.effects[3, 3] < 0.1 and found.effects[3, -1] > 0.5
    np.testing.assert_allclose(found.whole, 1, atol=1e-3)
    layer, head = np.unravel_index(heads.effects.argmax(), heads.effects.shape)
    assert (heads.layers[layer], head) == (23, 4) and heads.effects[layer, head] > 0.5
    paris = without.texts.index(" Paris")
    assert without.before.argmax() == without.after.argmax() == paris, "other parts know it too"
    assert without.after[paris] < without.before[paris] / 2
