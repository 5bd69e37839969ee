"""The log: as text, or as JSON, an object a line and a line a request, without what people write unless allowed.

Who asked is written as a number that changes with each start, and paths without what follows their third part.
"""

import hashlib
import json
import logging
import secrets
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.serving import visit
from playground.serving.answers import RefusedError
from playground.serving.metrics import CountErrors, Metrics

log = logging.getLogger(__name__)

_PARTS, _LONGEST = 3, 2000  # of a path; characters of what people write
OURS = "playground"


class Lines(logging.Formatter):
    """A record as one line of JSON.

    Args:
        with_text: messages of exceptions too, in which there may be what people have written.
    """

    def __init__(self, with_text: bool) -> None:
        super().__init__()
        self._with_text = with_text

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            # of our own code the words without what is filled in would be enough, but not to find a reference number
            "message": record.getMessage() if self._with_text or record.name.startswith(OURS) else str(record.msg),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = self._error(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)

    def _error(self, error: BaseException) -> dict[str, Any]:
        where = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
        told: dict[str, Any] = {"kind": type(error).__name__, "where": where}
        return told | ({"words": str(error)[:_LONGEST]} if self._with_text else {})


def keep(form: Literal["text", "json"], with_text: bool, metrics: Metrics) -> None:
    """Writes the log of this process to stderr from now on, and counts its errors."""
    root = logging.getLogger()
    root.addHandler(CountErrors(metrics))
    lines = logging.StreamHandler(sys.stderr)
    if form == "json":
        lines.setFormatter(Lines(with_text))
        logging.getLogger(OURS).setLevel(logging.INFO)
        logging.captureWarnings(True)
        for name in ("uvicorn", "uvicorn.error"):  # they have handlers of their own
            logging.getLogger(name).handlers.clear()
            logging.getLogger(name).propagate = True
    else:
        lines.setLevel(logging.WARNING)
    root.addHandler(lines)


class Journal:
    """ASGI middleware, the outermost: counts and notes each request, and answers what broke with a number of the log.

    Args:
        noting: whether requests have a line in the log.
        with_text: what was asked stands in it too.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, noting: bool, with_text: bool) -> None:
        self._app, self._metrics, self._noting, self._with_text = app, metrics, noting, with_text
        self._salt = secrets.token_bytes(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            if status or getattr(error, "status_code", None):  # half an answer is out, or Gradio means it so
                raise
            number = secrets.token_hex(3)
            log.error("Unexpected error, reference number %s", number, exc_info=error)
            sentence = f"Something went wrong that should not have. If it stays, look for {number} in the log."
            await RefusedError(500, sentence, "error").send(scope, receive, answer)
        finally:
            if (here := scope.get(visit.KEY)) is not None:
                if not here.inside:  # the call of a tool was counted as that
                    self._metrics.count(here, status)
                if self._noting and not here.inside:
                    self._note(scope, here, status, time.perf_counter() - started)

    def _note(self, scope: Scope, here: visit.Visit, status: int, seconds: float) -> None:
        fields: dict[str, Any] = {
            "method": scope["method"],
            "path": "/".join(scope["path"].split("/")[: _PARTS + 1])[:100],
            "status": status,
            "seconds": round(seconds, 4),
            "visitor": hashlib.sha256(self._salt + here.visitor.encode()).hexdigest()[:10],
        }
        if here.function is not None:
            fields["event"] = here.endpoint or f"page: {here.function.api_name}"
        if here.refused:
            fields["refused"] = here.refused
        if self._with_text and here.data is not None:
            fields["asked"] = json.dumps(here.data, ensure_ascii=False, default=str)[:_LONGEST]
        log.info("request", extra={"fields": fields})
