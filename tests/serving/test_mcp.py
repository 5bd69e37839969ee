"""Endpoints as MCP tools, used by a real client of the protocol: what a tool gives is what its endpoint gives."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable

import pytest
from gradio_client import Client
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from playground.api import docs
from tests.serving.conftest import Site, basic

ANN = basic("ann", "sesame")
LOGINS = {"auth": ("ann:sesame",), "mcp": True}


def talk(site: Site, work: Callable[[ClientSession], Awaitable], headers: dict | None = None):
    """What `work` returns, given a session of the protocol."""

    async def run():
        address = f"{site.url}/gradio_api/mcp/"
        async with (
            streamablehttp_client(address, headers=headers) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await work(session)

    return asyncio.run(run())


def value(result) -> object:
    assert not result.isError, result.content
    return json.loads(result.content[0].text)


def test_every_endpoint_is_a_tool_with_its_words(site):
    page = site(mcp=True)
    tools = {tool.name: tool for tool in talk(page, lambda session: session.list_tools()).tools}
    public = {str(f.api_name): f for f in page.blocks.fns.values() if f.api_visibility == "public"}
    assert set(tools) == set(public) and len(tools) >= 25
    for name, function in public.items():
        described, schema = docs.of(function.fn), tools[name].inputSchema
        assert described.about in tools[name].description and described.returns in tools[name].description
        assert list(schema["properties"]) == [p.name for p in described.parameters]
        assert set(schema.get("required", ())) == {p.name for p in described.parameters if p.default is None}
        for parameter in described.parameters:
            assert parameter.about and schema["properties"][parameter.name]["description"] == parameter.about, name


def test_a_tool_gives_what_its_endpoint_gives(site):
    page = site(mcp=True)
    given = {"text": "Paris is the capital", "k": 4, "temperature": 0.5}
    by_tool = value(talk(page, lambda session: session.call_tool("next_tokens", given)))
    by_name = Client(page.url, verbose=False).predict(**given, api_name="/next_tokens")
    assert by_tool == by_name
    assert math.isclose(sum(by_tool["kept"].values()), sum(by_name["kept"].values())) and len(by_tool["tokens"]) == 4


def test_a_tool_that_writes_gives_the_whole_text(site):
    page = site(mcp=True)
    given = {"messages": [{"role": "user", "content": "Hello"}], "max_new_tokens": 6, "temperature": 0.0}
    by_tool = value(talk(page, lambda session: session.call_tool("chat", given)))
    by_name = Client(page.url, verbose=False).predict(**given, api_name="/chat")
    assert by_tool["text"] == by_name["text"]
    assert by_tool["new_tokens"] == by_name["new_tokens"] > 0 and by_tool["stop_reason"] == by_name["stop_reason"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "a", "k": 10_000_000}, "k"),
        ({"text": 5}, "5 is not of type 'string'"),
        ({"text": "a", "model": "no such model"}, "does not name a model"),
    ],
)
def test_a_tool_refuses_in_one_sentence(site, given, said):
    result = talk(site(mcp=True), lambda session: session.call_tool("next_tokens", given))
    words = result.content[0].text
    assert result.isError and said in words and "Traceback" not in words


def test_with_log_ins_tools_are_closed_and_open_with_one(site):
    page = site(**LOGINS)
    for headers in (None, basic("ann", "wrong")):
        with pytest.raises(BaseExceptionGroup) as caught:
            talk(page, lambda session: session.list_tools(), headers)
        assert "401" in str(_innermost(caught.value))
    assert "chat" in {tool.name for tool in talk(page, lambda session: session.list_tools(), ANN).tools}
    tokens = value(talk(page, lambda session: session.call_tool("next_tokens", {"text": "Paris", "k": 2}), ANN))
    assert len(tokens["tokens"]) == 2


def _innermost(error: BaseException) -> BaseException:
    return _innermost(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def test_a_visitor_s_tools_are_bounded_too(site):
    page = site(mcp=True, rate_limit=2, queue_size=5)

    async def many(session):
        return [await session.call_tool("next_tokens", {"text": "Paris", "k": 1}) for _ in range(3)]

    *answered, refused = talk(page, many)
    assert not any(each.isError for each in answered)
    assert refused.isError and "2 requests a minute are the most here" in refused.content[0].text
