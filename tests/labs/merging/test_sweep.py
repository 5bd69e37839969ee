"""The sweep and the inspector against plain transformers and closed forms."""

import math
import threading

import pytest
import torch
from safetensors.torch import load_file

from playground.errors import PlaygroundError
from playground.labs.bias import stereotypes
from playground.labs.merging import inspector, questions, sweep
from playground.labs.merging.live import Merges
from playground.labs.merging.recipe import Ingredient, Recipe
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.views.merge import curves

TEXT = "The cat sat on the mat because it was comfortable."


@pytest.fixture(scope="module")
def merges() -> Merges:
    return Merges(ModelCache(Settings(memory_budget=10**8, dtype="float32", device="cpu", local_paths=True)))


def recipe(family) -> Recipe:
    return Recipe("linear", (Ingredient(str(family["a"])), Ingredient(str(family["b"]))))


def swept(merges: Merges, family, **more) -> sweep.Sweep:
    reference: list = [None]

    def move(point: Recipe) -> str:
        reference[0] = merges.move(point, reference[0], "sweeper").reference
        return reference[0]

    *_, last = sweep.run(merges.models, recipe(family), move, more.pop("text", TEXT), **more)
    return last


def test_perplexity_and_divergence_are_those_of_plain_transformers(merges, family):
    import transformers

    found = swept(merges, family, n_steps=3)
    assert [step.t for step in found.steps] == [0, 0.5, 1]
    a, b = (load_file(family[name] / "model.safetensors") for name in ("a", "b"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(family["a"])
    ids = tokenizer(TEXT, return_tensors="pt").input_ids
    predicted = []
    for t in (0, 0.5, 1):
        model = transformers.AutoModelForCausalLM.from_pretrained(family["a"], dtype=torch.float32)
        mixed = {name: (1 - t) * a[name].float() + t * b[name].float() for name in a}
        model.load_state_dict(mixed, strict=False)
        with torch.inference_mode():
            output = model(input_ids=ids, labels=ids)
        predicted.append(output.logits[0, :-1].double().log_softmax(-1))
        step = found.steps[[0, 0.5, 1].index(t)]
        assert step.values[0] == pytest.approx(math.exp(float(output.loss)), rel=1e-4)
    for parent, place in ((0, 1), (2, 2)):
        expected = (predicted[parent].exp() * (predicted[parent] - predicted[1])).sum(-1).mean()
        assert found.steps[1].values[place] == pytest.approx(float(expected), rel=1e-3)
    assert found.steps[0].values[1] == 0 == found.steps[2].values[2]  # at its ends it is the parent
    assert found.steps[0].provenance.settings["t"] == 0


def test_further_measures_are_taken_of_the_merge_itself(merges, family):
    mean = sweep.Measure(
        "mean", "Mean weight", "", "", lambda engine, ground, own: float(next(engine.model.parameters()).mean())
    )
    question = next(q for q in questions.offered(2) if q.prompt.name == "zero-shot")
    found = swept(merges, family, n_steps=2, measures=(mean, sweep.accuracy(question)))
    for step, name in zip(found.steps, ("a", "b"), strict=True):
        expected = load_file(family[name] / "model.safetensors")["model.embed_tokens.weight"].float().mean()
        assert step.values[0] == pytest.approx(float(expected), abs=1e-6)
        assert 0 <= step.values[1] <= 1


def test_the_bias_score_is_the_share_of_stereotypes_that_plain_transformers_finds_more_probable(merges, family):
    """Every sentence by itself, after the start token; plumbers are mostly men, nurses mostly women."""
    import transformers

    pairs = stereotypes.occupations()
    texts = {pair.first: pair for pair in pairs}
    assert texts["The plumber finished his work."].second == "The plumber finished her work."
    assert texts["The nurse finished her work."].second == "The nurse finished his work."
    pairs = pairs[::6]
    found = swept(merges, family, n_steps=2, measures=(sweep.bias(pairs, "some"),))
    tokenizer = transformers.AutoTokenizer.from_pretrained(family["a"])
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    for step, name in zip(found.steps, ("a", "b"), strict=True):
        model = transformers.AutoModelForCausalLM.from_pretrained(family[name], dtype=torch.float32)

        def likelihood(text: str, model=model) -> float:
            ids = torch.tensor([[start, *tokenizer(text, add_special_tokens=False).input_ids]])
            with torch.inference_mode():
                logprobs = model(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
            return float(logprobs.gather(1, ids[0, 1:, None]).sum())

        preferred = [likelihood(pair.first) > likelihood(pair.second) for pair in pairs]
        assert step.values == (sum(preferred) / len(pairs),)
    figure = curves.figure(found)
    assert [shape.y0 for shape in figure.layout.shapes] == [0.5]
    assert "nearest to one half" in curves.sentence(found)


def test_a_sweep_can_be_stopped_and_refuses_what_cannot_be_swept(merges, family):
    stop = threading.Event()
    moves = []

    def move(point: Recipe) -> str:
        moves.append(point)
        return merges.move(point, None, "stopper").reference

    for done in sweep.run(merges.models, recipe(family), move, TEXT, 9, stop=stop):
        assert len(done.steps) == 1
        stop.set()
    assert len(moves) == 1
    stock = Recipe("model_stock", recipe(family).models, str(family["base"]))
    for made, text, words in (
        (stock, TEXT, "nothing to slide"),
        (recipe(family), "", "no text"),
        (recipe(family), "word " * 200, "Shorten it|at most"),
    ):
        with pytest.raises(PlaygroundError, match=words):
            next(sweep.run(merges.models, made, move, text, 3))


def test_the_inspector_measures_angles_lengths_and_conflicts(merges, family):
    names = [str(family[n]) for n in ("a", "b", "base")]
    opened = merges.opened(Recipe("ties", (Ingredient(names[0]), Ingredient(names[1])), names[2]))
    found = inspector.inspect(opened, *names)
    plain = [load_file(family[n] / "model.safetensors") for n in ("a", "b", "base")]
    assert found.compatibility.fits and len(found.differences) == len(plain[0])
    for difference in found.differences:
        a, b, base = (weights[difference.name].double() for weights in plain)
        cosine = torch.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()
        assert difference.cosine == pytest.approx(cosine, abs=1e-9)
        assert difference.norm_ratio == pytest.approx((b.norm() / a.norm()).item())
        assert difference.distance == pytest.approx(((b - a).norm() / a.norm()).item())
        x, y = a - base, b - base
        changed = (x != 0) & (y != 0)
        assert difference.conflicts == pytest.approx(
            ((x.sign() != y.sign()) & changed).sum().item() / changed.sum().item()
        )
        assert difference.is_straight == (cosine > 0.9995)
    q = next(d for d in found.differences if d.name == "model.layers.1.self_attn.q_proj.weight")
    assert (q.layer, q.part, q.same) == (1, "self_attn.q_proj", False)
    itself = inspector.inspect(opened, names[0], names[0])
    assert itself.n_same == len(itself.differences)
