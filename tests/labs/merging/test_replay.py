"""The downloaded script, without Playground, makes the merge again: the same weights as the saved folder."""

import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.labs.merging import methods, plain, replay, saving
from playground.labs.merging.blending import PIECE
from playground.labs.merging.live import Merges
from playground.labs.merging.methods import chance
from playground.labs.merging.recipe import Ingredient, Recipe, Setting, constant
from playground.models.cache import ModelCache
from playground.models.sources import Files
from playground.settings import Settings
from tests.labs.adapters import made as adapted


@pytest.fixture
def merges(tmp_path) -> Merges:
    settings = Settings(memory_budget=10**8, dtype="float32", device="cpu", local_paths=True, cache_dir=tmp_path)
    return Merges(ModelCache(settings))


def both(merges: Merges, recipe: Recipe, folder, run) -> tuple[dict, dict]:
    """The weights that were saved, and those of the script."""
    opened = merges.opened(recipe)
    saving.save(merges.blend(recipe), opened, folder / "saved")
    text = script = replay.script(recipe, opened, "again")
    for files in (weights.files for weights in opened.values()):
        for place in (files.folder, *(adapter for adapter, _ in files.adapters)):
            assert str(place.parent) not in script
            text = text.replace(repr(f"PATH/TO/{place.name}"), repr(str(place)))
    assert "PATH/TO" not in text
    (folder / "merge.py").write_text(text.replace("'again')", f"{str(folder / 'again')!r})"))
    run(folder / "merge.py")
    saved, again = (load_file(folder / name / "model.safetensors") for name in ("saved", "again"))
    assert saved.keys() == again.keys()
    return saved, again


def here(path) -> None:
    runpy.run_path(str(path), run_name="__main__")


CASES = [(name, dialect) for name, kind in methods.METHODS.items() for dialect in kind.dialects or ("mergekit",)]


@pytest.mark.parametrize(("method", "dialect"), [case for case in CASES if case != ("ties", "paper")])
def test_the_script_gives_the_weights_of_the_merge(merges, family, tmp_path, method, dialect):
    models = tuple(
        Ingredient(str(family[name]), Setting((weight, 2 * weight)), constant(density))
        for name, weight, density in (("a", 0.3, 0.5), ("b", 0.6, 0.4))
    )
    t = Setting((0.2, 0.9), parts=(("self_attn", (0.5,)),))
    recipe = Recipe(method, models, str(family["base"]), t=t, gamma=0.05, dialect=dialect, dtype="float32")
    saved, again = both(merges, recipe, tmp_path, here)
    for name, tensor in saved.items():
        torch.testing.assert_close(again[name], tensor, rtol=1e-5, atol=2e-7, msg=name)
    assert any(
        not torch.equal(tensor, load_file(family["a"] / "model.safetensors")[name].float())
        for name, tensor in saved.items()
    )


def test_in_a_process_of_its_own_with_adapters_as_parents(merges, tmp_path):
    base = shutil.copytree(adapted.base_folder(), tmp_path / "base")
    parents = [f"{base}+adapter:{adapted.folders()[0]}*0.7", f"{base}+adapter:{adapted.folders()[1]}"]
    recipe = Recipe("slerp", tuple(Ingredient(parent) for parent in parents), t=constant(0.4))

    def alone(path) -> None:
        """Isolated: neither this directory nor this project can be imported."""
        done = subprocess.run([sys.executable, "-I", path.name], cwd=path.parent, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    saved, again = both(merges, recipe, tmp_path, alone)
    for name, tensor in saved.items():
        torch.testing.assert_close(again[name], tensor, rtol=1e-5, atol=2e-7, msg=name)
    assert (tmp_path / "again" / "tokenizer.json").exists() and (tmp_path / "again" / "config.json").exists()
    text = (tmp_path / "merge.py").read_text()
    assert "playground" not in text.replace(str(tmp_path), "").lower().partition("made by playground;")[2]
    assert "def ties" not in text and "hashlib" not in text  # only what the method needs


def test_starters_and_what_ships_are_named_as_anybody_finds_them(monkeypatch, tmp_path):
    """No weights are read: of parents the script needs only what they are called."""
    files = Files("starter:smollm2-135m-instruct", tmp_path / "cache" / "smollm2", "0123", 0, 0, {})
    pirate = replace(files, adapters=((ASSETS / "adapters" / "pirate", 0.7), (ASSETS / "adapters" / "json", 1.0)))
    hub = replace(files, reference="org/name", folder=tmp_path / "snapshot", revision="0" * 40)
    mine = replace(files, reference=str(tmp_path / "pirate"), folder=tmp_path / "pirate")
    parents = {name: SimpleNamespace(files=f) for name, f in zip("abcd", (files, pirate, hub, mine), strict=True)}
    recipe = Recipe("linear", tuple(Ingredient(name) for name in "abcd"), dtype="bfloat16")
    text = replay.script(recipe, parents)
    written: dict = {}
    exec(text[text.index("PLACES = ") : text.index("\n\n\n")], written)
    assert written["PLACES"] == {
        "SmolLM2-135M-Instruct": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "pirate": "PATH/TO/assets/adapters/pirate",
        "json": "PATH/TO/assets/adapters/json",
        "name": f"org/name@{'0' * 40}",
        "pirate 2": "PATH/TO/pirate",
    }
    assert written["RECIPE"]["models"] == [
        ("SmolLM2-135M-Instruct", []),
        ("SmolLM2-135M-Instruct", [("pirate", 0.7), ("json", 1.0)]),
        ("name", []),
        ("pirate 2", []),
    ]
    assert "4-bit" in text and str(tmp_path) not in text and str(ASSETS) not in text
    fetched = []
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *a, **named: fetched.append((a, named)) or str(tmp_path)
    )
    assert plain.folder_of("org/name@abc") == plain.folder_of("org/name") == tmp_path == plain.folder_of(str(tmp_path))
    assert fetched == [(("org/name",), {"revision": "abc"}), (("org/name",), {"revision": None})]


def test_scripts_that_would_be_wrong_are_refused(merges, family):
    models = tuple(Ingredient(str(family[name])) for name in ("a", "b"))
    for recipe, words in (
        (Recipe("linear", models, union=True), "one vocabulary"),
        (Recipe("ties", models, str(family["base"]), dialect="paper"), "over all of them"),
    ):
        with pytest.raises(PlaygroundError, match=words):
            replay.script(recipe, merges.opened(recipe))


def test_nothing_but_torch_safetensors_and_numpy_is_imported():
    assert not [
        name
        for name in vars(plain)
        if "playground" in str(getattr(vars(plain)[name], "__module__", ""))
        and vars(plain)[name].__module__ != plain.__name__
    ]


def test_chance_is_that_of_the_streamed_merge_over_many_pieces():
    shape, step = torch.Size([300, 500]), PIECE // 500
    how = {"seed": 5, "name": "w"}
    streamed = [
        chance.uniform(5, "w", 1, row * 500, torch.Size([min(step, 300 - row), 500])) for row in range(0, 300, step)
    ]
    plainly = plain.by_chance(how, 1, shape, lambda generator, n: generator.random(n, np.float32))
    assert len(streamed) > 2 and torch.equal(plainly, torch.cat(streamed))
