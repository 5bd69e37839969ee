"""The live merge on tiny real models: its weights against an independent blend, its ends, its parents, its memory."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from playground.errors import PlaygroundError
from playground.labs.merging.blending import Blend
from playground.labs.merging.live import Merges
from playground.labs.merging.recipe import Ingredient, Recipe, Setting, constant
from playground.models.cache import ModelCache
from playground.settings import Settings
from tests import tiny
from tests.labs.adapters import made as adapted


def models(dtype: str = "bfloat16") -> ModelCache:
    return ModelCache(Settings(memory_budget=10**8, dtype=dtype, device="cpu", local_paths=True))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def two(family, method="slerp", **more) -> Recipe:
    return Recipe(method, (Ingredient(str(family["a"])), Ingredient(str(family["b"]))), str(family["base"]), **more)


@pytest.mark.parametrize(
    ("method", "dtype"), [("linear", "bfloat16"), ("slerp", "bfloat16"), ("slerp", "float32"), ("nuslerp", "bfloat16")]
)
def test_the_ends_of_the_slider_are_the_parents_to_the_bit(family, method, dtype):
    merges = Merges(models(dtype))
    reference = None
    for t, parent in ((0.0, "a"), (0.5, None), (1.0, "b")):
        reference = merges.move(two(family, method).with_t(t), reference, "me").reference
        if parent:
            with merges.models.lease(reference) as merge, merges.models.lease(str(family[parent])) as its_parent:
                for (name, got), (_, expected) in zip(
                    merge.model.named_parameters(), its_parent.model.named_parameters(), strict=True
                ):
                    assert torch.equal(got, expected), name


def test_a_merge_is_computed_in_float32_and_rounded_once(family):
    merges = Merges(models("bfloat16"))
    recipe = two(family, "linear").with_t(0.3)
    a, b = weights(family["a"]), weights(family["b"])
    n = wrong = 0
    with merges.models.lease(merges.move(recipe, None, "me").reference) as engine:
        for name, got in engine.model.named_parameters():
            expected = (0.7 * a[name].double() + 0.3 * b[name].double()).bfloat16()
            n, wrong = n + got.numel(), wrong + int((got != expected).sum())
    assert wrong / n < 0.001  # in bfloat16 arithmetic it would be one in five


def test_a_move_is_in_place_from_the_files_and_comes_back_to_the_bit(family):
    merges = Merges(models())
    first = merges.move(two(family).with_t(0.3), None, "me")
    with merges.models.lease(first.reference) as engine:
        before, model = {k: v.clone() for k, v in engine.model.named_parameters()}, engine.model
    reference, files = first.reference, {f: f.read_bytes() for f in family["a"].iterdir()}
    for t in (0.8, 0.1, 0.9, 0.3):
        update = merges.move(two(family).with_t(t), reference, "me")
        assert update.in_place
        reference = update.reference
    assert reference == first.reference
    with merges.models.lease(reference) as engine:
        assert engine.model is model
        assert all(torch.equal(v, before[k]) for k, v in engine.model.named_parameters())
    assert len(merges.models.ledger().holdings) == 1  # the merge alone: its parents are read, not loaded
    assert files == {f: f.read_bytes() for f in family["a"].iterdir()}


def test_weights_follow_a_curve_over_the_layers_and_differ_by_part(family):
    merges = Merges(models("float32"))
    t = Setting((0.0, 1.0), parts=(("self_attn", (1.0,)), ("norm", (0.25, 0.75))))
    a, b = weights(family["a"]), weights(family["b"])
    with merges.models.lease(merges.move(two(family, "slerp", t=t), None, "me").reference) as engine:
        got = dict(engine.model.named_parameters())
    for layer, share in ((0, 0.0), (1, 0.5), (2, 1.0)):
        name = f"model.layers.{layer}.mlp.up_proj.weight"
        x, y = a[name].double(), b[name].double()
        cosine = (x * y).sum() / x.norm() / y.norm()
        theta = torch.acos(cosine)
        straight = cosine > 0.9995
        first = 1 - share if straight else torch.sin((1 - share) * theta) / torch.sin(theta)
        second = share if straight else torch.sin(share * theta) / torch.sin(theta)
        torch.testing.assert_close(got[name], (first * x + second * y).float(), rtol=0, atol=1e-6)
        attention = f"model.layers.{layer}.self_attn.q_proj.weight"
        assert torch.equal(got[attention], b[attention].float())
    assert torch.equal(got["model.embed_tokens.weight"], a["model.embed_tokens.weight"].float())  # depth 0


@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "dare_ties", "breadcrumbs"])
def test_methods_with_a_base_give_it_back_where_nothing_is_added(family, method):
    merges = Merges(models())
    base = weights(family["base"])
    density = constant(0.5)
    parents = tuple(Ingredient(str(family[n]), density=density) for n in ("a", "b"))
    recipe = Recipe(method, parents, str(family["base"]), scale=constant(0.0))
    with merges.models.lease(merges.move(recipe, None, "me").reference) as engine:
        assert all(torch.equal(v, base[k]) for k, v in engine.model.named_parameters())
    some = merges.move(replace(recipe, scale=constant(1.0)), None, "me").reference
    with merges.models.lease(some) as engine:
        assert not any(torch.equal(v, base[k]) for k, v in engine.model.named_parameters() if v.dim() > 1)


@pytest.mark.parametrize("method", ["linear", "slerp", "nuslerp", "ties", "dare_linear", "task_arithmetic"])
def test_what_no_adapter_adds_to_is_the_bases_to_the_bit(method, monkeypatch, tmp_path):
    """Parents that are adapters on one base: the rest is copied, not computed, and looked at for NaN all the same."""
    base = shutil.copytree(adapted.base_folder(), tmp_path / "base")
    a, b = (f"{base}+adapter:{folder}" for folder in adapted.folders()[:2])
    merges, blended = Merges(models("float32")), []
    plain = Blend._pieces
    monkeypatch.setattr(Blend, "_pieces", lambda self, *sources: blended.append(1) or plain(self, *sources))
    halves = tuple(Ingredient(parent, constant(0.5), constant(0.5)) for parent in (a, b))
    recipe = Recipe(method, halves, str(base), t=constant(0.3))
    stored = weights(base)
    with merges.models.lease(merges.move(recipe, None, "me").reference) as engine:
        for name, got in engine.model.named_parameters():
            touched = name.split(".")[-2] in ("q_proj", "v_proj", "down_proj")
            assert torch.equal(got, stored[name]) != touched, name
    n_adapted, most_looks = 9, 8
    assert n_adapted <= len(blended) <= n_adapted * most_looks
    assert method != "linear" or len(blended) == n_adapted
    stored["model.norm.weight"][2] = float("inf")
    save_file(stored, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(PlaygroundError, match=r"model\.norm\.weight that are no finite numbers"):
        Merges(models("float32")).move(recipe, None, "me")


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("task_arithmetic", {}),
        ("task_arithmetic", {"normalize": True}),
        ("ties", {}),
        ("ties", {"dialect": "peft", "election": "count"}),
        ("ties", {"dialect": "paper"}),
        ("dare_linear", {}),
        ("dare_ties", {"dialect": "peft"}),
        ("della", {}),
        ("breadcrumbs_ties", {}),
    ],
)
def test_a_parent_that_is_the_base_is_left_out_and_changes_nothing(family, tmp_path, monkeypatch, method, more):
    """The same weights in another folder are blended as any other model's: the same bits come out."""
    looks, plain = [], Blend._pieces

    def pieces(self, models, base):
        looks.append(len(models))
        return plain(self, models, base)

    monkeypatch.setattr(Blend, "_pieces", pieces)
    copy, got, n = shutil.copytree(family["base"], tmp_path / "copy"), [], []
    for parent in (family["base"], copy):
        merges, density = Merges(models()), constant(0.5)
        two = tuple(Ingredient(str(m), constant(w), density) for m, w in ((parent, 0.4), (family["a"], 0.7)))
        looks.clear()
        recipe = Recipe(method, two, str(family["base"]), **more)
        with merges.models.lease(merges.move(recipe, None, "me").reference) as engine:
            got.append({name: value.clone() for name, value in engine.model.named_parameters()})
        n.append(max(looks))
    assert all(torch.equal(value, got[1][name]) for name, value in got[0].items())
    assert n == [2, 2] if more in ({"normalize": True}, {"dialect": "paper"}) else n == [1, 2]


