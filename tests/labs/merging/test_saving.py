"""A saved merge: loads in plain transformers as what was blended, needs little memory, and is whole or not there."""

import errno
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from playground.errors import PlaygroundError
from playground.labs.merging import mergekit_yaml, saving
from playground.labs.merging.blending import Blend
from playground.labs.merging.live import Merges
from playground.labs.merging.recipe import Ingredient, Recipe, constant
from playground.labs.merging.saved import Saved
from playground.models import disk
from playground.models.cache import ModelCache
from playground.models.sources import Files
from playground.models.weights import Weights
from playground.settings import Settings


@pytest.fixture
def merges(tmp_path) -> Merges:
    settings = Settings(memory_budget=10**8, dtype="bfloat16", device="cpu", local_paths=True, cache_dir=tmp_path)
    return Merges(ModelCache(settings))


def recipe(family, **more) -> Recipe:
    return Recipe("linear", (Ingredient(str(family["a"])), Ingredient(str(family["b"]))), **more)


def save(merges: Merges, made: Recipe, target: Path, **more) -> Saved:
    return saving.save(merges.blend(made), merges.opened(made), target, **more)


def test_a_saved_merge_is_the_live_one_and_loads_in_plain_transformers(merges, family, tmp_path):
    import transformers

    made = recipe(family)
    saved = save(merges, made, tmp_path / "merges" / "mine")
    model = transformers.AutoModelForCausalLM.from_pretrained(saved.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved.folder)
    assert tokenizer.chat_template and model.dtype == torch.bfloat16
    with merges.models.lease(merges.move(made, None, "me").reference) as live:
        for name, value in model.named_parameters():
            assert torch.equal(value, dict(live.model.named_parameters())[name]), name
    with merges.models.lease(saved.reference) as engine:  # and it is a model for Playground
        assert all(check.passed is not False for check in engine.checks)
    card = (saved.folder / "README.md").read_text()
    assert "merge_method: linear" in card and str(family["a"]) in card
    head = card.split("---")[1]
    assert yaml.safe_load(head)["library_name"] == "transformers"
    assert mergekit_yaml.read((saved.folder / saving.RECIPE).read_text()) == made


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_shards_hold_every_tensor_once_in_the_precision_that_was_asked_for(merges, family, tmp_path, dtype):
    saved = save(merges, recipe(family, dtype=dtype), tmp_path / "mine", shard_bytes=40_000)
    index = json.loads((saved.folder / "model.safetensors.index.json").read_text())
    assert saved.n_files > 2 and len(set(index["weight_map"].values())) == saved.n_files
    original, held = load_file(family["a"] / "model.safetensors"), {}
    for file in saved.folder.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118  it is no dictionary
                assert name not in held and index["weight_map"][name] == file.name
                held[name] = opened.get_tensor(name)
    assert held.keys() == original.keys()
    assert {tensor.dtype for tensor in held.values()} == {getattr(torch, dtype)}
    assert index["metadata"]["total_size"] == sum(t.numel() * t.element_size() for t in held.values())


def test_one_tensor_is_held_at_a_time_however_many_there_are(merges, family, tmp_path, monkeypatch):
    places, plain = set(), Blend.tensor

    def watched(self, name, out) -> None:
        places.add(out.untyped_storage().data_ptr())
        plain(self, name, out)

    monkeypatch.setattr(Blend, "tensor", watched)
    save(merges, recipe(family), tmp_path / "mine", shard_bytes=40_000)
    assert len(places) == 1


