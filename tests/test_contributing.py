"""What CONTRIBUTING.md tells a newcomer to do works, step by step, in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([\w/.]+)`\n\n```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
CLICKED = """
import sys
import gradio as gr
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs import TABS
from playground.tabs.layout import lay_out
from tests import tiny
from tests.tabs.visitor import Visitor

assert TABS[-1].TITLE == "Surprise"
settings = Settings(cache_dir=sys.argv[1], dtype="float32", threads=1, memory_budget="200MB")
with gr.Blocks() as blocks:
    page = lay_out(blocks, ModelCache(settings), settings, TABS[-1:])
ann = Visitor(blocks)
ann.values[page.reference] = str(tiny.save(__import__("pathlib").Path(sys.argv[1]) / "model", "llama"))
ann.values[ann.find("surprise-text")] = "the quick <b>fox</b>"
ann.fire(ann.find("surprise-run"), "click")
print(ann.values[ann.find("surprise-found")])
"""


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> Path:
    """A copy of the project in which everything was done."""
    copy = tmp_path_factory.mktemp("newcomer") / "playground"
    unneeded = shutil.ignore_patterns("__pycache__", "weights", "browser", "screenshots")
    for name in ("playground", "tests", "assets"):
        shutil.copytree(ROOT / name, copy / name, ignore=unneeded)
    for name in ("app.py", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    assert len(FILES) == 4
    for name, text in FILES.items():
        assert not (ROOT / name).exists()
        (copy / name).write_text(text, encoding="utf-8")
    tabs = copy / "playground" / "tabs" / "__init__.py"
    (change,) = re.findall(r"^```diff\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    (new_import, old, new), kept = re.findall(r"^[+-](.*)$", change, re.M), re.findall(r"^ (.*)$", change, re.M)
    text = tabs.read_text("utf-8")
    assert old in text and kept[0] in text
    tabs.write_text(text.replace(kept[0], f"{new_import}\n{kept[0]}").replace(old, new), encoding="utf-8")
    return copy


def run(copy: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_tests_and_rules_hold(followed):
    of_its_own = ["tests/labs/test_surprise.py", "tests/test_imports.py", "-k", "surprise"]
    told = run(followed, "-m", "pytest", "-q", "-p", "no:cacheprovider", *of_its_own)
    assert "5 passed" in told  # its own two, and where its three files may look
    run(followed, "-m", "ruff", "check", "--no-cache", "playground", *FILES)
    run(followed, "-m", "ruff", "format", "--no-cache", "--check", *FILES, "playground/tabs/__init__.py")


def test_the_tab_answers(followed, tmp_path):
    (followed / "clicked.py").write_text(CLICKED, encoding="utf-8")
    told = run(followed, "clicked.py", str(tmp_path))
    assert "Perplexity" in told and "<th>Bits</th>" in told
    assert "<b>fox" not in told
