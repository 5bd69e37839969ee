"""Models with adapters, and models that are made here: what they are, who holds them, what they leave alone."""

import gc
import json
import threading
import time
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.models.made import Made
from playground.models.reference import parse
from playground.models.slots import _FAILURES
from playground.settings import Settings
from tests import tiny

MIB = 1 << 20


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("made") / "llama", "llama")


@pytest.fixture(scope="module")
def adapter(llama, tmp_path_factory) -> Path:
    """A LoRA by PEFT itself, with random B."""
    import peft
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(llama)
    config = peft.LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=["q_proj", "down_proj"],
        rank_pattern={"down_proj": 2},
        alpha_pattern={"q_proj": 3},
    )
    wrapped = peft.get_peft_model(model, config)
    torch.manual_seed(0)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_()
    folder = tmp_path_factory.mktemp("made") / "adapter"
    wrapped.save_pretrained(folder)
    return folder


@pytest.fixture
def cache() -> ModelCache:
    return ModelCache(Settings(memory_budget=100 * MIB, dtype="float32", device="cpu", local_paths=True))


def logits(model) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.arange(12)[None]).logits


def shifted(name: str, folder: Path, by: float, wait: threading.Event | None = None) -> Made:
    """The folder's model with `by` added to every weight."""
    weights = load_file(folder / "model.safetensors")

    def fill(model, report) -> None:
        if wait is not None:
            assert wait.wait(20)
        for key, parameter in model.named_parameters():
            parameter.data.copy_(weights[key] + by)

    return Made(name, "Shifted", str(folder), (str(folder),), f"{by}", fill, dict)


def test_adapters_stand_in_the_reference():
    text = "starter:smollm2-135m-instruct+adapter:pirate*0.7+adapter:/somewhere/json*-0.3#float32"
    parsed = parse(text)
    assert parsed.adapters == (("pirate", 0.7), ("/somewhere/json", -0.3))
    assert parsed.precision == "float32" and parsed.name == "smollm2-135m-instruct"
    assert str(parsed) == text and parse(str(parsed)) == parsed
    for wrong in ("org/name+adapter:", "org/name+adapter:a*b", "merge:a+adapter:c", "merge:UPPER!"):
        with pytest.raises(PlaygroundError):
            parse(wrong)


@pytest.mark.parametrize("weight", [1.0, 0.4])
def test_a_model_with_an_adapter_is_what_peft_makes_of_both(cache, llama, adapter, weight):
    import peft
    import transformers

    model = peft.PeftModel.from_pretrained(transformers.AutoModelForCausalLM.from_pretrained(llama), adapter)
    for module in model.modules():
        if isinstance(module, peft.tuners.lora.Linear):
            module.scaling["default"] *= weight
    with cache.lease(f"{llama}+adapter:{adapter}*{weight}") as engine, cache.lease(str(llama)) as base:
        torch.testing.assert_close(logits(engine.model), logits(model), rtol=0, atol=1e-4)
        assert (logits(engine.model) - logits(base.model)).abs().max() > 0.1
        assert engine.revision != base.revision


