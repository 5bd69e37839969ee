"""Chat with a model that runs elsewhere, against llama.cpp's own server, and against one that does everything wrong."""

import dataclasses
import threading
import time

import pytest

from playground.allowance import Allowance
from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.chat import remote as remote_chat
from playground.labs.chat import writing
from playground.models.cache import ModelCache
from playground.models.remote import Endpoint, RemoteModel
from playground.settings import Settings
from tests import endpoint_server, llama_server, tiny

KEY = "sesame"
HELLO = [{"role": "user", "content": "The cat sat"}]
GREEDY = Sampling(max_new_tokens=5, temperature=0)
# it never ends by itself
LONG = Sampling(max_new_tokens=32_000, temperature=1.0, logit_bias=((0, -100.0), (2, -100.0)))


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    with llama_server.running(tmp_path_factory.mktemp("llama"), KEY) as llama:
        yield llama


@pytest.fixture(scope="module")
def here(llama):
    """The same weights, run by this program."""
    return tiny.loaded(llama.folder)


@pytest.fixture(scope="module")
def there(llama):
    reference = f"endpoint:local/{llama_server.NAME}"
    models = ModelCache(Settings(endpoints=[f"local={llama.url}"], endpoint_keys=[f"local={KEY}"]))
    assert models.endpoints.offered(wait=10) == (reference,)
    assert models.status(reference).state == "remote"
    with models.writer(reference) as writer:
        yield writer


@pytest.fixture
def server():
    with endpoint_server.running() as server:
        yield server


@pytest.fixture
def bad(server):
    return RemoteModel("endpoint:far/m", Endpoint("far", server.url), "m", silence=5.0)


def last(replies):
    *_, reply = replies
    return reply


@pytest.mark.parametrize("how", ["reply", "complete"])
def test_it_writes_what_the_same_weights_write_here(here, there, how):
    """Greedy text, counted tokens, and probabilities of what was written and of its rivals."""
    write, asked = getattr(writing, how), HELLO if how == "reply" else "The cat sat"
    ours, theirs = (last(write(writer, asked, GREEDY, stop=None)) for writer in (here, there))
    assert theirs.prompt_tokens == ours.prompt_tokens
    assert theirs.new_tokens == ours.new_tokens == 5
    assert theirs.stop_reason == ours.stop_reason == "length"
    assert theirs.seconds_to_first_token > 0
    n_whole = 0  # tokens that are whole characters; of others the server tells in its own way
    for token, remote in zip(ours.tokens, theirs.remote_tokens, strict=False):
        if token.text != remote.text:
            break
        n_whole += 1
        assert remote.logprob == pytest.approx(token.logprob, abs=5e-3)
        assert len(remote.alternatives) == 5
        for (_, ours_at), (_, theirs_at) in zip(token.alternatives, remote.alternatives, strict=False):
            assert theirs_at == pytest.approx(ours_at, abs=5e-3)
    assert n_whole >= 1
    assert theirs.text.startswith("".join(token.text for token in ours.tokens[:n_whole]))
    assert (theirs.ids, theirs.tokens, theirs.notes) == ((), (), ())
    assert theirs.provenance.device == "elsewhere"
    assert theirs.provenance.settings["served_as"] == llama_server.NAME


def test_the_same_seed_gives_the_same_text_and_settings_arrive(there):
    drawn = [
        last(writing.reply(there, HELLO, Sampling(max_new_tokens=20, temperature=1.5, top_p=1.0, seed=seed)))
        for seed in (5, 5, 6)
    ]
    assert drawn[0].text == drawn[1].text != drawn[2].text
    certain = Sampling(max_new_tokens=5, temperature=2.0, top_p=0.01, seed=9)
    assert last(writing.reply(there, HELLO, certain)).text == last(writing.reply(there, HELLO, GREEDY)).text


def test_what_the_protocol_has_no_words_for_is_said(there):
    reply = last(writing.reply(there, HELLO, Sampling(max_new_tokens=2, repetition_penalty=1.2, top_k=50)))
    assert reply.notes == ("top-k, repetition-penalty are not part of this protocol: not used",)
    assert reply.provenance.settings["not_used"] == ["repetition_penalty", "top_k"]
    assert "repetition_penalty" not in reply.provenance.settings
    reply = last(writing.reply(there, HELLO, Sampling(max_new_tokens=2, top_k=0)))
    assert reply.notes == ()
    assert isinstance(reply.provenance.settings["seed"], int), "which was drawn, is said"


