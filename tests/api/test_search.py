"""Search by endpoint: collections are made, searched, answered from, and nobody reaches another's."""

import json
import urllib.request

import pytest
from gradio_client import Client, handle_file

from playground.errors import PlaygroundError
from playground.labs.retrieval import library, web
from playground.models.cache import ModelCache
from playground.settings import Settings
from tests import tiny
from tests.labs.retrieval import pages
from tests.labs.retrieval.made import zipped_paths

TEXTS = [{"name": f"{land}.txt", "text": f"{city} is the capital of {land}."}
         for city, land in (("Paris", "France"), ("Berlin", "Germany"), ("Madrid", "Spain"))]  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    import gradio as gr

    from playground.api import collections, search, search_evaluate

    folder = tmp_path_factory.mktemp("search")
    encoder, writer = tiny.save(folder / "bert", "bert"), tiny.save(folder / "llama", "llama", context=2048)
    settings = Settings(
        default_models=[str(writer)], cache_dir=folder, dtype="float32", threads=1, web_addresses=True
    )  # fmt: skip
    models = ModelCache(settings)
    with gr.Blocks(analytics_enabled=False) as blocks:
        for module in (collections, search, search_evaluate):
            module.add(models, settings)
    blocks.queue(max_size=20).launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
    yield blocks.local_url, str(encoder), str(writer)
    blocks.close(verbose=False)


def posted(address: str, body: dict) -> str:
    """All that an endpoint sends back."""
    asked = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=120) as answer:
        number = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/{number}", timeout=120) as stream:
        return stream.read().decode()


@pytest.fixture
def client(served):
    return Client(served[0], verbose=False)


@pytest.fixture(scope="module")
def capitals(served) -> str:
    """The key of a collection of three."""
    client = Client(served[0], verbose=False)
    added = client.predict("mine/capitals", TEXTS, embedding=served[1], size=16, overlap=0, api_name="/collection_add")
    assert [(each["name"], each["state"]) for each in added["outcomes"]] == [(t["name"], "indexed") for t in TEXTS]
    assert added["fraction"] == 1 and len(added["key"]) >= 16
    return added["key"]


def test_a_search_by_words_finds_the_capital(client, capitals):
    found = client.predict("capital of France", "mine/capitals", 2, "bm25", capitals, api_name="/search")
    assert [hit["document"] for hit in found["hits"]] == ["France.txt", "Germany.txt"]
    first = found["hits"][0]
    assert first["text"] == "Paris is the capital of France." and first["rank"] == 1
    assert sum(first["terms"].values()) == pytest.approx(first["bm25"], abs=1e-4)
    both = client.predict("capital of France", "mine/capitals", 3, key=capitals, api_name="/search")
    assert both["best_cosine"] == pytest.approx(max(hit["cosine"] for hit in both["hits"]))


def test_what_is_ones_own_needs_the_key(client, capitals):
    mine = client.predict(capitals, api_name="/collections")
    assert {each["address"]: each["n_documents"] for each in mine}["mine/capitals"] == 3
    for key in ("", "another visitor's key"):
        assert "mine/capitals" not in [each["address"] for each in client.predict(key, api_name="/collections")]
        for call in (("Paris", "mine/capitals", 2, "bm25", key),):
            with pytest.raises(Exception, match="no collection"):
                client.predict(*call, api_name="/search")
        asked = [{"question": "Paris?", "document": "France.txt"}]
        for name, call in (
            ("/answer", ("Paris", "mine/capitals")), ("/search_evaluate", (asked, "mine/capitals")),
            ("/collection_export", ("mine/capitals",)), ("/collection_delete", ("mine/capitals",)),
        ):  # fmt: skip
            with pytest.raises(Exception, match="no collection"):
                client.predict(*call, key=key, api_name=name)
    with pytest.raises(Exception, match="no key"):
        client.predict("x", api_name="/collections")


def test_an_answer_streams_and_ends_checked_or_refused(client, served, capitals):
    job = client.submit(
        "What is the capital of France?", "mine/capitals", served[2], 1, capitals, 0, "bm25", 8, api_name="/answer"
    )
    last = job.result(timeout=120)
    assert len(job.outputs()) > 1
    assert last["finished"] and not last["refused"]
    assert last["passages"][0]["text"] == "Paris is the capital of France."
    assert last["strategy"]["name"] == "one example" and "Paris is the capital of France." in last["prompt"]
    refused = client.predict("qwertz", "mine/capitals", served[2], 1, capitals, 1, api_name="/answer")
    assert refused["refused"] and refused["threshold"] == 1 and refused["prompt"] == ""


