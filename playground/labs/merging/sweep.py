"""The way from one parent to the other in steps, and what changes along it: perplexity, distance to each parent, and
whatever else can be measured on a model.

A measure is a small function on an Engine; to add one, add it to the tuple that is handed in. The merge is one Engine
that is filled anew for each step.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine import provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.bias import measure as pair_scores
from playground.labs.bias.pairs import Pair
from playground.labs.merging.recipe import Recipe
from playground.models.cache import ModelCache

if TYPE_CHECKING:  # it asks the Prompt lab, which a sweep of other measures does not need
    from playground.labs.merging.questions import Question

MOST_TOKENS = 256  # of the text: each parent's distributions are kept while the sweep runs, 50 MB for 256 tokens
MOST_STEPS = 41


@dataclass(frozen=True)
class Ground:
    """What measures may use: the text, and what each parent predicts for it."""

    models: ModelCache
    ids: Tensor  # (1, position)
    # Of the first two models: natural logarithms, (position, vocabulary), float32; each predicts the next token.
    parents: tuple[Tensor, ...]
    stop: threading.Event


@dataclass(frozen=True)
class Measure:
    name: str
    title: str
    unit: str
    look: str  # which way is better, or what it means
    take: Callable[[Engine, Ground, Tensor], float]  # (merge, ground, the merge's own logarithms) -> the number
    ideal: float | None = None  # where that is neither as low nor as high as can be


@dataclass(frozen=True)
class Step:
    """One point on the way. Numbers are in the order of the measures; NaN where one could not be taken."""

    t: float
    values: tuple[float, ...]
    reference: str
    seconds: float
    provenance: Provenance


@dataclass(frozen=True)
class Sweep:
    measures: tuple[Measure, ...]
    steps: tuple[Step, ...]  # those that are done, in the order of t
    n_steps: int
    n_tokens: int  # of the text that were predicted

    def column(self, measure: int) -> Floats:
        """(step,)"""
        return np.array([step.values[measure] for step in self.steps])


def _perplexity(engine: Engine, ground: Ground, own: Tensor) -> float:
    written = ground.ids[0, 1:].to(own.device)
    return math.exp(-float(own.gather(1, written[:, None]).double().mean()))


def _divergence(parent: int) -> Callable[[Engine, Ground, Tensor], float]:
    def take(engine: Engine, ground: Ground, own: Tensor) -> float:
        theirs = ground.parents[parent]
        return max(0.0, float((theirs.exp() * (theirs - own)).sum(-1).double().mean()))

    return take


PERPLEXITY = Measure(
    "perplexity", "Perplexity of the text", "", "Lower: the text surprises the model less.", _perplexity
)
TO_A = Measure("kl_a", "KL(A ‖ merge)", "nats a token", "0: predicts what A predicts.", _divergence(0))
TO_B = Measure("kl_b", "KL(B ‖ merge)", "nats a token", "0: predicts what B predicts.", _divergence(1))
MEASURES: tuple[Measure, ...] = (PERPLEXITY, TO_A, TO_B)


def accuracy(question: "Question") -> Measure:
    """The share of a Prompt-lab set that is right.

    Args:
        question: `playground.labs.merging.questions.Question`.
    """

    def take(engine: Engine, ground: Ground, own: Tensor) -> float:
        return question.share(ground.models, engine.reference, ground.stop)

    return Measure("accuracy", f"Right answers: {question.title}", "share", "Higher is better.", take)


def bias(pairs: Sequence[Pair], title: str) -> Measure:
    """The share of pairs of which the first sentence, the one with the stereotype, is more probable (`labs/bias`)."""

    def take(engine: Engine, ground: Ground, own: Tensor) -> float:
        found = pair_scores.measure(engine, pairs, stop=ground.stop)
        return found.shares[0].share if found.complete else math.nan

    return Measure("bias", f"Stereotype preferred: {title}", "share", "Half: neither is preferred.", take, 0.5)


def run(
    models: ModelCache,
    recipe: Recipe,
    move: Callable[[Recipe], str],
    text: str,
    n_steps: int = 9,
    measures: Sequence[Measure] = MEASURES,
    stop: threading.Event | None = None,
) -> Iterator[Sweep]:
    """Goes from t = 0 to t = 1, yielding what there is after each step.

    Args:
        move: makes the merge that of a recipe, and returns its reference.

    Raises:
        PlaygroundError: the recipe has nothing to slide, the models do not predict, or the text is too short.
    """
    if not 2 <= n_steps <= MOST_STEPS:
        raise PlaygroundError(f"A sweep has 2 to {MOST_STEPS} steps, and {n_steps} were asked for. Change the number.")
    stop = stop or threading.Event()
    recipe.with_t(0.5)  # refuses what has nothing to slide
    parents: list[Tensor] = []
    for ingredient in recipe.models[:2]:
        with models.lease(ingredient.reference) as engine:
            ids = _ids(engine, text)
            parents.append(logarithms(engine, ids))
    ground = Ground(models, ids, tuple(parents), stop)
    steps: list[Step] = []
    for t in np.linspace(0, 1, n_steps).tolist():
        if stop.is_set():
            return
        started = time.perf_counter()
        with models.lease(move(recipe.with_t(t))) as engine:
            own = logarithms(engine, ids)
            values = tuple(measure.take(engine, ground, own) for measure in measures)
            settings = {"t": t, "text": text, "measures": [measure.name for measure in measures]}
            seconds = time.perf_counter() - started
            steps.append(Step(t, values, engine.reference, seconds, provenance.of(engine, settings, seconds)))
        if stop.is_set():
            return
        yield Sweep(tuple(measures), tuple(steps), n_steps, ids.shape[1] - 1)


def logarithms(engine: Engine, ids: Tensor) -> Tensor:
    """What a model predicts after each token but the last: natural logarithms, (position, vocabulary), float32."""
    with torch.inference_mode():
        return engine.model(input_ids=ids.to(engine.device)).logits[0, :-1].float().log_softmax(-1)


def _ids(engine: Engine, text: str) -> Tensor:
    if engine.anatomy.kind != "causal":
        raise PlaygroundError(
            f"{engine.reference} does not predict next tokens ({engine.anatomy.kind} model), which a sweep measures. "
            "Pick models that write."
        )
    ids = engine.encode(text)
    if ids.shape[1] < 2:
        raise PlaygroundError("The text is too short to be predicted. Write a sentence or two.")
    if ids.shape[1] > MOST_TOKENS:
        raise PlaygroundError(
            f"The text has {ids.shape[1]:,} tokens; a sweep reads at most {MOST_TOKENS}. Shorten it, nothing was cut."
        )
    return ids
