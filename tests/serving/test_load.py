"""How much one visitor may ask for: each bound is met in one sentence, and another visitor is not touched by it."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from playground.allowance import Allowance, Tally
from playground.errors import PlaygroundError
from playground.serving import visit
from playground.serving.load import Work


def behind_a_proxy(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def test_so_many_a_minute_and_no_more(site):
    page = site(rate_limit=3, proxies=1)
    anns, bobs = behind_a_proxy("10.0.0.1"), behind_a_proxy("10.0.0.2")
    answers = [page.ask("next_tokens", anns, text="Paris", k=1) for _ in range(4)]
    assert [status for status, _ in answers] == [200, 200, 200, 429]
    assert "3 requests a minute are the most here. Try again in" in answers[-1][1]
    assert page.ask("next_tokens", bobs, text="Paris", k=1)[0] == 200
    assert page.ask("models", anns)[0] == 200, "which runs no model"
    refused = page.post("/gradio_api/call/v2/next_tokens", {"text": "a"}, headers=anns)
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_made_up_addresses_do_not_help(site):
    page = site(rate_limit=2, proxies=1, queue_size=5)
    codes = [page.ask("next_tokens", behind_a_proxy(f"1.2.3.{n}, 10.0.0.9"), text="Paris", k=1)[0] for n in range(3)]
    assert codes == [200, 200, 429]


def test_without_proxies_no_header_makes_an_address_up(site):
    """This machine's own callers neither, whom uvicorn would believe."""
    page = site(rate_limit=2, queue_size=6)
    codes = [page.ask("next_tokens", behind_a_proxy(f"1.2.3.{n}"), text="Paris", k=1)[0] for n in range(3)]
    assert codes == [200, 200, 429]


@pytest.mark.parametrize(
    ("headers", "proxies", "address"),
    [
        ([], 0, "9.9.9.9"),
        ([b"1.1.1.1"], 0, "9.9.9.9"),
        ([], 1, "9.9.9.9"),
        ([b"1.1.1.1"], 1, "1.1.1.1"),
        ([b"6.6.6.6, 1.1.1.1"], 1, "1.1.1.1"),
        ([b"6.6.6.6", b"1.1.1.1"], 1, "1.1.1.1"),
        ([b"6.6.6.6, 1.1.1.1, 2.2.2.2"], 2, "1.1.1.1"),
        ([b"1.1.1.1"], 3, "1.1.1.1"),
        ([b" , "], 1, "9.9.9.9"),
    ],
)
def test_whom_proxies_vouch_for(headers, proxies, address):
    scope = {"headers": [(b"x-forwarded-for", value) for value in headers], "client": ("9.9.9.9", 5)}
    assert visit.address(scope | {"type": "http"}, proxies) == address


def test_one_visitor_holds_so_many_places_and_no_more(site):
    page = site(visitor_limit=2, proxies=1, concurrency=1)
    anns, bobs = behind_a_proxy("10.0.0.1"), behind_a_proxy("10.0.0.2")
    long = {"text": "Paris", "max_new_tokens": 900, "temperature": 1.5, "logit_bias": {"<|im_end|>": -100}}
    with ThreadPoolExecutor() as pool:
        writing = [pool.submit(page.ask, "complete", anns, **long | {"max_new_tokens": 900}) for _ in range(2)]
        until = time.monotonic() + 30
        while len(page.serving.work.running()) + len(page.serving.work.waiting()) < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        status, said = page.ask("next_tokens", anns, text="Paris", k=1)
        assert status == 429 and "2 requests of yours are waiting or running" in said
        assert pool.submit(page.ask, "next_tokens", bobs, text="Paris", k=1).result()[0] == 200
        assert all(each.result()[0] == 200 for each in writing)
    assert page.ask("next_tokens", anns, text="Paris", k=1)[0] == 200, "when they have ended there is room again"


def test_more_tokens_than_are_allowed_are_refused(site):
    page = site(token_limit=5, prompt_limit=30)
    assert "error" not in page.ask("complete", text="Paris", max_new_tokens=5, temperature=0.0)[1]
    assert "6 new tokens were asked for, and 5 for one request" in page.ask("complete", text="P", max_new_tokens=6)[1]
    long = "one two three " * 40
    assert "30 are the most on this page" in page.ask("next_tokens", text=long)[1]
    assert "30 are the most on this page" in page.ask("complete", text=long, max_new_tokens=2)[1]
    assert "error" not in page.ask("next_tokens", text="one two three", k=2)[1]


def test_an_allowance_says_what_is_too_much():
    Allowance().check_new(10**9)
    Allowance(new=5).check_new(5)
    with pytest.raises(PlaygroundError, match="6 new tokens were asked for, and 5 for one request are the most"):
        Allowance(new=5).check_new(6)
    with pytest.raises(PlaygroundError, match="Shorten it by 3 tokens"):
        Allowance(prompt=4).check_prompt(7)
    Allowance().check_uncounted("x" * 10**6)
    Allowance(prompt=4).check_uncounted("x" * 8, "x" * 8)
    with pytest.raises(PlaygroundError, match="some 5 tokens long, at 4 bytes each, and 4 are the most"):
        Allowance(prompt=4).check_uncounted("x" * 8, "x" * 6, "你")


def test_a_tally_loses_nothing_to_threads():
    tally = Tally()
    threads = [threading.Thread(target=lambda: [tally.add() for _ in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.n == 20_000


def test_nothing_new_when_the_server_is_to_end(site):
    page = site(queue_size=11)
    assert page.ask("next_tokens", text="Paris", k=1)[0] == 200
    page.serving._ending.set()
    status, said = page.ask("next_tokens", text="Paris", k=1)
    assert status == 503 and "about to end" in said
    assert page.get("/health").status_code == 503 and "about to end" in page.get("/health").json()["why"]
    page.serving._ending.clear()
    assert page.ask("next_tokens", text="Paris", k=1)[0] == 200


def test_work_is_read_off_the_queue():
    events = [SimpleNamespace(concurrency_id=kind, request=None) for kind in ("models", "other")]
    queue = SimpleNamespace(queue=events)
    blocks = SimpleNamespace(
        _queue=SimpleNamespace(event_queue_per_concurrency_id={"a": queue}, active_jobs=[None, events, None])
    )
    work = Work(blocks)
    assert [e.concurrency_id for e in itertools.chain(work.waiting(), work.running())] == ["models"] * 2
