"""Imports point one way, Gradio stays in its rooms, and the page opens without waiting for torch."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("app.py"), *(ROOT / "playground").rglob("*.py")])

BELOW = ("flags", "errors", "assets", "allowance", "arrays", "heap")
ENGINE = ("settings", *BELOW)
MODELS = ("engine", *ENGINE)
LABS = ("models", *MODELS)
VIEWS = ("labs", *LABS)  # they draw what labs return
SCREEN = ("views", *VIEWS)

# room: what it may import, beside itself. A room that is not named here fails the test: decide where it belongs.
MAY_IMPORT = {
    "app": ("serving", "tabs", "api", *SCREEN),
    "serving": ("models", *MODELS),
    "tabs": SCREEN,
    "api": ("tabs", *SCREEN),  # the queue that tabs and endpoints share
    "views": VIEWS,
    "labs": LABS,
    "models": MODELS,
    "engine": ENGINE,
    "settings": BELOW,
    "flags": ("errors",),
    "errors": (),
    "allowance": ("errors",),
    "arrays": (),
    "heap": (),
    "assets": (),
    "readme": ("api", *ENGINE),
    "space": ("settings", *BELOW),
    "__init__": (),
}
KNOW_GRADIO = ("app", "tabs", "api", "serving")

# Slow to import: the page is up before any of them is.
HEAVY = ("torch", "transformers", "peft", "sentence_transformers", "sklearn", "faiss", "bertviz", "gguf")
AT_START = ("playground.settings", "playground.tabs", "playground.api", "playground.serving.layers", "app")


def room(path: Path) -> str:
    """ "tabs" for playground/tabs/chat.py, "api" for playground/api/chat.py, "app" for app.py."""
    inside = path.relative_to(ROOT)
    return Path(inside.parts[1] if inside.parts[0] == "playground" else inside.parts[0]).stem


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, wherever in the file: `from playground import api` is playground.api."""
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_the_reader_of_imports_sees_every_spelling(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    file = tmp_path / "playground" / "labs" / "x.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "import gradio as gr\nfrom playground import api\nfrom ..tabs import kit\nfrom . import chat\n"
        "def f():\n    import playground.tabs.chat\n    from playground.models.cache import ModelCache\n"
    )
    assert set(imports(file)) == {
        "gradio",
        "playground.api",
        "playground.tabs.kit",
        "playground.labs.chat",
        "playground.tabs.chat",
        "playground.models.cache.ModelCache",
    }
    assert room(file) == "labs"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_arrows_point_one_way(path):
    here = room(path)
    assert here in MAY_IMPORT, f"{here} is a new room: say in tests/test_imports.py what it may import"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "playground" and len(parts) > 1:
            assert parts[1] == here or parts[1] in MAY_IMPORT[here], f"{here} may not import {name}"
        assert parts[0] != "app", "nothing imports app.py"
        assert parts[0] != "tests", "the code does not know its tests"
        assert parts[0] not in ("gradio", "gradio_client") or here in KNOW_GRADIO, f"{here} may not know {name}"


def gathering() -> list[str]:
    """Packages that import their own modules, when a request first needs them."""
    found = []
    for path in SOURCES:
        package = ".".join(path.relative_to(ROOT).parts[:-1])
        own = [name for name in imports(path) if name.startswith(f"{package}.")]
        if path.name == "__init__.py" and room(path) not in KNOW_GRADIO and own:
            found.append(package)
    return found


def test_two_requests_that_import_one_package_do_not_meet_halfway():
    """One has the package and wants its module, the other has the module and wants its package: Python lets one of
    them go on with half of it. From outside, such a package is asked for its modules, and they are not imported by
    their own names."""
    packages = gathering()
    assert "playground.labs.merging.methods" in packages
    for path in SOURCES:
        for package in packages:
            if not path.is_relative_to(ROOT.joinpath(*package.split("."))):
                past = [name for name in imports(path) if re.match(rf"{re.escape(package)}\.\w+\.", name)]
                assert not past, f"{path.relative_to(ROOT)} imports {past}: write from {package} import …"


def test_requirements_name_all_that_is_imported():
    required = set(re.findall(r"^([\w-]+)", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE))
    required = {name.lower().replace("_", "-") for name in required}
    distributions = importlib.metadata.packages_distributions()
    for path in SOURCES:
        for module in {name.split(".")[0] for name in imports(path)} - {"playground"} - sys.stdlib_module_names:
            owners = {owner.lower().replace("_", "-") for owner in distributions.get(module, [module])}
            assert owners & required, (
                f"{path.relative_to(ROOT)} imports {module}; requirements.txt names none of {owners}"
            )


@pytest.mark.parametrize("module", AT_START)
def test_the_page_opens_without_waiting_for_torch(module):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split() == [], f"importing {module} also imports {shown.stdout}"


def test_the_whole_page_is_built_without_torch():
    code = f"""
import sys, gradio, app

def launch(blocks, **options):
    print(*sorted(set(sys.modules) & set({HEAVY!r})))
    sys.exit()

gradio.Blocks.launch = launch
app.main()
"""
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split() == [], f"building the page imports {shown.stdout}"


def test_a_request_that_comes_while_pytorch_is_starting_waits_for_it():
    code = """
import sys, threading, importlib
sys.setswitchinterval(1e-5)
wrong = []
def bring(names):
    try:
        list(map(importlib.import_module, names))
    except Exception as error:
        wrong.append(repr(error))
places = [("playground.engine", "playground.models.loading")]
places += [("playground.labs.chat.writing",), ("playground.labs.attention.maps",)]
threads = [threading.Thread(target=bring, args=(place,)) for place in places]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(wrong)
"""
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert shown.stdout.strip() == "[]", shown.stdout + shown.stderr
