"""Texts that are written at the same time: each bit for bit what it is alone, and really read together."""

import atexit
import shutil
import tempfile
import threading
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from torch import nn

from playground.engine import company, generate, rows
from playground.engine.company import Company
from playground.engine.intervene import edits
from playground.engine.sampling import Sampling
from playground.engine.tap import Site
from playground.engine.turns import Turns
from tests import tiny

TEXTS = ("The cat", "Paris is the capital of France. The doctor asked the nurse", "def add(a, b):", "你好")


def shared(engine):
    """The engine with a company of its own, which notes how many were read in each pass."""
    turns = Turns(1)
    own = replace(engine, turns=turns, company=Company(engine.model, turns))
    sizes: Counter[int] = Counter()
    read = own.company._read

    def noted(wishes):
        sizes[len(wishes)] += 1
        return read(wishes)

    own.company._read = noted
    return own, sizes


def write(engine, number, tap=None, n=24):
    sampling = Sampling(max_new_tokens=n, temperature=0.8, top_p=0.9, seed=number)
    ids = engine.encode(TEXTS[number])
    return [step.token for step in generate.stream(engine, ids, sampling, tap=tap) if step.token]


def together(engine, taps=(None, None, None, None), **options):
    """What each text becomes when all are written at once."""
    results = {}
    gate = threading.Barrier(len(TEXTS))

    def work(number):
        gate.wait(30)
        results[number] = write(engine, number, taps[number], **options)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(TEXTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [results[number] for number in range(len(TEXTS))]


def wide(architecture: str = "llama", width: int = 1536, dtype: str = "bfloat16"):
    """Sums of some length, as in real models: more terms than a product adds up in one go."""
    folder = Path(tempfile.mkdtemp(prefix="wide-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = transformers.AutoConfig.from_pretrained(tiny.save(folder, architecture))
    config.hidden_size, config.intermediate_size = 576, width
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype)).save_pretrained(folder)
    return tiny.loaded(folder, dtype)


def int8(architecture: str = "llama"):
    return tiny.loaded(tiny.engine(architecture, "bfloat16").reference, "bfloat16", "#int8")


def read_together(engine) -> tuple:
    """`shared`, of a model that this machine can read several texts of at once."""
    own, sizes = shared(engine)
    if not own.company.serves:
        pytest.skip("on this machine a row is rounded otherwise among others")
    return own, sizes


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
@pytest.mark.parametrize("made", [wide, int8])
def test_each_text_is_bit_for_bit_what_it_is_alone(architecture, made):
    engine = made(architecture)
    alone = [write(engine, number) for number in range(len(TEXTS))]
    own, sizes = read_together(engine)
    for _ in range(3):
        assert together(own) == alone
    assert own.company.serves and max(sizes, default=1) > 1, "nobody was ever read with another"


@pytest.mark.parametrize("width", [576, 2050])
def test_wide_layers_do_not_round_otherwise_in_company(width):
    """Long sums are added up in parts, and for several rows often in others than for one."""
    engine = wide(width=width)
    alone = [write(engine, number) for number in range(len(TEXTS))]
    own, _ = read_together(engine)
    for _ in range(3):
        assert together(own) == alone
    assert own.company.serves


@pytest.mark.parametrize("least", [1, 2])
def test_a_model_with_one_layer_that_has_no_such_product_goes_alone(least, monkeypatch):
    monkeypatch.setattr(rows, "least_rows", lambda dtype, sizes, *_: None if sizes == (379,) else least)
    engine = wide()
    own, sizes = shared(engine)
    assert type(engine.model.lm_head) is nn.Linear and not own.company.serves
    together(own, n=6)
    assert not sizes


@pytest.mark.parametrize(("architecture", "dtype"), [("llama", "float32"), ("gpt2", "float32"), ("gpt2", "bfloat16")])
def test_other_models_are_the_same_alone_and_together_too(architecture, dtype):
    engine = tiny.engine(architecture, dtype)
    alone = [write(engine, number) for number in range(len(TEXTS))]
    own, _ = shared(engine)
    for _ in range(3):
        assert together(own) == alone


def test_passes_are_compared_again_and_again_ever_more_seldom(monkeypatch):
    monkeypatch.setattr(company, "MOST", 2)
    own, sizes = read_together(int8())
    compared: Counter[int] = Counter()
    monkeypatch.setattr(company, "_newest", lambda cache: compared.update([own.company._passes[2]]) or [])
    together(own, n=40)
    assert sizes[2] > 8 and set(compared) <= {1, 2, 3, 5, 9, 17, 33, 65}
    assert {1, 2, 3, 5, 9} <= set(compared)


@pytest.mark.parametrize("serves", [True, False], ids=["compared", "alone"])
@pytest.mark.parametrize("fails", [0, 1])
def test_a_text_whose_pass_fails_leaves_itself_and_the_others_whole(fails, serves):
    engine = int8()
    own, _ = read_together(engine)
    own.company.serves = serves
    wishes, after = [], []

    def read(wish: company.Wish) -> torch.Tensor:
        ids = torch.tensor([[wish.token]])
        return engine.model(input_ids=ids, past_key_values=wish.cache, use_cache=True).logits[0, -1]

    def alone(number: int) -> torch.Tensor:
        logits = read(wishes[number])
        if number == fails and not after:
            wishes[number].cache.layers[-1].crop(-1)  # it had come as far as the last layer
            raise MemoryError
        return logits

    with torch.inference_mode():
        for number, text in enumerate(TEXTS[:2]):
            ids, cache = engine.encode(text), transformers.DynamicCache(config=engine.model.config)
            engine.model(input_ids=ids, past_key_values=cache, use_cache=True)
            wishes.append(company.Wish(5, ids.shape[1], cache, lambda number=number: alone(number)))
        lengths = [wish.cache.get_seq_length() for wish in wishes]
        with pytest.raises(MemoryError) if fails == 0 else nullcontext():
            own.company._do(wishes)
        failed, other = wishes[fails], wishes[1 - fails]
        assert failed.logits is None and other.logits is not None
        assert {layer.get_seq_length() for layer in failed.cache.layers} == {lengths[fails]}
        assert {layer.get_seq_length() for layer in other.cache.layers} == {lengths[1 - fails] + 1}
        after.append("again")
        assert torch.isfinite(failed.alone()).all()


@pytest.mark.parametrize("architecture", ["gemma2", "t5", "mamba"])
def test_models_that_keep_more_than_keys_and_values_go_alone(architecture):
    engine = tiny.engine(architecture)
    alone = [write(engine, number, n=8) for number in range(len(TEXTS))]
    own, sizes = shared(engine)
    assert together(own, n=8) == alone
    assert not sizes


def test_products_that_differ_are_noticed_and_given_up():
    engine = int8()
    alone = [write(engine, number) for number in range(len(TEXTS))]
    own, sizes = read_together(engine)
    read = own.company._read
    own.company._read = lambda wishes: torch.nextafter(read(wishes), torch.tensor(torch.inf).bfloat16())
    assert together(own) == alone
    assert sizes and not own.company.serves
    assert sum(sizes.values()) == 1, "it was given up at once"


def test_a_pass_that_fails_halfway_leaves_every_text_whole():
    engine = int8()
    alone = [write(engine, number) for number in range(len(TEXTS))]
    own, sizes = read_together(engine)
    read = own.company._read

    def fails(wishes):
        read(wishes)  # all layers have been added to
        for wish in wishes:
            wish.cache.layers[-1].crop(-1)  # but the last
        raise RuntimeError("no room")

    own.company._read = fails
    assert together(own) == alone
    assert sizes and not own.company.serves


def test_who_changes_the_model_goes_alone_and_the_others_do_not_notice():
    engine = int8()
    own, sizes = read_together(engine)
    block = Site(engine.anatomy.main.name, 1, "block")
    tap = edits(engine, residuals={block: lambda residual: residual * 0.5})
    alone = [write(engine, 0, tap), *(write(engine, number) for number in (1, 2, 3))]
    assert alone[0] != write(engine, 0)
    for _ in range(3):
        assert together(own, (tap, None, None, None)) == alone
    assert max(sizes) <= 3


def test_no_more_go_together_than_are_nearly_free(monkeypatch):
    monkeypatch.setattr(company, "MOST", 2)
    own, sizes = read_together(int8())
    together(own)
    assert set(sizes) == {2}
