"""Models that run elsewhere: what is sent, what is understood, and a sentence for everything that servers do wrong."""

import socket
import threading
import time

import httpx2
import pytest

from playground.errors import PlaygroundError
from playground.models import endpoints, reference, remote, remote_errors, sse
from playground.models.cache import ModelCache
from playground.models.endpoints import Endpoints, listed
from playground.models.remote import Endpoint, Piece, RemoteModel, piece_of, translated
from playground.settings import Settings
from tests import endpoint_server

KEY = "sesame-open-12345"
HELLO = [{"role": "user", "content": "Hello"}]
ASKED = {"max_tokens": 5, "temperature": 1.0}


@pytest.fixture
def server():
    with endpoint_server.running() as server:
        yield server


@pytest.fixture
def model(server):
    return RemoteModel("endpoint:far/m", Endpoint("far", server.url, KEY), "m", silence=5.0)


def answer(model, settings=ASKED, complete=False):
    stream = model.stream_complete("Hello", settings) if complete else model.stream_chat(HELLO, settings)
    pieces = list(stream)
    return "".join(piece.text for piece in pieces), pieces


def requesting():
    return [thread for thread in threading.enumerate() if thread.name == "remote request"]


def soon(condition, seconds=5.0):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    assert soon(lambda: not requesting())


# What is sent and understood


def test_a_good_answer(server, model):
    server.answer = lambda request: (
        (request.begin(), request.say(": a comment\r\n"), request.write("Hi", " 你好"))[1]
        or request.write(finish="length")
    )
    text, pieces = answer(model)
    assert text == "Hi 你好"
    assert pieces[-1].stop_reason == "length"
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body["messages"] == HELLO
    assert (body["model"], body["stream"], body["max_tokens"]) == ("m", True, 5)

    server.answer = lambda request: (request.begin(), request.write("Hi", finish="stop", chat=False))
    assert answer(model, complete=True)[0] == "Hi"
    path, _, body = server.requests[1]
    assert path == "/v1/completions"
    assert body["prompt"] == "Hello"


def test_events_may_come_in_any_cut(server, model):
    """Bytes cut inside a character, inside a line and between the two ends of a line."""
    whole = (
        'data: {"choices": [{"delta": {"content": "é你"}}]}\r\n\r\ndata:{"choices": [{"finish_reason": "stop"}]}\n\n'
    )

    def drip(request):
        request.begin()
        for byte in whole.encode():
            request.wfile.write(bytes([byte]))
            request.wfile.flush()

    server.answer = drip
    text, pieces = answer(model)
    assert text == "é你"
    assert pieces[-1].stop_reason == "eos"


def test_settings_in_the_words_of_the_protocol():
    neutral = {"top_k": 0, "repetition_penalty": 1.0, "logit_bias": (), "stop": (), "presence_penalty": 0.0}
    settings = {"max_new_tokens": 7, "temperature": 0.5, "top_p": 0.9, "seed": 3, "top_k": 50, "stop": ("\n",)}
    settings |= {"logit_bias": ((5, -2.0),), "repetition_penalty": 1.0, "presence_penalty": 0.4}
    body, not_used = translated(settings, neutral)
    assert body == {
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["\n"],
        "logit_bias": {"5": -2.0},
        "presence_penalty": 0.4,
    }
    assert not_used == ["top_k"]
    assert translated(settings | {"temperature": 0, "repetition_penalty": 1.1}, neutral)[1] == ["repetition_penalty"]


