"""The script of a search, run by a Python that knows nothing of Playground and has no network, finds the same hits."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from playground.engine import embed
from playground.errors import PlaygroundError
from playground.labs.retrieval import documents, hits, indexing, library, replay, shipped
from playground.labs.retrieval import search as searching
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.search import How
from tests import tiny

TEXTS = {
    "cats.md": "# Cats\nThe cat sat on the mat and slept. A cat's life is long.\n## Food\nIt eats fish, “always”.",
    "dogs.txt": "A dog barked at the postman all morning. The dog's name isn't known; 3.5 cats ran.",
    "birds.txt": "Birds sing before the sun is up. 鳥は歌う。",
    "fish.txt": 'A fish swims in the cold river. "Quotes" and \\backslashes\\ {braces}.',
}
HOWS = [
    How(), How("dense"), How("bm25"), How("hybrid", "rrf"), How(weight=0.3, candidates=3),
    How(mmr=0.4), How("bm25", mmr=0.7), How(documents=("cats.md", "fish.txt")), How(contains="DOG", candidates=2),
]  # fmt: skip
NO_NETWORK = """
import runpy, socket, sys
def refused(*_, **__):
    raise OSError("no network here")
socket.socket.connect = socket.getaddrinfo = refused
for script in sys.argv[1:]:
    print("script", script)
    runpy.run_path(script)
"""


def ran(folder: Path, scripts: list[str], model: str, here: str) -> list[list[dict]]:
    """What each script prints, all in one fresh process, since the imports are what takes the time. The model that they
    name, `model`, is at `here`.
    """
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    names = []
    for number, script in enumerate(scripts):
        assert "playground" not in script.lower() and here not in script
        names.append(f"{number}.py")
        (folder / names[-1]).write_text(script.replace(repr(model), repr(here)), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, *names], cwd=folder, env=kept, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    parts = done.stdout.split("script ")[1:]
    return [[json.loads(line) for line in part.splitlines() if line.startswith("{")] for part in parts]


def compare(found, told) -> None:
    assert [row["id"] for row in told] == [hit.id for hit in found.hits]
    assert [row["score"] for row in told] == pytest.approx([hit.score for hit in found.hits], abs=2e-5)


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    engine = tiny.loaded(tiny.save(folder / "bert", "bert"))
    found = [documents.read(name, text.encode()) for name, text in TEXTS.items()]
    kept = indexing.in_memory(found, engine, Chunking("sentences", 16, 0))
    (folder / replay.CHUNKS).write_text(replay.chunks(kept), "utf-8")
    return folder, engine, kept


def test_every_way_to_search_has_a_script_that_finds_the_same(pets):
    folder, engine, kept = pets
    query = 'Where did the cat\'s cat sleep, dog or "fish"? 鳥 {x}'
    vector = embed.embed(engine, [query], "query")[0]
    found = [searching.search(kept, query, vector, how, 4) for how in HOWS]
    told = ran(folder, [replay.script(engine, each) for each in found], "PATH/TO/bert", str(folder / "bert"))
    for each, rows in zip(found, told, strict=True):
        assert each.hits
        compare(each, rows)


def test_what_has_no_script_says_so(pets):
    import dataclasses

    _, engine, kept = pets
    found = searching.search(kept, "cat", embed.embed(engine, ["cat"], "query")[0], How(), 2)
    hit = dataclasses.replace(found.hits[0], reranked=0.5)
    with pytest.raises(PlaygroundError, match="reranker"):
        replay.script(engine, dataclasses.replace(found, hits=(hit,)))
    with pytest.raises(PlaygroundError, match="int8"):
        replay.script(dataclasses.replace(engine, precision="int8"), found)


def test_hits_as_files_hold_what_was_found(pets):
    _, engine, kept = pets
    found = searching.search(kept, "cat fish", embed.embed(engine, ["cat fish"], "query")[0], How(), 3)
    rows = list(csv.DictReader(io.StringIO(hits.table(found, kept))))
    assert [row["text"] for row in rows] == [kept.chunks[hit.id].text for hit in found.hits]
    assert [float(row["score"]) for row in rows] == [hit.score for hit in found.hits]
    told = json.loads(json.dumps(hits.whole(found, kept)))
    assert told["query"] == "cat fish" and told["how"]["method"] == "hybrid"
    assert sum(told["hits"][0]["terms"].values()) == pytest.approx(told["hits"][0]["bm25"], abs=1e-4)


@pytest.mark.starter
def test_the_script_of_the_shipped_collection_with_the_starter(starter_cache, tmp_path):
    from playground.models.cache import ModelCache
    from playground.settings import Settings

    query = "Why are attention scores divided by the square root of the key's dimension?"
    models = ModelCache(Settings(cache_dir=str(starter_cache), threads=1))
    with models.lease(library.EMBEDDING) as encoder:
        found = [documents.read(name, content) for name, content in shipped.sources()[:12]]
        kept = indexing.in_memory(found, encoder, shipped.CHUNKING)
        asked = searching.search(kept, query, embed.embed(encoder, [query], "query")[0], How(), 5)
        script, here = replay.script(encoder, asked), str(encoder.model.name_or_path)
    (tmp_path / replay.CHUNKS).write_text(replay.chunks(kept), "utf-8")
    (told,) = ran(tmp_path, [script], "sentence-transformers/all-MiniLM-L6-v2", here)
    compare(asked, told)
