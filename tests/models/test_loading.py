"""Files become an Engine, whatever else is being loaded."""

import threading

import torch

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
