"""Models from the Hugging Face hub: what is in its cache on this machine, and how more gets there.

What is cached is used as it is, without asking the hub whether there is something newer: name a revision for that.
Imports huggingface_hub only to download. It does not know what is done with the files.
"""

import io
import logging
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError
from playground.models import architecture, disk, hub_errors
from playground.models import folder as folders
from playground.models.progress import Report, megabytes, part
from playground.models.reference import Reference
from playground.settings import Settings

if TYPE_CHECKING:
    from huggingface_hub import HfApi

log = logging.getLogger(__name__)
ANSWER_SECONDS = 10.0  # how long the hub may take for its first answer

_SMALL = re.compile(
    r"(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template"
    r"|preprocessor_config|processor_config|modules|sentence_bert_config|config_sentence_transformers"
    r"|model\.safetensors\.index)\.json"
    r"|(vocab|merges)\.txt|[\w.-]+\.(model|spm|tiktoken|codes|jinja)"
    r"|additional_chat_templates/[\w.-]+\.jinja"
    r"|\d+_\w+/config\.json"
)
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors|\d+_\w+/model\.safetensors")
_ADAPTER = ("adapter_model.safetensors", "adapter_config.json")
_CODE = re.compile(r"[\w-]+\.py")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Snapshot:
    """One commit of a repository, in the hub's cache."""

    folder: Path
    commit: str
    gguf: Path | None = None  # the file to convert, when the model is to be had in GGUF alone


