"""Blanks and grids against plain transformers: at the mask, over several pieces, and by the whole sentence."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from playground.errors import PlaygroundError
from playground.labs.bias import consistency, data, fill, grid
from tests import tiny
from tests.labs.bias import plain

TEXT = "The doctor asked the [MASK] to help."


@torch.inference_mode()
def at_masks(engine, ids: list[int]) -> list[torch.Tensor]:
    logits = engine.model(input_ids=torch.tensor([ids])).logits[0]
    return [logits[i].log_softmax(-1) for i, token in enumerate(ids) if token == engine.tokenizer.mask_token_id]


def test_the_models_own_words():
    engine = tiny.engine("bert")
    found = fill.fill(engine, TEXT, 5)
    (row,) = at_masks(engine, engine.tokenizer(TEXT).input_ids)
    best = row.topk(5)
    assert [word.text for word in found.words] == [engine.tokenizer.decode([i]).strip() for i in best.indices.tolist()]
    assert [word.logprob for word in found.words] == pytest.approx(best.values.tolist(), abs=1e-4)
    assert found.words[0].probability == pytest.approx(math.exp(found.words[0].logprob))


def test_words_of_several_pieces_are_filled_from_left_to_right():
    engine = tiny.engine("bert")
    word = "capitals"
    pieces = engine.tokenizer(word, add_special_tokens=False).input_ids
    assert len(pieces) > 1
    found = fill.fill(engine, TEXT, candidates=["nurse", word])
    row = engine.tokenizer(TEXT.replace("[MASK]", "[MASK]" * len(pieces))).input_ids
    total = 0.0
    for piece in pieces:
        total += at_masks(engine, row)[0][piece].item()
        row[row.index(engine.tokenizer.mask_token_id)] = piece
    by_word = {one.text: one for one in found.words}
    assert by_word[word].pieces == len(pieces) and by_word[word].logprob == pytest.approx(total, abs=1e-4)
    assert sum(one.share for one in found.words) == pytest.approx(1)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_causal_model_is_asked_about_the_whole_sentence(architecture):
    engine = tiny.engine(architecture)
    words = ["nurse", "cat", "mat and the doctor"]
    found = fill.fill(engine, TEXT, candidates=words)
    start = engine.tokenizer.bos_token_id
    expected = np.array([plain.sentence(engine, TEXT.replace("[MASK]", word), start).sum() for word in words])
    shares = np.exp(expected - expected.max())
    shares /= shares.sum()
    for word, value, share in zip(words, expected, shares, strict=True):
        one = next(one for one in found.words if one.text == word)
        assert one.logprob == pytest.approx(value, abs=1e-3) and one.probability == pytest.approx(share, abs=1e-3)


def test_what_stands_behind_the_blank_counts():
    engine = tiny.engine("gpt2")
    words = ["nurse", "cat", "doctor", "France"]
    one = fill.fill(engine, "The [MASK] sat on the mat.", candidates=words)
    other = fill.fill(engine, "The [MASK] is the capital of France.", candidates=words)
    assert {w.text: w.probability for w in one.words} != pytest.approx({w.text: w.probability for w in other.words})


def test_a_grid_is_corrected_by_what_is_said_without_the_word():
    engine = tiny.engine("bert")
    templates = ["[MASK] is a {word}.", "The {word} asked if [MASK] sat."]
    words = ["nurse", "doctor", "capitals"]
    found = grid.measure(engine, templates, words, "the", "it")
    mask = engine.tokenizer.mask_token
    for row, template in enumerate(templates):
        for column, word in enumerate(words):
            ids = engine.tokenizer(template.replace("{word}", word)).input_ids
            (at,) = at_masks(engine, ids)
            the, it = (engine.tokenizer(w, add_special_tokens=False).input_ids[0] for w in ("the", "it"))
            assert found.raw[row, column] == pytest.approx((at[the] - at[it]).item(), abs=1e-4)
            n = len(engine.tokenizer(word, add_special_tokens=False).input_ids)
            hidden = engine.tokenizer(template.replace("{word}", mask * n)).input_ids
            spots = at_masks(engine, hidden)
            prior = spots[0] if row == 0 else spots[-1]  # the blank stands before the word, or behind it
            assert found.prior[row, column] == pytest.approx((prior[the] - prior[it]).item(), abs=1e-4)
    np.testing.assert_allclose(found.corrected, found.raw - found.prior)
    assert ((found.agreement >= 0) & (found.agreement <= 1)).all()


def test_swapping_the_two_words_turns_a_grid_round():
    for engine in (tiny.engine("bert"), tiny.engine("llama")):
        one = grid.measure(engine, ["The {word} asked [MASK]."], ["nurse", "doctor"], "the", "it", "cat")
        other = grid.measure(engine, ["The {word} asked [MASK]."], ["nurse", "doctor"], "it", "the", "cat")
        np.testing.assert_allclose(one.corrected, -other.corrected, atol=1e-4)


def test_a_causal_grid_is_corrected_by_a_neutral_word():
    engine = tiny.engine("gpt2")
    found = grid.measure(engine, ["[MASK] saw the {word}."], ["nurse", "cat"], "he", "she", "cat")
    assert found.corrected[0, 1] == pytest.approx(0, abs=1e-4) and found.neutral == "cat"
    start = engine.tokenizer.bos_token_id
    he, she = (plain.sentence(engine, f"{one} saw the nurse.", start).sum() for one in ("He", "She"))
    assert found.raw[0, 0] == pytest.approx(he - she, abs=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_a_template_that_names_a_group_is_asked_with_the_groups_swapped_too(architecture):
    engine, words = tiny.engine(architecture), ["nurse", "doctor", "cat", "mat"]
    templates = [
        "The {word} sat by the woman and [MASK] asked.",
        "[MASK] is a {word}.",
        "The {word} told it: [MASK] sat.",
    ]
    found = grid.measure(engine, templates, words, "the", "it", "cat")
    assert [(copy.of, copy.text) for copy in found.copies] == [
        (0, "It {word} sat by it woman and [MASK] asked."),  # the two that are compared go first
        (2, "It {word} told the: [MASK] sat."),
    ]
    alone = grid.measure(engine, [copy.text for copy in found.copies], words, "the", "it", "cat")
    for row, copy in enumerate(found.copies):
        np.testing.assert_allclose(copy.raw - copy.prior, alone.corrected[row], atol=1e-4)
    held = found.consistency
    one, other = found.corrected[[0, 2]], alone.corrected
    signs = [np.sign(a) == np.sign(b) for a, b in zip(one.flat, other.flat, strict=True)]
    assert held.sign.share == pytest.approx(np.mean(signs)) and held.n_templates == 2
    orders = [
        (one[t, i] < one[t, j]) == (other[t, i] < other[t, j]) for t in range(2) for i in range(4) for j in range(i)
    ]
    assert held.order.share == pytest.approx(np.mean(orders))


@pytest.mark.parametrize(
    ("template", "swapped"),
    [
        ("The {word} told the woman that [MASK] was tired.", "The {word} told the man that [MASK] was tired."),
        ("She saw the {word} when [MASK] sat.", "He saw the {word} when [MASK] sat."),
        ("[MASK] is a {word}.", None),
        ("The German met the {word} and [MASK] left.", None),
    ],
)
def test_groups_of_a_template_are_swapped(template, swapped):
    assert consistency.exchanged(template, "he", "she") == swapped
    both = "The {word} said he lost his keys and [MASK] left."
    assert consistency.exchanged(both, "he", "she") == "The {word} said she lost her keys and [MASK] left."
    assert consistency.exchanged("The German met the {word}.", "German", "Mexican") == "The Mexican met the {word}."


def test_consistency_and_how_far_it_goes():
    one = np.array([[3.0, 1.0, -1.0, -2.0, 0.5, -0.5, 2.0, -3.0]])
    same = consistency.compare(one, one + 0.01)
    assert same.sign.share == same.order.share == 1
    expected = binomtest(8, 8).proportion_ci(method="wilson")
    assert (same.sign.low, same.sign.high) == pytest.approx((expected.low, expected.high))
    expected = binomtest(4, 4).proportion_ci(method="wilson")  # four pairs of eight words share none
    assert (same.order.low, same.order.high) == pytest.approx((expected.low, expected.high))
    assert same.sign_by_chance == 0.5  # four of eight are positive in both
    leaning = consistency.compare(np.array([[1.0] * 9 + [-1]]), np.array([[-1.0] + [1] * 9]))
    assert leaning.sign.share == pytest.approx(0.8) and leaning.sign_by_chance == pytest.approx(0.82)
    assert "not enough to tell" in consistency.told(leaning, ("he", "she"))
    turned = consistency.compare(one, -one)
    assert turned.sign.share == turned.order.share == 0
    drawn = np.random.default_rng(0).normal(size=(2, 1, 400))
    chance = consistency.compare(drawn[0], drawn[1])
    assert chance.order.share == pytest.approx(0.5, abs=0.05) and chance.sign.share == pytest.approx(0.5, abs=0.1)
    assert "not enough to tell" in consistency.told(chance, ("he", "she"))
    few = consistency.told(consistency.compare(one[:, :1], one[:, :1]), ("he", "she"))
    assert "their order" not in few and "not enough to tell" in few  # one word shows nothing
    wide = np.linspace(-3, 3, 60)[None]
    assert "not enough" not in consistency.told(consistency.compare(wide, wide + 0.01), ("he", "she"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: fill.fill(tiny.engine("bert"), "The doctor sat."), "There is no blank in this text"),
        (lambda: fill.fill(tiny.engine("bert"), "[MASK] is [MASK]"), "There are 2 blanks"),
        (lambda: fill.fill(tiny.engine("bert"), TEXT, candidates=["日本"]), "not in the vocabulary"),
        (lambda: fill.fill(tiny.engine("bert"), TEXT, 0), "from 1 to 500"),
        (lambda: fill.fill(tiny.engine("t5"), TEXT), "fills no blanks"),
        (lambda: grid.measure(tiny.engine("bert"), ["[MASK] sat"], ["x"], "a", "b"), "has no slot"),
        (lambda: grid.measure(tiny.engine("bert"), ["{word} sat"], ["x"], "a", "b"), "There is no blank"),
        (lambda: grid.measure(tiny.engine("bert"), ["[MASK] {word}"], ["x"], "a", "a"), "Two different words"),
        (lambda: grid.measure(tiny.engine("bert"), ["[MASK] {word}"], [], "a", "b"), "no templates or no words"),
        (lambda: grid.measure(tiny.engine("gpt2"), ["[MASK] {word}"], ["x"], "a", "b", " "), "needs a neutral word"),
    ],
)
def test_bad_input_gets_a_sentence(make, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        make()


def test_all_that_ships_can_be_asked():
    shipped = data.tables()
    assert all(example["text"].count("[MASK]") == 1 for example in shipped["blank"])
    for example in shipped["grid"]:
        assert all(fill.around(text) and "{word}" in text for text in example["templates"])
    assert len(data.occupations()) == 60 and len({pair[0] for pair in data.swaps()}) == len(data.swaps())


def test_a_word_that_also_stands_elsewhere_is_hidden_in_its_slot_alone():
    engine = tiny.engine("bert")
    found = grid.measure(engine, ["The cat saw that [MASK] is a {word}."], ["cat"], "the", "it")
    hidden = engine.tokenizer(f"The cat saw that [MASK] is a {engine.tokenizer.mask_token}.").input_ids
    the, it = (engine.tokenizer(w, add_special_tokens=False).input_ids[0] for w in ("the", "it"))
    prior = at_masks(engine, hidden)[0]
    assert found.prior[0, 0] == pytest.approx((prior[the] - prior[it]).item(), abs=1e-4)
