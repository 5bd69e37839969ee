"""Files become an Engine, whatever else is being loaded."""

import threading

import pytest
import torch

from playground.engine import generate
from playground.engine.sampling import Sampling
from playground.labs.chat.next_tokens import next_tokens
from tests import tiny


def test_models_that_are_loaded_at_the_same_time_are_all_whole(tmp_path):
    folders = [tiny.save(tmp_path / name, name) for name in ("gpt2", "bert", "llama", "t5")]
    alone = [tiny.loaded(folder).model.state_dict() for folder in folders]
    together: dict[int, dict] = {}

    def load(n: int) -> None:
        together[n] = tiny.loaded(folders[n]).model.state_dict()

    threads = [threading.Thread(target=load, args=(n,)) for n in range(len(folders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together.keys() == set(range(len(folders))), "some failed"
    for n, weights in enumerate(alone):
        assert weights.keys() == together[n].keys()
        assert all(torch.equal(weights[name], together[n][name]) for name in weights)


@pytest.mark.parametrize(
    "settings", [dict(beams=3), dict(temperature=0), dict(temperature=1, seed=1, logit_bias=((40, 1.23), (41, -2.34)))]
)
def test_the_default_precision_of_a_load_under_way_changes_no_number(settings):
    """transformers sets it for the whole process while it builds a model; others may be writing."""
    engine = tiny.engine("llama")
    sampling = Sampling(max_new_tokens=8, **settings)

    def results():
        steps = list(generate.stream(engine, engine.encode("The cat sat"), sampling))
        last = steps[-1].instead or [step.token for step in steps if step.token]
        seen = next_tokens(engine, "The cat sat", sampling, k=20)
        return [(token.id, token.logprob) for token in last], seen.probabilities.tolist()

    expected = results()
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert results() == expected
    finally:
        torch.set_default_dtype(torch.float32)
