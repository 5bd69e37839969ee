"""Against transformers' own logits processors."""

import itertools
from dataclasses import replace

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

from playground.engine.sampling import Sampling, beam_scores, distribution, draw, stages
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
    Sampling(temperature=5, top_k=0, top_p=1, logit_bias=((5, -100.0), (17, 40.0))),
    Sampling(temperature=1.5, top_k=0, top_p=1, logit_bias=((5, 100.0), (17, 100.0), (9, 20.0))),
    Sampling(temperature=1.3, top_k=40, top_p=0.9, logit_bias=((5, 9.0),), repetition_penalty=1.3, no_repeat_ngram=2),
]


def processors(sampling):
    """transformers' own for these settings, by the name of the stage, in the order of its `generate`."""
    bias = dict(sampling.logit_bias)
    if forced := [token for token, value in bias.items() if value == 100]:
        bias = {token: float("-inf") for token in range(997) if token not in forced}
    bias = {token: float("-inf") if value == -100 else value for token, value in bias.items()}
    every = {
        "logit bias": bias and SequenceBiasLogitsProcessor([[[token], value] for token, value in bias.items()]),
        "repetition penalty": sampling.repetition_penalty != 1
        and RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty),
        "no repeated n-gram": sampling.no_repeat_ngram and NoRepeatNGramLogitsProcessor(sampling.no_repeat_ngram),
        "temperature": TemperatureLogitsWarper(float(sampling.temperature)),
        "top-k": sampling.top_k and TopKLogitsWarper(sampling.top_k),
        "top-p": sampling.top_p < 1 and TopPLogitsWarper(sampling.top_p),
        "min-p": sampling.min_p and MinPLogitsWarper(sampling.min_p),
        "typical-p": sampling.typical_p < 1 and TypicalLogitsWarper(sampling.typical_p),
    }
    return {name: processor for name, processor in every.items() if processor}


@pytest.mark.parametrize("sampling", SETTINGS)
@pytest.mark.parametrize("seed", range(3))
def test_distribution_equals_transformers(sampling, seed):
    torch.manual_seed(seed)
    logits, previous = torch.randn(997) * 4, torch.randint(997, (40,))
    previous[-1] = previous[3]  # so that a bigram would repeat
    logits[previous[4]] = 20
    chain = LogitsProcessorList(processors(sampling).values())
    expected = chain(previous[None], logits[None].clone())[0].softmax(-1)
    ids, probabilities = distribution(logits, previous, sampling)
    mine = torch.zeros(997).index_put((ids,), probabilities)
    torch.testing.assert_close(mine, expected, atol=1e-6, rtol=1e-4)
    assert (probabilities.diff() <= 0).all()


@pytest.mark.parametrize("sampling", SETTINGS)
def test_the_stages_lead_from_the_model_to_what_is_drawn_from(sampling):
    torch.manual_seed(1)
    logits, previous = torch.randn(997) * 4, torch.randint(997, (40,))
    previous[-1] = previous[3]  # so that a bigram would repeat
    steps = list(stages(logits, previous, sampling))
    torch.testing.assert_close(steps[0].probabilities, logits.softmax(-1).sort(descending=True).values)
    ids, probabilities = distribution(logits, previous, sampling)
    assert torch.equal(steps[-1].ids, ids) and torch.equal(steps[-1].probabilities, probabilities)
    assert [float(step.probabilities.sum()) for step in steps] == pytest.approx([1] * len(steps), abs=1e-5)
    expected = {"model": lambda _, scores: scores} | processors(sampling)
    assert [step.name for step in steps] == list(expected)
    scores = logits[None].clone()
    for step, processor in zip(steps, expected.values(), strict=True):
        scores = processor(previous[None], scores)
        mine = torch.zeros(997).index_put((step.ids,), step.probabilities)
        torch.testing.assert_close(mine, scores[0].softmax(-1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("sampling", SETTINGS)
def test_the_stages_of_beams_are_transformers_processors_on_logprobs(sampling):
    torch.manual_seed(1)
    logits, previous = torch.randn(997) * 4, torch.randint(997, (40,))
    previous[-1] = previous[3]
    *_, last = stages(logits, previous, replace(sampling, beams=3))
    scores = logits.log_softmax(-1)
    names = ("logit bias", "repetition penalty", "no repeated n-gram")
    used = [processor for name, processor in processors(sampling).items() if name in names]
    expected = LogitsProcessorList(used)(previous[None], scores[None].clone())[0]
    mine = torch.zeros(997).index_put((last.ids,), last.probabilities)
    torch.testing.assert_close(mine, expected.softmax(-1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(beam_scores(scores, previous, sampling), expected)


def test_settings_that_leave_no_token_say_so():
    logits = torch.randn(9)
    with pytest.raises(PlaygroundError, match="leave no token"):
        distribution(logits, torch.tensor([3]), Sampling(logit_bias=((3, 100),), no_repeat_ngram=1))
    with pytest.raises(PlaygroundError, match="leave no token"):
        distribution(logits, torch.tensor([3]), Sampling(logit_bias=[(token, -100) for token in range(9)]))
    with pytest.raises(PlaygroundError, match=r"names token 9; this model has 9"):
        distribution(logits, torch.tensor([3]), Sampling(logit_bias=((9, 1),)))


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


@pytest.mark.parametrize(
    "settings",
    [
        dict(repetition_penalty=1.5),
        dict(no_repeat_ngram=2),
        dict(repetition_penalty=1.2, no_repeat_ngram=3, logit_bias=((40, 3.0), (41, -100.0))),
    ],
)
@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_greedy_text_under_each_setting_is_that_of_generate(architecture, settings):
    from playground.engine import generate
    from tests import tiny

    engine = tiny.engine(architecture)
    sampling = Sampling(max_new_tokens=30, temperature=0, **settings)
    ids = engine.encode("The cat sat on the mat because")
    written = [s.token.id for s in generate.stream(engine, ids, sampling) if s.token]
    expected = engine.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=30,
        do_sample=False,
        sequence_bias=[[[token], float("-inf") if by == -100 else by] for token, by in sampling.logit_bias] or None,
        repetition_penalty=sampling.repetition_penalty,
        no_repeat_ngram_size=sampling.no_repeat_ngram,
    )
    assert written == expected[0].tolist()[1 if architecture == "t5" else ids.shape[1] :]


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


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"beams": 0}, "beams is 0; it must be a whole number from 1 to 8"),
        ({"beams": 2.5}, "beams is 2.5"),
        ({"length_penalty": 9}, "length_penalty is 9"),
        ({"early_stopping": "yes"}, "must be true or false"),
        ({"logit_bias": ((5, 200),)}, "logit bias of 5 is 200; it must be a number from -100"),
        ({"logit_bias": ((5, None),)}, "logit bias of 5 is None"),
        ({"logit_bias": (("Paris", 2),)}, "names 'Paris', which is no token id"),
        ({"word_bias": {"": 2}}, "names '', which is no word"),
        ({"word_bias": {3: 2}}, "names 3, which is no word"),
        ({"word_bias": {"Paris": float("nan")}}, "logit bias of 'Paris' is nan"),
        ({"word_bias": ["Paris"]}, "must give each word a number"),
        ({"word_bias": {str(n): 1 for n in range(400)}}, "300 are the most"),
    ],
)
def test_absurd_beams_and_biases_are_refused(wrong, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        Sampling(**wrong)


def test_a_sliders_float_becomes_a_whole_number():
    assert Sampling(top_k=40.0).top_k == 40 and isinstance(Sampling(seed=3.0).seed, int)
