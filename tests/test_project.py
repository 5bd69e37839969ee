"""What stands around the code is true: README, the Space's manifest, the commands."""

import ast
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from playground import readme
from playground.flags import variable
from playground.models import catalog, reference
from playground.settings import Settings, read

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MANIFEST = yaml.safe_load((ROOT / "spaces.yaml").read_text("utf-8"))
VARIABLES = MANIFEST["variables"]
REQUIREMENTS = {
    requirement.name: requirement
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    if (words := line.partition("#")[0].strip())
    for requirement in [Requirement(words)]
}
PYTHON_FILES = sorted(
    path
    for place in ("app.py", "playground", "tests", "benchmarks", "training")
    for path in [*ROOT.glob(place), *ROOT.glob(f"{place}/**/*.py")]
)


# README


def test_readme_is_not_stale():
    assert readme.written_anew(README) == README, "run `python -m playground.readme`"


def test_a_stale_readme_is_noticed():
    assert readme.written_anew(README.replace("PLAYGROUND_PORT", "PLAYGROUND_PROT")) == README
    with pytest.raises(ValueError, match="<!-- map -->"):
        readme.written_anew(README.replace("<!-- map -->", ""))


def test_readme_shows_and_links_only_what_is_there():
    targets = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)
    assert any(target.endswith(".png") for target in targets)
    for target in [*targets, "LICENSE", "SECURITY.md", "assets/LICENSES.md", "assets/models.toml"]:
        assert (ROOT / target).is_file(), f"README.md names {target}"


def test_commands_in_the_readme_exist():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = set(
        re.findall(r"(?<=make )[a-z]+(?=$| |`)", "\n".join(re.findall(r"^    make.*|`make [^`]+`", README, re.M)))
    )
    assert named
    assert named <= set(targets)
    for module in re.findall(r"python -m (playground[\w.]*)", README):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_says_what_it_does(path):
    if path.is_file() and path.read_text("utf-8").strip():
        assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


# The Space


def test_front_matter_equals_the_manifest():
    front_matter = yaml.safe_load(README.split("---\n")[1])
    assert front_matter == {name: value for name, value in MANIFEST.items() if name != "variables"}


def test_the_space_runs_what_this_project_needs():
    assert MANIFEST["sdk"] == "gradio"
    assert (ROOT / MANIFEST["app_file"]).is_file()
    assert REQUIREMENTS["gradio"].specifier.contains(MANIFEST["sdk_version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SpecifierSet(project["requires-python"]).contains(MANIFEST["python_version"])
    assert str(REQUIREMENTS["torch"].specifier) == "==2.13.0"
    assert MANIFEST["license"] == project["license"].lower() == "apache-2.0"


def test_the_manifest_is_one_that_spaces_takes():
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {MANIFEST["colorFrom"], MANIFEST["colorTo"]} <= colours
    assert len(MANIFEST["short_description"]) <= 60
    assert all(isinstance(value, str) for value in (MANIFEST["sdk_version"], MANIFEST["python_version"]))


def test_variables_of_the_space_are_settings(monkeypatch):
    assert {f"PLAYGROUND_{name.upper()}" for name in Settings.model_fields} >= set(VARIABLES)
    for name, value in VARIABLES.items():
        assert isinstance(value, str), f"{name}: the Space's settings hold text"
        monkeypatch.setenv(name, value)
    assert read().public


def test_models_of_the_space_are_preloaded_and_allowed(monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DEFAULT_MODELS", VARIABLES["PLAYGROUND_DEFAULT_MODELS"])
    on_hub = {parsed.repo for parsed in map(reference.parse, read().default_models) if parsed.kind == "hub"}
    assert {line.split()[0] for line in MANIFEST["preload_from_hub"]} == on_hub
    assert on_hub <= set(MANIFEST["models"])
    assert {repo.split("/")[0] for repo in on_hub} <= set(catalog.organisations())


# The commands


def test_the_licence_is_whole():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_ci_runs_make_test_alone():
    assert os.access(ROOT / ".ci/run", os.X_OK)
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert [line for line in lines if "make" in line.split("#")[0]] == ["exec make test"]


@pytest.fixture
def clone(tmp_path) -> Path:
    """A folder with the commands and nothing installed."""
    for name in ("Makefile", "requirements.txt", "requirements-test.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    return tmp_path


def would_do(clone: Path, target: str) -> str:
    done = subprocess.run(["make", "-n", target], cwd=clone, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_nothing_is_installed_twice(clone):
    assert "pip install" in would_do(clone, "run")
    (clone / ".venv").mkdir()
    for age, stamp in ((20, "installed.stamp"), (10, "installed-for-tests.stamp")):
        file = clone / ".venv" / stamp
        file.touch()
        later = (clone / "requirements.txt").stat().st_mtime + 100 - age
        os.utime(file, (later, later))
    assert "pip install" not in would_do(clone, "run")
    assert "pip install" not in would_do(clone, "test")
    later += 100
    os.utime(clone / "requirements-test.txt", (later, later))
    assert "pip install" not in would_do(clone, "run")
    assert would_do(clone, "test").count("pip install") == 1
    os.utime(clone / "requirements.txt", (later, later))
    assert would_do(clone, "run").count("pip install") == 1
    assert would_do(clone, "test").count("pip install") == 2


def test_without_a_fitting_python_it_says_so(clone, tmp_path):
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        [clone / ".ci/venv"],
        cwd=clone,
        env=os.environ | {"PYTHON": str(old)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert not (clone / ".venv").exists()


def test_without_a_browser_and_the_right_to_install_one_it_says_so(clone, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "id").write_text("#!/bin/sh\necho 1000\n")
    (programs / "id").chmod(0o755)
    shell = shutil.which("sh")
    done = subprocess.run(
        [shell, clone / ".ci/browser"], env={"PATH": str(programs)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "need Chromium" in done.stderr


# The container


def test_the_container_has_what_runs_and_starts_it_as_the_readme_says():
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    copied = [path for order, rest in lines if order == "COPY" for path in rest.split()[:-1]]
    assert all((ROOT / path).exists() for path in copied) and {"app.py", "playground", "assets"} <= set(copied)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == set(copied), "what is not let in cannot be copied"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = next(rest for order, rest in lines if order == "FROM")
    assert SpecifierSet(project["requires-python"]).contains(re.search(r"python:([\d.]+)", base)[1])
    assert json.loads(lines[-1][1]) == ["python", "app.py"] and "python app.py" in README.replace(".venv/bin/", "")
    assert [rest for order, rest in lines if order == "USER"] == ["playground"]
    given = dict(pair.split("=") for order, rest in lines if order == "ENV" for pair in rest.split())
    named = {variable(name) for name in Settings.model_fields}
    assert {name for name in given if name.startswith("PLAYGROUND_")} <= named
    assert (
        given["PLAYGROUND_HOST"] == "0.0.0.0"
        and ["EXPOSE", str(Settings.model_fields["port"].default_factory())] in lines
    )


def test_the_container_takes_the_torch_that_requirements_name():
    pattern = re.search(r"grep -o '([^']+)' requirements.txt", (ROOT / "Dockerfile").read_text())[1]
    found = re.findall(pattern, (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert found == [f"torch{REQUIREMENTS['torch'].specifier}"]
