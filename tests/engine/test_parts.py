"""Parts of blocks: found in any architecture, exact to the arithmetic of attention, and open to one request alone."""

import threading

import pytest
import torch
import transformers

from playground.engine import generate, parts
from playground.engine.engine import dummy_inputs
from playground.engine.intervene import edits, intervene
from playground.engine.observe import observe
from playground.engine.sampling import Sampling
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from tests import tiny

WITH_HEADS = [a for a in tiny.ARCHITECTURES if a != "mamba"]
PARALLEL = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Engines of architectures that tests/tiny.py has none of: parallel blocks, experts, attention of their own."""

    def make(name):
        folder = tmp_path_factory.mktemp(name)
        tokenizer = tiny._tokenizer("plain")
        more = dict(num_local_experts=4) if name == "mixtral" else dict(n_embd=32, n_layer=3, n_head=4, rotary_dim=4)
        config = transformers.AutoConfig.for_model(name, **PARALLEL, **more, vocab_size=len(tokenizer))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return tiny.loaded(folder)

    return {name: make(name) for name in ("gpt_neox", "gptj", "mixtral")}


def engine_of(name, others):
    return others[name] if name in others else tiny.engine(name)


def inputs_of(engine, n=9):
    return dummy_inputs(engine.model, engine.anatomy, n_tokens=n)


def test_each_model_says_which_parts_it_lacks(others):
    def lacks(name):
        engine = engine_of(name, others)
        return [parts.lacking(stack, engine.parts) for stack in engine.anatomy.stacks]

    assert all(lacks(name) == [{}] for name in ("gpt2", "llama", "gemma2", "bert", "distilbert", "gpt_neox", "gptj"))
    assert lacks("t5") == [{}, {}]
    assert lacks("mamba") == [dict(heads=0, attention=0, neurons=0, mlp=0)]
    assert lacks("mixtral") == [dict(neurons=0)]  # experts: one batch of weights, no module for the neurons
    with pytest.raises(PlaygroundError, match="has no heads in layer 0"):
        observe(tiny.engine("mamba"), inputs_of(tiny.engine("mamba")), parts=[Site("decoder", 0, "heads")])
    with pytest.raises(PlaygroundError, match="they are 0 to 2"):
        observe(tiny.engine("llama"), inputs_of(tiny.engine("llama")), parts=[Site("decoder", 3, "mlp")])


@pytest.mark.parametrize("name", [*tiny.ARCHITECTURES, "gpt_neox", "gptj", "mixtral"])
def test_watching_and_putting_back_change_no_bit_and_zeros_change_much(name, others):
    engine = engine_of(name, others)
    inputs = inputs_of(engine)
    plain = observe(engine, inputs).logits
    seen = observe(engine, inputs, parts=engine.parts)
    assert torch.equal(seen.logits, plain)
    assert set(seen.parts) == set(engine.parts)
    for site, part in engine.parts.items():
        assert seen.parts[site].shape == (1, 9, part.width)
        for edit, same in ((lambda values, site=site: seen.parts[site].to(values), True), (torch.zeros_like, False)):
            with torch.inference_mode(), intervene(engine, parts={site: edit}):
                assert torch.equal(engine.model(**inputs).logits, plain) == same, site
    assert not any("forward" in module.__dict__ for module in engine.model.modules())  # every door is out again


@pytest.mark.parametrize("name", [*WITH_HEADS, "gpt_neox", "gptj"])
def test_heads_add_up_to_the_attention_output(name, others):
    engine = engine_of(name, others)
    inputs = inputs_of(engine)
    seen = observe(engine, inputs, parts=engine.parts)
    n_heads = engine.anatomy.n_heads
    for site in [site for site in engine.parts if site.kind == "heads"]:
        projection = engine.parts[site].module
        out = seen.parts[Site(site.stack, site.layer, "attention")]
        bias = 0 if projection.bias is None else projection.bias
        matrix = projection.weight if isinstance(projection, transformers.pytorch_utils.Conv1D) else projection.weight.T
        width = engine.parts[site].width // n_heads
        by_head = seen.parts[site].unflatten(-1, (n_heads, width))
        contributions = torch.einsum("bphw,hwd->bphd", by_head, matrix.unflatten(0, (n_heads, width)))
        torch.testing.assert_close(contributions.sum(2) + bias, out, atol=1e-5, rtol=1e-4)

        head = 1  # zeroing its columns is the same as subtracting what it contributes

        def zero(values, columns=slice(head * width, (head + 1) * width)):
            values = values.clone()
            values[..., columns] = 0
            return values

        outputs = []
        attention = Site(site.stack, site.layer, "attention")
        subtract = {attention: lambda values, c=contributions[:, :, head]: values - c}
        for change in ({site: zero}, subtract):
            with torch.inference_mode(), intervene(engine, parts=change):
                outputs.append(engine.model(**inputs).logits)
        torch.testing.assert_close(*outputs, atol=2e-5, rtol=1e-4)
        assert not torch.allclose(outputs[0], seen.logits, atol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox", "gptj", "mixtral"])
def test_embedding_and_all_outputs_add_up_to_the_residual(name, others):
    """Holds where nothing is normed behind the sum: not in BERT, whose norm follows it, nor in Gemma 2."""
    engine = engine_of(name, others)
    seen = observe(engine, inputs_of(engine), residual_layers=[2], parts=engine.parts)
    total = sum(values for site, values in seen.parts.items() if site.kind in ("embedding", "attention", "mlp"))
    torch.testing.assert_close(total, seen.residuals[Site("decoder", 2, "block")], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["llama", "bert", "t5"])
def test_neurons_are_what_the_down_projection_reads_and_heads_are_weights_times_values(name):
    engine = tiny.engine(name)
    seen = observe(engine, inputs_of(engine), engine.attention_sites, parts=engine.parts)
    for site in [site for site in engine.parts if site.kind == "neurons"]:
        made = engine.parts[site].module(seen.parts[site])
        torch.testing.assert_close(made, seen.parts[Site(site.stack, site.layer, "mlp")], atol=1e-6, rtol=1e-5)
    for site in [site for site in engine.parts if site.kind == "heads" and site.stack == "encoder"]:
        # with attention spread evenly, every query of a head gets the mean of the same values
        even = {Site(site.stack, site.layer, "self"): lambda weights: torch.full_like(weights, 1 / weights.shape[-1])}
        found = []
        with torch.inference_mode(), intervene(engine, even, parts={site: lambda v, f=found: f.append(v) or v}):
            engine.model(**inputs_of(engine))
        torch.testing.assert_close(found[0][0, 0], found[0][0, -1], atol=1e-5, rtol=1e-4)


def test_an_edit_inside_a_block_is_seen_by_its_own_request_alone():
    """Two change one model in different ways while a third writes: each gets what it gets alone, bit for bit."""
    engine = tiny.engine("llama")
    inputs = {"input_ids": torch.arange(5, 17)[None]}

    def zero(kind, layer):
        return {Site("decoder", layer, kind): torch.zeros_like}

    def logits(change):
        with torch.inference_mode(), intervene(engine, parts=change):
            return engine.model(**inputs).logits

    def written(tap=None):
        steps = generate.stream(engine, inputs["input_ids"], Sampling(max_new_tokens=12, seed=3), tap=tap)
        return [(step.token.id, step.token.logprob) for step in steps if step.token]

    jobs = {
        "heads": lambda: logits(zero("heads", 1)),
        "mlp": lambda: logits(zero("mlp", 1)),
        "chat": written,
        "chat, edited": lambda: written(edits(engine, parts=zero("neurons", 0))),
    }
    alone = {name: job() for name, job in jobs.items()}
    assert not torch.equal(alone["heads"], alone["mlp"]) and alone["chat"] != alone["chat, edited"]
    wrong, ready = [], threading.Barrier(len(jobs))

    def again(name):
        ready.wait()
        for _ in range(15):
            result = jobs[name]()
            if not (torch.equal(result, alone[name]) if isinstance(result, torch.Tensor) else result == alone[name]):
                wrong.append(name)

    threads = [threading.Thread(target=again, args=(name,)) for name in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not any("forward" in module.__dict__ for module in engine.model.modules())


def test_a_part_keeps_another_librarys_forward():
    """A module whose forward was replaced before, as offloading does, gets that very one back."""
    engine = tiny.engine("qwen2")
    site = Site("decoder", 0, "mlp")
    module = engine.parts[site].module
    before, calls = module.forward, []
    module.forward = replaced = lambda *a, **n: calls.append(1) or before(*a, **n)
    try:
        observe(engine, inputs_of(engine), parts=[site])
        assert calls == [1] and module.__dict__["forward"] is replaced
    finally:
        del module.forward


def test_two_parts_of_one_module_are_both_seen():
    engine = tiny.engine("llama")
    heads, attention = (Site("decoder", 0, kind) for kind in ("heads", "attention"))
    assert engine.parts[heads].module is engine.parts[attention].module
    for order in ([heads, attention], [attention, heads]):
        seen = observe(engine, inputs_of(engine), parts=order).parts
        torch.testing.assert_close(engine.parts[heads].module(seen[heads]), seen[attention])
