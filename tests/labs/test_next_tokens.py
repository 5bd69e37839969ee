"""The next-token distribution against a plain forward pass of transformers and its own processors."""

import numpy as np
import pytest
import torch
from transformers.generation import (
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.chat.next_tokens import next_tokens
from tests import tiny

TEXT = "The cat sat on the mat because"
PLAIN = Sampling(temperature=1, top_p=1, top_k=0)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2", "mamba"])
def test_the_models_own_probabilities(architecture):
    engine = tiny.engine(architecture)
    seen = next_tokens(engine, TEXT, PLAIN, k=20)
    with torch.no_grad():
        expected = engine.model(engine.encode(TEXT)).logits[0, -1].softmax(-1)
    best = expected.topk(20)
    np.testing.assert_allclose(expected[seen.ids.tolist()].numpy(), best.values.numpy(), atol=1e-6)
    np.testing.assert_allclose(seen.probabilities[0], best.values.numpy(), atol=1e-5)
    assert seen.stages == ("model", "temperature") and seen.kept.tolist() == [len(expected)] * 2
    assert seen.entropy[0] == pytest.approx(float(-(expected * expected.log()).sum()), abs=1e-3)


EVERY_SETTING = dict(
    logit_bias=((40, 3.0), (41, -2.5)),
    repetition_penalty=1.3,
    no_repeat_ngram=2,
    temperature=1.7,
    top_k=60,
    top_p=0.9,
    min_p=0.05,
    typical_p=0.8,
)
OFF = dict(temperature=1, top_p=1, top_k=0)


@pytest.mark.parametrize("on", [*EVERY_SETTING, "all"])
@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_each_stage_is_what_transformers_makes_of_a_plain_forward_pass(architecture, on):
    """Alone and all together, each within 1e-5 of transformers' own processor on its own logits."""
    engine = tiny.engine(architecture)
    text = TEXT + " the cat sat on the mat because the"
    settings = EVERY_SETTING if on == "all" else OFF | {on: EVERY_SETTING[on]}
    seen = next_tokens(engine, text, Sampling(**settings), k=400)
    ids = engine.encode(text)
    with torch.no_grad():
        if architecture == "t5":
            start = torch.full((1, 1), engine.model.generation_config.decoder_start_token_id)
            scores, before = engine.model(input_ids=ids, decoder_input_ids=start).logits[:, -1], start
        else:
            scores, before = engine.model(ids).logits[:, -1], ids
    processors = {
        "logit bias": SequenceBiasLogitsProcessor([[[40], 3.0], [[41], -2.5]]),
        "repetition penalty": RepetitionPenaltyLogitsProcessor(1.3),
        "no repeated n-gram": NoRepeatNGramLogitsProcessor(2),
        "temperature": TemperatureLogitsWarper(float(settings["temperature"])),
        "top-k": TopKLogitsWarper(60),
        "top-p": TopPLogitsWarper(0.9),
        "min-p": MinPLogitsWarper(0.05),
        "typical-p": TypicalLogitsWarper(0.8),
    }
    names = dict(zip(EVERY_SETTING, processors, strict=True))
    wanted = list(processors) if on == "all" else list(dict.fromkeys([names[on], "temperature"]))
    repeats = architecture == "llama"  # the decoder of the other begins with one token: nothing can repeat
    wanted = [name for name in processors if name in wanted and (repeats or name != "no repeated n-gram")]
    assert seen.stages == ("model", *wanted)
    for row, name in enumerate(seen.stages):
        scores = scores if name == "model" else processors[name](before, scores)
        expected = scores.softmax(-1)[0]
        np.testing.assert_allclose(seen.probabilities[row], expected[seen.ids.tolist()].numpy(), atol=1e-5)
        assert seen.kept[row] == int((expected > 0).sum())


def test_beams_are_charted_without_what_they_take_no_notice_of():
    seen = next_tokens(tiny.engine("llama"), TEXT, Sampling(beams=3, repetition_penalty=1.2, top_k=5), k=5)
    assert seen.stages == ("model", "repetition penalty")


def test_a_word_can_be_ruled_out():
    engine = tiny.engine("llama")
    seen = next_tokens(engine, TEXT, Sampling(temperature=1, top_k=0, top_p=1, word_bias={"cat": -100}), k=400)
    rows = dict(zip(seen.texts, seen.probabilities[1], strict=True))
    assert seen.stages[1] == "logit bias" and (seen.kept[0] - seen.kept[1]) in (1, 2)
    assert all(rows[t] == 0 for t in (" cat", "cat") if t in rows)


@pytest.mark.parametrize("top_k", [0, 50])
def test_what_is_ruled_out_is_not_counted_among_the_likeliest(top_k):
    """With fewer tokens left than top-k takes; transformers' own processors on the same logits."""
    engine = tiny.engine("llama")
    forced = (40, 41, 77)
    sampling = Sampling(temperature=1, top_k=top_k, top_p=1, logit_bias=tuple((token, 100) for token in forced))
    seen = next_tokens(engine, TEXT, sampling, k=400)
    ids = engine.encode(TEXT)
    with torch.no_grad():
        scores = torch.full_like(engine.model(ids).logits[:, -1], -torch.inf)
        scores[0, list(forced)] = engine.model(ids).logits[0, -1, list(forced)]
    expected = (TopKLogitsWarper(50)(ids, scores) if top_k else scores).softmax(-1)[0]
    np.testing.assert_allclose(seen.probabilities[-1], expected[seen.ids.tolist()].numpy(), atol=1e-5)
    assert seen.kept.tolist()[1:] == [3] * (len(seen.stages) - 1)
    assert seen.stages[-1] == ("top-k" if top_k else "temperature")


def test_texts_are_the_tokens():
    engine = tiny.engine("gpt2")
    seen = next_tokens(engine, TEXT, PLAIN, k=5)
    assert list(seen.texts) == [engine.tokenizer.decode([i]) for i in seen.ids]
    assert seen.prompt_tokens == engine.encode(TEXT).shape[1] and seen.provenance.settings["k"] == 5


def test_greedy_leaves_one():
    seen = next_tokens(tiny.engine("gpt2"), TEXT, Sampling(temperature=0), k=3)
    assert seen.kept.tolist()[-1] == 1 and seen.probabilities[-1].tolist() == [1, 0, 0]


@pytest.mark.parametrize("k", [0, -1, 10**6, 2.5, "5", None, True])
def test_an_absurd_k_is_refused(k):
    with pytest.raises(PlaygroundError, match="it must be a whole number from 1 to"):
        next_tokens(tiny.engine("gpt2"), TEXT, PLAIN, k)


def test_nothing_to_read_and_a_model_that_does_not_write():
    with pytest.raises(PlaygroundError, match="There is no text"):
        next_tokens(tiny.engine("gpt2"), "  ", PLAIN)
    with pytest.raises(PlaygroundError, match="it has no next token"):
        next_tokens(tiny.engine("bert"), TEXT, PLAIN)
