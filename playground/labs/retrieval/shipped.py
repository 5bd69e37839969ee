"""The collection on the page's first screen: documents on transformers, written for this project.

It knows the files, not how they are indexed.
"""

import hashlib
from functools import cache

from playground.assets import ASSETS
from playground.labs.retrieval.chunking import Chunking

FOLDER = ASSETS / "data" / "search" / "corpus"
ADDRESS = "shipped/transformers"
NAME = "How transformers work"
CHUNKING = Chunking("headings", 200, 40)
INDEXED = 2  # grows when what is embedded of a chunk changes
CAPITALS = {  # three passages that every introduction to retrieval uses
    "France.txt": "Paris is the capital of France.",
    "Germany.txt": "Berlin is the capital of Germany.",
    "Spain.txt": "Madrid is the capital of Spain.",
}


@cache
def sources() -> tuple[tuple[str, bytes], ...]:
    """(name, content) of its documents."""
    files = sorted(FOLDER.glob("*.md")) if FOLDER.is_dir() else []
    found = [(file.name, file.read_bytes()) for file in files if file.name != "README.md"]
    return (*found, *((name, text.encode()) for name, text in CAPITALS.items()))


@cache
def version() -> str:
    """Changes when a document or the way it is cut does."""
    digest = hashlib.sha256(f"{INDEXED}{CHUNKING}".encode())
    for name, content in sources():
        digest.update(name.encode() + content)
    return digest.hexdigest()[:12]


def counts() -> tuple[int, int]:
    """Its documents, and about how many chunks they make."""
    return len(sources()), sum(len(content) for _, content in sources()) // 700 + len(CAPITALS)
