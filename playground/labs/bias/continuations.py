"""Counterfactual prompts, alike but for the group, continued many times: how do sentiment, length and refusals differ?

Each prompt is continued n times for every group, the i-th time with the same seed for all groups, which takes some of
the chance out of the comparison. Sentiment is VADER's compound score, from -1 to 1, as BOLD has it (Dhamala et al.
2021; Hutto and Gilbert 2014): a list of words with some rules, which knows no irony. A refusal is a continuation that
begins with one of a few phrases. It does not know what a model should say.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from playground.engine import batch, provenance
from playground.engine.batch import Job
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.bias.summary import mean_interval

MOST = 2_000  # continuations of a run
SLOT = "{group}"
_REFUSAL = re.compile(
    r"^\W*(i['’]?m sorry|i am sorry|sorry\b|i can(no|['’])t|i am unable|i['’]m unable|i am not able|as an ai|"
    r"i won['’]t|i will not|i['’]m not able|unfortunately, i)",
    re.IGNORECASE,
)
MEASURES = {"sentiment": "Sentiment (VADER, -1 to 1)", "length": "Length (tokens)", "refused": "Refused (share)"}


@dataclass(frozen=True)
class Continuation:
    group: str
    prompt: str  # filled
    text: str
    sentiment: float
    length: int  # tokens
    refused: bool
    seed: int
    template: int  # number of the prompt, from 0


@dataclass(frozen=True)
class Mean:
    """Of one measure in one group, or of a difference. 95 % bootstrap interval over continuations."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Group minus the first group, paired by prompt and seed."""

    measure: str
    group: str
    against: str
    mean: Mean

    @property
    def open(self) -> bool:
        """Whether the interval holds 0, or there is none."""
        return not (self.mean.low > 0 or self.mean.high < 0)


@dataclass(frozen=True, eq=False)
class Written:
    """All continuations so far."""

    texts: tuple[Continuation, ...]
    groups: tuple[str, ...]
    total: int
    provenance: Provenance

    @property
    def complete(self) -> bool:
        return len(self.texts) == self.total

    def of(self, group: str) -> tuple[Continuation, ...]:
        return tuple(one for one in self.texts if one.group == group)

    def mean(self, group: str, measure: str) -> Mean:
        values = np.array([float(getattr(one, measure)) for one in self.of(group)])
        if not len(values):
            return Mean(*(float("nan"),) * 3)
        return Mean(float(values.mean()), *mean_interval(values))

    def differences(self) -> tuple[Difference, ...]:
        """Of every group from the first, over the prompts and seeds that both have."""
        found = []
        base = {(one.template, one.seed): one for one in self.of(self.groups[0])}
        for group in self.groups[1:]:
            pairs = [(base[one.template, one.seed], one) for one in self.of(group) if (one.template, one.seed) in base]
            for measure in MEASURES:
                values = np.array([float(getattr(b, measure)) - float(getattr(a, measure)) for a, b in pairs])
                mean = Mean(float(values.mean()), *mean_interval(values)) if len(values) else Mean(*(float("nan"),) * 3)
                found.append(Difference(measure, group, self.groups[0], mean))
        return tuple(found)


def write(
    engine: Engine,
    prompts: Sequence[str],
    groups: Sequence[str],
    n: int,
    sampling: Sampling,
    as_chat: bool = False,
    stop: threading.Event | None = None,
) -> Iterator[Written]:
    """Continues every prompt n times for each group; all that is finished, again and again.

    Raises:
        PlaygroundError: fewer than two groups, a prompt without its slot, too many, the model does not write.
    """
    prompts = [prompt.strip() for prompt in prompts if prompt.strip()]
    groups = list(dict.fromkeys(group.strip() for group in groups if group.strip()))
    if len(groups) < 2:
        raise PlaygroundError(
            f"There {'is one group' if groups else 'are no groups'}; two or more are compared. Add one."
        )
    if not prompts:
        raise PlaygroundError("There are no prompts. Write at least one.")
    for prompt in prompts:
        if SLOT not in prompt:
            raise PlaygroundError(f"“{prompt}” has no slot. Put {SLOT} where the groups go.")
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise PlaygroundError(f"The number of continuations is {n!r}; it must be a whole number from 1.")
    total = len(prompts) * len(groups) * n
    if total > MOST:
        raise PlaygroundError(f"That is {total:,} continuations; at most {MOST:,} are written in a run. Take fewer.")
    first = sampling.seed or 0
    jobs, planned = [], []
    for number, prompt in enumerate(prompts):
        for group in groups:
            filled = prompt.replace(SLOT, group)
            ids = _ids(engine, filled, as_chat)
            for i in range(n):
                seed = first + number * n + i
                jobs.append(Job(ids, _seeded(sampling, seed)))
                planned.append((group, filled, seed, number))
    settings = {"prompts": prompts, "groups": groups, "n": n, "temperature": sampling.temperature, "seed": first}
    settings |= {"top_k": sampling.top_k, "top_p": sampling.top_p}
    made_by = provenance.of(engine, settings | {"max_new_tokens": sampling.max_new_tokens, "as_chat": as_chat})
    texts: list[Continuation] = []
    yield Written((), tuple(groups), total, made_by)
    with closing(batch.write(engine, jobs, stop)) as turns:
        for turn in turns:
            for one in turn.finished:
                if one.error:
                    raise PlaygroundError(one.error)
                group, filled, seed, number = planned[one.job]
                refused = bool(_REFUSAL.match(one.text))
                texts.append(
                    Continuation(group, filled, one.text, sentiment(one.text), len(one.ids), refused, seed, number)
                )
            if turn.finished:
                yield Written(tuple(texts), tuple(groups), total, made_by)


def _ids(engine: Engine, text: str, as_chat: bool) -> tuple[int, ...]:
    from playground.labs.chat import replies

    if as_chat:
        text = replies.render(engine, [{"role": "user", "content": text}])
    return tuple(engine.encode(text, add_special_tokens=not as_chat)[0].tolist())


def _seeded(sampling: Sampling, seed: int) -> Sampling:
    from dataclasses import replace

    return replace(sampling, seed=seed)


@cache
def _vader() -> Any:  # a SentimentIntensityAnalyzer
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


def sentiment(text: str) -> float:
    """VADER's compound score, -1 to 1; 0 for a text without words that it knows."""
    return float(_vader().polarity_scores(text)["compound"])
