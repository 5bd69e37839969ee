"""Files of a visitor: those that are offered do not pile up, and an upload that has gone is told."""

from pathlib import Path

import pytest

from playground.errors import PlaygroundError
from playground.tabs.bias import pair_source
from playground.tabs.files import MOST_FOLDERS, Files, uploaded
from playground.tabs.internals import neuron_corpus


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "not yet"))
    return tmp_path / "not yet"


def test_the_oldest_folder_goes_when_there_are_many(place):
    files = Files()
    paths = [files.write({"a.txt": str(n)})[0] for n in range(MOST_FOLDERS + 3)]
    assert [Path(path).exists() for path in paths] == [False] * 3 + [True] * MOST_FOLDERS
    assert len(list(place.iterdir())) == MOST_FOLDERS


def test_panes_do_not_take_one_anothers_files():
    mine, theirs = Files(), Files()
    path = mine.write({"a.txt": "mine"})[0]
    for _ in range(MOST_FOLDERS + 1):
        theirs.write({"a.txt": "theirs"})
    assert Path(path).read_text() == "mine"


def test_an_upload_that_has_gone_is_told(tmp_path):
    here = tmp_path / "a.csv"
    here.write_text("first,second\nHe is.,She is.\n")
    assert uploaded(str(here)) == here
    gone = str(tmp_path / "b.csv")
    for read in (uploaded, pair_source._of_file, neuron_corpus.read):
        with pytest.raises(PlaygroundError, match="no longer here"):
            read(gone)