def test_a_linear_merge_that_does_not_average_scales_what_all_share_too():
    base = adapted.base_folder()
    parents = tuple(Ingredient(f"{base}+adapter:{folder}", constant(1.0)) for folder in adapted.folders()[:2])
    merges = Merges(models("float32"))
    recipe = Recipe("linear", parents, normalize=False)
    with merges.models.lease(merges.move(recipe, None, "me").reference) as engine:
        norm = dict(engine.model.named_parameters())["model.norm.weight"]
    assert torch.equal(norm, 2 * weights(base)["model.norm.weight"])


def test_a_merge_writes_and_is_freed_when_its_visitor_leaves(family):
    from playground.engine.sampling import Sampling
    from playground.labs.chat import replies

    merges = Merges(models())
    reference = merges.move(two(family), None, "me").reference
    with merges.models.lease(reference) as engine:
        *_, last = replies.reply(
            engine, [{"role": "user", "content": "Hello"}], Sampling(max_new_tokens=4, temperature=0)
        )
        assert last.provenance.reference == reference
    merges.models.remaking.drop("me")
    assert merges.models.ledger().used == 0


def test_parents_that_do_not_fit_are_refused_in_a_sentence(family, tmp_path):
    merges = Merges(models())
    gpt2, wide = tiny.save(tmp_path / "gpt2", "gpt2"), shutil.copytree(family["a"], tmp_path / "wide")
    config = json.loads((wide / "config.json").read_text())
    (wide / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    moved = shutil.copytree(family["a"], tmp_path / "moved")
    tokenizer = json.loads((moved / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    names = list(vocabulary)
    tokenizer["model"]["vocab"] = dict(zip(names, reversed(list(vocabulary.values())), strict=True))
    (moved / "tokenizer.json").write_text(json.dumps(tokenizer))
    missing = shutil.copytree(family["a"], tmp_path / "missing")
    fewer = weights(missing)
    del fewer["model.layers.1.mlp.up_proj.weight"]
    save_file(fewer, missing / "model.safetensors", {"format": "pt"})
    broken = shutil.copytree(family["a"], tmp_path / "broken")
    with_nan = weights(broken)
    with_nan["model.layers.1.mlp.up_proj.weight"][3, 4] = float("nan")
    save_file(with_nan, broken / "model.safetensors", {"format": "pt"})
    for folder, words in (
        (gpt2, "different architectures"),
        (wide, "width of the residual stream"),
        (moved, "other rows"),
        (missing, "model.layers.1.mlp.up_proj.weight"),
        (broken, "no finite numbers"),
    ):
        recipe = Recipe("linear", (Ingredient(str(family["a"])), Ingredient(str(folder))))
        with pytest.raises(PlaygroundError, match=words):
            merges.move(recipe, None, "me")
        assert merges.models.ledger().used == 0
