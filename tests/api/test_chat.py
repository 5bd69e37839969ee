"""The endpoints over real HTTP, as a program calls them. Leases and worker threads are looked at in this process."""

import threading
import time

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

HELLO = [{"role": "user", "content": "Hello"}]


def lent(models):
    return sum(holding.lent for holding in models.ledger().holdings)


def writing():
    return [t for t in threading.enumerate() if t.name.startswith("generate")]


def soon(condition, seconds=5):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


def test_only_named_and_typed_endpoints_are_there(client):
    endpoints = client.view_api(return_format="dict")
    inside = {"/logit_lens", "/patch", "/ablate", "/steer", "/neuron", "/probe"}
    inside |= {"/attention", "/attention_heads", "/attention_pairs", "/attribution"}
    prompting = {"/prompt_run", "/label"}
    search = {"/collection_add", "/collections", "/search", "/answer", "/search_evaluate"}
    search |= {"/collection_export", "/collection_import", "/collection_delete"}
    bias = {"/bias_fill", "/bias_pairs", "/bias_association", "/bias_generation"}
    merge = {"/merge", "/merge_inspect", "/merge_save", "/compose_adapters"}
    writing = {"/models", "/chat", "/complete", "/next_tokens"}
    assert set(endpoints["named_endpoints"]) == writing | prompting | inside | merge | bias | search
    assert not endpoints["unnamed_endpoints"]
    wanted = ["messages", "model", "system", "max_new_tokens", "temperature", "top_p", "top_k"]
    wanted += ["repetition_penalty", "seed", "min_p", "typical_p", "no_repeat_ngram", "stop", "logit_bias", "beams"]
    wanted += ["length_penalty", "early_stopping"]
    parameters = endpoints["named_endpoints"]["/chat"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == wanted


def test_models_lists_what_is_on_offer_and_what_is_loaded(client, models):
    client.predict(HELLO, max_new_tokens=1, api_name="/chat")
    rows = {row["reference"]: row for row in client.predict(api_name="/models")}
    loaded = rows[models.settings.default_models[0]]
    assert loaded["state"] == "ready" and loaded["dtype"] == "float32" and loaded["bytes"] > 0
    assert loaded["in_use_by"] == 0
    assert [check["passed"] for check in loaded["checks"]] == [True] * 5
    offered = rows["starter:smollm2-135m-instruct"]
    assert offered["kind"] == "chat" and offered["licence"] == "Apache-2.0" and offered["parameters"] == 134_515_008


def test_chat_streams_and_the_last_says_how_it_went(client):
    job = client.submit(HELLO, max_new_tokens=25, temperature=0, api_name="/chat")
    last = job.result(timeout=60)
    states = job.outputs()
    assert len(states) > 5 and all(state["stop_reason"] is None for state in states[:-1])
    assert last["stop_reason"] == "length" and last["new_tokens"] == 25 and last["prompt_tokens"] > 5
    assert last["seconds_to_first_token"] > 0 and last["tokens_per_second"] > 0
    assert client.predict(HELLO, max_new_tokens=25, temperature=0, api_name="/chat")["text"] == last["text"]


def test_the_same_seed_gives_the_same_text(client):
    settings = dict(max_new_tokens=30, temperature=1.5, api_name="/chat")
    first, again, other, free = (client.predict(HELLO, seed=s, **settings) for s in (5, 5, 6, None))
    assert first["text"] == again["text"] != other["text"] and first["seed"] == 5
    assert client.predict(HELLO, seed=free["seed"], **settings)["text"] == free["text"]


def test_complete_continues(client):
    result = client.predict("The cat sat", max_new_tokens=6, temperature=0, api_name="/complete")
    assert result["new_tokens"] == 6 and result["stop_reason"] == "length"


def test_stop_strings_end_the_text_and_are_named(client):
    settings = dict(max_new_tokens=25, temperature=0, api_name="/complete")
    free = client.predict("The cat sat", **settings)
    at = next(i for i in range(3, len(free["text"])) if free["text"][i : i + 2].isprintable())
    stop = free["text"][at : at + 2]
    job = client.submit("The cat sat", stop=["never", stop], **settings)
    last = job.result(timeout=60)
    assert last["text"] == free["text"][: free["text"].find(stop)]
    assert last["stop_reason"] == "stop string" and last["stop_string"] == stop and free["stop_string"] is None
    assert all(free["text"].startswith(state["text"]) and stop not in state["text"] for state in job.outputs())


def test_words_are_pushed_and_the_chart_shows_the_same(client):
    banned = client.predict("The cat sat", k=3, temperature=0.5, api_name="/next_tokens")["tokens"]
    word = next(token["text"].strip() for token in banned if token["text"].strip().isalnum())
    seen = client.predict("The cat sat", k=3, logit_bias={word: -100}, api_name="/next_tokens")
    rows = {token["text"].strip(): token["probability"] for token in seen["tokens"]}
    assert rows[word]["model"] > 0 and rows[word]["logit bias"] == 0
    forced = client.predict("The cat sat", max_new_tokens=3, logit_bias={word: 100}, seed=1, api_name="/complete")
    assert forced["text"].replace(" ", "") == 3 * word


def test_beams_are_repeatable_and_take_no_notice_of_the_temperature(client):
    settings = dict(max_new_tokens=10, beams=3, length_penalty=0.5, no_repeat_ngram=2, api_name="/chat")
    cold, hot = (client.predict(HELLO, temperature=t, early_stopping=True, **settings) for t in (0, 2))
    assert cold["text"] == hot["text"] and cold["new_tokens"] > 0


def test_next_tokens_agree_with_what_is_written(client):
    seen = client.predict("The cat sat", k=5, temperature=0.5, top_k=3, api_name="/next_tokens")
    assert len(seen["tokens"]) == 5 and seen["kept"]["top-k"] == 3
    assert [token["probability"]["top-k"] > 0 for token in seen["tokens"]] == [True] * 3 + [False] * 2
    written = client.predict("The cat sat", max_new_tokens=1, temperature=0, api_name="/complete")
    assert written["text"] == seen["tokens"][0]["text"] or "\ufffd" in seen["tokens"][0]["text"]
    with pytest.raises(AppError, match="k is 0; it must be"):
        client.predict("The cat sat", k=0, api_name="/next_tokens")


def test_cancelling_ends_the_computation_and_returns_the_lease(client, models):
    job = client.submit(HELLO, max_new_tokens=1500, temperature=1, seed=1, api_name="/chat")
    assert soon(lambda: len(job.outputs()) > 3)
    assert lent(models) == 1 and writing()
    rows = {row["reference"]: row for row in client.predict(api_name="/models")}
    assert rows[models.settings.default_models[0]]["in_use_by"] == 1
    job.cancel()
    assert soon(lambda: not writing() and lent(models) == 0)


def test_a_client_that_vanishes_ends_the_computation_too(url, models):
    import httpx

    address = f"{url.rstrip('/')}/gradio_api"
    arguments = {"messages": HELLO, "max_new_tokens": 1500, "temperature": 1.0, "seed": 1}
    event = httpx.post(f"{address}/call/v2/chat", json=arguments).json()
    with httpx.stream("GET", f"{address}/call/chat/{event['event_id']}", timeout=30) as stream:
        lines = stream.iter_lines()
        while "generating" not in next(lines):
            pass
        assert soon(lambda: writing() and lent(models) == 1)
    assert soon(lambda: not writing() and lent(models) == 0)


def test_two_at_once_get_what_each_would_get_alone(url, client):
    settings = [dict(seed=s, max_new_tokens=60, temperature=1.4, api_name="/chat") for s in (1, 2)]
    alone = [client.predict(HELLO, **s)["text"] for s in settings]
    others = [Client(url, verbose=False) for _ in settings]
    jobs = [other.submit(HELLO, **s) for other, s in zip(others, settings, strict=True)]
    assert [job.result(timeout=60)["text"] for job in jobs] == alone


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"messages": []}, "no message to answer"),
        ({"messages": [{"role": "user", "content": ""}]}, "no message to answer"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "Message 1 cannot be read"),
        ({"messages": [{"role": "user", "content": "cat " * 25_000}]}, "tokens long and .* reads at most 2,048"),
        ({"model": "nonsense"}, "does not name a model"),
        ({"model": "some-org/absent"}, "offline"),
        ({"temperature": -1}, "temperature is -1; it must be"),
        ({"max_new_tokens": 10**9}, "max_new_tokens is 1000000000; it must be"),
        ({"top_k": -5}, "top_k is -5"),
        ({"top_p": 7}, "top_p is 7"),
        ({"beams": 9}, "beams is 9; it must be a whole number from 1 to 8"),
        ({"stop": [""]}, "Stop strings must be a list"),
        ({"logit_bias": {"Paris": 200}}, "logit bias of .*Paris.* is 200"),
    ],
)
def test_bad_input_gets_a_sentence_and_the_next_request_works(client, models, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**({"messages": HELLO} | arguments), api_name="/chat")
    assert client.predict(HELLO, max_new_tokens=2, api_name="/chat")["new_tokens"] > 0
    assert lent(models) == 0
