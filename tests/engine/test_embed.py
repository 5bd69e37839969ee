"""Vectors equal those of sentence-transformers, whatever is read together, and each recipe pools as it says."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from playground.engine import embed as embedding
from playground.engine.embed import embed
from playground.engine.recipe import Recipe
from playground.errors import PlaygroundError
from playground.models import sentence
from playground.models.sources import locate
from playground.settings import MINILM, Settings
from tests import tiny

TEXTS = ["Paris is the capital of France.", "a", "", "The cat sat on the mat. " * 40, "Grüße 世界 👩‍🚀", "The doctor"]


@pytest.fixture(scope="module")
def bert():
    return tiny.engine("bert")


@pytest.mark.starter
def test_the_starter_equals_sentence_transformers(starter_cache):
    from sentence_transformers import SentenceTransformer

    folder = locate(MINILM, Settings(cache_dir=starter_cache)).folder
    peer = SentenceTransformer(str(folder), device="cpu")
    found = embed(tiny.loaded(folder), TEXTS)
    assert np.abs(found - peer.encode(TEXTS, normalize_embeddings=True)).max() < 1e-5
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last"])
def test_each_pooling_is_that_of_the_text_alone(bert, pooling):
    engine = dataclasses.replace(bert, sentence=Recipe(pooling, 64))
    found = embed(engine, TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        batch = engine.tokenizer(text, return_tensors="pt", truncation=True, max_length=64)
        batch.pop("token_type_ids", None)
        with torch.inference_mode():
            states = engine.model.base_model(**batch).last_hidden_state[0]
        right = {"mean": states.mean(0), "cls": states[0], "max": states.amax(0), "last": states[-1]}[pooling]
        assert np.allclose(vector, (right / right.norm()).numpy(), atol=1e-5)


def test_prefixes_stand_before_the_text_and_count(bert):
    engine = dataclasses.replace(bert, sentence=Recipe(query_prefix="the cat ", passage_prefix="nurse "))
    plain = dataclasses.replace(bert, sentence=Recipe())
    assert np.allclose(embed(engine, ["sat"], "query"), embed(plain, ["the cat sat"]), atol=1e-6)
    assert np.allclose(embed(engine, ["sat"]), embed(plain, ["nurse sat"]), atol=1e-6)
    states = embedding.token_states(engine, "sat", "query")
    assert [span for span in states.spans if span != (0, 0)] == [(0, 3)] or states.spans[-2] == (2, 3)
    assert np.allclose(states.vector, embed(engine, ["sat"], "query")[0], atol=1e-6)


def test_it_stops_and_says_how_far_it_is(bert):
    seen = []
    assert embed(bert, ["a b"] * 200, stopped=lambda: len(seen) > 1, report=seen.append) is None
    assert seen == [64, 128]


def test_a_model_that_writes_is_refused():
    with pytest.raises(PlaygroundError, match="was not made to embed"):
        embed(tiny.engine("llama"), ["a"])


def test_recipes_are_read_from_the_files(tmp_path):
    assert sentence.read(tmp_path, "intfloat/e5-small-v2") == Recipe(query_prefix="query: ", passage_prefix="passage: ")
    modules = [{"type": "sentence_transformers.models.Transformer", "path": ""},
               {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]  # fmt: skip
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 99}')
    (tmp_path / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "Q: ", "document": ""}})
    )
    assert sentence.read(tmp_path, "org/name") == Recipe("cls", 99, "Q: ", "", declared=True)
    modules.append({"type": "sentence_transformers.models.Dense", "path": "2_Dense"})
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    engine = dataclasses.replace(tiny.engine("bert"), sentence=sentence.read(tmp_path, "org/name"))
    with pytest.raises(PlaygroundError, match="Dense layer"):
        embed(engine, ["a"])
