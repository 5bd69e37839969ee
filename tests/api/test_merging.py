"""The endpoints that merge, called as a client calls them; results in plain JSON."""

import json
import shutil
import uuid
from pathlib import Path

import pytest

from tests import tiny


@pytest.fixture(scope="module")
def parents(tmp_path_factory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("parents")
    return tiny.save(root / "a", "llama", seed=0), tiny.save(root / "b", "llama", seed=1)


@pytest.fixture
def call(client):
    return lambda name, *arguments, **named: client.predict(*arguments, **named, api_name=f"/{name}")


def test_a_merge_is_a_model_for_every_other_endpoint(call, parents):
    a, b = map(str, parents)
    recipe = {
        "merge_method": "linear",
        "models": [{"model": m, "parameters": {"weight": w}} for m, w in ((a, 0.3), (b, 0.7))],
    }
    made = call("merge", recipe)
    assert made["method"] == "linear" and made["sources"] == [a, b] and made["bytes"] > 0
    json.dumps(made)
    lines = [f"- {{model: {m}, parameters: {{weight: {w}}}}}" for m, w in ((a, 0.3), (b, 0.7))]
    assert call("merge", "\n".join(["merge_method: linear", "models:", *lines]))["model"] == made["model"]
    written = call("complete", "The cat", model=made["model"], max_new_tokens=3, temperature=0)
    assert written["new_tokens"] == 3
    for name, *asked in (
        ("next_tokens", "The cat"),
        ("attention", "The cat sat"),
        ("logit_lens", "The cat sat"),
        ("bias_fill", "The [MASK] sat."),
        ("label", "The cat", ["good", "bad"]),
    ):
        assert call(name, *asked, model=made["model"])["model"] == made["model"], name


def test_inspection_and_saving_and_bad_input(call, parents):
    a, b = map(str, parents)
    found = call("merge_inspect", a, b)
    assert found["fits"] and len(found["tensors"]) > 10 and found["tensors"][0]["conflicts"] is None
    recipe = {"merge_method": "slerp", "models": [{"model": a}, {"model": b}], "parameters": {"t": 0.5}}
    saved = call("merge_save", recipe, f"test-{uuid.uuid4().hex}")
    assert (Path(saved["model"]) / "model.safetensors").exists()
    shutil.rmtree(saved["model"])
    for arguments in (("nonsense",), ({"merge_method": "linear"},)):
        with pytest.raises(Exception, match=r"recipe|Choose|models"):
            call("merge", *arguments)
    with pytest.raises(Exception, match="no name"):
        call("merge_save", recipe, "../up")
