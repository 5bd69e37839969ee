"""The page is made once, and everybody gets the one that is theirs."""

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import gradio as gr
import pytest

from playground.serving import kept
from tests.serving.conftest import basic

ANN, BOB = basic("ann", "sesame"), basic("bob", "x:y")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The roots of the configurations that Gradio made since."""
    roots = []
    update = gr.routes.route_utils.update_root_in_config

    def noted(config, root):
        roots.append(root)
        return update(config, root)

    monkeypatch.setattr(gr.routes.route_utils, "update_root_in_config", noted)
    return roots


def config(page: str) -> dict:
    return json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", page, re.DOTALL)[1])


def test_thirty_at_once_wait_for_one_page_which_is_gradios(site, made):
    page = site(queue_size=11)
    made.clear()  # the launch asks as well
    with ThreadPoolExecutor(30) as crowd:
        answers = list(crowd.map(lambda _: page.get("/"), range(30)))
    assert len(made) == 1 and {answer.status_code for answer in answers} == {200}
    theirs = page.get("/?deep_link=none").text  # which Gradio makes anew
    assert len(made) == 2
    plain = config(theirs) | {"deep_link_state": "none"}
    assert all(config(answer.text) == plain for answer in answers)
    described = page.get("/config").json()
    assert described == page.get("/config").json() and len(made) == 3
    assert {part["id"] for part in described["components"]} == {part["id"] for part in plain["components"]}
    assert page.get("/?__theme=dark").status_code == 200 and len(made) == 3


def test_who_comes_by_another_address_gets_links_of_that_address(site):
    page = site(queue_size=12)
    here = config(page.get("/").text)["root"]
    there = {"X-Forwarded-Host": "models.example", "X-Forwarded-Proto": "https"}
    assert here == page.url
    assert config(page.get("/", headers=there).text)["root"] == "https://models.example"
    assert config(page.get("/").text)["root"] == here
    other = {"X-Gradio-Server": "http://server.example"}
    assert config(page.get("/", headers=other).text)["root"] == "http://server.example"


def test_it_keeps_no_more_than_a_few_and_no_error():
    asyncio.run(keep_and_ask())


async def keep_and_ask() -> None:
    made = []

    async def gradio_app(scope, receive, send):
        made.append(scope["query_string"])
        broken = dict(scope["headers"])[b"host"] == b"broken"
        await send({"type": "http.response.start", "status": 500 if broken else 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    layer, told = kept.Kept(gradio_app, SimpleNamespace(config={"title": "Playground"})), []

    async def told_of(message):
        told.append(message)

    async def ask(host: str, query: bytes = b"") -> None:
        about = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "query_string": query}
        await layer({**about, "headers": [(b"host", host.encode())]}, None, told_of)

    for n in range(kept.AT_MOST + 1):
        await ask(f"{n}.example")
    await ask(f"{n}.example", b"all_endpoints=1")
    assert made == [b""] * (kept.AT_MOST + 1)
    await ask("0.example")  # the first had to go
    assert len(made) == kept.AT_MOST + 2
    for _ in range(2):
        await ask("broken")
    assert len(made) == kept.AT_MOST + 4
    assert len(told) == 2 * (kept.AT_MOST + 5)


def test_nobody_gets_the_page_of_somebody_else(site, made):
    page = site(auth=("ann:sesame", "bob:x:y"), queue_size=13)
    made.clear()
    for n in range(2):
        assert len(made) == 3 * n, "each page with a name in it is made for that person"
        assert config(page.get("/", headers=ANN).text)["username"] == "ann"
        assert config(page.get("/", headers=BOB).text)["username"] == "bob"
        stranger = page.get("/").text
        assert config(stranger)["auth_required"] and "next_tokens" not in stranger
        assert page.get("/config", headers=BOB).json()["username"] == "bob"
        assert page.get("/config").status_code == 401


def test_a_configuration_that_is_made_anew_is_shown(site):
    page = site(queue_size=14)
    assert config(page.get("/").text)["title"] == "Playground"
    page.blocks.config = page.blocks.config | {"title": "Another"}
    assert config(page.get("/").text)["title"] == "Another"
