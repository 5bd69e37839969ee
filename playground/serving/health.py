"""/health: whether the page can be used, or why not. /metrics: its numbers, for those who may have them."""

import secrets
import threading
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from playground.models.cache import ModelCache
from playground.serving import visit
from playground.serving.answers import RefusedError
from playground.serving.metrics import Metrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """How the server stands.

    Args:
        defaults: references of the models that are made ready at start; the page opens on the first.
        ending: set when the server is to end.
    """

    def __init__(self, models: ModelCache, defaults: Sequence[str], ending: threading.Event) -> None:
        self._models, self._defaults, self._ending = models, defaults, ending
        self.started = threading.Event()  # set when the default models were made ready, or could not be

    def why_not(self) -> str:
        """Why the page cannot be used yet, or any more; "" when it can. Names nothing that a visitor does not see."""
        if self._ending.is_set():
            return "The server is about to end."
        if not self.started.is_set():
            return "The default models are being made ready."
        if self._models.status(self._defaults[0]).state == "failed":
            return "The model that the page opens on could not be had; the page says why."
        return ""


class Told:
    """ASGI middleware. Answers /health and /metrics.

    Args:
        token: what /metrics asks for; without one it is `open_to_all`, or asks for a log-in.
    """

    def __init__(self, app: ASGIApp, health: Health, metrics: Metrics, token: str, open_to_all: bool) -> None:
        self._app, self._health, self._metrics = app, health, metrics
        self._token, self._open = token, open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else ""
        if path == "/health":
            why = self._health.why_not()
            answer = {"ready": not why} | ({"why": why} if why else {})
            await JSONResponse(answer, 503 if why else 200)(scope, receive, send)
        elif path == "/metrics":
            try:
                self._check(scope)
            except RefusedError as refused:
                visit.of(scope).refused = refused.kind
                await refused.send(scope, receive, send)
                return
            await Response(self._metrics.text(), media_type=TEXT)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        given = Headers(scope=scope).get("authorization", "").encode()
        if self._token and secrets.compare_digest(given, f"Bearer {self._token}".encode()):
            return
        if visit.of(scope).user is not None or (self._open and not self._token):
            return
        raise RefusedError(
            401,
            "These numbers are for the operator: PLAYGROUND_METRICS_TOKEN as a bearer token, or a log-in.",
            "not logged in",
            {"WWW-Authenticate": 'Basic realm="Playground"'},
        )
