"""Scores of choices against an independent sum of log-probabilities: one plain forward pass over the whole text."""

import threading

import numpy as np
import pytest
import torch

from playground.errors import PlaygroundError
from playground.labs.prompting import labels
from tests import tiny

START = "The cat sat on the mat because it was comfortable. "
PROMPTS = [
    f"{START}The doctor asked:",
    f"{START}The nurse asked the doctor to help:",
    f"{START}Paris:",
    "Paris is the capital of France. Answer:",
]
CHOICES = ("comfortable", "the", "Grüße, 世界", "capital of France")
CHAT = [{"role": "user", "content": "The cat sat"}]


def plain(engine, text, lead, choice, special=True):
    """log p(choice | text) by transformers alone: no cache, no padding, nothing shared."""
    n = len(engine.tokenizer(text, add_special_tokens=special).input_ids)
    ids = torch.tensor([engine.tokenizer(text + lead + choice, add_special_tokens=special).input_ids])
    with torch.no_grad():
        logprobs = engine.model(input_ids=ids).logits.double().log_softmax(-1)[0, :-1]
    return logprobs.gather(1, ids[0, 1:, None])[n - 1 :, 0].sum().item(), ids.shape[1] - n


def by_row(found):
    found = list(found)
    assert sorted(label.row for label in found) == list(range(len(found)))
    return sorted(found, key=lambda label: label.row)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2", "gemma2", "mamba"])
def test_scores_are_an_independent_sum(architecture):
    engine = tiny.engine(architecture)
    found = by_row(labels.label(engine, PROMPTS, CHOICES))
    for label, prompt in zip(found, PROMPTS, strict=True):
        expected = [plain(engine, prompt, " ", choice) for choice in CHOICES]
        sums, counts = (np.array(column) for column in zip(*expected, strict=True))
        np.testing.assert_allclose(label.logprobs, sums, atol=1e-4)
        assert [len(ids) for ids in label.ids] == counts.tolist() and counts.max() > 3
        np.testing.assert_allclose(label.scores("per token"), sums / counts, atol=1e-4)
        np.testing.assert_allclose(
            label.scores("per byte"), sums / [len(choice.encode()) for choice in CHOICES], atol=1e-4
        )
        assert label.best() == CHOICES[int(sums.argmax())]
        shares = np.exp(sums) / np.exp(sums).sum()
        np.testing.assert_allclose(label.probabilities(), shares, atol=1e-4)
        assert label.prompt_tokens == engine.encode(prompt).shape[1]
    assert bool(found[0].alone) == (architecture in ("gemma2", "mamba"))


