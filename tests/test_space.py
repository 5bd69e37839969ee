"""A Space is checked before it is sent, and what arrives is what runs, on a hub of this machine."""

import shutil
from pathlib import Path

import pytest
import yaml

from playground import space
from playground.errors import PlaygroundError

ROOT = Path(__file__).parent.parent


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small project that could be a Space."""
    for name in ("spaces.yaml", "README.md", "requirements.txt", "app.py"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (
        "playground/a.py",
        "playground/__pycache__/a.pyc",
        "assets/x.css",
        "tests/test_a.py",
        ".env",
        ".venv/x",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def change(folder: Path, **given) -> None:
    """Changes the manifest, and the front matter with it."""
    manifest = space.manifest(folder) | given
    (folder / "spaces.yaml").write_text(yaml.safe_dump(manifest))
    shown = {name: value for name, value in manifest.items() if name != "variables"}
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(shown)}---\n# Title\n")


def test_this_project_can_be_a_space(capsys):
    assert space.problems() == []
    assert space.main([]) == 0 and "fit together" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"title": ""}, "no text for title"),
        ({"python_version": 3.1}, "no text for python_version"),
        ({"sdk": "docker"}, "this page is a Gradio app"),
        ({"sdk_version": "5.0.0"}, "requirements.txt asks for gradio"),
        ({"app_file": "main.py"}, "'main.py' is not there"),
        ({"colorTo": "mauve"}, "Spaces knows blue"),
        ({"short_description": "x" * 61}, "longer than 60"),
        ({"preload_from_hub": ["org/other config.json"]}, "org/other is preloaded"),
        ({"variables": {"PLAYGROUND_PUBLIC": True}}, "PLAYGROUND_PUBLIC has to be a text"),
        ({"variables": {"PLAYGROUND_PORT": "x"}}, "give a whole number"),
        ({"variables": {"PLAYGROUND_PUBIC": "true"}}, "Did you mean PLAYGROUND_PUBLIC"),
    ],
)
def test_what_a_space_would_stumble_over_has_a_sentence(folder, given, said):
    change(folder)
    assert space.problems(folder) == []
    change(folder, **given)
    (found,) = space.problems(folder)
    assert said in found


def test_a_stale_front_matter_and_a_broken_manifest_are_noticed(folder):
    (folder / "README.md").write_text("# No front matter\n")
    (found,) = space.problems(folder)
    assert "front matter" in found
    (folder / "spaces.yaml").write_text("a: [")
    with pytest.raises(PlaygroundError, match=r"spaces.yaml cannot be read"):
        space.problems(folder)


def test_checking_leaves_the_environment_as_it_was(folder, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_PORT", "1234")
    monkeypatch.setenv("PLAYGROUND_PUBLIC", "false")
    space.problems(folder)
    import os

    assert (os.environ["PLAYGROUND_PORT"], os.environ["PLAYGROUND_PUBLIC"]) == ("1234", "false")
    assert "PLAYGROUND_CONCURRENCY" not in os.environ


def test_what_runs_is_sent_and_nothing_else(folder, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    address = space.push("me/play", private=True, root=folder)
    assert address == f"{hub.endpoint}/spaces/me/play"
    made = hub.made["me/play"]
    assert made["type"] == "space" and made["sdk"] == "gradio" and hub.repositories["me/play"].private
    names = {"app.py", "requirements.txt", "README.md", "spaces.yaml", "playground/a.py", "assets/x.css"}
    assert set(hub.received["me/play"]) == names
    assert hub.received["me/play"]["playground/a.py"] == b"playground/a.py"
    assert hub.variables["me/play"] == space.manifest(folder)["variables"]
    order = [request.split("/")[-1] for request in hub.requests if request.startswith("POST")]
    assert order.index("variables") < order.index("main"), "files start a build, which reads the variables"


def test_what_cannot_be_sent_is_said(folder, hub, monkeypatch):
    with pytest.raises(PlaygroundError, match="No hub token"):
        space.push("me/play", root=folder)
    with pytest.raises(PlaygroundError, match="is no Space"):
        space.push("play", root=folder)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(PlaygroundError, match="The hub did not take me/play"):
        space.push("me/play", root=folder)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    change(folder, sdk="static")
    with pytest.raises(PlaygroundError, match="Nothing was sent"):
        space.push("me/play", root=folder)
    assert hub.received.get("me/play") in (None, {})
