"""Answers under a hash of what they came from: the exact prompt, the model, the settings, the seed.

It does not know how answers are computed, nor which are right.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Any

from playground.engine.sampling import Sampling
from playground.labs.chat.writing import Writer
from playground.labs.prompting.labels import Label
from playground.models.remote import RemoteModel


@dataclass(frozen=True)
class Choices:
    """The most probable of some labels, instead of writing. `content_free`: what says nothing, to calibrate with."""

    texts: tuple[str, ...]
    content_free: str = ""  # stands in for every value of a row; "": not asked for


@dataclass(frozen=True)
class Answer:
    text: str  # what was written, or the label with the highest probability
    prompt_tokens: int
    new_tokens: int = 0
    logprob: float | None = None  # of all that was written, natural logarithm; None: a server does not tell
    stop_reason: str | None = None
    label: Label | None = None  # of `Choices`
    note: str = ""  # what a person must know beside, like settings that were not used


class Kept:
    """Answers of earlier runs within `budget` bytes; what was unused longest goes first. For several threads."""

    def __init__(self, budget: int = 16 << 20) -> None:
        self.budget, self.n_bytes = budget, 0
        self._answers: OrderedDict[str, tuple[Answer, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: str) -> Answer | None:
        with self._lock:
            if key not in self._answers:
                return None
            self._answers.move_to_end(key)
            return self._answers[key][0]

    def put(self, key: str, answer: Answer) -> None:
        n_bytes = 500 + len(key) + 4 * len(answer.text) + (1000 * len(answer.label.choices) if answer.label else 0)
        with self._lock:
            self.n_bytes += n_bytes - self._answers.pop(key, (None, 0))[1]
            self._answers[key] = (answer, n_bytes)
            while self.n_bytes > self.budget:
                _, (_, gone) = self._answers.popitem(last=False)
                self.n_bytes -= gone


def key_of(writer: Writer, prompt: Any, how: Sampling | Choices) -> str:
    """The hash under which an answer is kept. `prompt`: as given to the model, and the content-free one if any."""
    if isinstance(writer, RemoteModel):
        made_by = [writer.reference, "elsewhere"]
    else:
        made_by = [writer.reference, writer.revision, writer.precision]
    return hashlib.sha256(json.dumps([prompt, made_by, type(how).__name__, asdict(how)]).encode()).hexdigest()
