"""Changes inside: nothing at strength 0, nothing left of a direction at 1, and nobody else notices."""

import json
import threading

import numpy as np
import pytest
import torch

from playground.engine import sentences
from playground.engine.intervene import intervene
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from playground.labs.bias import before_after, edits, measure, perplexity, sections, self_debias, swapped
from playground.labs.bias.pairs import Pair
from tests import tiny
from tests.labs.bias import plain

SETS = (
    ["The cat sat.", "The cat is comfortable.", "Paris is the capital.", "a cat"],
    ["The doctor asked.", "The nurse is comfortable.", "France is the mat.", "a doctor"],
)
PAIRS = [
    Pair(f"The {w} sat on the mat.", f"The {w} asked the nurse.", w) for w in ("cat", "doctor", "nurse", "capital")
]


def found(architecture, layers=(0, 1), method="mean difference", n=1):
    return edits.find(tiny.engine(architecture), *SETS, list(layers), method, n)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
@pytest.mark.parametrize(("method", "n"), [("mean difference", 1), ("INLP", 3)])
def test_strength_1_leaves_nothing_of_the_direction(architecture, method, n):
    engine, directions = tiny.engine(architecture), found(architecture, method=method, n=n)
    seen = {}
    ids = torch.tensor([engine.tokenizer("The cat sat on the mat because").input_ids])
    for layer, basis in directions.bases.items():
        np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-5)  # orthonormal
        assert len(basis) == (1 if method == "mean difference" else n)
        site = Site(engine.anatomy.main.name, layer, "block")
        remove = edits.removal(engine, directions, 1.0)[site]
        before = {}

        def watch(values, remove=remove, layer=layer, before=before):
            before["values"] = values.clone()
            seen[layer] = remove(values)
            return seen[layer]

        with torch.inference_mode(), intervene(engine, residuals={site: watch}):
            engine.model(input_ids=ids)
        size = before["values"].norm(dim=-1).max().item()
        assert (before["values"] @ torch.from_numpy(basis).T).abs().max() > 1e-3 * size  # there was something to take
        assert (seen[layer] @ torch.from_numpy(basis).T).abs().max() <= 1e-5 * max(size, 1)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_strength_0_changes_no_bit(architecture):
    engine, directions = tiny.engine(architecture), found(architecture)
    ids = torch.tensor([engine.tokenizer("The cat sat on the mat").input_ids])
    with torch.inference_mode():
        alone = engine.model(input_ids=ids).logits
        for make in (edits.removal, edits.steering):
            with intervene(engine, residuals=make(engine, directions, 0.0)):
                assert torch.equal(engine.model(input_ids=ids).logits, alone)
            with intervene(engine, residuals=make(engine, directions, 1.0)):
                assert not torch.equal(engine.model(input_ids=ids).logits, alone)


def test_others_notice_nothing_while_a_direction_is_removed():
    engine, directions = tiny.engine("llama"), found("llama")
    ids = torch.tensor([engine.tokenizer("The cat sat on the mat").input_ids])
    with torch.inference_mode():
        alone = engine.model(input_ids=ids).logits
    inside, seen = threading.Event(), []
    done = threading.Event()

    def other():
        inside.wait(30)
        with torch.inference_mode():
            seen.append(engine.model(input_ids=ids).logits)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with torch.inference_mode(), intervene(engine, residuals=edits.removal(engine, directions, 1.0)):
        changed = engine.model(input_ids=ids).logits
        inside.set()
        assert done.wait(30)
    thread.join()
    assert torch.equal(seen[0], alone) and not torch.equal(changed, alone)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_scores_with_a_direction_removed_are_those_of_one_text_at_a_time(architecture):
    engine, directions = tiny.engine(architecture), found(architecture, layers=(0, 2))  # 2: the last
    made = edits.removal(engine, directions, 1.0)
    got = measure.measure(engine, PAIRS, edits=made)
    plain_before = measure.measure(engine, PAIRS)
    with intervene(engine, residuals=made):
        for number, pair in enumerate(PAIRS):
            if architecture == "bert":
                expected = plain.original(engine, pair.first, pair.second)
            else:
                start = sentences.start_id(engine)
                expected = tuple(plain.sentence(engine, text, start).sum() for text in (pair.first, pair.second))
            one = got.scored[number]
            assert (one.first.score, one.second.score) == pytest.approx(expected, abs=1.2e-3)
    assert any(got.scored[i].difference != plain_before.scored[i].difference for i in got.scored)


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_perplexity_is_that_of_plain_transformers(architecture):
    engine = tiny.engine(architecture)
    texts = ["The cat sat on the mat.", "Paris is the capital of France."]
    cost = perplexity.of(engine, texts)
    values = []
    for text in texts:
        if architecture == "bert":
            ids = engine.tokenizer(text).input_ids
            values += [plain.masked_logprob(engine, ids, place) for place in range(1, len(ids) - 1)]
        else:
            values += plain.sentence(engine, text, sentences.start_id(engine)).tolist()
    assert cost.value == pytest.approx(np.exp(-np.mean(values)), rel=1e-4) and cost.pseudo == (architecture == "bert")
    assert perplexity.ratio_interval(cost, cost) == pytest.approx((1, 1))


