"""Recipes: read as mergekit writes them, written so that they read back as the same, refused in one sentence."""

import pytest
import yaml

from playground.errors import PlaygroundError
from playground.labs.merging import mergekit_yaml, methods
from playground.labs.merging.recipe import Depths, Ingredient, Recipe, Setting, as_setting, constant

SLERP = """
slices:
  - sources:
      - model: org/first
        layer_range: [0, 30]
      - model: org/second
        layer_range: [0, 30]
merge_method: slerp
base_model: org/second
parameters:
  t:
    - filter: self_attn
      value: [0, 0.5, 0.3, 0.7, 1]
    - filter: mlp
      value: [1, 0.5, 0.7, 0.3, 0]
    - value: 0.5
dtype: bfloat16
"""
TIES = """
models:
  - model: org/base
  - model: org/a
    parameters: {density: 0.5, weight: 0.5}
  - model: org/b
    parameters: {density: 0.3, weight: [0, 0.3, 0.7, 1]}
merge_method: ties
base_model: org/base
parameters: {normalize: true, int8_mask: true}
dtype: float16
"""


def test_mergekits_own_examples_are_read():
    """The two examples of mergekit's documentation, by their shape."""
    slerp = mergekit_yaml.read(SLERP)
    assert [model.reference for model in slerp.models] == ["org/second", "org/first"]  # t = 0 is base_model
    assert slerp.t.parts == (("self_attn", (0, 0.5, 0.3, 0.7, 1)), ("mlp", (1, 0.5, 0.7, 0.3, 0)))
    assert slerp.t.values == (0.5,) and slerp.dtype == "bfloat16" and slerp.base is None
    ties = mergekit_yaml.read(TIES)
    assert [model.reference for model in ties.models] == ["org/a", "org/b"] and ties.base == "org/base"
    assert ties.models[1].weight.values == (0, 0.3, 0.7, 1) and ties.models[1].density == constant(0.3)


def test_gradients_and_filters_count_as_mergekit_counts_them():
    slerp, depths = mergekit_yaml.read(SLERP), Depths({"model.layers": 29})

    def t(name: str) -> float:
        return slerp.t.at(name, depths.depth(name))

    assert t("model.layers.0.self_attn.q_proj.weight") == 0
    assert t("model.layers.29.self_attn.q_proj.weight") == 1
    at = 4 * 10 / 29  # layer 10 of 30 on five anchors
    assert t("model.layers.10.mlp.up_proj.weight") == pytest.approx(0.5 + (0.7 - 0.5) * (at - 1))
    assert t("model.layers.10.input_layernorm.weight") == 0.5
    assert Setting((0.2, 0.8)).at("lm_head.weight", depths.depth("lm_head.weight")) == 0.2  # outside layers: the first


@pytest.mark.parametrize("method", methods.METHODS)
@pytest.mark.parametrize("as_text", [True, False])
def test_what_is_written_reads_back_as_the_same(method, as_text):
    kind = methods.find(method)
    curve = Setting((0.0, 0.5, 1.0), (("attn", (1.0,)),))
    recipe = Recipe(
        method,
        (Ingredient("org/a", curve, constant(0.5)), Ingredient("starter:smollm2-135m-instruct+adapter:pirate*0.5")),
        "org/base" if kind.needs_base or method == "nuslerp" else None,
        t=curve,
        scale=constant(0.7),
        dialect="paper" if "paper" in kind.dialects else "mergekit",
        seed=7 if "seed" in kind.parameters else 42,
        election="count" if "election" in kind.parameters else "sum",
        dtype="float32",
    )
    plain = mergekit_yaml.mapping(recipe)
    read = mergekit_yaml.read(mergekit_yaml.write(recipe) if as_text else plain)
    assert mergekit_yaml.mapping(read) == plain
    assert read.key() == recipe.key()
    assert "playground" not in yaml.safe_load(mergekit_yaml.write(recipe))  # mergekit refuses what it does not know


def test_another_number_or_other_weights_are_another_merge():
    one = Recipe("slerp", (Ingredient("org/a"), Ingredient("org/b")))
    keys = {one.key(), one.with_t(0.2).key(), one.with_t(0.3).key(), one.key(["rev1"]), one.key(["rev2"])}
    assert len(keys) == 5
    linear = Recipe("linear", one.models).with_t(0.25)
    assert [model.weight.flat for model in linear.models] == [0.75, 0.25]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("merge_method: frankenstein\nmodels: [{model: a}, {model: b}]", "Choose one of: linear"),
        ("just words", "mapping"),
        ("{", "neither YAML nor JSON"),
        ("merge_method: linear", "no list of models"),
        ("merge_method: linear\nmodels: [{model: org/a, parameters: {weight: 1}}]", "2 to 8 models"),
        ("merge_method: linear\nmodels: [{model: org/a}, {model: org/b}]", "no weight"),
        ("merge_method: ties\nmodels: [{model: org/a}, {model: org/b}]", "base"),
        ("merge_method: slerp\nmodels: [{model: org/a}, {model: org/b}]\nparameters: {t: 3}", "from 0 to 1"),
        ("merge_method: slerp\nmodels: [{model: org/a}, {model: org/b}]\nparameters: {t: high}", "number"),
        ("merge_method: slerp\nmodels: [{model: org/a}, {model: org/b}]\nparameters: {speed: 1}", "speed"),
        ("merge_method: slerp\nmodels: [{model: org/a}, {model: org/b}]\nbase_model: org/c", "one of the two"),
        ("merge_method: slerp\nmodels: [{model: org/a}, {model: org/b}]\ndtype: int4", "dtype"),
        (
            "merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, 4]}]},"
            " {sources: [{model: b, layer_range: [2, 6]}]}]",
            "one after the other",
        ),
        (
            "merge_method: dare_ties\nbase_model: org/c\nmodels: [{model: org/a}, {model: org/b}]\n"
            '# playground: {"dialect": "klingon"}',
            "dialects paper, mergekit, peft",
        ),
        (
            "merge_method: dare_ties\nbase_model: org/c\nmodels: [{model: org/a}, {model: org/b}]\n"
            '# playground: {"dialect": ["paper"]}',
            "dialects paper, mergekit, peft",
        ),
        ("merge_method: slerp\nmodels: [{model: org/a}, {model: org/b}]\nplayground: [1]", "“playground”.* no mapping"),
        ("merge_method: slerp\nmodels: [{model: org/a}, {model: org/b}]\nparameters: t", "“parameters”.* no mapping"),
        ("merge_method: slerp\nslices: [{sources: [org/a, org/b]}]", "one after the other"),
        ("merge_method: slerp\nslices: [{sources: [{model: a, layer_range: 4}]}]", "one after the other"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_a_sentence(text, words):
    with pytest.raises(PlaygroundError, match=words):
        mergekit_yaml.read(text)


def test_settings_that_are_none_are_refused():
    for wrong in ("x", [], [1, "x"], {"value": 1}, [{"filter": "mlp", "value": 1}], True):
        with pytest.raises(PlaygroundError):
            as_setting(wrong, "t")
