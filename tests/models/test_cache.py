"""Leases, budget, eviction and failure, on tiny models loaded by the real code."""

import gc
import shutil
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from playground import heap
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat
from playground.models import loading
from playground.models.cache import ModelCache
from playground.settings import Settings
from tests import tiny

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Four models of the same size."""
    root = tmp_path_factory.mktemp("models")
    return [str(tiny.save(root / f"m{i}", "llama", seed=i)) for i in range(4)]


@pytest.fixture(scope="module")
def size(folders):
    with ModelCache(Settings(dtype="float32", threads=1)).lease(folders[0]) as engine:
        return engine.n_bytes


@pytest.fixture
def models(tmp_path, size):
    """Room for two models and a half."""
    return ModelCache(Settings(cache_dir=tmp_path, dtype="float32", threads=1, memory_budget=int(2.5 * size)))


@pytest.fixture
def loads(monkeypatch):
    """Counts loads, each made to last long enough to be met by others."""
    seen, original = [], loading.load

    def load(files, *rest):
        seen.append(files.reference)
        time.sleep(0.1)
        return original(files, *rest)

    monkeypatch.setattr(loading, "load", load)
    return seen


def held(models):
    return [h.reference for h in models.ledger().holdings]


def together(*functions):
    with ThreadPoolExecutor(len(functions)) as pool:
        for future in [pool.submit(function) for function in functions]:
            future.result(timeout=60)


def test_many_who_ask_at_once_share_one_load(models, folders, loads):
    engines = []

    def borrow():
        with models.lease(folders[0]) as engine:
            engines.append(engine)

    together(*[borrow] * 8)
    assert len(loads) == 1 and len(engines) == 8 and len(set(map(id, engines))) == 1


def test_the_ledger_tells_who_holds_what(models, folders, size):
    assert models.ledger().holdings == () and models.ledger().used == 0
    with models.lease(folders[0]) as engine, models.lease(folders[0]):
        (holding,) = models.ledger().holdings
        assert holding.lent == 2 and holding.idle_seconds == 0
        assert (
            holding.n_bytes
            == size
            == sum(p.numel() * 4 for p in engine.model.parameters())
            + sum(b.numel() * b.element_size() for b in engine.model.buffers())
        )
    (holding,) = models.ledger().holdings
    assert holding.lent == 0 and holding.idle_seconds >= 0 and holding.dtype == "float32"
    assert models.ledger().used == size and models.ledger().budget == int(2.5 * size)


def test_the_longest_unused_goes_first_and_before_the_next_is_loaded(models, folders, size, monkeypatch):
    for folder in (folders[0], folders[1], folders[0]):
        with models.lease(folder):
            pass
    original, at_load = loading.load, []

    def load(*arguments):
        at_load.append((held(models), models.ledger().used))
        return original(*arguments)

    monkeypatch.setattr(loading, "load", load)
    with models.lease(folders[2]):
        assert held(models) == [folders[0], folders[2]]
    ((names, used),) = at_load
    assert names == [folders[0]] and used <= 2.5 * size


def test_what_is_lent_is_never_evicted(models, folders):
    with models.lease(folders[0]), models.lease(folders[1]):
        sentence = r"models in use hold .* Try again when they have finished"
        with pytest.raises(PlaygroundError, match=sentence), models.lease(folders[2]):
            pass
        assert held(models) == folders[:2]
    with models.lease(folders[2]):  # and the next request works
        assert folders[2] in held(models)


def test_memory_goes_back_while_another_still_computes(models, folders, monkeypatch):
    at_rest = []
    monkeypatch.setattr(heap, "trim_now_and_then", at_rest.append)
    with models.lease(folders[0]):
        with models.lease(folders[0]):
            pass
        assert at_rest == [False]
    assert at_rest == [False, True]


def test_of_two_the_idle_one_goes_even_if_the_lent_one_was_borrowed_longer_ago(models, folders):
    with models.lease(folders[0]):
        with models.lease(folders[1]):
            pass
        with models.lease(folders[2]):
            assert held(models) == [folders[0], folders[2]]


def test_kept_prompts_count_and_go_before_a_model_does(folders, size, tmp_path):
    models = ModelCache(Settings(cache_dir=tmp_path, dtype="float32", threads=1, memory_budget=int(2.02 * size)))
    question = [{"role": "user", "content": "The cat sat on the mat. " * 25}]
    with models.lease(folders[0]) as engine:
        list(chat.reply(engine, question, chat.Sampling(max_new_tokens=2)))
        kept = engine.prefixes.n_bytes
        assert kept > 0.02 * size and models.ledger().used == size + kept == models.ledger().holdings[0].n_bytes
    with models.lease(folders[1]):
        assert held(models) == folders[:2] and models.ledger().used == 2 * size


def test_a_failed_request_gives_back_what_it_held(models, folders):
    ghosts = []

    def work(engine):
        allocated = torch.zeros(1000, 1000)
        ghosts.append(weakref.ref(allocated))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(PlaygroundError, match="ran out of memory") as raised, models.lease(folders[0]) as engine:
        work(engine)
    assert ghosts[0]() is None and raised  # although the error is still there


def test_eviction_and_unloading_give_the_memory_back(models, folders):
    ghosts = []
    for folder in folders[:3]:
        with models.lease(folder) as engine:
            ghosts.append(weakref.ref(engine.model))
        del engine
    gc.collect()
    assert [ghost() is None for ghost in ghosts] == [True, False, False]
    models.unload(folders[2])
    gc.collect()
    assert ghosts[2]() is None and held(models) == [folders[1]]


def test_unloading_what_is_in_use_or_not_there_is_refused(models, folders):
    with models.lease(folders[0]), pytest.raises(PlaygroundError, match="is answering 1 request"):
        models.unload(folders[0])
    with pytest.raises(PlaygroundError, match="is not loaded"):
        models.unload(folders[1])


def test_a_model_beyond_the_budget_says_what_it_needs_and_what_would_fit(tmp_path, folders, size):
    models = ModelCache(Settings(cache_dir=tmp_path, dtype="float32", threads=1, memory_budget=size // 2))
    sentence = r"needs about 0\.\d MB of memory and models may use 0\.\d MB"
    with pytest.raises(PlaygroundError, match=sentence), models.lease(folders[0]):
        pass
    assert models.ledger().holdings == () and models.status(folders[0]).state == "failed"


def test_a_failed_load_leaves_nothing_and_can_be_tried_again(models, folders, tmp_path):
    from pathlib import Path

    broken = tmp_path / "broken"
    shutil.copytree(folders[0], broken)
    tokenizer = (broken / "tokenizer.json").read_bytes()
    (broken / "tokenizer.json").write_bytes(b"{")
    with pytest.raises(PlaygroundError, match="could not be loaded"), models.lease(str(broken)):
        pass
    assert models.ledger().used == 0 and models.status(str(broken)).state == "failed"
    Path(broken / "tokenizer.json").write_bytes(tokenizer)
    with models.lease(str(broken)):
        assert models.status(str(broken)).state == "ready"


def test_those_who_wait_for_a_load_that_fails_are_told_once(models, folders, monkeypatch):
    tries = []

    def load(*_):
        tries.append(1)
        time.sleep(0.3)
        raise PlaygroundError("It broke. Fix it.")

    monkeypatch.setattr(loading, "load", load)
    told = []

    def borrow():
        try:
            with models.lease(folders[0]):
                pass
        except PlaygroundError as error:
            told.append(str(error))

    together(*[borrow] * 4)
    assert told == ["It broke. Fix it."] * 4 and len(tries) == 1


def test_a_full_device_makes_idle_models_go_and_is_tried_once_more(models, folders, monkeypatch):
    with models.lease(folders[0]):
        pass
    original, tries = loading.load, []

    def load(*arguments):
        tries.append(held(models))
        if len(tries) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(*arguments)

    monkeypatch.setattr(loading, "load", load)
    with models.lease(folders[1]):
        assert tries == [[folders[0]], []]


def test_a_device_that_stays_full_gets_one_plain_sentence(models, folders, monkeypatch):
    def load(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(loading, "load", load)
    with pytest.raises(PlaygroundError, match="has no room for it"), models.lease(folders[0]):
        pass
    assert models.ledger().used == 0


def test_running_out_of_memory_at_work_releases_idle_models_and_the_lease(models, folders):
    with models.lease(folders[0]):
        pass
    with pytest.raises(PlaygroundError, match="1 idle models were released"), models.lease(folders[1]):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    (holding,) = models.ledger().holdings
    assert holding.reference == folders[1] and holding.lent == 0


@pytest.mark.parametrize("error", [ValueError, RuntimeError, KeyboardInterrupt])
def test_the_lease_comes_back_after_any_error(models, folders, error):
    with pytest.raises(error), models.lease(folders[0]):
        raise error("something else")
    assert models.ledger().holdings[0].lent == 0


def test_streams_go_on_while_a_third_person_loads_another_model(models, folders):
    """Two chat on one model while others come and go in the room that is left; the two texts stay what they were."""
    sampling = [chat.Sampling(max_new_tokens=120, temperature=1.3, seed=s) for s in (1, 2)]
    with models.lease(folders[0]) as engine:
        alone = [list(chat.reply(engine, HELLO, s))[-1].text for s in sampling]
    written = [None, None]
    begun = threading.Barrier(3, timeout=30)

    def talk(i):
        with models.lease(folders[0]) as engine:
            begun.wait()
            written[i] = list(chat.reply(engine, HELLO, sampling[i]))[-1].text

    def come_and_go():
        begun.wait()
        for folder in (folders[1], folders[2], folders[3]):
            with models.lease(folder):
                assert folders[0] in held(models)

    together(lambda: talk(0), lambda: talk(1), come_and_go)
    assert written == alone


def test_arriving_tells_how_far_it_is_and_survives_its_watcher(models, folders, loads):
    watcher = models.arriving(folders[0])
    assert next(watcher).state in ("fetching", "loading")
    watcher.close()
    assert [s.state for s in models.arriving(folders[0])][-1] == "ready" and len(loads) == 1


def test_arriving_raises_in_the_watchers_thread(models, tmp_path):
    with pytest.raises(PlaygroundError):
        list(models.arriving(str(tmp_path / "nowhere")))


def test_status_before_anything_is_loaded(models, folders):
    status = models.status(folders[0])
    assert status.state == "on disk" and status.n_bytes > 0
    assert models.status("starter:nonsense").state == "failed"
    assert models.status("some-org/some-model").state == "absent"
    catalog_size = models.status("starter:smollm2-135m-instruct").n_bytes
    assert catalog_size == pytest.approx(4 * 134_515_008, rel=0.1)


def test_asking_for_the_status_imports_nothing_heavy(folders):
    code = (
        "import sys\nfrom playground.models.cache import ModelCache\nfrom playground.settings import Settings\n"
        f"models = ModelCache(Settings())\nassert models.status({folders[0]!r}).state == 'on disk'\n"
        "models.status('org/name'); models.ledger()\n"
        "print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr


def test_spare_time_is_given_only_while_nobody_has_the_model(tmp_path):
    folder = str(tiny.save(tmp_path / "m", "llama"))
    models = ModelCache(Settings(threads=1, dtype="float32"))
    begun, ended, seen = threading.Event(), threading.Event(), []

    def work(engine, stopped):
        seen.append(engine.reference)
        begun.set()
        while not stopped():
            time.sleep(0.01)
        ended.set()

    models.in_spare_time(folder, work)
    assert not begun.wait(0.1), "it is not loaded"
    with models.lease(folder):
        models.in_spare_time(folder, work)
        assert not begun.wait(0.1), "somebody has it"
    models.in_spare_time(folder, work)
    models.in_spare_time(folder, work)
    assert begun.wait(10)
    assert [holding.lent for holding in models.ledger().holdings] == [0], "it is no loan"
    with models.lease(folder):
        assert ended.wait(10), "whoever comes goes first"
    begun.clear(), ended.clear()
    until = time.monotonic() + 10
    while not begun.is_set() and time.monotonic() < until:
        models.in_spare_time(folder, work)
        time.sleep(0.02)
    models.unload(folder)
    assert ended.wait(10), "it does not keep the model from going"
    assert seen == [folder, folder]
