"""A LoRA out of two models: one that was merged in comes back, and the curve is that of the singular values."""

import numpy as np
import pytest
import torch

from playground.errors import PlaygroundError
from playground.labs.adapters import extracting
from tests import tiny
from tests.labs.adapters import made


@pytest.fixture(scope="module")
def tuned():
    engine = tiny.loaded(made.base_folder())
    with torch.no_grad():
        for path, factors in made.adapters()[0].layers.items():
            engine.model.get_submodule(path).weight.add_(factors.delta)
    return engine


def test_a_merged_lora_comes_back_at_its_rank(base, three, tuned):
    found = extracting.extract(tuned, base)
    assert set(found.layers) == set(three[0].layers)
    assert found.errors[0] == 1
    assert found.errors[3] > 0.05
    assert found.errors[4] < 1e-5  # its rank
    adapter = found.adapter(4)
    for path, factors in adapter.layers.items():
        torch.testing.assert_close(factors.delta, three[0].layers[path].delta, rtol=1e-3, atol=1e-5)
    assert not found.lost
    assert found.unchanged == 3 * 7 - len(found.layers)


def test_the_curve_is_that_of_the_singular_values(base, tuned):
    found = extracting.extract(tuned, base)
    off = size = 0.0
    for path in found.layers:
        delta = tuned.model.get_submodule(path).weight.double() - base.model.get_submodule(path).weight.double()
        values = torch.linalg.svdvals(delta).numpy()
        np.testing.assert_allclose(found.spectra[path][:4], values[:4], rtol=1e-5)
        off, size = off + (values[2:] ** 2).sum(), size + (values**2).sum()
        cut = found.adapter(2).layers[path].delta.double()
        assert ((delta - cut) ** 2).sum().item() == pytest.approx((values[2:] ** 2).sum(), rel=1e-4)
    assert found.errors[2] == pytest.approx((off / size) ** 0.5, rel=1e-6)


def test_what_a_lora_cannot_hold_is_counted(base, tuned):
    with torch.no_grad():
        tuned.model.model.norm.weight.add_(1.0)
    try:
        found = extracting.extract(tuned, base)
    finally:
        with torch.no_grad():
            tuned.model.model.norm.weight.sub_(1.0)
    assert found.lost == ("model.norm.weight",)
    assert 0 < found.lost_share < 1


def test_what_cannot_be_taken_apart_is_refused(base, tuned):
    with pytest.raises(PlaygroundError, match="the same in every linear layer"):
        extracting.extract(base, base)
    with pytest.raises(PlaygroundError, match="not built alike"):
        extracting.extract(tiny.engine("gpt2"), base)
    with pytest.raises(PlaygroundError, match="can be had"):
        extracting.extract(tuned, base).adapter(0)
