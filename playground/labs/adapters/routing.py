"""Which adapter should answer a prompt: the one whose example prompts are nearest in meaning.

Prompt and examples become vectors of an embedding model; a route's score is the highest cosine of any of its examples.
Below a threshold no adapter is picked, and the model answers as it is. That two texts are alike in meaning does not
make an adapter good at one of them. It does not know what the adapters do.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playground.arrays import Floats
from playground.engine import embed, provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError

THRESHOLD = 0.25  # cosine; a starting point, to be set by the prompts that one's own routes get
MOST_EXAMPLES = 200


@dataclass(frozen=True)
class Route:
    """Where prompts like these go."""

    name: str
    adapter: str  # empty: to the model as it is
    examples: tuple[str, ...]


ROUTES = (
    Route(
        "math",
        "arithmetic",
        (
            "Solve: 2x + 5 = 15",
            "A box has 12 eggs and 5 are broken. How many are left?",
            "What is 17 times 6?",
            "Tom has 3 apples and buys 4 more. How many apples does he have?",
        ),
    ),
    Route(
        "code",
        "json",
        (
            "Write a Python function to sort a list",
            "Give the name and age as JSON: Anna is 30 years old.",
            "Parse this record into fields",
            "Explain bubble sort algorithm",
        ),
    ),
    Route(
        "writing",
        "pirate",
        (
            "Write a short story about the sea",
            "Tell me a tale of an old sailor",
            "Write a poem about the stars",
            "Describe a town at night",
        ),
    ),
    Route(
        "opinion",
        "sentiment",
        (
            "Is this review positive or negative? The film was dull.",
            "What does the customer think of the product?",
            "Classify the sentiment: I loved this book.",
        ),
    ),
)


@dataclass(frozen=True, eq=False)
class Decision:
    """Where one prompt goes, and how near the others were."""

    prompt: str
    names: tuple[str, ...]  # of the routes
    adapters: tuple[str, ...]
    scores: Floats  # (route,), cosine, -1 to 1: of the nearest example
    nearest: tuple[str, ...]  # that example
    threshold: float
    chosen: int | None  # a route; None: all are below the threshold
    provenance: Provenance  # of the embedding model

    @property
    def adapter(self) -> str:
        """Empty: the model as it is."""
        return "" if self.chosen is None else self.adapters[self.chosen]

    @property
    def margin(self) -> float:
        """By how much the best is ahead of the second; with one route, of the threshold."""
        best = np.sort(self.scores)[::-1]
        return float(best[0] - (best[1] if len(best) > 1 else self.threshold))


def route(embedder: Engine, prompt: str, routes: Sequence[Route] = ROUTES, threshold: float = THRESHOLD) -> Decision:
    """Finds the route of a prompt. Of equals the first.

    Args:
        embedder: an embedding model, such as all-MiniLM-L6-v2.

    Raises:
        PlaygroundError: there is no prompt, a route without examples, too many of them, or no embedding model.
    """
    started = time.perf_counter()
    if not prompt.strip():
        raise PlaygroundError("There is no prompt to route. Type one.")
    if not routes or not all(any(text.strip() for text in r.examples) for r in routes):
        raise PlaygroundError("Every route needs at least one example prompt. Write one, or remove the route.")
    examples = [(place, text) for place, r in enumerate(routes) for text in r.examples if text.strip()]
    if len(examples) > MOST_EXAMPLES:
        raise PlaygroundError(
            f"There are {len(examples)} example prompts; at most {MOST_EXAMPLES} are read. Remove some."
        )
    vectors = embed.embed(embedder, [prompt, *(text for _, text in examples)], "query")
    cosines = vectors[1:] @ vectors[0]
    owner = np.array([place for place, _ in examples])
    best = [int(np.flatnonzero(owner == place)[cosines[owner == place].argmax()]) for place in range(len(routes))]
    scores = cosines[best]
    chosen = int(scores.argmax())
    return Decision(
        prompt,
        tuple(r.name for r in routes),
        tuple(r.adapter for r in routes),
        scores,
        tuple(examples[i][1] for i in best),
        threshold,
        chosen if scores[chosen] >= threshold else None,
        provenance.of(embedder, {"threshold": threshold}, time.perf_counter() - started),
    )
