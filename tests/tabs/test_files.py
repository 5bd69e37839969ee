"""Files of a visitor: those that are offered are one's own, and an upload that has gone is told."""

from pathlib import Path

import pytest

from playground.errors import PlaygroundError
from playground.tabs.bias import pair_source
from playground.tabs.files import uploaded, write_files
from playground.tabs.internals import neuron_corpus


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "not yet"))
    return tmp_path / "not yet"


def test_what_one_is_offered_stays_whatever_others_are_offered_since(place):
    path = write_files({"a.csv": "mine", "a.json": "too"})[0]
    for _ in range(50):
        write_files({"a.csv": "theirs"})
    assert Path(path).read_text() == "mine" and len(list(place.iterdir())) == 51
    assert place.stat().st_mode & 0o077 == 0, "nobody else on the machine reads them"


def test_an_upload_that_has_gone_is_told(tmp_path):
    here = tmp_path / "a.csv"
    here.write_text("first,second\nHe is.,She is.\n")
    assert uploaded(str(here)) == here
    gone = str(tmp_path / "b.csv")
    for read in (uploaded, pair_source._of_file, neuron_corpus.read):
        with pytest.raises(PlaygroundError, match="no longer here"):
            read(gone)
