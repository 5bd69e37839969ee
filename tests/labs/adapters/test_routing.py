"""Prompts find the route whose examples are nearest: cosines as plain transformers gives them, and what is refused."""

import pytest
import torch

from playground.errors import PlaygroundError
from playground.labs.adapters import routing
from playground.labs.adapters.routing import Route
from tests import tiny

ROUTES = (
    Route("one", "pirate", ("The cat sat on the mat.", "Paris is the capital of France.")),
    Route("two", "json", ("a b c d",)),
)


def test_a_prompt_goes_to_the_nearest_example_or_to_none():
    engine = tiny.engine("bert")

    def vector(text: str) -> torch.Tensor:
        ids = engine.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            states = engine.model(**ids, output_hidden_states=True).hidden_states[-1][0]
        return torch.nn.functional.normalize(states.mean(0), dim=0)

    prompt = "The dog sat on the mat."
    decision = routing.route(engine, prompt, ROUTES, threshold=-1.0)
    cosines = [[float(vector(prompt) @ vector(text)) for text in route.examples] for route in ROUTES]
    assert decision.scores.tolist() == pytest.approx([max(row) for row in cosines], abs=1e-5)
    best = max(range(2), key=lambda i: max(cosines[i]))
    assert decision.chosen == best and decision.adapter == ROUTES[best].adapter
    assert decision.nearest[0] == ROUTES[0].examples[cosines[0].index(max(cosines[0]))]
    none = routing.route(engine, prompt, ROUTES, threshold=1.01)
    assert none.chosen is None and none.adapter == ""
    itself = routing.route(engine, ROUTES[1].examples[0], ROUTES)
    assert itself.adapter == "json" and itself.scores[1] == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_routed_is_refused():
    for engine, prompt, routes, words in (
        ("bert", " ", ROUTES, "no prompt"),
        ("bert", "Hello", (Route("one", "", ("",)),), "at least one example"),
        ("bert", "Hello", (Route("one", "", ("a",) * 201),), "at most 200"),
        ("llama", "Hello", ROUTES, "not made to embed"),
    ):
        with pytest.raises(PlaygroundError, match=words):
            routing.route(tiny.engine(engine), prompt, routes)
