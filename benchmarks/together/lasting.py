"""What must outlive an app that is killed at the worst moment: made before, looked at again after the restart."""

import json
import shutil
import threading
from collections.abc import Callable
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
    answers = {"merge": told(client, kept.merge), "adapter": told(client, kept.composed)}
    return answers | {"search": search(client, kept), "collection": listed(client, kept)}


def told(client, model: str) -> str:
    asked = {"text": "My name is", "temperature": 0, "max_new_tokens": 12}
    return client.predict(**asked, model=model, api_name="/complete")["text"]


def search(client, kept: Kept) -> list[dict]:
    return client.predict(ASKED, collection="mine/notes", key=kept.key, api_name="/search")["hits"]


def listed(client, kept: Kept) -> list[dict]:
    every = client.predict(key=kept.key, api_name="/collections")
    return [one for one in every if one["address"] == "mine/notes"]


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
    found: list[str] = []

    def look(what: str, differ: Callable[[], list[str]]) -> None:
        try:
            found.extend(differ())
        except Exception as error:
            found.append(f"{what}: {type(error).__name__}: {error}")

    def tells(name: str, model: str) -> list[str]:
        return list(differences(kept.answers[name], told(client, model), name))

    def finds() -> list[str]:
        hits = search(client, kept)
        return list(differences(kept.answers["search"][0]["text"], hits[0]["text"], "the best hit"))

    def holds() -> list[str]:
        (mine,) = listed(client, kept)
        documents = mine["n_documents"]
        if len(NOTES) <= documents <= len(NOTES) + len(MANY):
            return []
        return [f"the collection has {documents} documents"]

    def is_whole() -> list[str]:
        if (cut := cache / "merges" / "cut-merge").exists():
            told(client, str(cut))
        return []

    look("the merge", lambda: tells("merge", kept.merge))
    look("the adapter", lambda: tells("adapter", kept.composed))
    look("the search", finds)
    look("the collection", holds)
    look("the merge that was cut off", is_whole)
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
    stored = [json.loads(text) for text in page.evaluate("() => Object.values(localStorage)") if SAID in text]
    drawer = page.locator("#conversations").text_content()
    context.close()
    return any(
        isinstance(one, dict) and one.get("name", "?") in drawer and '"assistant"' in json.dumps(one) for one in stored
    )


def _browser(play, folder: Path):
    path = next(filter(None, map(shutil.which, people.NAMES)), None)
    return play.chromium.launch_persistent_context(folder, executable_path=path, args=["--no-sandbox", "--disable-gpu"])