def test_files_are_read_and_only_those_that_were_uploaded(client, served, capitals, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text("# Rome\nRome is in Italy.")
    added = client.predict("mine/more", None, [handle_file(file)], capitals, served[1], api_name="/collection_add")
    assert [(each["name"], each["state"]) for each in added["outcomes"]] == [("notes.md", "indexed")]
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    given = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}  # by plain HTTP: a client would upload it
    data = ["mine/more", None, [given], capitals, served[1], "sentences", 16, 0]
    assert "error" in posted(f"{served[0]}gradio_api/call/collection_add", {"data": data})
    again = client.predict("secret", "mine/more", 5, "bm25", capitals, api_name="/search")
    assert again["hits"] == []


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (dict(collection="elsewhere/x", texts=TEXTS), "names no collection"),
        (dict(collection="mine/x", texts=[]), "nothing to add"),
        (dict(collection="mine/x", texts=[{"name": "a"}]), "needs a name and a text"),
        (dict(collection="mine/x", texts=TEXTS, by="words"), "Chunks can be made by"),
        (dict(collection=library.shipped.ADDRESS, texts=TEXTS), "cannot be changed"),
        (dict(collection="mine/x", addresses=["ftp://example.org/"]), "no address"),
        (dict(collection="mine/x", texts=TEXTS, embedding="no model"), "no model"),
        (dict(collection="mine/x", texts=TEXTS, key="short"), "no key"),
    ],
)
def test_bad_requests_are_refused_in_words(client, call, said):
    with pytest.raises(Exception, match=said):
        client.predict(api_name="/collection_add", **call)


def test_a_collection_is_taken_along_and_comes_back_to_another(client, capitals, tmp_path):
    file = client.predict("mine/capitals", capitals, api_name="/collection_export")
    back = client.predict(handle_file(file), api_name="/collection_import")
    assert back["collection"] == "mine/capitals" and back["damaged"] == [] and back["key"] != capitals
    asked = ("capital of France", "mine/capitals", 3, "hybrid")
    found = [client.predict(*asked, key, api_name="/search")["hits"] for key in (capitals, back["key"])]
    assert found[0] == found[1] and len(found[0]) == 3
    again = client.predict(handle_file(file), back["key"], api_name="/collection_import")
    assert again == {"collection": "mine/capitals (2)", "key": back["key"], "damaged": []}

    left = client.predict("mine/capitals", back["key"], "France.txt", api_name="/collection_delete")
    assert left["documents"] == ["Germany.txt", "Spain.txt"]
    client.predict("mine/capitals (2)", back["key"], api_name="/collection_delete")
    there = {each["address"]: each["n_documents"] for each in client.predict(back["key"], api_name="/collections")}
    assert there["mine/capitals"] == 2 and "mine/capitals (2)" not in there
    wrong = tmp_path / "notes.zip"
    wrong.write_bytes(zipped_paths({"a.txt": b"x"}))
    with pytest.raises(Exception, match="no collection that was taken along"):
        client.predict(handle_file(wrong), api_name="/collection_import")


def test_pages_of_the_web_come_first_and_failures_are_named(client, served, monkeypatch):
    with pages.served() as address:
        monkeypatch.setattr(web, "public", pages.only(address))
        added = client.predict(
            "mine/pages", addresses=[f"{address}/nothing", f"{address}/etna"], embedding=served[1],
            api_name="/collection_add",
        )  # fmt: skip
    assert [(each["name"], each["state"]) for each in added["outcomes"]] == [
        (f"{address}/nothing", "failed"), ("127.0.0.1/etna.html", "indexed")
    ]  # fmt: skip
    found = client.predict("volcano", "mine/pages", 1, "bm25", added["key"], api_name="/search")
    assert "Sicily" in found["hits"][0]["text"]


def test_where_addresses_are_not_allowed_that_is_said():
    from playground.api import collections

    with pytest.raises(PlaygroundError, match="are not fetched here"):
        collections._addresses(["https://example.org/"], Settings())