class Peak(TorchDispatchMode):
    """The most bytes that tensors made meanwhile have held at one time. Mapped files count by the tensors read."""

    def __init__(self) -> None:
        super().__init__()
        self.most, self._held = 0, {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self._held[storage.data_ptr()] = StorageWeakRef(storage), storage.nbytes()
        self._held = {place: one for place, one in self._held.items() if not one[0].expired()}
        self.most = max(self.most, sum(size for _, size in self._held.values()))
        return made


def test_the_memory_of_a_save_grows_with_the_largest_tensor_and_not_with_the_model(tmp_path):
    """Measured where memory is taken: in torch's own operations."""
    from tokenizers import Tokenizer, models

    def peak(width: int, layers: int) -> tuple[int, int]:
        """(most bytes held while a TIES merge was saved, bytes of the model)"""
        shapes = {f"model.layers.{i}.mlp.up_proj.weight": (width, width) for i in range(layers)}
        opened = {}
        for name in ("base", "a", "b"):
            folder = tmp_path / f"{name}-{width}-{layers}"
            folder.mkdir()
            save_file(
                {key: torch.randn(shape).bfloat16() for key, shape in shapes.items()}, folder / "model.safetensors"
            )
            Tokenizer(models.BPE()).save(str(folder / "tokenizer.json"))
            opened[name] = Weights(Files(name, folder, "0", 0, 0, {}))
        halves = tuple(Ingredient(name, density=constant(0.5)) for name in ("a", "b"))
        made = Recipe("ties", halves, "base")
        with Peak() as seen:
            saved = saving.save(Blend(made, opened), opened, tmp_path / f"merged-{width}-{layers}")
        return seen.most, saved.n_bytes

    small, deep, wide = peak(768, 2), peak(768, 16), peak(1536, 2)
    assert deep[1] > 7.9 * small[1] and wide[1] > 3.9 * small[1]
    assert deep[0] < 1.1 * small[0]
    assert deep[0] < 0.8 * deep[1]  # where the counting itself is wrong, everything would be held
    assert wide[0] > 1.5 * small[0]


def test_a_disk_that_fills_leaves_nothing_that_could_be_taken_for_a_model(merges, family, tmp_path, monkeypatch):
    made, target = recipe(family), tmp_path / "merges" / "mine"
    plain, done = Blend.tensor, []

    def full(self, name, out) -> None:
        done.append(name)
        if len(done) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(self, name, out)

    with monkeypatch.context() as patched:
        patched.setattr(Blend, "tensor", full)
        with pytest.raises(PlaygroundError, match="disk became full"):
            save(merges, made, target)
    assert not [path for path in target.parent.iterdir() if not path.name.endswith(".lock")]
    assert save(merges, made, target).folder == target  # and the next one succeeds
    with pytest.raises(PlaygroundError, match="already"):
        save(merges, made, target)
    with monkeypatch.context() as patched:
        patched.setattr(disk.shutil, "disk_usage", lambda place: SimpleNamespace(free=0))
        with pytest.raises(PlaygroundError, match="not enough disk space"):
            save(merges, made, tmp_path / "merges" / "other")


def test_weights_that_are_no_numbers_are_undone_after(merges, family, tmp_path):
    import shutil

    broken = shutil.copytree(family["b"], tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.layers.2.mlp.up_proj.weight"][0, 0] = float("inf")
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    made = Recipe("linear", (Ingredient(str(family["a"])), Ingredient(str(broken))))
    with pytest.raises(PlaygroundError, match="no finite numbers"):
        save(merges, made, tmp_path / "merges" / "mine")
    assert not [path for path in (tmp_path / "merges").iterdir() if not path.name.endswith(".lock")]


def test_names_and_places_are_checked(tmp_path):
    settings = Settings(cache_dir=tmp_path, local_paths=True)
    assert saving.folder_for("my-merge", settings) == tmp_path / "merges" / "my-merge"
    for name in ("", "../up", "a/b", ".hidden", "x" * 100, "a..b"):
        with pytest.raises(PlaygroundError):
            saving.folder_for(name, settings)
    with pytest.raises(PlaygroundError, match="may not use folders"):
        saving.folder_for("mine", replace_settings(settings))


def replace_settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"local_paths": False})


def test_mergekit_is_given_folders_that_it_knows(merges, family):
    made = recipe(family)
    parents = merges.opened(made)
    starter = replace(parents[str(family["a"])].files, adapters=((Path("/adapters/pirate"), 1.0),))
    parents[str(family["a"])].files = starter
    plain = yaml.safe_load(saving.for_mergekit(made, parents, here=True))
    assert plain["models"][0]["model"] == f"{family['a']}+/adapters/pirate"
    elsewhere = saving.for_mergekit(made, parents, here=False)
    assert [model["model"] for model in yaml.safe_load(elsewhere)["models"]] == [
        "PATH/TO/a+PATH/TO/pirate",
        "PATH/TO/b",
    ]
