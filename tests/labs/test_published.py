"""What a script names: a place that whoever runs it has too, or can put in; never a folder of this machine."""

import pytest

from playground.errors import PlaygroundError
from playground.labs import published

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("reference", "loaded"),
    [
        ("starter:smollm2-135m-instruct", ("HuggingFaceTB/SmolLM2-135M-Instruct", None)),
        ("starter:all-minilm-l6-v2#float32", ("sentence-transformers/all-MiniLM-L6-v2", None)),
        ("starter:minilm-mlm", ("PATH/TO/minilm-mlm", None)),
        ("org/name@main#bfloat16", ("org/name", COMMIT)),
        ("org/name@v2", ("org/name", COMMIT)),
        ("/models/it's mine", ("PATH/TO/it's mine", None)),
        ("/models/some.gguf", ("PATH/TO/some", None)),
        ("org/name/some-Q4.gguf", ("PATH/TO/some-Q4", None)),
    ],
)
def test_a_model_is_named_as_anybody_can_load_it(reference, loaded):
    place = published.of(reference, COMMIT)
    assert (place.name, place.revision) == loaded
    written: dict = {}
    exec(place.line("MODEL"), written)
    assert written["MODEL"] == place.name
    assert bool(place.remark) == ("PATH/TO" in place.name or "SmolLM2" in place.name)


def test_a_revision_that_is_no_commit_is_not_asked_for():
    assert published.of("org/name", "0123abc").revision is None
    assert published.of("org/name@v2", "0123abc").at == ", revision='v2'"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("endpoint:local/some/model", "runs at an endpoint"),
        ("merge:half-and-half", "save this one first"),
        ("org/name+adapter:pirate*0.7", "save this one first"),
    ],
)
def test_what_stands_in_no_files_of_its_own_is_a_sentence(reference, words):
    with pytest.raises(PlaygroundError, match=words):
        published.of(reference)
