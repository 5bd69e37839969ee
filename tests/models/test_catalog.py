"""The catalog: readable, true to the weights where we have them, and covering every kind."""

import re
from typing import get_args

import pytest

from playground.models import catalog as offers
from playground.models import sources, starters
from playground.models.catalog import catalog
from playground.settings import Settings

GOOD = '[[model]]\nreference = "org/name"\ntitle = "T"\nkind = "chat"\nparameters = 5\nlicence = "MIT"\n'


def test_every_entry_can_be_parsed_and_says_what_matters():
    for entry in catalog():
        assert str(sources.parse(entry.reference)) == entry.reference
        assert entry.hub_id is None or sources.parse(entry.hub_id).kind == "hub"
        assert entry.licence
        assert entry.note.endswith(".")
        assert ("gated" in entry.title) == ("HF_TOKEN" in entry.note)


def test_every_kind_and_every_starter_is_there():
    assert {entry.kind for entry in catalog()} == set(get_args(offers.Kind))
    assert {f"starter:{name}" for name in starters.names()} <= {entry.reference for entry in catalog()}
    assert set(Settings().default_models) <= {entry.reference for entry in catalog()}


def test_public_pages_take_models_of_these_organisations():
    assert {"HuggingFaceTB", "Qwen", "google-bert", "openai-community"} <= set(offers.organisations())
    assert all(re.fullmatch(r"[\w.-]+", name) for name in offers.organisations())


@pytest.mark.starter
def test_parameters_of_the_starters_are_counted(starter_cache):
    settings = Settings(cache_dir=starter_cache)
    for entry in catalog():
        if entry.reference.startswith("starter:"):
            assert sources.locate(entry.reference, settings).n_parameters == entry.parameters


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("title", "name"), "org/name"),
        (GOOD.replace('"chat"', '"chatty"'), "kind is one of"),
        (GOOD.replace("= 5", "= 1.5"), "parameters is a count"),
        (GOOD + GOOD, "named twice: org/name"),
    ],
)
def test_a_wrong_catalog_says_what_is_wrong(tmp_path, text, complaint):
    (tmp_path / "models.toml").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        offers.read(tmp_path / "models.toml")
