"""Members and averages of next-token probabilities on a tiny model: against the labels and plain forward passes."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from playground.engine.adapters import Attached
from playground.engine.tap import open_tap
from playground.errors import PlaygroundError
from playground.labs.ensembles import members, next_token
from playground.labs.prompting import labels
from tests import tiny
from tests.labs.adapters import made

TEXTS = ["The cat sat on the mat.", "Paris is the capital."]
CHOICES = ["good", "bad"]


def test_a_member_is_its_prompt_and_its_adapters():
    engine, adapters = made.engine(), dict(zip("abc", made.adapters(), strict=True))
    plain = members.Member("plain", "{text} It is", kind="text")
    adapted = members.Member("adapted", "{text} It is", (("a", 0.5), ("c", 1.0)), kind="text")
    found = [members.probabilities(engine, adapters, one, TEXTS, CHOICES) for one in (plain, adapted)]
    for one, weights in zip(found, ((0, 0), (0.5, 1.0)), strict=True):
        with open_tap(Attached(engine, [adapters["a"], adapters["c"]], [weights]).tap):
            expected = list(labels.label(engine, [f"{text} It is" for text in TEXTS], CHOICES))
        for label in expected:
            np.testing.assert_allclose(one[label.row], label.probabilities())
    assert not np.allclose(*found, rtol=1e-3, atol=0)


def test_what_is_no_ensemble_is_refused():
    one = members.Member("a", "{text}")
    for asked, words in (([one], "from 2"), ([one, one], "called"), ([one, members.Member("b", "text")], "no {text}")):
        with pytest.raises(PlaygroundError, match=words):
            members.check(asked)
    with pytest.raises(PlaygroundError, match="not there"):
        members.probabilities(made.engine(), {}, members.Member("a", "{text}", (("x", 1.0),)), TEXTS, CHOICES)


def test_a_member_by_meaning_is_the_softmax_of_cosines():
    """Against the states of the model itself, one text at a time."""
    engine = tiny.engine("bert")
    member = members.Member("near", "It was {label}.", kind="meaning")
    found = members.probabilities(engine, {}, member, TEXTS, CHOICES)

    def vector(text: str) -> torch.Tensor:
        with torch.inference_mode():
            states = engine.model.base_model(**engine.tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        return torch.nn.functional.normalize(states.mean(0), dim=0)

    labels = torch.stack([vector(f"It was {choice}.") for choice in CHOICES])
    for row, text in zip(found, TEXTS, strict=True):
        np.testing.assert_allclose(row, (20 * labels @ vector(text)).softmax(-1), rtol=1e-4)
    for wrong, words in (
        (members.Member("near", "{text}", kind="meaning"), "no {label}"),
        (members.Member("near", "{label}", (("a", 1.0),), "meaning"), "no use for adapters"),
        (members.Member("near", "{text}", kind="guess"), "chat, text, meaning"),
    ):
        with pytest.raises(PlaygroundError, match=words):
            members.check([member, dataclasses.replace(wrong, name="wrong")])


def voices():
    engine, (one, other, _) = made.engine(), made.adapters()
    taps = [Attached(engine, [one, other], [weights]).tap for weights in ((1, 0), (0, 1), (0.5, 0.5))]
    return [next_token.Voice(name, engine, tap) for name, tap in zip(("a", "b", "the merge"), taps, strict=True)]


def test_means_are_those_of_their_definitions():
    p = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]).clamp(min=1e-12)
    arithmetic, geometric = (mean.exp() for mean in next_token.means(p.log()))
    torch.testing.assert_close(arithmetic, torch.tensor([0.375, 0.375, 0.25]))
    assert geometric[2] < 1e-5  # to one member it is impossible
    torch.testing.assert_close(geometric.sum(), torch.tensor(1.0))


def test_next_token_and_bits_by_plain_forward_passes():
    a, b, merge = voices()
    found = next_token.next_token([a, b], "The cat", merge)
    assert found.names == ("a", "b", "arithmetic mean", "geometric mean", "the merge")
    np.testing.assert_allclose(found.probabilities[2], found.probabilities[:2].mean(0), rtol=1e-5)
    engine = a.engine
    pairs = [("The cat", "sat on"), ("Paris", "is the capital of")]
    measured = next_token.bits([a, b], pairs, merge)
    for column, (asked, answer) in enumerate(pairs):
        chat = engine.tokenizer.apply_chat_template(
            [{"role": "user", "content": asked}], add_generation_prompt=True, tokenize=False
        )
        before = engine.tokenizer(chat, add_special_tokens=False, return_tensors="pt").input_ids
        after = engine.tokenizer(answer + "<|im_end|>", add_special_tokens=False, return_tensors="pt").input_ids
        rows = []
        for voice in (a, b):
            with torch.inference_mode(), open_tap(voice.tap):
                logits = engine.model(input_ids=torch.cat([before, after], 1)).logits[0, before.shape[1] - 1 : -1]
            rows.append(logits.softmax(-1).gather(1, after[0][:, None])[:, 0])
        bits = [-torch.log2(p).mean().item() for p in (*rows, (rows[0] + rows[1]) / 2)]
        np.testing.assert_allclose(measured.by_text[:3, column], bits, rtol=1e-4)
        assert measured.n_tokens[column] == after.shape[1]
    assert measured.mean[0] == pytest.approx((measured.by_text[0] * measured.n_tokens).sum() / measured.n_tokens.sum())
    gap, low, high = measured.difference(4, 2)
    assert low <= gap <= high
    assert gap == pytest.approx(measured.mean[4] - measured.mean[2])


def test_other_vocabularies_are_refused():
    a, _, _ = voices()
    other = dataclasses.replace(tiny.engine("gpt2"), tokenizer=tiny.engine("bert").tokenizer)
    next_token.check([a, next_token.Voice("gpt2", tiny.engine("gpt2"))])  # another model of the same vocabulary
    with pytest.raises(PlaygroundError, match="another vocabulary"):
        next_token.check([a, next_token.Voice("other", other)])
    with pytest.raises(PlaygroundError, match="no causal model"):
        next_token.check([a, next_token.Voice("bert", tiny.engine("bert"))])
    with pytest.raises(PlaygroundError, match="at least two"):
        next_token.check([a])
    assert math.isfinite(next_token.bits([a, a], [("The", "cat")]).mean[0])
