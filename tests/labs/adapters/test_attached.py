"""Adapters beside a shared model: as PEFT computes them, as sliders say, and without a trace for anybody else."""

import threading

import pytest
import torch

from playground.engine.adapters import Attached
from playground.engine.sampling import Sampling
from playground.engine.tap import open_tap
from playground.errors import PlaygroundError
from playground.labs.adapters import composing, mixed
from playground.labs.internals import edited
from playground.labs.prompting import labels
from playground.models.cache import ModelCache
from playground.settings import Settings
from tests import tiny
from tests.labs.adapters import made

IDS = torch.tensor([[5, 17, 42, 9, 120, 33]])


def logits(engine, adapters=(), weights=((),), ids=IDS):
    with torch.inference_mode(), open_tap(Attached(engine, adapters, weights).tap):
        return engine.model(input_ids=ids).logits


def test_an_adapter_computes_what_peft_computes(base, three, peft_model):
    for number, adapter in enumerate(three):
        peft_model.set_adapter(f"tiny{number}")
        with torch.inference_mode():
            expected = peft_model(input_ids=IDS).logits
        torch.testing.assert_close(logits(base, [adapter], [[1.0]]), expected, rtol=1e-4, atol=1e-5)


def test_sliders_are_cat_and_the_merged_weights(base, three):
    """The mixture beside the model, the one adapter that `cat` makes, and the model with the sum in its weights."""
    weights = (0.7, -0.3, 1.5)
    mixture = logits(base, three, [weights])
    cat = composing.compose(three, weights, "cat").adapter
    assert (logits(base, [cat], [[1.0]]) - mixture).abs().max() <= 1e-6 * mixture.abs().max()
    merged = tiny.loaded(made.base_folder())
    with torch.no_grad():
        for path, factors in cat.layers.items():
            merged.model.get_submodule(path).weight.add_(factors.delta)
    torch.testing.assert_close(logits(merged), mixture, rtol=1e-4, atol=1e-5)
    assert (mixture - logits(base)).abs().max() > 0.1


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_the_adapter_merged_into_the_weights_gives_the_same_logits(dtype, tolerance):
    """Of the largest logit. In bfloat16 a weight is rounded to 1 part in 256 when it is merged, and each product beside
    the weights is rounded by itself: both are as far from the truth, which float32 tells, as that precision is."""
    models = ModelCache(Settings(memory_budget=10**8, dtype=dtype, device="cpu", local_paths=True))
    for adapter, folder in zip(made.adapters(), made.folders(), strict=True):
        with models.lease(f"{made.base_folder()}+adapter:{folder}*0.7") as merged:
            into = logits(merged).float()
        with models.lease(str(made.base_folder())) as plain:
            beside, without = logits(plain, [adapter], [[0.7]]).float(), logits(plain).float()
        assert (into - beside).abs().max() <= tolerance * beside.abs().max()
        truth = logits(made.engine(), [adapter], [[0.7]])
        assert (into - truth).abs().max() <= tolerance * truth.abs().max()
        assert (without - truth).abs().max() > 0.5 * truth.abs().max()  # it is not lost in rounding


def test_weights_of_zero_change_no_bit(base, three):
    assert torch.equal(logits(base, three, [[0, 0, 0]]), base.model(input_ids=IDS).logits)


def test_each_row_of_a_batch_has_its_own_mixture(base, three):
    table = [[1, 0, 0], [0, 0, 0], [0.5, 0.5, 0], [0, 0, -1]]
    together = logits(base, three, table, IDS.expand(4, -1))
    for row, weights in enumerate(table):
        torch.testing.assert_close(together[row], logits(base, three, [weights])[0], rtol=1e-4, atol=1e-5)


def test_nobody_else_sees_an_adapter(base, three):
    """Two threads read the same model hundreds of times, one through adapters: bit for bit what each reads alone."""
    plain, adapted = logits(base), logits(base, three, [[1, 1, 1]])
    before = {name: parameter.clone() for name, parameter in base.model.named_parameters()}
    wrong = []

    def read(adapters, weights, expected):
        for _ in range(40):
            if not torch.equal(logits(base, adapters, weights), expected):
                wrong.append(weights)

    threads = [
        threading.Thread(target=read, args=arguments)
        for arguments in [((), [()], plain), (three, [[1, 1, 1]], adapted), ((), [()], plain)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    for name, parameter in base.model.named_parameters():
        assert torch.equal(parameter, before[name])


def test_what_is_kept_of_prompts_is_kept_from_adapters(three):
    """A long prompt that the model has read and kept must be read anew through an adapter, and the other way round."""
    engine, fresh = tiny.loaded(made.base_folder()), tiny.loaded(made.base_folder())
    prompts = ["The cat sat on the mat because it was comfortable. " * 15 + end for end in ("Yes", "No")]

    def answers(adapter):
        tap = Attached(engine, [three[0]], [[adapter]]).tap
        with open_tap(tap):
            found = list(labels.label(engine, prompts, ["good", "bad"]))
        return [one.logprobs.tolist() for one in sorted(found, key=lambda one: one.row)]

    def plain(engine):
        found = labels.label(engine, prompts, ["good", "bad"])
        return [one.logprobs.tolist() for one in sorted(found, key=lambda one: one.row)]

    expected = answers(1.0)  # nothing is kept yet
    assert not engine.prefixes.n_bytes
    assert plain(engine) == plain(fresh)
    assert engine.prefixes.n_bytes  # now there is something that the adapter must not take up
    assert answers(1.0) == expected != plain(engine)


def test_a_batch_of_different_adapters_writes_what_each_writes_alone(base, three):
    sampling = Sampling(temperature=0, max_new_tokens=12, seed=0)
    rows = [mixed.Row("The cat", (1, 0, 0)), mixed.Row("Paris is the", (0, 0, 0)), mixed.Row("The", (0.5, 1, -1))]
    last = list(mixed.write(base, three, rows, sampling))[-1]
    assert all(last.done)
    for row, text in zip(rows, last.texts, strict=True):
        ids = edited.chat.prompt_ids(base, [{"role": "user", "content": row.prompt}], "")
        tap = Attached(base, three, [row.weights]).tap
        alone = list(edited.at_once(base, ids, sampling, [tap]))[-1][0]
        assert text == alone.text


def test_a_stopped_batch_ends(base, three):
    stop = threading.Event()
    texts = mixed.write(base, three, [mixed.Row("The cat", (1, 0, 0))], Sampling(max_new_tokens=200, seed=1), stop)
    next(texts)
    stop.set()
    assert len(list(texts)) <= 1


def test_an_adapter_of_another_model_is_refused(three):
    with pytest.raises(PlaygroundError, match="another model"):
        Attached(tiny.engine("gpt2"), three[:1], [[1.0]])
    with pytest.raises(PlaygroundError, match="from -10 to 10"):
        Attached(made.engine(), three[:1], [[11.0]])
    with pytest.raises(PlaygroundError, match="from -10 to 10"):
        Attached(made.engine(), three[:1], [[float("nan")]])