def test_of_an_encoder_decoder_the_decoder_scores():
    engine = tiny.engine("t5")
    (label,) = labels.label(engine, [PROMPTS[0]], CHOICES)
    ids = engine.encode(PROMPTS[0])
    for choice, got in zip(CHOICES, label.logprobs, strict=True):
        written = engine.tokenizer(" " + choice, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.no_grad():
            loss = engine.model(input_ids=ids, labels=written).loss.item()  # the mean, as transformers computes it
        assert got == pytest.approx(-loss * written.shape[1], abs=1e-4)


def test_where_a_choice_begins():
    """Spaces at the end of the prompt belong to the choice; after a line's end or a template nothing is put in."""
    engine = tiny.engine("llama")
    texts = ["Answer:", "Answer: ", "Answer:\n", "Answer:  ", CHAT]
    found = by_row(labels.label(engine, texts, ("the", " was", "cat")))
    assert [label.texts for label in found] == [
        (" the", " was", " cat"),
        (" the", " was", " cat"),
        ("the", " was", "cat"),
        ("  the", " was", "  cat"),
        ("the", " was", "cat"),
    ]
    np.testing.assert_allclose(found[0].logprobs, found[1].logprobs, atol=1e-5)
    rendered = engine.tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    expected = [plain(engine, rendered, "", choice, special=False)[0] for choice in ("the", " was", "cat")]
    np.testing.assert_allclose(found[4].logprobs, expected, atol=1e-4)


def test_a_choice_that_a_tokenizer_joins_with_the_prompt_is_cut_by_itself():
    engine = tiny.engine("llama")
    text = "The do\n"  # ends in white space, so that nothing is put between
    joined = engine.tokenizer(text + "\n").input_ids
    (label,) = labels.label(engine, ["The do"], ("ctor", "g"))
    assert label.texts == (" ctor", " g"), "a word apart"
    (label,) = labels.label(engine, [text], ("\nthe", "cat"))
    whole = engine.tokenizer(text + "\nthe").input_ids
    n = len(engine.tokenizer(text).input_ids)
    own = tuple(engine.tokenizer("\nthe", add_special_tokens=False).input_ids)
    assert label.ids[0] == (tuple(whole[n:]) if whole[:n] == joined[:n] else own)


def test_calibration_takes_off_what_an_empty_input_gets():
    engine = tiny.engine("llama")
    free = [f"{START}N/A:", f"{START}[MASK]:"]
    found = by_row(labels.label(engine, PROMPTS, CHOICES, free))
    baselines = np.array([[plain(engine, text, " ", choice)[0] for choice in CHOICES] for text in free])
    expected = np.log(np.exp(baselines).mean(axis=0))
    for label in found:
        np.testing.assert_allclose(label.content_free, expected, atol=1e-4)
        np.testing.assert_allclose(label.scores(calibrated=True), label.logprobs - label.content_free)
    (same,) = labels.label(engine, [free[0]], CHOICES, [free[0]])
    np.testing.assert_allclose(same.probabilities(calibrated=True), 0.25, atol=1e-5)
    with pytest.raises(PlaygroundError, match="nothing to calibrate with"):
        next(iter(labels.label(engine, PROMPTS, CHOICES))).scores(calibrated=True)


def test_small_groups_give_the_same(monkeypatch):
    """Passes of a few tokens, and copies of one choice at a time."""
    engine = tiny.engine("llama")
    whole = by_row(labels.label(engine, PROMPTS, CHOICES))
    monkeypatch.setattr(labels, "tokens_a_pass", lambda _: 24)
    monkeypatch.setattr(labels, "_MOST_BYTES", 1)
    engine.prefixes.clear()
    parts = by_row(labels.label(engine, PROMPTS, CHOICES))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-5)


def test_a_prompt_that_does_not_fit_is_marked_and_the_rest_go_on():
    engine = tiny.engine("gpt2")
    found = by_row(labels.label(engine, [PROMPTS[0], START * 30, ""], CHOICES))
    assert [bool(label.error) for label in found] == [False, True, True]
    assert "reads at most 256" in found[1].error and "no text" in found[2].error
    with pytest.raises(PlaygroundError, match="reads at most 256"):
        list(labels.label(engine, PROMPTS, CHOICES, [START * 30]))


def test_stop_ends_before_the_next_pass(monkeypatch):
    engine, stop = tiny.engine("llama"), threading.Event()
    monkeypatch.setattr(labels, "tokens_a_pass", lambda _: 1)
    found = []
    for label in labels.label(engine, PROMPTS, CHOICES, stop=stop):
        found.append(label)
        stop.set()
    assert len(found) == 1


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ("positive", "must be a list"),
        (["a"], "from 2 to 100"),
        (["a", " "], "Choice 2 is empty"),
        (["a", "b", " a"], "“a” is there twice"),
    ],
)
def test_choices_that_are_none(choices, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        list(labels.label(tiny.engine("gpt2"), PROMPTS, choices))


def test_models_that_do_not_write_say_so():
    with pytest.raises(PlaygroundError, match="gives no probabilities of answers"):
        list(labels.label(tiny.engine("bert"), PROMPTS, CHOICES))
    (label,) = labels.label(tiny.engine("gpt2"), [PROMPTS[0]], CHOICES)
    with pytest.raises(PlaygroundError, match="sum, per token, per byte"):
        label.scores("per word")