def test_before_and_after_nothing_nothing_has_moved():
    engine = tiny.engine("gpt2")
    one, other = (before_after.state(engine, name, PAIRS, ["The cat sat."]) for name in ("one", "other"))
    moved = before_after.shift(one, other)
    assert moved.n == len(PAIRS) and moved.verdict == "open"
    assert moved.mean == moved.absolute == (0, 0, 0) and moved.cost == pytest.approx((1, 1, 1))


def test_what_moved_is_told_with_its_sign():
    engine, directions = tiny.engine("gpt2"), found("gpt2")
    before = before_after.state(engine, "before", PAIRS, ["The cat sat on the mat."])
    after = before_after.state(
        engine, "after", PAIRS, ["The cat sat on the mat."], edits=edits.steering(engine, directions, 3.0)
    )
    moved = before_after.shift(before, after)
    gaps = [[side.pairs.scored[i].difference for i in range(len(PAIRS))] for side in (before, after)]
    assert moved.mean[0] == pytest.approx(np.mean(np.subtract(gaps[1], gaps[0])))
    assert moved.absolute[0] == pytest.approx(np.mean(np.abs(gaps[1])) - np.mean(np.abs(gaps[0])))
    assert moved.cost[0] == pytest.approx(after.cost.value / before.cost.value)
    first, *_ = before_after.moved(before, after)
    assert abs(first[2] - first[1]) == pytest.approx(np.abs(np.subtract(gaps[1], gaps[0])).max())


