"""The members of an ensemble: a model, adapters on it, and a prompt, which together give each label a probability.

It does not know how the members are combined.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from playground.engine.adapters import Adapter, Attached
from playground.engine.engine import Engine
from playground.engine.tap import open_tap
from playground.errors import PlaygroundError
from playground.labs.prompting import labels

GAP = "{text}"
MOST_MEMBERS = 10


@dataclass(frozen=True)
class Member:
    """One classifier."""

    name: str
    prompt: str  # with {text} where the text goes
    adapters: tuple[tuple[str, float], ...] = ()  # name and weight, on the model
    chat: bool = True  # the prompt is a message to answer; else a text to continue
    model: str = ""  # reference; empty: the model of the page


def check(members: Sequence[Member]) -> None:
    """Raises PlaygroundError: too few or too many, two of one name, or a prompt without a gap."""
    if not 2 <= len(members) <= MOST_MEMBERS:
        raise PlaygroundError(f"There are {len(members)} members. An ensemble has from 2 to {MOST_MEMBERS}.")
    names = [member.name for member in members]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise PlaygroundError(f"Two members are called “{twice}”. Give each a name of its own.")
    for member in members:
        if GAP not in member.prompt:
            raise PlaygroundError(f"The prompt of “{member.name}” has no {GAP}. Write it where the text belongs.")


def probabilities(
    engine: Engine,
    adapters: Mapping[str, Adapter],
    member: Member,
    texts: Sequence[str],
    choices: Sequence[str],
    stop: threading.Event | None = None,
) -> np.ndarray:
    """What a member makes of the texts, (text, choice), rows sum to 1.

    Raises:
        PlaygroundError: a text cannot be read, an adapter is missing or does not fit, or stopped.
    """
    prompts = [member.prompt.replace(GAP, text.strip()) for text in texts]
    rendered = [[{"role": "user", "content": prompt}] for prompt in prompts] if member.chat else prompts
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
