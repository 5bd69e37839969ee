"""The members of an ensemble: a model, adapters on it, and a prompt, which together give each label a probability.

Two kinds are asked: how probable is each label as the answer, or as what comes next. The third compares meanings: a
sentence is made of each label, and the nearer it is to the text, the more probable the label; by softmax of cosines
times 20, the scale that sentence-transformers trains with. It does not know how the members are combined.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from playground.arrays import Floats
from playground.engine import embed
from playground.engine.adapters import Adapter, Attached
from playground.engine.engine import Engine
from playground.engine.tap import open_tap
from playground.errors import PlaygroundError
from playground.labs.prompting import labels

Kind = Literal["chat", "text", "meaning"]
KINDS: tuple[Kind, ...] = get_args(Kind)
GAPS: dict[Kind, str] = {"chat": "{text}", "text": "{text}", "meaning": "{label}"}
MEANING = "starter:all-minilm-l6-v2"  # what compares meanings
SCALE = 20.0
MOST_MEMBERS = 10


@dataclass(frozen=True)
class Member:
    """One classifier."""

    name: str
    prompt: str  # with {text} where the text goes; of meanings, with {label} where a label goes
    adapters: tuple[tuple[str, float], ...] = ()  # name and weight, on the model
    kind: Kind = "chat"  # a message to answer, a text to continue, or a sentence to be compared with


def check(members: Sequence[Member]) -> None:
    """Raises PlaygroundError: too few or too many, two of one name, or a prompt without a gap."""
    if not 2 <= len(members) <= MOST_MEMBERS:
        raise PlaygroundError(f"There are {len(members)} members. An ensemble has from 2 to {MOST_MEMBERS}.")
    names = [member.name for member in members]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise PlaygroundError(f"Two members are called “{twice}”. Give each a name of its own.")
    for member in members:
        if member.kind not in KINDS:
            raise PlaygroundError(f"“{member.name}” is asked as “{member.kind}”. Choose one of: {', '.join(KINDS)}.")
        if (gap := GAPS[member.kind]) not in member.prompt:
            raise PlaygroundError(
                f"The prompt of “{member.name}” has no {gap}. Write it where the {gap.strip('{}')} belongs."
            )
        if member.kind == "meaning" and member.adapters:
            raise PlaygroundError(f"“{member.name}” compares meanings, and has no use for adapters. Leave them out.")


def probabilities(
    engine: Engine,
    adapters: Mapping[str, Adapter],
    member: Member,
    texts: Sequence[str],
    choices: Sequence[str],
    stop: threading.Event | None = None,
) -> Floats:
    """What a member makes of the texts, (text, choice), rows sum to 1.

    Args:
        engine: that of the member's kind: to compare meanings, a model that embeds.

    Raises:
        PlaygroundError: a text cannot be read, an adapter is missing or does not fit, or stopped.
    """
    if member.kind == "meaning":
        return _by_meaning(engine, member, texts, choices)
    prompts = [member.prompt.replace(GAPS[member.kind], text.strip()) for text in texts]
    rendered = [[{"role": "user", "content": prompt}] for prompt in prompts] if member.kind == "chat" else prompts
    if missing := next((name for name, _ in member.adapters if name not in adapters), None):
        raise PlaygroundError(
            f"The adapter {missing} of “{member.name}” is not there. Name one of: {', '.join(adapters)}."
        )
    mixture = [(adapters[name], weight) for name, weight in member.adapters if weight]
    tap = None
    if mixture:
        tap = Attached(engine, [adapter for adapter, _ in mixture], [[weight for _, weight in mixture]]).tap
    rows = np.full((len(texts), len(choices)), np.nan)
    with open_tap(tap) if tap else nullcontext():
        for label in labels.label(engine, rendered, choices, stop=stop):
            if label.error:
                raise PlaygroundError(label.error)
            rows[label.row] = label.probabilities()
    if np.isnan(rows).any():
        raise PlaygroundError("Stopped before all texts were read.")
    return rows


def _by_meaning(engine: Engine, member: Member, texts: Sequence[str], choices: Sequence[str]) -> Floats:
    sentences = [member.prompt.replace(GAPS["meaning"], choice) for choice in choices]
    vectors = embed.embed(engine, [*texts, *sentences])
    cosines = vectors[: len(texts)].astype(float) @ vectors[len(texts) :].T
    shares = np.exp(SCALE * (cosines - cosines.max(1, keepdims=True)))
    return shares / shares.sum(1, keepdims=True)
