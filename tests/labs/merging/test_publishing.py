"""A saved merge sent to a hub of this machine, and refusals that name the reason."""

import pytest

from playground.errors import PlaygroundError
from playground.labs.merging import publishing
from playground.labs.merging.saved import Saved
from playground.settings import Settings


@pytest.fixture
def saved(tmp_path) -> Saved:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlibrary_name: transformers\n---\n# A merge\n")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    (folder / "manifest.json").write_text("{}")
    return Saved(folder, 10_240, 1, 0.1)


def test_the_folder_arrives_without_what_is_ours_alone(hub, saved, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    address = publishing.push(saved, "me/mine", Settings(offline=False))
    assert address == f"{hub.endpoint}/me/mine"
    sent = hub.received["me/mine"]
    assert sent.keys() >= {"README.md", "model.safetensors"} and "manifest.json" not in sent
    assert sent["model.safetensors"] == (saved.folder / "model.safetensors").read_bytes()
    assert hub.repositories["me/mine"].private


def test_what_cannot_be_sent_is_refused_in_a_sentence(hub, saved, monkeypatch):
    with pytest.raises(PlaygroundError, match="No hub token"):
        publishing.push(saved, "me/mine", Settings(offline=False))
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(PlaygroundError, match="did not take"):
        publishing.push(saved, "me/mine", Settings(offline=False))
    for settings, repo, words in (
        (Settings(offline=True), "me/mine", "offline"),
        (Settings(offline=False, public=True), "me/mine", "public page"),
        (Settings(offline=False), "nonsense", "no repository"),
    ):
        with pytest.raises(PlaygroundError, match=words):
            publishing.push(saved, repo, settings)
    assert not hub.received
