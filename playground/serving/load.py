"""How much one visitor may ask for, and nothing new once the server is to end. It does not know what is computed."""

import threading
from collections import Counter
from contextlib import nullcontext

import gradio as gr
from gradio.queueing import Event
from starlette.types import ASGIApp, Receive, Scope, Send

from playground.serving import visit
from playground.serving.answers import RefusedError
from playground.serving.rates import Rates, one_more
from playground.serving.visit import Visit

UPLOADS = 60  # a minute, of one visitor, where requests are limited


class Work:
    """What waits in Gradio's queue and what runs, of all that runs models. Read anew each time; nothing is counted."""

    def __init__(self, blocks: gr.Blocks) -> None:
        self._blocks = blocks

    def waiting(self) -> list[Event]:
        queues = list(self._blocks._queue.event_queue_per_concurrency_id.values())
        return [event for queue in queues for event in list(queue.queue) if event.concurrency_id in visit.WORK]

    def running(self) -> list[Event]:
        jobs = [job for job in list(self._blocks._queue.active_jobs) if job]
        return [event for job in jobs for event in job if event.concurrency_id in visit.WORK]

    def of(self, visitor: str) -> int:
        return sum(self._visitor(event) == visitor for event in (*self.waiting(), *self.running()))

    @staticmethod
    def _visitor(event: Event) -> str:
        here: Visit | None = event.request.scope.get(visit.KEY)
        return here.visitor if here and not here.inside else ""


class Bounds:
    """ASGI middleware. None: no bound.

    Args:
        ending: set when the server is to end.
    """

    def __init__(
        self, app: ASGIApp, work: Work, a_minute: int | None, at_once: int | None, ending: threading.Event
    ) -> None:
        self._app, self._work, self._a_minute, self._at_once, self._ending = app, work, a_minute, at_once, ending
        self._rates = Rates()
        self._asking: Counter[str] = Counter()  # requests that are not in the queue yet and calls of tools, by visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        here = visit.of(scope) if scope["type"] == "http" else None
        if here is None or here.inside:
            await self._app(scope, receive, send)
            return
        try:
            if here.works:
                self._check(here)
            elif self._a_minute and scope["path"].startswith("/gradio_api/upload"):
                self._check_rate("upload", here.visitor, max(UPLOADS, self._a_minute), "files")
        except RefusedError as refused:
            here.refused = refused.kind
            await (refused.send if here.tool_call is None else refused.send_as_tool(here.tool_call))(
                scope, receive, send
            )
            return
        with one_more(self._asking, here.visitor) if here.works else nullcontext():
            await self._app(scope, receive, send)

    def _check(self, here: Visit) -> None:
        if self._ending.is_set():
            raise RefusedError(
                503, "The server is about to end and takes nothing new. Try again in a minute.", "ending"
            )
        at_once = self._work.of(here.visitor) + self._asking[here.visitor]
        if self._at_once and at_once >= self._at_once:
            raise RefusedError(
                429,
                f"{at_once} requests of yours are waiting or running, and {self._at_once} is the most here. "
                "Wait until one of them has ended.",
                "too many at once",
                {"Retry-After": "5"},
            )
        if self._a_minute:
            self._check_rate("work", here.visitor, self._a_minute, "requests")

    def _check_rate(self, what: str, visitor: str, a_minute: int, words: str) -> None:
        if wait := self._rates.wait(what, visitor, a_minute):
            raise RefusedError(
                429,
                f"{a_minute} {words} a minute are the most here. Try again in {wait} seconds.",
                "too many a minute",
                {"Retry-After": str(wait)},
            )
