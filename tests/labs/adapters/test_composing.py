"""Adapters made into one: against PEFT's own, against the exact sum, and what cannot be done."""

import pytest
import torch

from playground.errors import PlaygroundError
from playground.labs.adapters import composing, files
from playground.labs.adapters.catalogue import from_folder

WEIGHTS = (0.7, 0.3)


def of_peft(model, name: str, path: str) -> torch.Tensor:
    return model.base_model.model.get_submodule(path).get_delta_weight(name)


def test_cat_is_the_exact_sum(three):
    made = composing.compose(three, (0.7, 0.3, -0.5), "cat")
    assert made.error < 1e-6
    assert made.rank == 4 + 4 + 2
    for path, factors in made.adapter.layers.items():
        total = sum(w * a.layers[path].delta for w, a in zip((0.7, 0.3, -0.5), three, strict=True))
        torch.testing.assert_close(factors.delta, total, rtol=1e-6, atol=1e-6)


def test_svd_of_the_full_rank_is_exact_and_of_less_the_nearest(three):
    assert composing.compose(three, (1, 1, 1), "svd", rank=10).error < 1e-6
    cut = composing.compose(three, (1, 1, 1), "svd", rank=3)
    off = size = 0.0
    for path in cut.adapter.layers:
        values = torch.linalg.svdvals(sum(a.layers[path].delta for a in three).double())
        off, size = off + values[3:].square().sum().item(), size + values.square().sum().item()
    assert cut.error == pytest.approx((off / size) ** 0.5, rel=1e-5)


@pytest.mark.parametrize(
    "method", ["cat", "svd", "linear", "ties", "magnitude_prune", "ties_svd", "magnitude_prune_svd"]
)
@pytest.mark.parametrize("weights", [(0.7, 0.3), (1.5, -0.4)])
def test_as_peft_makes_it(three, peft_model, method, weights):
    name = f"{method}-{weights[0] > 1}"  # PEFT silently keeps what has the same name
    more = {} if method in ("cat", "svd", "linear") else {"density": 0.5}
    peft_model.add_weighted_adapter(["tiny0", "tiny1"], list(weights), name, method, svd_rank=4, **more)
    made = composing.compose(three[:2], weights, method, rank=4, **more)
    for path, factors in made.adapter.layers.items():
        torch.testing.assert_close(factors.delta, of_peft(peft_model, name, path), rtol=1e-4, atol=1e-5)


def test_election_by_number_is_that_of_peft_too(three, peft_model):
    peft_model.add_weighted_adapter(
        ["tiny0", "tiny1"], [1.0, 1.0], "by number", "ties", density=0.6, majority_sign_method="frequency"
    )
    made = composing.compose(three[:2], (1.0, 1.0), "ties", density=0.6, election="frequency")
    for path, factors in made.adapter.layers.items():
        torch.testing.assert_close(factors.delta, of_peft(peft_model, "by number", path), rtol=1e-4, atol=1e-5)


def test_linear_has_cross_terms(three):
    """(sum A)(sum B) is not the sum of the products: for random adapters much of it is something else."""
    assert composing.compose(three[:2], WEIGHTS, "linear").error > 0.3


def test_dare_keeps_the_mean_and_depends_on_the_seed_alone(three):
    """With survivors times 1/density, the mean over seeds is the sum, within 5 standard errors."""
    path = next(iter(three[0].layers))
    exact = sum(w * a.layers[path].delta for w, a in zip(WEIGHTS, three[:2], strict=True))
    draws = torch.stack(
        [
            composing.compose(three[:2], WEIGHTS, "dare_linear_svd", density=0.5, rank=32, seed=seed)
            .adapter.layers[path]
            .delta
            for seed in range(30)
        ]
    )
    error = draws.std(0) / 30**0.5
    assert ((draws.mean(0) - exact).abs() <= 5 * error + 1e-5).all()
    again = composing.compose(three[:2], WEIGHTS, "dare_linear_svd", density=0.5, rank=32, seed=7)
    assert torch.equal(draws[7], again.adapter.layers[path].delta)
    assert not torch.equal(draws[7], draws[8])


def test_pruning_nothing_changes_nothing(three):
    linear = composing.compose(three[:2], WEIGHTS, "linear")
    for method in ("dare_linear", "magnitude_prune"):
        made = composing.compose(three[:2], WEIGHTS, method, density=1.0)
        for path, factors in made.adapter.layers.items():
            torch.testing.assert_close(factors.delta, linear.adapter.layers[path].delta)


@pytest.mark.parametrize(
    ("weights", "options", "words"),
    [
        ((1, 1), {"method": "ties"}, "density"),
        ((1, 1), {"method": "ties", "density": 0}, "density"),
        ((1, 1), {"method": "sum"}, "There are: cat"),
        ((0, 0), {}, "All weights are 0"),
        ((1,), {}, "one weight each"),
        ((1, float("nan")), {}, "numbers from"),
        ((1, 1), {"method": "svd", "rank": 0}, "whole number"),
        ((1, 1), {"method": "ties", "density": 0.5, "election": "loudest"}, "no election"),
    ],
)
def test_what_cannot_be_done_is_refused(three, weights, options, words):
    with pytest.raises(PlaygroundError, match=words):
        composing.compose(three[:2], weights, **options)


def test_factors_of_different_rank_are_not_summed(three):
    with pytest.raises(PlaygroundError, match="Use cat"):
        composing.compose(three, (1, 1, 1), "linear")


def test_saved_as_peft_reads_it(three, peft_model, tmp_path):
    """Saved by us, loaded by PEFT and by ourselves: the same deltas. Ranks differ, so the smaller is filled up."""
    made = composing.compose(three, (0.7, 0.3, 1.0), "cat")
    folder = files.save(made.adapter, tmp_path / "made", "tiny", {"method": "cat"})
    peft_model.load_adapter(folder, adapter_name="saved")
    ours = from_folder("made", folder)
    for path, factors in made.adapter.layers.items():
        torch.testing.assert_close(of_peft(peft_model, "saved", path), factors.delta, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours.layers[path].delta, factors.delta, rtol=1e-5, atol=1e-6)
    with pytest.raises(PlaygroundError, match="Name another"):
        files.save(made.adapter, folder, "tiny", {})
    assert [file.name for file in tmp_path.iterdir()] == ["made"]
