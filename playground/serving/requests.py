"""What a request asks for: reads its JSON once, refuses what no endpoint could use, and finds the event it calls.

It does not know what an event does with what it is given.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import orjson
from gradio.block_function import BlockFunction
from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.serving import visit
from playground.serving.answers import RefusedError

# Uploads come as forms, and Gradio has a limit of its own for them.
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
# /call/chat and /call/v2/chat queue a call of an endpoint by name; /run/predict calls an event that is not queued by
# its number, and /queue/join one that is.
_CALL = re.compile(r"/gradio_api/(?:call/(?P<v2>v2/)?|(?:run|api)/)(?P<name>[^/]+)/?")
_RUN = ("/gradio_api/run/", "/gradio_api/api/")
_RESULT = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/(?P<number>[^/]+)/?")
_JOIN, _STREAM, _UPLOAD = "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/upload"
_LONGEST_SESSION = 100  # characters; Gradio's own have 36 at most


class ReadRequests:
    """ASGI middleware. Tells the `Visit` which event is called, and passes the body on as it came.

    Args:
        most_bytes: of a body that is no form.
    """

    def __init__(self, app: ASGIApp, blocks: gr.Blocks, most_bytes: int) -> None:
        self._app, self._blocks, self._most_bytes = app, blocks, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if scope["method"] == "GET":
                self._check_result(scope["path"])
            if scope["path"].rstrip("/") == _STREAM:
                await self._pass_on_stream(scope, receive, send)
                return
            form = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower() in _FORMS
            form = form and scope["path"].rstrip("/") == _UPLOAD  # elsewhere it may be read as JSON, and has no limit
            if form or scope["method"] not in ("POST", "PUT", "PATCH", "DELETE"):
                await self._pass_on_form(scope, receive, send)
                return
            body = await self._body(scope, receive)
            if body is None:
                return  # whoever asked has gone
            if visit.is_mcp(scope["path"]):
                self._understand_tool(visit.of(scope), body)
            else:
                self._understand(scope, body)
        except RefusedError as refused:
            visit.of(scope).refused = refused.kind
            await refused.send(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), _without_500(send) if scope["path"].startswith(_RUN) else send)

    def _check_result(self, path: str) -> None:
        """Gradio breaks off in the middle of its answer when it is asked for a result that it does not have."""
        if (asked := _RESULT.fullmatch(path)) is None:
            return
        number, queue = asked["number"], self._blocks._queue
        known = number in queue.event_ids_to_events or number in queue.pending_messages_per_session
        if not known and not any(number in pending for pending in list(queue.pending_event_ids_session.values())):
            raise RefusedError(404, "There is no such result here, or it was fetched already.", "no such endpoint")

    async def _pass_on_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio tells a page that its session has gone, and then breaks off: here the stream ends instead."""
        try:
            await self._app(scope, receive, send)
        except RuntimeError as error:  # Starlette's, once an answer has begun
            if getattr(error.__cause__, "status_code", None) != 404:
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_on_form(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except TypeError as error:  # what Gradio raises for a form's file that is none
            if not scope["path"].startswith(_UPLOAD):
                raise
            raise RefusedError(400, "This upload holds a file without a name, or none at all.", "not usable") from error

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        too_large = RefusedError(
            413, f"This request is too large: {self._most_bytes / 1e6:.3g} MB are the most.", "too large"
        )
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdecimal() and int(told) > self._most_bytes:
            raise too_large
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._most_bytes:
                raise too_large
            if not message.get("more_body"):
                return bytes(body)

    def _understand(self, scope: Scope, body: bytes) -> None:
        path = scope["path"]
        called, joins = _CALL.fullmatch(path), path.rstrip("/") == _JOIN
        if not path.startswith(visit.API) or not (called or joins or body):
            return
        given = _json(body)
        if (session := given.get("session_hash")) is not None and (
            not isinstance(session, str) or not 0 < len(session) <= _LONGEST_SESSION
        ):
            raise RefusedError(
                400, f"session_hash has to be a text of up to {_LONGEST_SESSION} characters.", "not usable"
            )
        if not called and not joins:
            return
        here = visit.of(scope)
        numbered = given.get("fn_index") if joins or path.startswith(_RUN) else None  # elsewhere the name alone counts
        here.function = self._named(called) if numbered is None else self._numbered(numbered)
        if here.endpoint:
            _check_files(given)
        if called and called["v2"]:
            here.data = given
            self._check_names(here.function, given)
        else:
            here.data = given.get("data")
            self._check_values(here.function, given, bool(called))

    def _understand_tool(self, here: visit.Visit, body: bytes) -> None:
        """Which endpoint a message of MCP calls, if it does. What is wrong with that is said by MCP's own server."""
        asked = _json(body)
        try:
            if asked["method"] == "tools/call":
                name, here.tool_call = asked["params"]["name"], asked["id"]
                prefix = self._blocks.mcp_server_obj.tool_prefix if self._blocks.mcp_server_obj else ""
                here.function = self._public().get(name.removeprefix(prefix))
                here.data = asked["params"].get("arguments")
        except (KeyError, TypeError, AttributeError):
            return

    def _public(self) -> dict[str, BlockFunction]:
        every = self._blocks.fns.values()
        return {str(function.api_name): function for function in every if function.api_visibility == "public"}

    def _named(self, called: re.Match[str] | None) -> BlockFunction:
        name = called["name"] if called else ""
        public = self._public()
        if name not in public:
            raise RefusedError(
                404, f"There is no endpoint of this name. There are: {', '.join(sorted(public))}.", "no such endpoint"
            )
        return public[name]

    def _numbered(self, number: Any) -> BlockFunction:
        function = self._blocks.fns.get(number) if type(number) is int else None
        if function is None:
            raise RefusedError(404, "There is no such event on this page. Reload it.", "no such endpoint")
        return function

    def _check_names(self, function: BlockFunction, given: Mapping[str, Any]) -> None:
        known = self._blocks.get_api_info()["named_endpoints"][f"/{function.api_name}"]["parameters"]
        names = [parameter["parameter_name"] for parameter in known]
        if given.keys() - {*names, "oauth_token"}:
            raise RefusedError(
                400, f"/{function.api_name} has other parameters: {', '.join(names) or 'none'}.", "not usable"
            )
        for parameter in known:
            if not parameter["parameter_has_default"] and parameter["parameter_name"] not in given:
                raise RefusedError(400, f"/{function.api_name} needs `{parameter['parameter_name']}`.", "not usable")

    def _check_values(self, function: BlockFunction, given: Mapping[str, Any], by_name: bool) -> None:
        values = given.get("data")
        if values is None and not function.inputs:
            return
        if not isinstance(values, list):
            raise RefusedError(400, "`data` has to be a list of the values that are given.", "not usable")
        wanted = len(function.inputs)
        if by_name and len(values) != wanted:
            raise RefusedError(
                400,
                f"/{function.api_name} takes {wanted} values in `data`, in their order, and {len(values)} came. "
                f"At /gradio_api/call/v2/{function.api_name} they are given by name, and may be left out.",
                "not usable",
            )


def _json(body: bytes) -> dict[str, Any]:
    """The object in a body. What JSON's standard has no word for (NaN, half a character) is refused, as it says."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = str(error).partition(":")[0][:80]
        raise RefusedError(400, f"This request is not JSON that can be read: {reason}.", "not JSON") from None
    if not isinstance(given, dict):
        raise RefusedError(400, "This request has to be a JSON object, like {}.", "not JSON")
    return given


def _check_files(given: Any) -> None:
    """Gradio refuses files that were not uploaded here without a word: says it."""
    uploads, rest = Path(get_upload_folder()).resolve(), [given]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            if isinstance(value.get("meta"), dict) and not _within(uploads, value.get("path")):
                raise RefusedError(400, "A file is not one that was uploaded here. Upload it first.", "not usable")
            rest += value.values()
        elif isinstance(value, list):
            rest += value


def _within(folder: Path, path: Any) -> bool:
    try:
        return isinstance(path, str) and Path(path).resolve().is_relative_to(folder)
    except (ValueError, OSError):  # no path at all
        return False


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives out a body that was read, and then what comes after it."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _without_500(send: Send) -> Send:
    """Gradio answers 500 when an event that is not queued refuses: says in the status what it is, a refusal."""
    start: dict[str, Any] = {}

    async def pass_on(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 500:
            start.update(message)
            return
        if start and message["type"] == "http.response.body":
            body = message.get("body", b"")
            try:
                content = orjson.loads(body)
            except orjson.JSONDecodeError:
                content = {}
            if not isinstance(content, dict) or not content.get("error"):
                content = {"error": "This request does not fit the page. Reload it and try again."}
            body = orjson.dumps(content | {"detail": content["error"]})
            kept = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
            status = {"status": 422, "headers": [*kept, (b"content-length", str(len(body)).encode())]}
            await send({**start, **status})
            start.clear()
            message = {"type": "http.response.body", "body": body}
        await send(message)

    return pass_on
