"""What must outlive an app that is killed at the worst moment: made before, looked at again after the restart."""

import json
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.together import people
from benchmarks.together.compare import differences
from benchmarks.together.jobs import PIRATE_AND_JSON

NOTES = [
    {
        "name": f"note-{n}.md",
        "text": f"# Note {n}\n\nThe {word} is kept in drawer {n * 7}. " + "It is dusty there. " * 40,
    }
    for n, word in enumerate(("compass", "sextant", "barometer", "astrolabe", "chronometer"))
]
MANY = [{"name": f"page-{n}.md", "text": f"# Page {n}\n\n" + f"Sentence {n} of many. " * 400} for n in range(60)]
ASKED = "Where is the barometer kept?"
SAID = "My favourite colour is a very particular teal."
ADAPTERS = [{"name": "pirate", "weight": 0.7}, {"name": "json", "weight": 0.3}]


@dataclass
class Kept:
    """What was made, and how it answers."""

    key: str  # of the collections
    merge: str  # a folder
    composed: str  # a reference
    answers: dict[str, object]
    browser_state: dict = field(default_factory=dict)


def make(client) -> Kept:
    """A collection, a merge and an adapter on the server's disk."""
    made = client.predict(collection="mine/notes", texts=NOTES, api_name="/collection_add")
    merge = client.predict(recipe=PIRATE_AND_JSON, name="kept-merge", api_name="/merge_save")["model"]
    composed = client.predict(adapters=ADAPTERS, method="svd", rank=8, save=True, api_name="/compose_adapters")
    kept = Kept(made["key"], merge, composed["reference"], {})
    kept.answers = ask(client, kept)
    return kept


def ask(client, kept: Kept) -> dict[str, object]:
    """How each of them answers now."""
    told = {
        name: client.predict(text="My name is", model=model, temperature=0, max_new_tokens=12, api_name="/complete")[
            "text"
        ]
        for name, model in (("merge", kept.merge), ("adapter", kept.composed))
    }
    found = client.predict(ASKED, collection="mine/notes", key=kept.key, api_name="/search")
    listed = client.predict(key=kept.key, api_name="/collections")
    mine = [one for one in listed if one["address"] == "mine/notes"]
    return told | {"search": found["hits"], "collection": mine}


def begin_more(client, kept: Kept) -> list[threading.Thread]:
    """Starts writing another merge and another collection, in which the app is then killed."""

    def merge() -> None:
        client.predict(recipe=PIRATE_AND_JSON, name="cut-merge", api_name="/merge_save")

    def collection() -> None:
        client.predict(collection="mine/notes", texts=MANY, key=kept.key, api_name="/collection_add")

    def quietly(job) -> None:
        try:
            job()
        except Exception as error:  # the app was killed
            print(f"cut off, as it should be: {type(error).__name__}")

    threads = [threading.Thread(target=quietly, args=(job,), daemon=True) for job in (merge, collection)]
    for thread in threads:
        thread.start()
    return threads


def lost(client, kept: Kept, cache: Path) -> list[str]:
    """Sentences: what is not as it was. Documents that were being added may be there, if they are there whole."""
    now = ask(client, kept)
    found = [line for name in ("merge", "adapter") for line in differences(kept.answers[name], now[name], name)]
    found += differences(kept.answers["search"][0]["text"], now["search"][0]["text"], "the best hit")
    documents = now["collection"][0]["n_documents"] if now["collection"] else 0
    if not len(NOTES) <= documents <= len(NOTES) + len(MANY):
        found.append(f"the collection has {documents} documents")
    if documents > len(NOTES):
        hit = client.predict(
            "Page 0, many sentences", collection="mine/notes", key=kept.key, method="bm25", api_name="/search"
        )
        found += [] if hit["hits"] else ["a document that is listed cannot be found"]
    cut = cache / "merges" / "cut-merge"
    if cut.exists():  # then whole
        client.predict(text="My name is", model=str(cut), temperature=0, max_new_tokens=2, api_name="/complete")
    return found


def converse(play, url: str, folder: Path) -> None:
    """Says something at the page, in a browser whose storage is in a folder."""
    context = _browser(play, folder)
    page = context.new_page()
    page.goto(url)
    page.locator("[data-state=ready]").wait_for(timeout=120_000)
    page.locator("#message textarea").fill(SAID)
    page.locator("#send").click()
    page.locator("#conversation .bot .message").last.wait_for(timeout=120_000)
    page.locator("#stop:disabled").wait_for(timeout=180_000)
    page.wait_for_timeout(3_000)
    context.close()


def remembers(play, url: str, folder: Path) -> bool:
    """Whether the page, opened anew by the same browser, has that conversation whole and lists it."""
    context = _browser(play, folder)
    page = context.new_page()
    page.goto(url)
    page.locator("[data-state=ready]").wait_for(timeout=120_000)
    kept = page.evaluate("() => Object.values(localStorage)")
    whole = any(SAID in text and json.loads(text)["name"] for text in kept)
    context.close()
    return whole


def _browser(play, folder: Path):
    path = next(filter(None, map(shutil.which, people.NAMES)), None)
    return play.chromium.launch_persistent_context(folder, executable_path=path, args=["--no-sandbox", "--disable-gpu"])