def test_probabilities_in_both_forms():
    new = {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -0.5}]}]}
    old = {"tokens": ["<s>", "a"], "token_logprobs": [None, -0.5], "top_logprobs": [None, {"b": -1.0, "a": -0.5}]}
    of_new = piece_of({"choices": [{"delta": {"content": "a"}, "logprobs": new}]})
    of_old = piece_of({"choices": [{"text": "a", "logprobs": old}]})
    assert of_new.tokens[0].alternatives == (("a", -0.5),)
    assert of_old.tokens == (remote.RemoteToken("a", -0.5, (("a", -0.5), ("b", -1.0))),)
    assert piece_of({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}) == Piece(
        prompt_tokens=3, new_tokens=2
    )
    assert piece_of({"choices": [{"delta": {"reasoning_content": "hm"}}]}).thought == "hm"


def test_a_parameter_that_is_not_taken_is_left_out_and_named(server, model):
    def picky(request):
        body = server.requests[-1][2]
        for name in ("max_tokens", "temperature"):
            if name in body:
                return request.refuse(400, {"error": {"code": "unsupported_parameter", "param": name}})
        request.begin()
        request.write("Hi", finish="stop")

    server.answer = picky
    text, pieces = answer(model)
    assert text == "Hi"
    assert [piece.refused for piece in pieces if piece.refused][-1] == ("temperature",)
    assert server.requests[-1][2]["max_completion_tokens"] == 5
    server.answer = lambda request: request.refuse(400, {"error": {"code": "unsupported_value", "param": "seed"}})
    n_before = len(server.requests)
    with pytest.raises(PlaygroundError, match="refused the request"):
        answer(model, ASKED | {"seed": 1})
    assert len(server.requests) == n_before + 2, "each parameter once"


# What goes wrong

