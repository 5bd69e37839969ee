"""Against transformers' own logits processors."""

import itertools

import pytest
import torch
from transformers.generation import (
    LogitsProcessorList,
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from playground.engine.sampling import Sampling, distribution, draw, stages
from playground.errors import PlaygroundError

SETTINGS = [
    Sampling(temperature=1, top_k=0, top_p=1),
    Sampling(temperature=0.7, top_k=50, top_p=0.95),
    Sampling(temperature=1.8, top_k=7, top_p=0.5),
    Sampling(temperature=0.3, top_k=0, top_p=0.9, repetition_penalty=1.3),
    Sampling(temperature=1, top_k=1, top_p=1),
    Sampling(temperature=2, top_k=0, top_p=0.01),
    Sampling(temperature=1, top_k=0, top_p=1, no_repeat_ngram=1),
    Sampling(temperature=1.4, top_k=0, top_p=1, min_p=0.1),
    Sampling(temperature=1, top_k=0, top_p=1, typical_p=0.6),
    Sampling(temperature=1.2, top_k=80, top_p=0.9, min_p=0.02, typical_p=0.8, repetition_penalty=1.1),
    Sampling(temperature=1, top_k=0, top_p=1, logit_bias=((5, 9.0), (17, -30.0))),
    Sampling(temperature=1, top_k=20, top_p=1, no_repeat_ngram=2, repetition_penalty=1.2),
]


@pytest.mark.parametrize("sampling", SETTINGS)
@pytest.mark.parametrize("seed", range(3))
def test_distribution_equals_transformers(sampling, seed):
    torch.manual_seed(seed)
    logits, previous = torch.randn(997) * 4, torch.randint(997, (40,))
    previous[-1] = previous[3]  # so that a bigram would repeat
    logits[previous[4]] = 20
    chain = LogitsProcessorList([TemperatureLogitsWarper(float(sampling.temperature))])
    if sampling.repetition_penalty != 1:
        chain.insert(0, RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.no_repeat_ngram:
        chain.insert(-1, NoRepeatNGramLogitsProcessor(sampling.no_repeat_ngram))
    if sampling.logit_bias:
        bias = {(token,): value for token, value in sampling.logit_bias}
        chain.insert(0, SequenceBiasLogitsProcessor([[list(k), v] for k, v in bias.items()]))
    if sampling.top_k:
        chain.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        chain.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        chain.append(MinPLogitsWarper(sampling.min_p))
    if sampling.typical_p < 1:
        chain.append(TypicalLogitsWarper(sampling.typical_p))
    expected = chain(previous[None], logits[None].clone())[0].softmax(-1)
    ids, probabilities = distribution(logits, previous, sampling)
    mine = torch.zeros(997).index_put((ids,), probabilities)
    torch.testing.assert_close(mine, expected, atol=1e-6, rtol=1e-4)
    assert (probabilities.diff() <= 0).all()


@pytest.mark.parametrize("sampling", SETTINGS)
def test_the_stages_lead_from_the_model_to_what_is_drawn_from(sampling):
    torch.manual_seed(1)
    logits, previous = torch.randn(997) * 4, torch.randint(997, (40,))
    steps = list(stages(logits, previous, sampling))
    torch.testing.assert_close(steps[0].probabilities, logits.softmax(-1).sort(descending=True).values)
    ids, probabilities = distribution(logits, previous, sampling)
    assert torch.equal(steps[-1].ids, ids) and torch.equal(steps[-1].probabilities, probabilities)
    assert [float(step.probabilities.sum()) for step in steps] == pytest.approx([1] * len(steps), abs=1e-5)
    on = {"logit bias": sampling.logit_bias, "min-p": sampling.min_p, "top-k": sampling.top_k}
    assert all((name in [step.name for step in steps]) == bool(value) for name, value in on.items())


def test_greedy_is_the_most_probable_token():
    logits = torch.randn(100)
    ids, probabilities = distribution(logits, torch.tensor([]), Sampling(temperature=0))
    assert ids.tolist() == [int(logits.argmax())] and probabilities.tolist() == [1.0]


def test_no_bigram_is_written_twice():
    from playground.engine import generate
    from tests import tiny

    engine = tiny.engine("gpt2")
    sampling = Sampling(max_new_tokens=80, temperature=0, no_repeat_ngram=2)
    ids = engine.encode("The cat sat on the mat because")
    written = ids[0].tolist() + [s.token.id for s in generate.stream(engine, ids, sampling) if s.token]
    pairs = list(itertools.pairwise(written))
    assert len(pairs) == len(set(pairs))
    expected = engine.model.generate(ids, max_new_tokens=80, do_sample=False, no_repeat_ngram_size=2)
    assert written == expected[0].tolist()


def test_draws_follow_the_distribution():
    """Chi-squared over 4,000 draws from 5 tokens: beyond 18.5 happens once in a thousand (4 degrees of freedom)."""
    logits, sampling = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0]), Sampling(temperature=1, top_p=1, top_k=0)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor([draw(logits, torch.tensor([]), sampling, generator) for _ in range(4000)])
    expected = logits.softmax(-1) * 4000
    assert ((drawn.bincount(minlength=5) - expected) ** 2 / expected).sum() < 18.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"top_p": 0},
        {"top_p": 1.5},
        {"top_k": -3},
        {"top_k": 2.5},
        {"max_new_tokens": 0},
        {"max_new_tokens": 10**9},
        {"repetition_penalty": 0},
        {"seed": -1},
        {"seed": 2**80},
        {"max_new_tokens": None},
        {"top_k": True},
    ],
)
def test_absurd_settings_are_refused_by_name(wrong):
    with pytest.raises(PlaygroundError, match=f"^{next(iter(wrong))} is .* must be .* from"):
        Sampling(**wrong)


def test_a_sliders_float_becomes_a_whole_number():
    assert Sampling(top_k=40.0).top_k == 40 and isinstance(Sampling(seed=3.0).seed, int)