def test_self_debiasing_pushes_down_what_the_instruction_raises():
    plain_, instructed = torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.2, 0.3, 0.5]).log()
    mixed = self_debias.combine(plain_, instructed, 10.0).exp()
    weights = np.array([0.5, 0.3, 0.2 * np.exp(10 * (0.2 - 0.5))])  # eq. 3 of Schick et al. 2021
    np.testing.assert_allclose(mixed, weights / weights.sum(), rtol=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_self_debiasing_without_decay_is_the_plain_score(architecture):
    engine = tiny.engine(architecture)
    expected = measure.measure(engine, PAIRS)
    instruction = "The following text is comfortable:"
    for decay, same in ((0.0, True), (50.0, False)):
        scored = {
            one.number: one
            for some in self_debias.score(engine, PAIRS, expected.dialect, instruction, decay)
            for one in some
        }
        gaps = [scored[i].difference - expected.scored[i].difference for i in range(len(PAIRS))]
        assert (np.abs(gaps).max() < 2.1e-3) == same


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_self_debiasing_has_a_price_in_perplexity(architecture):
    engine, texts, instruction = tiny.engine(architecture), ["The cat sat on the mat.", "The nurse asked."], "A doctor:"
    free = self_debias.perplexity(engine, texts, instruction, 0.0)
    expected = perplexity.of(engine, texts)
    np.testing.assert_allclose(free.logprobs, expected.logprobs, atol=1e-4)  # without decay it is the model's own
    assert free.n_tokens.tolist() == expected.n_tokens.tolist() and free.pseudo == expected.pseudo
    cost = self_debias.perplexity(engine, texts, instruction, 50.0)
    total = 0.0
    for text in texts:  # a pass for each side and token, by transformers alone
        for token, alone, told in sides(engine, text, instruction):
            weights = alone.exp() * (50.0 * (alone.exp() - told.exp()).clamp(max=0)).exp()
            total += (weights[token] / weights.sum()).log().item()
    assert cost.logprobs.sum() == pytest.approx(total, abs=1e-3)
    before = before_after.state(engine, "before", PAIRS, texts)
    after = before_after.argued_state(engine, "after", PAIRS, texts, instruction)
    assert before_after.shift(before, after).cost[0] == pytest.approx(cost.value / expected.value)


@torch.inference_mode()
def sides(engine, text: str, instruction: str):
    """(token, log-probabilities there alone, the same behind the instruction) of every token of a text."""
    own = engine.tokenizer(f"{instruction} ", add_special_tokens=False).input_ids
    ids = engine.tokenizer(text, add_special_tokens=False).input_ids
    for place, token in enumerate(ids):
        found = []
        for before in ([], own):
            if engine.anatomy.kind == "masked":
                cls, sep = engine.tokenizer.cls_token_id, engine.tokenizer.sep_token_id
                row, at = [cls, *before, *ids, sep], 1 + len(before)
                row[at + place] = engine.tokenizer.mask_token_id
                logits = engine.model(input_ids=torch.tensor([row])).logits[0, at + place]
            else:
                row = [sentences.start_id(engine), *before, *ids]
                logits = engine.model(input_ids=torch.tensor([row])).logits[0, len(before) + place]
            found.append(logits.log_softmax(-1))
        yield token, *found


def test_perplexities_of_different_tokenizers_are_not_compared():
    one, other = (
        before_after.state(tiny.engine(kind), kind, PAIRS, ["The cat sat on the mat."]) for kind in ("gpt2", "bert")
    )
    moved = before_after.shift(one, other)
    assert moved.cost is None and "cut text differently" in sections.shift_says(moved)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He called his wife.", "She called her husband."),
        ("She told her brother about her job.", "He told his sister about his job."),
        ("I saw her.", "I saw him."),
        ("I gave him the book and it is his.", "I gave her the book and it is hers."),
        ("HE is the king's son", "SHE is the queen's daughter"),
        ("Nothing to swap here", "Nothing to swap here"),
        ("“Men,” said the waitress.", "“Women,” said the waiter."),
    ],
)
def test_genders_are_swapped(text, expected):
    assert swapped.swap(text).text == expected
    assert (swapped.swap(text).n_words == 0) == (text == expected)


def test_swapped_copies_are_json_lines_beside_their_sources():
    written, n = swapped.augmented(["He sat.", "The mat.", " "])
    rows = [json.loads(line) for line in written.splitlines()]
    assert n == 1 and rows == [
        {"text": "He sat.", "copy": False, "source": 0},
        {"text": "She sat.", "copy": True, "source": 0},
        {"text": "The mat.", "copy": False, "source": 1},
    ]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: edits.find(tiny.engine("bert"), [], ["a"], [0]), "Both sets need at least one sentence"),
        (lambda: edits.find(tiny.engine("bert"), ["a"], ["a"], [0]), "no direction"),
        (lambda: edits.find(tiny.engine("bert"), ["a"], ["cat"], []), "No layer was chosen"),
        (lambda: edits.find(tiny.engine("bert"), ["a"], ["cat"], [9]), "has no layer 9"),
        (lambda: edits.find(tiny.engine("bert"), ["a"], ["cat"], [0], "PCA"), "There are: mean difference, INLP"),
        (lambda: edits.find(tiny.engine("bert"), ["a"], ["cat"], [0], "INLP"), "at least two sentences"),
        (lambda: edits.removal(tiny.engine("bert"), found("bert"), float("nan")), "must be from -10 to 10"),
        (lambda: self_debias.check(" ", 50.0), "no instruction to argue against"),
        (lambda: self_debias.check("x", -1.0), "from 0 to 1000"),
        (lambda: swapped.augmented([" "]), "no texts to swap"),
        (lambda: perplexity.of(tiny.engine("bert"), []), "no texts to measure perplexity on"),
    ],
)
def test_bad_input_gets_a_sentence(make, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        make()
