"""Texts that are written at the same time: each bit for bit what it is alone, and really read together."""

import threading
from collections import Counter
from dataclasses import replace

import pytest
import torch
import transformers
from torch import nn

from playground.engine import company, generate, steady
from playground.engine.company import Company
from playground.engine.intervene import edits
from playground.engine.rows import RowLinear
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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen2"])
def test_each_text_is_bit_for_bit_what_it_is_alone(architecture, dtype):
    engine = tiny.engine(architecture, dtype)
    alone = [write(engine, number) for number in range(len(TEXTS))]
    own, sizes = shared(engine)
    for _ in range(3):
        assert together(own) == alone
    assert max(sizes, default=1) > 1, "nobody was ever read with another"


@pytest.mark.parametrize("width", [576, 1536, 2050])
def test_wide_layers_do_not_round_otherwise_in_company(tmp_path, width):
    """Long sums are added up in parts, and for several rows often in others than for one."""
    folder = tiny.save(tmp_path / "wide", "llama")
    config = transformers.AutoConfig.from_pretrained(folder)
    config.intermediate_size = width
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    engine = tiny.loaded(folder, "bfloat16")
    alone = [write(engine, number) for number in range(len(TEXTS))]
    own, sizes = shared(engine)
    for _ in range(4):
        assert together(own) == alone
    shapes = {(type(layer), layer.out_features, layer.in_features) for layer in linears(engine.model)}
    if all(steady.least_rows(torch.bfloat16, (outputs,), inputs) for _, outputs, inputs in shapes):
        assert own.company.serves and max(sizes) > 1, "products that serve were not used"
    assert {kind for kind, *_ in shapes} <= {RowLinear, nn.Linear}


def linears(model) -> list[nn.Linear]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def test_passes_are_compared_again_and_again_ever_more_seldom(monkeypatch):
    own, sizes = shared(tiny.engine("llama", "bfloat16"))
    compared: Counter[int] = Counter()
    monkeypatch.setattr(company, "_newest", lambda cache: compared.update([passes()]) or [])

    def passes() -> int:
        return own.company._passes[2]

    monkeypatch.setattr(company, "MOST", 2)
    together(own, n=40)
    assert sizes[2] > 8 and set(compared) <= {1, 2, 3, 5, 9, 17, 33, 65}
    assert {1, 2, 3, 5, 9} <= set(compared)


@pytest.mark.parametrize("architecture", ["gemma2", "t5", "mamba"])
def test_models_that_keep_more_than_keys_and_values_go_alone(architecture):
    engine = tiny.engine(architecture)
    alone = [write(engine, number, n=8) for number in range(len(TEXTS))]
    own, sizes = shared(engine)
    assert together(own, n=8) == alone
    assert not sizes


def test_products_that_differ_are_noticed_and_given_up():
    engine = tiny.engine("llama")
    alone = [write(engine, number) for number in range(len(TEXTS))]
    own, sizes = shared(engine)
    read = own.company._read
    own.company._read = lambda wishes: torch.nextafter(read(wishes), torch.tensor(torch.inf))
    assert together(own) == alone
    assert sizes and not own.company.serves
    assert sum(sizes.values()) == 1, "it was given up at once"


def test_a_pass_that_fails_halfway_leaves_every_text_whole():
    engine = tiny.engine("llama")
    alone = [write(engine, number) for number in range(len(TEXTS))]
    own, sizes = shared(engine)
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
    engine = tiny.engine("llama")
    own, sizes = shared(engine)
    block = Site(engine.anatomy.main.name, 1, "block")
    tap = edits(engine, residuals={block: lambda residual: residual * 0.5})
    alone = [write(engine, 0, tap), *(write(engine, number) for number in (1, 2, 3))]
    assert alone[0] != write(engine, 0)
    for _ in range(3):
        assert together(own, (tap, None, None, None)) == alone
    assert max(sizes) <= 3


def test_no_more_go_together_than_are_nearly_free(monkeypatch):
    monkeypatch.setattr(company, "MOST", 2)
    own, sizes = shared(tiny.engine("llama"))
    together(own)
    assert set(sizes) == {2}