CASES = {
    "wrong key": (401, {"error": {"message": f"Incorrect API key: {KEY}"}}, "refused the key that it was given"),
    "forbidden": (403, {"error": {"message": KEY[:8]}}, "PLAYGROUND_ENDPOINT_KEYS"),
    "no model": (404, {"error": {"message": "The model `m` does not exist."}}, "serves no model m"),
    "too long, llama.cpp": (
        400,
        {"error": {"type": "exceed_context_size_error", "message": "request (9 tokens) exceeds the context size"}},
        "longer than m at far can hold",
    ),
    "too long, vLLM": (400, {"message": "This model's maximum context length is 4 tokens"}, "longer than m at far"),
    "busy": (429, {"error": {"message": "slow down"}}, "no more requests now.*later.*slow down"),
    "fault": (500, "<html>" + "x" * 5000, "a fault of its own \\(500\\)"),
    "echo of the key": (400, {"error": f"no {KEY}\nhere"}, "refused the request \\(400\\).*no … here"),
    "no stream": (200, {"choices": []}, "it does not stream"),
    "page": (200, "<html>", "it does not stream"),
    "deep": (400, "[" * 9000, "refused the request"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_refusal_has_its_sentence(server, model, case, caplog):
    status, body, sentence = CASES[case]
    server.answer = lambda request: request.refuse(status, body)
    with pytest.raises(PlaygroundError, match=sentence) as error:
        answer(model)
    assert KEY[:8] not in str(error.value)
    assert KEY[:8] not in caplog.text
    assert "\n" not in str(error.value)
    assert server.url not in str(error.value)
    assert len(str(error.value)) < 600


def test_a_server_asks_for_a_key_or_for_patience(server, model):
    server.answer = lambda request: request.refuse(401, "")
    keyless = RemoteModel("endpoint:far/m", Endpoint("far", server.url), "m")
    with pytest.raises(PlaygroundError, match="asks for a key"):
        answer(keyless)
    assert "Authorization" not in server.requests[0][1]
    server.answer = lambda request: request.refuse(429, "", Retry_After="7")
    with pytest.raises(PlaygroundError, match="in 7 seconds"):
        answer(model)
    server.answer = lambda request: request.refuse(404, "")
    with pytest.raises(PlaygroundError, match="no plain completion"):
        answer(model, complete=True)


def test_nobody_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    with pytest.raises(PlaygroundError, match="Endpoint far cannot be reached"):
        answer(RemoteModel("endpoint:far/m", Endpoint("far", url), "m"))
    with pytest.raises(PlaygroundError, match="Endpoint far cannot be reached"):
        listed(Endpoint("far", url))
    too_slow = remote_errors.not_listed(Endpoint("far", url), httpx2.ConnectTimeout("x"))
    assert "did not answer in time" in str(too_slow)


def test_a_redirect_is_not_followed(server, model):
    with endpoint_server.running() as other:
        for status in (301, 302, 307, 308):
            server.answer = lambda request, status=status: request.refuse(status, "", Location=f"{other.url}/models")
            with pytest.raises(PlaygroundError, match="which is not followed") as error:
                answer(model)
            assert other.url not in str(error.value)
            with pytest.raises(PlaygroundError, match="which is not followed"):
                listed(model.endpoint)
        assert other.requests == []


@pytest.mark.parametrize(
    "ending",
    [
        lambda request: None,  # closed without a reason why it ended
        lambda request: request.say('data: {"choices": [{"del'),
        lambda request: request.event("[DONE]"),
    ],
)
def test_a_stream_that_is_cut(server, model, ending):
    server.answer = lambda request: (request.begin(), request.write("Hi", " there"), ending(request))
    stream = model.stream_chat(HELLO, ASKED)
    got = ""
    while got != "Hi there":  # what came before is handed on
        got += next(stream).text
    with pytest.raises(PlaygroundError, match=r"broke the connection off|not OpenAI's protocol"):
        list(stream)


def test_a_chunk_that_is_cut(server, model):
    def cut(request):
        request.protocol_version = "HTTP/1.1"
        request.begin(Transfer_Encoding="chunked")
        request.say("1000\r\ndata: ")

    server.answer = cut
    with pytest.raises(PlaygroundError, match="broke the connection off"):
        answer(model)


def test_a_failure_after_the_last_word_is_no_failure(server, model):
    server.answer = lambda request: (request.begin(), request.write("Hi", finish="stop"))
    assert answer(model)[0] == "Hi"

    def sloppy(request):
        request.begin()
        request.event({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]})
        request.say("data: nonsense\n\n")

    server.answer = sloppy
    assert answer(model)[0] == "Hi"


@pytest.mark.parametrize(
    "data",
    [
        "no JSON",
        "[]",
        "7",
        '"text"',
        '{"choices": 5}',
        '{"choices": [5]}',
        '{"choices": [{"delta": {"content": {"a": 1}}}]}',
        '{"choices": [{"logprobs": {"content": [{}]}}]}',
        '{"choices": [{"logprobs": {"content": [{"token": "a", "logprob": NaN}]}}]}',
        '{"choices": [{"logprobs": {"tokens": ["a"], "token_logprobs": [900]}}]}',
        "[" * 9000,
    ],
)
def test_what_is_not_the_protocol(server, model, data):
    server.answer = lambda request: (request.begin(), request.event(data))
    with pytest.raises(PlaygroundError, match="not OpenAI's protocol"):
        answer(model)


def test_an_error_in_the_middle(server, model):
    said = {"error": {"message": f"out of memory, {KEY}"}}
    server.answer = lambda request: (request.begin(), request.write("Hi"), request.event(said))
    with pytest.raises(PlaygroundError, match=r"failed while it was writing.*out of memory, …"):
        answer(model)


def test_a_line_without_an_end_is_cut_off(server, model):
    server.answer = lambda request: (request.begin(), request.say("data: "), request.until_left("x" * 65536, every=0))
    with pytest.raises(PlaygroundError, match="more than an answer can be"):
        answer(model)
    assert server.left.wait(5)


def test_an_event_of_endless_lines_is_cut_off(server, model):
    line = "data: " + "x" * 1000 + "\n"
    server.answer = lambda request: (request.begin(), request.until_left(line * 50, every=0))
    with pytest.raises(PlaygroundError, match="more than an answer can be"):
        answer(model)
    assert server.left.wait(5)


def test_a_reply_without_an_end_is_cut_off(server, model):
    event = 'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
    server.answer = lambda request: (request.begin(), request.until_left(event * 100, every=0))
    with pytest.raises(PlaygroundError, match="more than an answer can be"):
        answer(model)
    assert server.left.wait(5)


@pytest.mark.parametrize("says", ["", "x"])
def test_silence_has_an_end_and_bytes_that_make_no_line_are_silence(server, model, says):
    quick = RemoteModel(model.reference, model.endpoint, model.id, silence=0.5)
    server.answer = lambda request: (request.begin(), request.until_left(says) if says else server.left.wait(3))
    with pytest.raises(PlaygroundError, match="said nothing for too long"):
        answer(quick)
    server.left.set()


def test_a_server_that_says_that_it_is_alive_is_waited_for(server, model):
    patient = RemoteModel(model.reference, model.endpoint, model.id, silence=0.5)

    def slow(request):
        request.begin()
        for _ in range(8):
            request.say(": still reading\n\n")
            time.sleep(0.1)
        request.write("Hi", finish="stop")

    server.answer = slow
    assert answer(patient)[0] == "Hi"


# Leaving


def test_closing_the_stream_closes_the_connection(server, model):
    event = 'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
    server.answer = lambda request: (request.begin(), request.until_left(event))
    stream = model.stream_chat(HELLO, ASKED)
    while not next(stream).text:
        pass
    stream.close()
    assert server.left.wait(5)


def test_leaving_before_a_word_has_come(server, model):
    gone = threading.Event()

    def mute(request):
        request.connection.settimeout(8)
        if request.connection.recv(1) == b"":
            gone.set()

    server.answer = mute
    stream = model.stream_chat(HELLO, ASKED)
    while not server.requests:
        next(stream)
    stream.close()
    assert gone.wait(5)


# Endpoints and references


def models_of(*ids):
    return {"data": [{"id": id} for id in ids]}


def test_the_list_of_models_is_asked_in_the_background(server):
    ask = threading.Event()
    served = models_of("m", "org/m", "/path/to/m", "m", "", "a\nb", "m#int8", 5, "x" * 2000)
    server.answer = lambda request: (ask.wait(5), request.refuse(200, served))
    known = Endpoints(Settings(endpoints=[f"far={server.url}"], endpoint_keys=[f"far={KEY}"]))
    assert known.offered() == (), "nothing is waited for"
    first = reference.parse("endpoint:far/m")
    assert "Asking endpoint far" in known.status(first).detail
    ask.set()
    assert known.offered(wait=5) == ("endpoint:far/m", "endpoint:far/org/m", "endpoint:far//path/to/m")
    assert len(server.requests) == 1, "one question at a time, and not again at once"
    assert server.requests[0][0] == "/v1/models"
    assert server.requests[0][1]["Authorization"] == f"Bearer {KEY}"
    assert known.status(first).state == "remote"
    assert known.status(first).n_bytes is None
    assert "does not list other" in known.status(reference.parse("endpoint:far/other")).detail
    model = known.model(reference.parse("endpoint:far//path/to/m"))
    assert model.id == "/path/to/m"
    assert KEY not in repr(model)


def test_an_endpoint_that_is_down_is_asked_again(server, monkeypatch):
    known = Endpoints(Settings(endpoints=[f"far={server.url}"]))
    picked = reference.parse("endpoint:far/m")
    server.answer = lambda request: request.refuse(503, "")
    assert known.offered(wait=5) == ()
    assert soon(lambda: known.troubles() == ("Endpoint far has a fault of its own (503). Try again later.",))
    assert known.status(picked).state == "failed"
    server.answer = lambda request: request.refuse(200, models_of("m"))
    known.ask_anew(picked)
    assert soon(lambda: known.status(picked).state == "remote")
    assert known.troubles() == ()
    monkeypatch.setattr(endpoints, "FRESH", 0.0)
    server.answer = lambda request: request.refuse(200, models_of("m", "n"))
    assert soon(lambda: len(known.offered()) == 2)


@pytest.mark.parametrize("body", ["", "[]", '{"data": 5}', '{"data": [5]}', "<html>", "[" * 9000])
def test_what_is_no_list_of_models(server, body):
    server.answer = lambda request: request.refuse(200, body)
    with pytest.raises(PlaygroundError, match="no list of models in OpenAI's protocol"):
        listed(Endpoint("far", server.url))


def test_a_list_that_never_ends_or_never_comes(server, monkeypatch):
    monkeypatch.setattr(endpoints, "PATIENCE", 0.5)
    server.answer = lambda request: (request.begin(kind="application/json"), request.until_left("["))
    with pytest.raises(PlaygroundError, match="said nothing for too long"):
        listed(Endpoint("far", server.url))
    monkeypatch.setattr(endpoints, "PATIENCE", 10)
    server.answer = lambda request: (request.begin(kind="application/json"), request.until_left("[" * 65536, every=0))
    with pytest.raises(PlaygroundError, match="more than an answer can be"):
        listed(Endpoint("far", server.url))
    server.answer = lambda request: request.refuse(404, "")
    with pytest.raises(PlaygroundError, match="should end in /v1"):
        listed(Endpoint("far", server.url))


@pytest.mark.parametrize("text", ["endpoint:far/m", "endpoint:far/org/m:tag@x", "endpoint:far//path/to/m.gguf"])
def test_a_reference_reads_back(text):
    parsed = reference.parse(text)
    assert (parsed.kind, parsed.endpoint, str(parsed)) == ("endpoint", "far", text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("endpoint:", "does not name a model that runs elsewhere"),
        ("endpoint:far", "does not name a model that runs elsewhere"),
        ("endpoint:far/", "does not name a model that runs elsewhere"),
        ("endpoint:http://169.254.169.254/m", "does not name a model that runs elsewhere"),
        ("endpoint:far/m#int8", "chosen where it runs"),
    ],
)
def test_what_is_no_reference(text, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        reference.parse(text)


def test_only_what_the_operator_has_set_is_ever_asked(server):
    models = ModelCache(Settings(endpoints=[f"far={server.url}"]))
    for name in ("near", f"127.0.0.1.{server.server_port}"):
        assert "no endpoint" in models.status(f"endpoint:{name}/m").detail
        with pytest.raises(PlaygroundError, match="There are: far"), models.writer(f"endpoint:{name}/m"):
            pass
    with pytest.raises(PlaygroundError, match="None is set"), ModelCache(Settings()).writer("endpoint:near/m"):
        pass
    assert server.requests == []


def test_what_needs_the_weights_says_so(server):
    models = ModelCache(Settings(endpoints=[f"far={server.url}"]))
    sentence = "endpoint:far/m runs elsewhere; this needs the weights"
    with pytest.raises(PlaygroundError, match=sentence), models.lease("endpoint:far/m"):
        pass
    assert models.ledger().holdings == ()
    with pytest.raises(PlaygroundError, match="not loaded"):
        models.unload("endpoint:far/m")
    with models.writer("endpoint:far/m") as writer:
        assert isinstance(writer, RemoteModel)


def test_this_machine_is_not_asked_through_a_proxy(server, model, monkeypatch):
    with endpoint_server.running() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        server.answer = lambda request: (request.begin(), request.write("Hi", finish="stop"))
        assert answer(model)[0] == "Hi"
        assert proxy.requests == []


def test_packed_answers_are_not_asked_for(server, model):
    server.answer = lambda request: (request.begin(), request.write("Hi", finish="stop"))
    answer(model)
    assert server.requests[0][1]["Accept-Encoding"] == "identity"
    assert sse.LONGEST_LINE <= 1 << 20
