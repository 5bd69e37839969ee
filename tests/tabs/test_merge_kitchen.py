"""The recipe on the page: boxes are read into a recipe and filled from one; what makes no sense is said."""

import gradio as gr
import pytest

from playground.errors import PlaygroundError
from playground.labs.merging import mergekit_yaml, methods
from playground.settings import Settings
from playground.tabs.merge import laying


@pytest.fixture(scope="module")
def cook():
    from types import SimpleNamespace

    first = {"a": "org/a", "b": "org/b", "base": "org/base", "method": "slerp", "told": ""}
    with gr.Blocks():
        page = SimpleNamespace(settings=Settings())
        yield laying.build(page, [(m.title, name) for name, m in methods.METHODS.items()], first)


def values(cook, **changes) -> dict:
    return {box: box.value for box in cook.all} | {getattr(cook, name): value for name, value in changes.items()}


def filled(cook, recipe) -> dict:
    """The boxes after a recipe was put in."""
    now = {box: box.value for box in cook.all}
    for box, update in cook.shown(recipe).items():
        if isinstance(update, dict):
            now[box] = update.get("value", now[box])
        else:
            now[box] = update
    return now


def test_the_slider_counts_until_there_is_a_curve(cook):
    recipe = cook.recipe(values(cook, t=0.25))
    assert recipe.method == "slerp" and recipe.t.flat == 0.25 and recipe.base is None
    curved = cook.recipe(values(cook, curve="0, 1", parts="attention: 0.5\n\nmlp.down: 0, 1"))
    assert curved.t.values == (0, 1)
    assert curved.t.parts == (("attn", (0.5,)), ("attention", (0.5,)), ("mlp.down", (0, 1)))
    weighted = cook.recipe(values(cook, method="linear", curve="0, 0.25"))
    assert [model.weight.values for model in weighted.models] == [(1, 0.75), (0, 0.25)]


@pytest.mark.parametrize("method", methods.METHODS)
def test_a_recipe_fills_the_boxes_that_give_it_back(cook, method):
    kind = methods.find(method)
    plain = {
        "merge_method": method,
        "models": [
            {"model": f"org/{m}", "parameters": {"weight": w, "density": d}}
            for m, w, d in (("a", 0.4, 0.5), ("b", 0.6, 0.7))
        ],
        "playground": {"dialect": "paper" if "paper" in kind.dialects else "mergekit"},
    }
    if kind.needs_base:
        plain["base_model"] = "org/base"
    if "t" in kind.parameters:
        plain["parameters"] = {"t": [0, 0.5, 1]}
    recipe = mergekit_yaml.read(plain)
    again = cook.recipe(filled(cook, recipe))
    if method == "nuslerp":  # the page always has a base for it
        again = mergekit_yaml.read({**mergekit_yaml.mapping(again), "base_model": None})
    wanted, got = (mergekit_yaml.mapping(r) for r in (recipe, again))
    for flag in ("normalize", "rescale"):  # said aloud on the page
        wanted.get("parameters", {}).pop(flag, None)
        got.get("parameters", {}).pop(flag, None)
    assert {**wanted, "parameters": wanted.get("parameters") or {}} == {
        **got,
        "parameters": got.get("parameters") or {},
    }


def test_presets_are_curves_and_parts_count_beside_the_slider(cook):
    for name, numbers in laying.PRESETS.items():
        recipe = cook.recipe(values(cook, curve=numbers))
        assert len(recipe.t.values) == max(1, numbers.count(",") + 1), name
    by_part = cook.recipe(values(cook, t=0.25, parts="MLP: 1\nnorms: 0\nembeddings: 0.5"))
    for weight, expected in (
        ("model.layers.3.mlp.up_proj.weight", 1),
        ("model.norm.weight", 0),
        ("model.embed_tokens.weight", 0.5),
        ("model.layers.3.self_attn.q_proj.weight", 0.25),
    ):
        assert by_part.t.at(weight, 0.5) == expected


def test_further_models_stand_a_line_each(cook):
    recipe = cook.recipe(values(cook, method="task_arithmetic", more="org/c -0.5\norg/d 0.2 0.9"))
    assert [(m.reference, m.weight.flat, m.density.flat) for m in recipe.models[2:]] == [
        ("org/c", -0.5, 1.0),
        ("org/d", 0.2, 0.9),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"curve": "0, high"}, "numbers with commas"),
        ({"parts": "attention"}, "no part with numbers"),
        ({"method": "linear", "more": "org/c much"}, "no model with a weight"),
        ({"method": "slerp", "more": "org/c"}, "exactly two"),
        ({"method": "ties", "base": ""}, "base"),
    ],
)
def test_what_makes_no_sense_is_said(cook, changes, words):
    with pytest.raises(PlaygroundError, match=words):
        cook.recipe(values(cook, **changes))
