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
        yield laying.build(page, [(m.title, name) for name, m in methods.METHODS.items()], first)[0]


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
    assert curved.t.parts == (*((name, (0.5,)) for name in ("attn", "attention.", "Attention.")), ("mlp.down", (0, 1)))
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


def test_each_part_has_a_slider_that_counts_once_it_is_ticked(cook):
    moved = {"share_attention": 0.75, "share_mlp": 1.0, "share_norms": 0.0, "share_embeddings": 0.4}
    assert cook.recipe(values(cook, t=0.25, **moved)).t.flat == 0.25
    ticked = ["MLP", "attention", "norms"]
    recipe = cook.recipe(values(cook, t=0.25, own=ticked, parts="mlp.down: 0, 1", **moved))
    for weight, expected in (
        ("model.layers.3.self_attn.q_proj.weight", 0.75),
        ("model.layers.3.mlp.up_proj.weight", 1),
        ("model.layers.3.mlp.down_proj.weight", 0.5),  # of the two that fit, the line counts
        ("model.layers.3.post_attention_layernorm.weight", 0),
        ("model.layers.3.self_attn.q_norm.weight", 0),
        ("bert.encoder.layer.1.attention.output.LayerNorm.weight", 0),
        ("transformer.h.2.ln_1.weight", 0),
        ("transformer.h.2.attn.c_attn.weight", 0.75),
        ("model.embed_tokens.weight", 0.25),  # not ticked: the slider t
    ):
        assert recipe.t.at(weight, 0.5) == expected, weight
    again = filled(cook, recipe)
    assert again[cook.own] == ["attention", "MLP", "norms"] and again[cook.parts] == "mlp.down: 0, 1"
    assert again[cook.share_mlp] == 1 and again[cook.t] == 0.25 and again[cook.curve] == ""
    assert cook.recipe(again) == recipe
    weighted = cook.recipe(values(cook, method="linear", weight_a=0.3, weight_b=0.9, own=["MLP"], share_mlp=1.0))
    a, b = (model.weight for model in weighted.models)
    assert [s.at("model.layers.3.mlp.up_proj.weight", 0) for s in (a, b)] == [0, 1]
    assert [s.at("model.norm.weight", 0) for s in (a, b)] == [0.3, 0.9]
    assert cook.recipe(filled(cook, weighted)) == weighted
    tick = laying._ticking("MLP")
    assert tick(None) == ["MLP"] and tick(["norms"]) == ["norms", "MLP"] and tick(["MLP"]) == ["MLP"]


def test_further_models_have_sliders_or_stand_a_line_each(cook):
    own = {"c": "org/c", "weight_c": -0.5, "d": " org/d ", "weight_d": 0.2, "density_d": 0.9}
    recipe = cook.recipe(values(cook, method="task_arithmetic", more="org/e 0.1\norg/f 0.2 0.7", **own))
    assert [(m.reference, m.weight.flat, m.density.flat) for m in recipe.models[2:]] == [
        ("org/c", -0.5, 1.0),
        ("org/d", 0.2, 0.9),
        ("org/e", 0.1, 1.0),
        ("org/f", 0.2, 0.7),
    ]
    assert cook.recipe(filled(cook, recipe)) == recipe
    assert not {cook.weight_c, cook.density_d, cook.weight_a} - set(cook.sliders)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"curve": "0, high"}, "numbers with commas"),
        ({"parts": "attention"}, "no part with numbers"),
        ({"method": "linear", "more": "org/c much"}, "no model with a weight"),
        ({"method": "slerp", "c": "org/c"}, "exactly two"),
        ({"method": "ties", "base": ""}, "base"),
    ],
)
def test_what_makes_no_sense_is_said(cook, changes, words):
    with pytest.raises(PlaygroundError, match=words):
        cook.recipe(values(cook, **changes))
