"""A search is measured by endpoint: settings side by side, refusals, and bad input named."""

import pytest
from gradio_client import Client

from playground.models.cache import ModelCache
from playground.settings import Settings
from tests import tiny

TEXTS = [
    {"name": f"{land}.txt", "text": f"{city} is the capital of {land}."}
    for city, land in (("Paris", "France"), ("Berlin", "Germany"), ("Madrid", "Spain"))
]
QUESTIONS = [
    {"id": "f", "question": "capital of France", "document": "France.txt", "passage": "Paris"},
    {"id": "s", "question": "capital of Spain", "document": "Spain.txt", "kind": "easy"},
    {"id": "n", "question": "price of fish"},
]


@pytest.fixture(scope="module")
def writer(tmp_path_factory) -> str:
    return str(tiny.save(tmp_path_factory.mktemp("writer"), "llama", context=2048))


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """(client, key of a collection of three)."""
    import gradio as gr

    from playground.api import collections, search_evaluate

    folder = tmp_path_factory.mktemp("evaluate")
    encoder = tiny.save(folder / "bert", "bert")
    settings = Settings(default_models=[str(encoder)], cache_dir=folder, dtype="float32", threads=1, offline=True)
    models = ModelCache(settings)
    with gr.Blocks(analytics_enabled=False) as blocks:
        collections.add(models, settings)
        search_evaluate.add(models, settings)
    blocks.queue(max_size=20).launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
    client = Client(blocks.local_url, verbose=False)
    added = client.predict("mine/three", TEXTS, embedding=str(encoder), size=16, overlap=0, api_name="/collection_add")
    yield client, added["key"]
    blocks.close(verbose=False)


def test_settings_are_measured_side_by_side(asked):
    client, key = asked
    grid = [{"name": "words", "method": "bm25"}, {"method": "hybrid", "fusion": "rrf"}]
    last = client.predict(QUESTIONS, "mine/three", grid, 1.0, key, api_name="/search_evaluate")
    assert last["fraction"] == 1
    found = last["result"]
    assert (found["questions"], found["measured"]) == (3, 2)
    words, other = found["settings"]
    assert words["name"] == "words" and words["ranks"] == {"f": 1, "s": 1}
    assert words["measures"]["nDCG@10"]["mean"] == 1.0 and words["measures"]["recall@1"]["low"] < 1
    assert other["how"]["fusion"] == "rrf" and other["by_kind"]["easy"]["n"] == 1
    assert found["refusal"]["refused"] == 1 and found["refusal"]["n_unanswerable"] == 1


def test_answers_are_judged_under_every_setting(asked, writer):
    client, key = asked
    grid = [{"name": "words", "method": "bm25"}, {"method": "dense"}]
    job = client.submit(QUESTIONS, "mine/three", grid, 0, key, writer, 2, api_name="/search_evaluate")
    found = job.result(timeout=120)["result"]
    words, other = found["answers"]
    assert (words["setting"], other["setting"], words["questions"]) == ("words", "setting 2", 2)
    assert [row["question"]["id"] for row in words["answers"]] == ["f", "s"]
    assert words["answers"][0]["given"] and words["accuracy"]["n"] == 0  # nothing says what is right
    assert words["citation_precision"]["low"] <= words["citation_precision"]["mean"]
    assert found["settings"][0]["name"] == "words"
    fractions = [each["fraction"] for each in job.outputs()]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    with pytest.raises(Exception, match="whole number"):
        client.predict(QUESTIONS, "mine/three", grid, 0, key, writer, 0, api_name="/search_evaluate")


@pytest.mark.parametrize(
    ("questions", "grid", "said"),
    [
        ([{"document": "a"}], None, "Question 1 has no question"),
        (QUESTIONS, [{"methods": "bm25"}], "Setting 1 has “methods”"),
        (QUESTIONS, [{"method": "magic"}], "“magic” is none of these"),
        ([{"question": "?", "document": "elsewhere.txt"}], None, "Pick the collection"),
        ([], None, "no questions"),
    ],
)
def test_what_cannot_be_measured_is_named(asked, questions, grid, said):
    client, key = asked
    with pytest.raises(Exception, match=said):
        client.predict(questions, "mine/three", grid, None, key, api_name="/search_evaluate")


@pytest.mark.parametrize(("model", "said"), [("no such/model/at all", "no such"), ("{encoder}", "does not write")])
def test_whoever_cannot_answer_is_named_before_anything_is_measured(asked, monkeypatch, model, said):
    from playground.labs.retrieval import evaluation

    client, key = asked
    monkeypatch.setattr(evaluation, "run", lambda *_, **__: pytest.fail("it searched"))
    encoder = client.predict(key, api_name="/collections")[-1]["embedding"]
    with pytest.raises(Exception, match=said):
        client.predict(
            QUESTIONS, "mine/three", None, 0, key, model.format(encoder=encoder), api_name="/search_evaluate"
        )