def cached(reference: Reference) -> Snapshot | None:
    """What the cache has of a model, without asking anybody. Some files may be missing: the caller looks."""
    storage = _storage(reference.repo)
    commit = reference.revision or "main"
    try:
        if not _COMMIT.fullmatch(commit):
            commit = (storage / "refs" / commit).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = storage / "snapshots" / commit
    if not folder.is_dir():
        return None
    if reference.file:
        return Snapshot(folder, commit, folder / reference.file) if (folder / reference.file).exists() else None
    only = _only_gguf(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return Snapshot(folder, commit, folder / only if only else None)


def download(reference: Reference, settings: Settings, report: Report, most_bytes: int | None = None) -> Snapshot:
    """Brings a model's config, tokenizer and safetensors (or its GGUF file) into the hub's cache. Never a pickle.

    The small files come first: what cannot be used is refused before gigabytes are fetched, and weights that are
    there imply that the rest is.

    Args:
        most_bytes: what models may hold in memory; more than that is refused before it is fetched.

    Raises:
        PlaygroundError: a sentence of its own for each thing that goes wrong.
    """
    if settings.offline:
        raise PlaygroundError(
            f"{reference} is not on this machine, and the setting offline forbids asking the hub. Pick a model that is "
            "here, or turn PLAYGROUND_OFFLINE off."
        )
    from huggingface_hub import HfApi

    report(None, f"Asking the hub for {reference}")
    try:
        sizes, commit = _list(HfApi(endpoint=_endpoint()), reference)
        gguf = reference.file or _only_gguf(sizes)
        if gguf:
            weights = _gguf_named(gguf, list(sizes), reference)
            snapshot = Snapshot(_storage(reference.repo) / "snapshots" / commit, commit)
        else:
            small = [
                name for name in sizes if _SMALL.fullmatch(name) or (settings.remote_code and _CODE.fullmatch(name))
            ]
            weights = _weights(list(sizes), reference)
            beginning = part(report, 0.0, 0.0)  # the bar is for the weights
            snapshot = Snapshot(_fetch(reference, commit, small, sizes, beginning), commit)
            architecture.check(folders.read_config(snapshot.folder, str(reference)), str(reference), settings)
        n_bytes = sum(sizes[name] for name in weights)
        _need_memory(n_bytes, most_bytes, reference)
        disk.need_room(_cache(), n_bytes, f"fetching {reference}", "HF_HOME")
        _fetch(reference, commit, weights, sizes, report)
        _remember(reference, commit)
    except PlaygroundError:
        raise
    except Exception as error:  # huggingface_hub passes on whatever its network library raises
        log.info("fetching %s failed", reference, exc_info=True)
        raise hub_errors.explained(error, reference, _endpoint(), _cache()) from error
    return Snapshot(snapshot.folder, commit, snapshot.folder / gguf if gguf else None)


def adapter(reference: Reference, settings: Settings, report: Report) -> Path:
    """The folder of a LoRA adapter from the hub: its config, its safetensors and its card. Never a pickle.

    Raises:
        PlaygroundError: a sentence of its own for each thing that goes wrong.
    """
    if (there := cached(reference)) is not None and (there.folder / _ADAPTER[0]).exists():
        return there.folder
    if settings.offline:
        raise PlaygroundError(
            f"The adapter {reference} is not on this machine, and the setting offline forbids asking the hub. Pick one "
            "that is here, or turn PLAYGROUND_OFFLINE off."
        )
    from huggingface_hub import HfApi

    report(None, f"Asking the hub for {reference}")
    try:
        sizes, commit = _list(HfApi(endpoint=_endpoint()), reference)
        if missing := [name for name in _ADAPTER if name not in sizes]:
            raise PlaygroundError(f"{reference} has no {missing[0]}, so it is no adapter that can be used here.")
        names = [name for name in (*_ADAPTER, "README.md") if name in sizes]
        disk.need_room(_cache(), sum(sizes[name] for name in names), f"fetching {reference}", "HF_HOME")
        folder = _fetch(reference, commit, names, sizes, report)
        _remember(reference, commit)
    except PlaygroundError:
        raise
    except Exception as error:  # huggingface_hub passes on whatever its network library raises
        log.info("fetching %s failed", reference, exc_info=True)
        raise hub_errors.explained(error, reference, _endpoint(), _cache()) from error
    return folder


def _cache() -> Path:
    """The hub's own cache, shared with every program that uses it; read anew so that a changed HF_HOME counts."""
    for variable, below in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if place := os.environ.get(variable):
            return Path(os.path.expandvars(place)).expanduser() / below
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def _storage(repo: str) -> Path:
    return _cache() / f"models--{repo.replace('/', '--')}"


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _list(api: "HfApi", reference: Reference) -> tuple[dict[str, int], str]:
    """Files of the repository with their sizes, and its commit. The one request that meets a hub that is away."""
    info = api.model_info(reference.repo, revision=reference.revision, timeout=ANSWER_SECONDS, files_metadata=True)
    if info.sha is None:
        raise PlaygroundError(f"The hub does not say at which commit {reference} is. Try again later.")
    # names that fnmatch would read as patterns, or that lead out of the folder, are nobody's weights
    names = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    return {name: size for name, size in names.items() if not re.search(r"[\[\]*?\\]|\.\.", name)}, info.sha


def _only_gguf(names: Iterable[str]) -> str | None:
    """The GGUF file of a repository that has one and no safetensors."""
    names = list(names)
    ggufs = [name for name in names if name.endswith(".gguf")]
    return ggufs[0] if len(ggufs) == 1 and not any(_WEIGHTS.fullmatch(name) for name in names) else None


def _gguf_named(name: str, names: list[str], reference: Reference) -> list[str]:
    if name in names:
        return [name]
    ggufs = [other for other in names if other.endswith(".gguf")]
    there = f"It has: {_some(ggufs)}." if ggufs else "It has no GGUF files."
    raise PlaygroundError(f"{reference.repo} has no file {name}. {there}")


def _weights(names: list[str], reference: Reference) -> list[str]:
    """The safetensors files to fetch: model.safetensors, or the parts that make it up."""
    weights = [name for name in names if _WEIGHTS.fullmatch(name)]
    if "model.safetensors" in weights:
        return [name for name in weights if not re.match(r"model-", name)]
    if any(name.startswith("model-") for name in weights):
        return weights
    if "adapter_config.json" in names:
        raise PlaygroundError(f"{reference} is an adapter, not a whole model. Pick the base model that its page names.")
    if ggufs := sorted(name for name in names if name.endswith(".gguf")):
        at = f"@{reference.revision}" if reference.revision else ""
        raise PlaygroundError(
            f"{reference} has {len(ggufs)} GGUF files and no safetensors. "
            f"Name one, like {reference.repo}/{ggufs[0]}{at}. There are: {_some(ggufs)}."
        )
    raise folders.no_weights(names, str(reference))


def _need_memory(n_bytes: int, most_bytes: int | None, reference: Reference) -> None:
    """Refuses files that are sure to be too large. Until their headers are here they may be float32, which halves."""
    least = n_bytes // 2
    if most_bytes is not None and least > most_bytes:
        raise PlaygroundError(
            f"{reference} needs at least {megabytes(least)} of memory and models may use {megabytes(most_bytes)} here. "
            "Pick a smaller model, or raise --memory-budget."
        )


def _some(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _fetch(reference: Reference, commit: str, names: list[str], sizes: dict[str, int], report: Report) -> Path:
    from huggingface_hub import snapshot_download

    total = sum(sizes[name] for name in names)
    return Path(
        snapshot_download(
            reference.repo,
            revision=commit,
            allow_patterns=names,
            cache_dir=_cache(),
            endpoint=_endpoint(),
            tqdm_class=_bar(lambda n: report(n / total if total else None, _amount(reference, n, total))),
        )
    )


def _amount(reference: Reference, n_bytes: int, total: int) -> str:
    return f"Fetching {reference} from the hub: {megabytes(min(n_bytes, total))} of {megabytes(total)}"


def _bar(tell: Callable[[int], None]) -> Any:  # a class
    """A progress bar for huggingface_hub that draws nothing and tells how many bytes have arrived.

    It makes several of them, for what was received and for what was written: the largest number counts.
    """
    from tqdm.auto import tqdm

    arrived = 0

    class Bar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": False, "file": io.StringIO()})

        def display(self, *args: Any, **options: Any) -> None:
            pass

        def update(self, n: float | None = 1) -> None:
            nonlocal arrived
            super().update(n)
            if self.unit == "B" and self.n > arrived:
                arrived = int(self.n)
                tell(arrived)

    return Bar


def _remember(reference: Reference, commit: str) -> None:
    """Notes which commit a branch or tag is, as huggingface_hub does: last, so that it never names half a model."""
    revision = reference.revision or "main"
    if not _COMMIT.fullmatch(revision):
        ref = _storage(reference.repo) / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit, encoding="utf-8")
