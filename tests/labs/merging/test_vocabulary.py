"""Parents with different vocabularies: rows go by their tokens, and what only one knows stays as that one has it."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from playground.errors import PlaygroundError
from playground.labs.merging.live import Merges
from playground.labs.merging.recipe import Ingredient, Recipe
from playground.models.cache import ModelCache
from playground.settings import Settings

EMBEDDING = "model.embed_tokens.weight"


@pytest.fixture
def stranger(family, tmp_path):
    """B with two tokens swapped and one more added, and with rows to match."""
    folder = shutil.copytree(family["b"], tmp_path / "stranger")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    n = len(vocabulary)
    one, other = (token for token, row in vocabulary.items() if row in (n - 1, n - 2))
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    tokenizer["added_tokens"].append(tokenizer["added_tokens"][0] | {"id": n, "content": "<new>"})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    weights = load_file(folder / "model.safetensors")
    for name in (EMBEDDING, "lm_head.weight"):
        rows = weights[name]
        swapped = rows.clone()
        swapped[n - 1], swapped[n - 2] = rows[n - 2], rows[n - 1]
        weights[name] = torch.cat([swapped, torch.full((1, rows.shape[1]), 0.5, dtype=rows.dtype)])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": n + 1}))
    return folder, n


def test_rows_go_by_their_tokens_and_new_ones_stay_as_they_are(family, stranger, tmp_path):
    folder, n = stranger
    settings = Settings(
        memory_budget=10**8, dtype="float32", device="cpu", local_paths=True, cache_dir=tmp_path / "cache"
    )
    merges = Merges(ModelCache(settings))
    recipe = Recipe("linear", (Ingredient(str(family["a"])), Ingredient(str(folder))))
    with pytest.raises(PlaygroundError, match="unite vocabularies"):
        merges.move(recipe, None, "me")
    united = Recipe(recipe.method, recipe.models, union=True)
    a, b = (load_file(family[name] / "model.safetensors") for name in ("a", "b"))
    with merges.models.lease(merges.move(united, None, "me").reference) as engine:
        got = dict(engine.model.named_parameters())[EMBEDDING]
        assert got.shape[0] == n + 1 == engine.anatomy.vocabulary_size
        torch.testing.assert_close(got[:n], (a[EMBEDDING].float() + b[EMBEDDING].float()) / 2, rtol=0, atol=1e-6)
        assert (got[n] == 0.5).all()
        assert engine.tokenizer.convert_tokens_to_ids("<new>") == n
        assert engine.tokenizer("a <new>", add_special_tokens=False).input_ids[-1] == n
