"""Several people change one model at once, each for himself, while another chats: everybody gets what he gets alone."""

import threading

import numpy as np

from playground.engine.sampling import Sampling
from playground.labs.chat import replies as chat
from playground.labs.internals import ablation, contrasts, edited, patching, steering, sweep
from tests import tiny

TEXT = "The cat sat on the mat"
TIMES = 3


def jobs(engine):
    """By name: what one person does, as numbers that must come out the same to the last bit."""
    sampling = Sampling(max_new_tokens=24, temperature=1, seed=5)
    ids = engine.encode(TEXT)
    two = contrasts.contrast(engine, TEXT, "The mat sat on the mat", "1", "2")
    found = steering.direction(engine, ["The cat sat"], ["def add(a, b)"], 1)

    def ablating():
        tap = ablation.tap(engine, ablation.parse("layer 1, head 0.2"))
        *_, last = edited.at_once(engine, ids, sampling, (None, tap))
        return [reply.tokens for reply in last]

    def steered():
        *_, last = edited.at_once(engine, ids, sampling, (None, steering.tap(engine, found, 4.0)))
        return [reply.tokens for reply in last]

    def chatting():
        *_, last = chat.reply(engine, [{"role": "user", "content": "Hello"}], sampling)
        return last.tokens

    def patched():
        result = patching.patch(engine, two, "head")
        return result.effects.tolist(), result.probabilities.tolist()

    def swept():
        return sweep.sweep(engine, TEXT, "mlp").changes.tolist()

    return {job.__name__: job for job in (ablating, steered, chatting, patched, swept)}


def test_everybody_gets_what_he_gets_alone():
    engine = tiny.engine("llama")
    work = jobs(engine)
    alone = {name: job() for name, job in work.items()}
    assert alone["ablating"][0] != alone["ablating"][1] and alone["steered"][0] != alone["steered"][1]
    assert alone["ablating"][0] == alone["steered"][0]  # unchanged, both are the model as it is
    assert np.abs(alone["patched"][0]).max() > 0
    start = threading.Barrier(len(work))
    together: dict[str, list] = {name: [] for name in work}

    def again(name):
        start.wait()
        together[name] = [work[name]() for _ in range(TIMES)]

    threads = [threading.Thread(target=again, args=(name,)) for name in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, results in together.items():
        assert results == [alone[name]] * TIMES, name
    assert {name: job() for name, job in work.items()} == alone
