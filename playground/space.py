"""A Hugging Face Space of this project: checks what the Space will read, and sends it there.

    python -m playground.space               checks alone
    python -m playground.space org/name      checks, makes the Space if need be, and sends (--private: for you alone)

The token is huggingface_hub's own (HF_TOKEN or its log-in). It does not know what the page does.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

from playground import settings
from playground.errors import PlaygroundError

ROOT = Path(__file__).parent.parent
# What runs, and what its page shows. Tests, benchmarks and training stay at home.
SENT = [
    "app.py",
    "requirements.txt",
    "README.md",
    "SECURITY.md",
    "LICENSE",
    "spaces.yaml",
    "playground/**",
    "assets/**",
]
NOT_SENT = ["**/__pycache__/**", "**/.*"]
# Of the documentation of Spaces' configuration: what has to be there, and what some may be.
NEEDED = ("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
LONGEST = 60  # characters of the short description
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def manifest(root: Path = ROOT) -> dict[str, Any]:
    """spaces.yaml. Raises PlaygroundError: it cannot be read."""
    try:
        found = yaml.safe_load((root / "spaces.yaml").read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PlaygroundError(f"spaces.yaml cannot be read: {str(error).splitlines()[0]}.") from None
    if not isinstance(found, dict):
        raise PlaygroundError("spaces.yaml has to hold names with values, like `title: Playground`.")
    return found


def problems(root: Path = ROOT) -> list[str]:
    """A sentence for each thing that a Space of this folder would stumble over.

    Raises:
        PlaygroundError: there is no manifest to check.
    """
    return list(_problems(manifest(root), root))


def _problems(given: Mapping[str, Any], root: Path) -> Iterator[str]:
    for name in NEEDED:
        if not isinstance(given.get(name), str) or not given[name]:
            yield f"spaces.yaml has no text for {name} (numbers such as 3.10 need quotation marks)."
    shown = {name: value for name, value in given.items() if name != "variables"}
    if _front_matter(root) != shown:
        yield "The front matter of README.md, which Spaces reads, is not what spaces.yaml says without its variables."
    if given.get("sdk") != "gradio":
        yield f"The sdk is {given.get('sdk')!r}; this page is a Gradio app."
    for name in ("colorFrom", "colorTo"):
        if given.get(name) not in COLOURS:
            yield f"{name} is {given.get(name)!r}; Spaces knows {', '.join(sorted(COLOURS))}."
    if len(str(given.get("short_description", ""))) > LONGEST:
        yield f"The short description is longer than {LONGEST} characters."
    if not (root / str(given.get("app_file"))).is_file():
        yield f"The app_file {given.get('app_file')!r} is not there."
    gradio = _requirements(root).get("gradio")
    if gradio is None or not gradio.specifier.contains(str(given.get("sdk_version"))):
        yield f"sdk_version is {given.get('sdk_version')!r}, and requirements.txt asks for {gradio or 'no gradio'}."
    for line in given.get("preload_from_hub", ()):
        if str(line).split()[0] not in given.get("models", ()):
            yield f"{str(line).split()[0]} is preloaded and not among the models."
    yield from _problems_of_variables(given.get("variables", {}))


def _problems_of_variables(variables: Mapping[str, Any]) -> Iterator[str]:
    wrong = [name for name, value in variables.items() if not isinstance(value, str)]
    yield from (f"The variable {name} has to be a text: write it in quotation marks." for name in wrong)
    before = {name: value for name, value in os.environ.items() if name.startswith("PLAYGROUND_")}
    for name in before:
        del os.environ[name]
    try:
        os.environ.update({name: value for name, value in variables.items() if name not in wrong})
        settings.read()
    except PlaygroundError as error:
        yield f"The variables do not work as settings: {error}"
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)


def _front_matter(root: Path) -> dict[str, Any] | None:
    parts = (root / "README.md").read_text("utf-8").split("---\n", 2) if (root / "README.md").is_file() else []
    try:
        return yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else None
    except yaml.YAMLError:
        return None


def _requirements(root: Path) -> dict[str, Requirement]:
    lines = (root / "requirements.txt").read_text("utf-8").splitlines() if (root / "requirements.txt").is_file() else []
    found = [Requirement(words) for line in lines if (words := line.partition("#")[0].strip())]
    return {requirement.name: requirement for requirement in found}


def push(name: str, private: bool = False, root: Path = ROOT) -> str:
    """Makes the Space if there is none, sets its variables and sends the files; returns its address.

    Raises:
        PlaygroundError: something would not work there; there is no token; or the hub refused.
    """
    if not _NAME.fullmatch(name):
        raise PlaygroundError(f"“{name}” is no Space. Write your-name/name-of-the-space.")
    if found := problems(root):
        raise PlaygroundError(" ".join(["Nothing was sent.", *found]))
    from huggingface_hub import HfApi, get_token

    if not get_token():
        raise PlaygroundError("No hub token is set. Put one with the right to write into HF_TOKEN and try again.")
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        api.create_repo(name, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        for variable, value in manifest(root).get("variables", {}).items():  # before the files, which start a build
            api.add_space_variable(name, variable, value)
        api.upload_folder(
            repo_id=name, repo_type="space", folder_path=root, allow_patterns=SENT, ignore_patterns=NOT_SENT
        )
    except Exception as error:  # huggingface_hub passes on whatever its network library raises
        what = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise PlaygroundError(f"The hub did not take {name}: {what}. Check the token's rights and the name.") from error
    return f"{(api.endpoint or 'https://huggingface.co').rstrip('/')}/spaces/{name}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m playground.space", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="?", help="org/name of the Space to send to; without it nothing is sent")
    parser.add_argument("--private", action="store_true", help="a new Space is seen by you alone")
    given = parser.parse_args(arguments)
    try:
        if given.name:
            print(f"The Space is at {push(given.name, given.private)}")
        elif found := problems():
            print(*found, sep="\n", file=sys.stderr)
            return 1
        else:
            print("spaces.yaml, README.md and requirements.txt fit together.")
    except PlaygroundError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