def test_stop_strings(there, server, bad):
    whole = last(writing.reply(there, HELLO, GREEDY)).text
    at = whole[2:4]
    ended = last(writing.reply(there, HELLO, dataclasses.replace(GREEDY, stop=(at,))))
    assert ended.text == whole[: whole.index(at)]
    assert ended.notes == ("whether by itself or at a stop string, the server does not say",)

    def says(request):
        request.begin()
        request.event({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop", "stop_reason": "!"}]})

    server.answer = says
    ended = last(remote_chat.reply(bad, HELLO, dataclasses.replace(GREEDY, stop=("!",))))
    assert (ended.stop_reason, ended.stop_string) == ("stop string", "!")


def test_the_system_prompt_is_read(there):
    plain, more = (last(writing.reply(there, HELLO, GREEDY, system)) for system in ("", "Be brief."))
    assert more.prompt_tokens > plain.prompt_tokens


def test_a_page_that_limits_prompts_sends_no_longer_ones(server, bad):
    few = dataclasses.replace(bad, allowance=Allowance(prompt=10))
    for asked in (
        lambda: remote_chat.reply(few, [{"role": "user", "content": "x" * 30}], GREEDY, system="y" * 11),
        lambda: remote_chat.complete(few, "x" * 41, GREEDY),
    ):
        with pytest.raises(PlaygroundError, match=r"some 11 tokens long.*nothing was sent"):
            next(asked())
    assert not server.requests


def test_stop_ends_the_servers_work(there, llama):
    stop = threading.Event()
    replies = writing.complete(there, "The", LONG, stop)
    reply = next(r for r in replies if r.new_tokens > 3)
    assert llama.busy
    stop.set()
    end = last(replies)
    assert end.stop_reason == "stopped"
    assert end.text.startswith(reply.text)
    expect_idle(llama)


def test_closing_the_reply_ends_the_servers_work(there, llama):
    replies = writing.complete(there, "The", LONG)
    next(r for r in replies if r.new_tokens > 3)
    assert llama.busy
    replies.close()
    expect_idle(llama)


def expect_idle(llama):
    until = time.monotonic() + 5
    while llama.busy and time.monotonic() < until:
        time.sleep(0.02)
    assert not llama.busy


def test_what_a_real_server_refuses(there, llama):
    with pytest.raises(PlaygroundError, match="longer than tiny-llama at local can hold"):
        last(writing.reply(there, [{"role": "user", "content": "cat " * 45_000}], GREEDY))
    stranger = RemoteModel("endpoint:local/x", Endpoint("local", llama.url, "wrong"), "x")
    with pytest.raises(PlaygroundError, match="refused the key that it was given"):
        last(writing.reply(stranger, HELLO, GREEDY))
    for text in ("", "  "):
        with pytest.raises(PlaygroundError, match="no message to answer"):
            last(writing.reply(there, [{"role": "user", "content": text}], GREEDY))
        with pytest.raises(PlaygroundError, match="nothing to continue"):
            last(writing.complete(there, text, GREEDY))


def test_what_was_written_before_a_failure_is_kept(server, bad):
    server.answer = lambda request: (request.begin(), request.write("Hi", " there"))
    reply = last(remote_chat.reply(bad, HELLO, GREEDY))
    assert (reply.text, reply.stop_reason) == ("Hi there", "cut")
    assert "broke the connection off" in reply.notes[-1]
    server.answer = lambda request: request.begin()
    with pytest.raises(PlaygroundError, match="broke the connection off"):
        last(remote_chat.reply(bad, HELLO, GREEDY))


def test_a_server_that_tells_little(server, bad):
    server.answer = lambda request: (request.begin(), request.write("Hi", " there", finish="stop"))
    reply = last(remote_chat.reply(bad, HELLO, GREEDY))
    assert (reply.text, reply.stop_reason, reply.new_tokens, reply.prompt_tokens) == ("Hi there", "eos", 2, 0)
    assert reply.remote_tokens == ()
    assert reply.notes == ("tokens counted by the pieces that came",)


def test_thoughts_are_marked(server, bad):
    thoughts = [{"reasoning_content": "hm"}, {"reasoning_content": ", well"}, {"content": "4"}]

    def think(request):
        request.begin()
        for delta in thoughts:
            request.event({"choices": [{"delta": delta}]})
        request.write(finish="stop")

    server.answer = think
    assert last(remote_chat.reply(bad, HELLO, GREEDY)).text == "<think>\nhm, well\n</think>\n\n4"


def test_a_server_that_has_ended_and_stays_silent_is_not_waited_for(server, bad, monkeypatch):
    monkeypatch.setattr(remote_chat, "PATIENCE", 0.3)
    silent = {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    server.answer = lambda request: (request.begin(), request.event(silent), server.left.wait(4))
    started = time.monotonic()
    reply = last(remote_chat.reply(bad, HELLO, GREEDY))
    server.left.set()
    assert (reply.text, reply.stop_reason) == ("Hi", "eos")
    assert time.monotonic() - started < 4, "it waited until the server gave up"
