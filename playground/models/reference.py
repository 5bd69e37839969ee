"""What a person types to name a model, and what that names. It never looks at the disk or the network."""

import dataclasses
import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from playground.errors import PlaygroundError
from playground.models.catalog import catalog

_PART = r"[A-Za-z0-9][\w.-]*"
_HUB = re.compile(
    rf"(?P<repo>{_PART}/{_PART})(?P<file>(?:/[\w][\w.-]*)*/[\w][\w .-]*\.gguf)?(?:@(?P<revision>[\w][\w./-]*))?"
)
_HUB_PAGE = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
_PAGE_REVISION = re.compile(r"/(?:tree|blob|resolve)/([^/?#]+)(/[^?#]*\.gguf)?.*|[?#].*")

_PRECISION = re.compile(r"(.+)#(int8|bfloat16|float16|float32)")

_WAYS = "Write a hub id (org/name or org/name@revision), a folder (/path/to/model), a .gguf file or starter:name."
_MADE = re.compile(r"[a-z0-9][a-z0-9_-]*")
_ADAPTER = re.compile(r"(?P<name>[^*\s]+?)(?:\*(?P<weight>-?\d+(?:\.\d+)?))?")
_ENDPOINT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)/(?P<id>.+)")


@dataclass(frozen=True)
class Reference:
    """One model, wherever it comes from. `str()` gives the text that `parse` reads back as the same reference."""

    kind: Literal["hub", "folder", "gguf", "starter", "endpoint", "merge"]
    name: str  # org/name or org/name/file.gguf; a path; a starter's or merge's name; an endpoint's name/its model's id
    revision: str | None = None  # hub only: branch, tag or commit
    precision: str | None = None  # of the weights in memory; None: what suits the machine
    adapters: tuple[tuple[str, float], ...] = ()  # (shipped adapter's name or its folder, weight), added to the weights

    def __str__(self) -> str:
        text = f"{self.kind}:{self.name}" if self.kind in ("starter", "endpoint", "merge") else self.name
        text += f"@{self.revision}" if self.revision else ""
        text += "".join(f"+adapter:{name}" + ("" if w == 1 else f"*{w:g}") for name, w in self.adapters)
        return f"{text}#{self.precision}" if self.precision else text

    @property
    def repo(self) -> str:
        """org/name of a hub model."""
        return "/".join(self.name.split("/")[:2])

    @property
    def endpoint(self) -> str:
        """The name of the endpoint where the model runs; "" when it runs here."""
        return self.name.partition("/")[0] if self.kind == "endpoint" else ""

    @property
    def served_id(self) -> str:
        """What its endpoint calls the model, be that a path with slashes."""
        return self.name.partition("/")[2] if self.kind == "endpoint" else ""

    @property
    def file(self) -> str | None:
        """The GGUF file inside a hub repository, when one is named."""
        return "/".join(self.name.split("/")[2:]) or None if self.kind == "hub" else None


def parse(text: str) -> Reference:
    """The reference that a text names. The model need not exist.

    Paths start with /, ./, ../ or ~, or end in .gguf; the address of a model's page on the hub is understood too.
    Adapters may follow, each with a weight, and a precision: org/name+adapter:pirate*0.7#int8.

    Raises:
        PlaygroundError: the text names nothing; says how references are written.
    """
    text = text.strip().strip("\"'").strip() if isinstance(text, str) else ""  # an emptied box may hold None
    if not text:
        raise PlaygroundError(f"No model was named. {_WAYS}")
    if len(text) > 1000 or any(ord(sign) < 32 for sign in text):
        raise PlaygroundError(f"That is too long, or has line breaks, for the name of a model. {_WAYS}")
    if text.startswith("endpoint:"):
        return _at_endpoint(text.removeprefix("endpoint:"))
    if precise := _PRECISION.fullmatch(text):
        return dataclasses.replace(parse(precise[1]), precision=precise[2])
    if "+adapter:" in text:
        return _with_adapters(*text.split("+adapter:"))
    if text.startswith("merge:"):
        if not _MADE.fullmatch(name := text.removeprefix("merge:")):
            raise PlaygroundError(f"“{text}” does not name a merge. Its name is shown in the Merge tab.")
        return Reference("merge", name)
    if text.startswith("starter:"):
        return Reference("starter", text.removeprefix("starter:").strip().lower())
    if page := _HUB_PAGE.match(text):
        text = _PAGE_REVISION.sub(lambda m: f"{m[2] or ''}@{m[1]}" if m[1] else "", text[page.end() :]).rstrip("/")
    elif text.startswith(("/", "./", "../", "~")) or text in (".", "..") or Path(text).is_absolute():
        return _path(text)
    if (hub := _HUB.fullmatch(text)) and ".." not in text and "--" not in hub["repo"]:
        if hub["file"] is None and hub["revision"] is None and text.lower().endswith(".gguf"):
            return _path(text)  # folder/file.gguf
        name, revision = hub["repo"] + (hub["file"] or ""), hub["revision"]
        # org/name@main is org/name, held once; only a repository called x.gguf needs it, not to be taken for a file
        default = revision == "main" and (hub["file"] or not name.lower().endswith(".gguf"))
        return Reference("hub", name, None if default else revision)
    if text.lower().endswith(".gguf"):
        return _path(text)
    raise PlaygroundError(f"“{text}” does not name a model. {_WAYS}{_suggestion(text)}")


def _with_adapters(base: str, *adapters: str) -> Reference:
    reference = parse(base)
    if reference.precision or reference.kind in ("endpoint", "merge"):
        raise PlaygroundError(
            f"Adapters are added to a plain model, and {reference} is none. Write model+adapter:name, and a precision "
            "after that."
        )
    found = []
    for text in adapters:
        match = _ADAPTER.fullmatch(text.strip())
        if match is None:
            raise PlaygroundError(
                f"“{text}” does not name an adapter. Write model+adapter:name or model+adapter:name*0.5."
            )
        name = match["name"]
        found.append(
            (os.path.abspath(Path(name).expanduser()) if name[0] in "/~" else name, float(match["weight"] or 1))
        )
    return dataclasses.replace(reference, adapters=tuple(found))


def _at_endpoint(text: str) -> Reference:
    if not _ENDPOINT.fullmatch(text):
        raise PlaygroundError(
            f"“endpoint:{text}” does not name a model that runs elsewhere. Write endpoint:name/model, as in the list."
        )
    if _PRECISION.fullmatch(text):
        raise PlaygroundError(
            "The precision of a model that runs elsewhere is chosen where it runs. Leave it out of the name."
        )
    return Reference("endpoint", text)


def _path(text: str) -> Reference:
    try:
        path = Path(os.path.abspath(Path(text).expanduser()))
    except (RuntimeError, ValueError) as error:
        raise PlaygroundError(f"“{text}” is no path on this machine: {error}. {_WAYS}") from None
    return Reference("gguf" if path.suffix.lower() == ".gguf" else "folder", str(path))


def _suggestion(text: str) -> str:
    """For "gpt2", which the hub knows as openai-community/gpt2."""
    by_last_word = {entry.reference.split("/")[-1].split(":")[-1].lower(): entry.reference for entry in catalog()}
    close = get_close_matches(text.lower(), by_last_word, n=3, cutoff=0.75)
    return f" Did you mean {' or '.join(by_last_word[name] for name in close)}?" if close else ""
