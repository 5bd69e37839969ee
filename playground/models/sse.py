"""One streamed HTTP request: the data of its server-sent events, in bounds, ended the moment nobody wants more.

A worker thread talks to the server; closing the iterator closes the connection, which is how servers learn that nobody
reads any more. Redirects are not followed. It does not know what the events mean.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2

from playground.settings import on_this_machine

LONGEST_LINE = 1 << 20  # bytes
LONGEST_REFUSAL = 1 << 14  # bytes of an error page that are read
CONNECT_SECONDS = 5.0
_HEARTBEAT = 0.25  # seconds: how long the caller may wait without a turn to notice that nobody listens any more
_GOODBYE = 1.0  # seconds that a connection gets to close; a name that is being looked up cannot be called back


@dataclass
class RefusalError(Exception):
    """The server answered with something else than a stream."""

    status: int
    body: str  # its beginning
    retry_after: str | None = None


class TooMuchError(Exception):
    """The server sent more than can be meant."""


class SilenceError(Exception):
    """The server said nothing for too long."""


def post(
    url: str, body: Mapping[str, Any], headers: Mapping[str, str], silence: float
) -> Generator[str | None, None, None]:
    """Sends `body` as JSON; yields the data of each event, and None several times a second while there is none.

    Args:
        silence: seconds without a whole line after which the server is given up.

    Raises:
        RefusalError, TooMuchError, SilenceError, httpx2.HTTPError, OSError: in the caller's thread.
    """
    arrived: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()  # None: the end

    async def read() -> None:
        async with (
            asyncio.timeout(silence) as patience,
            client(url) as http,
            http.stream("POST", url, json=body, headers=headers) as response,
        ):
            await _accept(response)
            async for data in _events(response, patience, silence):
                arrived.put(data)

    loop = asyncio.new_event_loop()
    reading = loop.create_task(read())

    def work() -> None:
        try:
            loop.run_until_complete(reading)
            arrived.put(None)
        except TimeoutError:
            arrived.put(SilenceError())
        except BaseException as error:  # it must reach the caller, whatever it is
            arrived.put(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    worker = threading.Thread(target=work, name="remote request", daemon=True)
    worker.start()
    try:
        while True:
            try:
                item = arrived.get(timeout=_HEARTBEAT)
            except queue.Empty:
                yield None
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it is over
            loop.call_soon_threadsafe(reading.cancel)
        worker.join(_GOODBYE)


def get(url: str, headers: Mapping[str, str], seconds: float, most_bytes: int) -> bytes:
    """The body of an answer that has to be there within `seconds` in all.

    Raises:
        RefusalError, TooMuchError, SilenceError, httpx2.HTTPError, OSError.
    """

    async def read() -> bytes:
        async with asyncio.timeout(seconds), client(url) as http, http.stream("GET", url, headers=headers) as response:
            if response.status_code != 200:
                raise await _refusal(response)
            parts = bytearray()
            async for part in response.aiter_raw():
                parts += part
                if len(parts) > most_bytes:
                    raise TooMuchError
            return bytes(parts)

    with ThreadPoolExecutor(1) as worker:  # a thread with an event loop of its own cannot run a second one
        try:
            return worker.submit(lambda: asyncio.run(read())).result()
        except TimeoutError:
            raise SilenceError from None


def client(url: str) -> httpx2.AsyncClient:
    """A client for one request. This machine itself is never asked through a proxy."""
    return httpx2.AsyncClient(
        follow_redirects=False,
        trust_env=not on_this_machine(url),
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        headers={"Accept-Encoding": "identity"},  # nothing to unpack, so nothing that unpacks to gigabytes
        verify=url.startswith("https:"),  # reading the certificates takes longer than a local answer
    )


async def _accept(response: httpx2.Response) -> None:
    kind = response.headers.get("content-type", "")
    if response.status_code != 200 or not kind.startswith("text/event-stream"):
        raise await _refusal(response)


async def _refusal(response: httpx2.Response) -> RefusalError:
    beginning = bytearray()
    async for part in response.aiter_raw():
        beginning += part
        if len(beginning) > LONGEST_REFUSAL:
            break
    text = bytes(beginning[:LONGEST_REFUSAL]).decode("utf-8", "replace")
    return RefusalError(response.status_code, text, response.headers.get("retry-after"))


async def _events(response: httpx2.Response, patience: asyncio.Timeout, silence: float) -> AsyncIterator[str]:
    """The data of each event: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream"""
    data: list[str] = []
    async for line in _lines(response):
        patience.reschedule(asyncio.get_running_loop().time() + silence)
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
        if sum(map(len, data)) > LONGEST_LINE:
            raise TooMuchError
    if data:  # the last blank line is sometimes left out
        yield "\n".join(data)


async def _lines(response: httpx2.Response) -> AsyncIterator[str]:
    rest = bytearray()
    async for part in response.aiter_raw():
        *lines, end = part.split(b"\n")
        for line in lines:
            rest += line
            yield bytes(rest).removesuffix(b"\r").decode("utf-8", "replace")
            rest.clear()
        rest += end
        if len(rest) > LONGEST_LINE:
            raise TooMuchError
    if rest:
        yield bytes(rest).removesuffix(b"\r").decode("utf-8", "replace")
