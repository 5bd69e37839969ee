"""The page and its description, made once for all who come by the same address.

Gradio copies some megabytes of components and writes them as JSON for each visitor, half a second of processor time in
which nobody else is answered, and everybody gets the same. Not for pages with log-ins: there each person has their own.
It does not know what stands in the page.
"""

import asyncio
from collections import OrderedDict
from urllib.parse import parse_qs

import gradio as gr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = {"/", "/config", "/gradio_api/info"}
ADDRESS = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server")  # of these Gradio makes the page's links
OTHER_PAGES = {"page", "deep_link"}  # in the page's address; all else in it is for the browser
AT_MOST = 8  # answers; one of the page takes 2.5 MB

Key = tuple[object, ...]


class Kept:
    """ASGI middleware, inside of what decides who may read and numbers the scripts.

    Args:
        app: Gradio's, without log-ins.
        blocks: the page. When its configuration is made anew, what was kept is forgotten.
    """

    def __init__(self, app: ASGIApp, blocks: gr.Blocks) -> None:
        self._app, self._blocks = app, blocks
        self._answers: OrderedDict[Key, list[Message]] = OrderedDict()
        self._of: object = None  # the configuration that the answers were made of
        self._making = asyncio.Lock()  # thirty who come at once wait for one page, not for thirty

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _asks_for_it(scope):
            await self._app(scope, receive, send)
            return
        key = _key(scope)
        answer = self._find(key)
        if answer is None:
            async with self._making:
                answer = self._find(key) or await self._make(key, scope, receive)
        for message in answer:  # outer layers change what they are given
            own = {"headers": list(message["headers"])} if "headers" in message else {}
            await send({**message, **own})

    def _find(self, key: Key) -> list[Message] | None:
        if self._of is not self._blocks.config:
            self._answers.clear()
            self._of = self._blocks.config
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key]

    async def _make(self, key: Key, scope: Scope, receive: Receive) -> list[Message]:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app({**scope, "query_string": b""}, receive, keep)
        if answer[0].get("status") == 200:
            self._answers[key] = answer
            while len(self._answers) > AT_MOST:
                self._answers.popitem(last=False)
        return answer


def _asks_for_it(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in PATHS:
        return False
    asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return not asked if scope["path"] != "/" else asked.keys().isdisjoint(OTHER_PAGES)


def _key(scope: Scope) -> Key:
    """What an answer depends on: the path, and the address that it is asked by."""
    headers = Headers(scope=scope)
    return (scope["path"], scope["scheme"], scope.get("root_path"), *(headers.get(name) for name in ADDRESS))