def test_an_adapter_that_cannot_be_added_is_refused_in_a_sentence(cache, llama, adapter, tmp_path):
    for name, change, words in (
        ("dora", {"use_dora": True}, "more than a LoRA"),
        ("kind", {"peft_type": "IA3"}, "only LoRA"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        config = json.loads((adapter / "adapter_config.json").read_text()) | change
        (folder / "adapter_config.json").write_text(json.dumps(config))
        save_file(load_file(adapter / "adapter_model.safetensors"), folder / "adapter_model.safetensors")
        with pytest.raises(PlaygroundError, match=words), cache.lease(f"{llama}+adapter:{folder}"):
            pass
    with pytest.raises(PlaygroundError, match="no adapter"), cache.lease(f"{llama}+adapter:{tmp_path}"):
        pass
    other = tiny.save(tmp_path / "gpt2", "gpt2")
    with pytest.raises(PlaygroundError, match="another model"), cache.lease(f"{other}+adapter:{adapter}"):
        pass
    public = ModelCache(Settings(local_paths=False))
    with (
        pytest.raises(PlaygroundError, match="not allowed"),
        public.lease(f"starter:smollm2-135m-instruct+adapter:{adapter}"),
    ):
        pass


def test_a_made_model_is_lent_like_any_other_and_says_what_it_is(cache, llama):
    reference = cache.made.add(shifted("one", llama, 0.5))
    assert cache.status(reference).state == "on disk"
    with cache.lease(reference) as engine, cache.lease(str(llama)) as parent:
        assert engine.reference == reference == "merge:one" and engine.revision == "0.5"
        a, b = dict(engine.model.named_parameters()), dict(parent.model.named_parameters())
        assert all(torch.equal(a[name], b[name] + 0.5) for name in b)
        assert [check.passed for check in engine.checks] == [check.passed for check in parent.checks]
    assert {holding.reference for holding in cache.ledger().holdings} == {reference, str(llama)}
    with pytest.raises(PlaygroundError, match="not known here any more"), cache.lease("merge:unknown"):
        pass


def test_remaking_changes_the_one_engine_in_place_and_leaves_the_old_name_to_be_made_anew(cache, llama):
    one, two = shifted("one", llama, 0.5), shifted("two", llama, 1.5)
    cache.made.add(one)
    cache.made.hold(one.reference, "me")
    with cache.lease(one.reference) as engine:
        model, before = engine.model, logits(engine.model)
    assert cache.remaking.remake(one.reference, two, "me") == two.reference
    with cache.lease(two.reference) as engine:
        assert engine.model is model and engine.reference == two.reference and engine.revision == "1.5"
        assert not torch.equal(logits(engine.model), before)
    assert [holding.reference for holding in cache.ledger().holdings] == [two.reference]
    with cache.lease(one.reference) as engine:
        assert engine.model is not model
        assert torch.equal(logits(engine.model), before)


def test_remaking_waits_for_nobody_for_long_and_spares_what_others_hold(cache, llama):
    one, two = shifted("one", llama, 0.5), shifted("two", llama, 1.5)
    cache.made.add(one)
    cache.made.hold(one.reference, "me")
    with cache.lease(one.reference) as engine:
        before = logits(engine.model)
        assert cache.remaking.remake(one.reference, two, "me", patience=0.05) is None
        assert torch.equal(logits(engine.model), before)
    cache.made.hold(one.reference, "somebody else")
    assert cache.remaking.remake(one.reference, two, "me") is None


def test_a_borrower_who_comes_while_weights_are_blended_waits_for_the_end(cache, llama):
    go = threading.Event()
    one, two = shifted("one", llama, 0.5), shifted("two", llama, 1.5, wait=go)
    cache.made.add(one)
    with cache.lease(one.reference):
        pass
    seen = []

    def borrow() -> None:
        with cache.lease(two.reference) as engine:
            seen.append(float(next(engine.model.parameters()).mean()))

    remaking = threading.Thread(target=cache.remaking.remake, args=(one.reference, two, "me"))
    remaking.start()
    while cache.status(two.reference).state != "loading":
        time.sleep(0.01)
    borrowing = threading.Thread(target=borrow)
    borrowing.start()
    go.set()
    remaking.join(20)
    borrowing.join(20)
    assert seen and seen[0] > 1


def test_weights_that_cannot_be_blended_leave_no_half_filled_model(cache, llama):
    one = shifted("one", llama, 0.5)

    def half(model, report) -> None:
        next(model.parameters()).data.zero_()
        raise PlaygroundError("It broke.")

    cache.made.add(one)
    with cache.lease(one.reference) as engine:
        before = logits(engine.model)
    broken = Made("broken", "Broken", str(llama), (), "0", half, dict)
    with pytest.raises(PlaygroundError, match="It broke"):
        cache.remaking.remake(one.reference, broken, "me")
    assert cache.ledger().holdings == () and cache.ledger().used == 0
    with cache.lease(one.reference) as engine:
        assert torch.equal(logits(engine.model), before)


def test_whoever_leaves_gives_the_memory_back(cache, llama):
    one = shifted("one", llama, 0.5)
    cache.made.add(one)
    cache.made.hold(one.reference, "me")
    cache.made.hold(one.reference, "you")
    with cache.lease(one.reference):
        pass
    cache.remaking.drop("me")
    assert len(cache.ledger().holdings) == 1
    with cache.lease(one.reference):
        cache.remaking.drop("you")
        assert len(cache.ledger().holdings) == 1  # it is lent
    assert cache.ledger().holdings == () and cache.ledger().used == 0


def test_a_merge_that_is_gone_back_to_while_it_still_answers_stays(cache, llama):
    one, two = shifted("one", llama, 0.5), shifted("two", llama, 1.5)
    for made in (one, two):
        cache.made.add(made)
    cache.remaking.hold(one.reference, "me")
    with cache.lease(one.reference) as engine:
        model = engine.model
        cache.remaking.hold(two.reference, "me")  # the slider moves on, and back, while `one` is lent
        cache.remaking.let_go(one.reference, "me")
        cache.remaking.hold(one.reference, "me")
        cache.remaking.let_go(two.reference, "me")
    assert [holding.reference for holding in cache.ledger().holdings] == [one.reference]
    with cache.lease(one.reference) as engine:
        assert engine.model is model
    cache.remaking.drop("me")
    assert cache.ledger().holdings == ()


def test_weights_that_cannot_be_blended_are_given_back_and_only_the_latest_failures_are_kept(cache, llama, monkeypatch):
    one = shifted("one", llama, 0.5)
    cache.made.add(one)
    held, released = [], []

    def fill(model, report) -> None:
        held[:] = [weakref.ref(model)]
        raise PlaygroundError("It broke.")

    monkeypatch.setattr("playground.models.remaking.release_memory", lambda: released.append(held[0]() is None))
    with cache.lease(one.reference):
        pass
    for i in range(_FAILURES + 2):
        cache._failures.note(f"org/{i}", "No.")
    broken = Made("broken", "Broken", str(llama), (), "0", fill, dict)
    with pytest.raises(PlaygroundError, match="It broke"):
        cache.remaking.remake(one.reference, broken, "me")
    gc.collect()
    assert len(released) == 1 and held[0]() is None
    assert len(cache._failures) == _FAILURES and cache.status(broken.reference).detail == "It broke."


def test_a_slider_that_moves_as_spare_time_begins_waits_for_its_end(cache, llama, monkeypatch):
    """The thread of spare time is known before it runs: whoever joins it then must find it started."""
    one, two = shifted("one", llama, 0.5), shifted("two", llama, 1.5)
    cache.made.add(one)
    with cache.lease(one.reference):
        pass
    start, errors = threading.Thread.start, []

    def remake() -> None:
        try:
            cache.remaking.remake(one.reference, two, "me")
        except RuntimeError as error:  # "cannot join thread before it is started"
            errors.append(error)

    other = threading.Thread(target=remake)

    def late(self) -> None:
        if self.name.startswith("spare time"):
            start(other)
            time.sleep(0.2)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", late)
    cache.in_spare_time(one.reference, lambda engine, stopped: None)
    other.join(20)
    assert not errors and cache.status(two.reference).state == "ready"
