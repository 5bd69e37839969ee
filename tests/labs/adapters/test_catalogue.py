"""What is shipped, and what a name may be."""

import json

import pytest

from playground.errors import PlaygroundError
from playground.labs.adapters import catalogue
from playground.models import adapters as known
from playground.settings import Settings
from tests.labs.adapters import made


def test_the_shipped_ones_say_what_they_are():
    listed = known.shipped()
    assert {one.name for one in listed} >= {"pirate", "json", "sentiment", "arithmetic"}
    for one in listed:
        assert one.rank == 8
        assert one.n_bytes < 4_000_000
        assert one.title and one.about and "Held-out figures" in one.card
        assert one.base == "HuggingFaceTB/SmolLM2-135M-Instruct"
        if one.measured:
            assert one.measured["adapter"]["n"] == one.measured["base"]["n"] >= 24
        else:
            assert "Not measured yet" in one.card
        adapter = catalogue.ready(one.name, Settings())
        assert len(adapter.layers) == 30 * 4  # query, key, value and output of 30 layers
        assert all(factors.delta.abs().sum() > 0 for factors in adapter.layers.values())


def test_a_folder_is_read_where_that_is_allowed(tmp_path):
    folder = made.folders()[0]
    assert catalogue.ready(str(folder), Settings(local_paths=True)).rank == 4
    with pytest.raises(PlaygroundError, match="not allowed"):
        catalogue.ready(str(folder), Settings(local_paths=False))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "No adapter was named"),
        ("parrot", "There are: "),
        ("../secrets", "There is no adapter|not allowed"),
        ("starter:all-minilm-l6-v2", "There is no shipped|no adapter"),
        ("someone/something", "offline"),
    ],
)
def test_what_names_no_adapter_is_refused(name, words, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PlaygroundError, match=words):
        known.place(name, Settings(offline=True))


def test_what_is_more_than_a_lora_is_refused(tmp_path):
    for file in made.folders()[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(PlaygroundError, match="use_dora"):
        catalogue.ready(str(tmp_path), Settings(local_paths=True))
