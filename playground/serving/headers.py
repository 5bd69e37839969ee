"""What browsers are told not to do: a Content-Security-Policy under which the page works, and the usual headers.

It looks at no request.
"""

import gzip
import re
import secrets

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Scripts come from here, or stand in the page and carry the number that this one answer has; what a model writes or a
# file holds cannot know it, and handlers in tags (`onerror=`) run never. 'unsafe-eval' is for gr.HTML, whose own
# scripts Gradio compiles from text. Styles in tags are everywhere in Gradio and in Plotly's drawings.
POLICY = (
    "default-src 'self'; "
    "script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; "
    "font-src 'self' data:; "
    "connect-src 'self'; "
    "worker-src 'self' blob:; "
    "frame-src 'self' data: blob:; "
    "manifest-src 'self'; "
    "object-src 'none'; "
    "base-uri 'self'; "
    "form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.hf.space"
)
# Files that people have uploaded or that were made for them are looked at alone, whatever they are.
FILES = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox"
ALL = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LARGE = 100_000  # bytes from which on a page is sent packed: the whole page takes 2.5 MB, and a ninth of that packed
_UNPACKS = re.compile(r"(^|[\s,])gzip\s*(;\s*q=(?!0(\.0*)?\s*(,|$)).*?)?(,|$)")
_SCRIPT = re.compile(rb"<script(?=[\s>])")


class SafeHeaders:
    """ASGI middleware. HTML pages are sent whole, with their scripts numbered; packed, where that saves much."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        files = "/file=" in scope["path"] or "/file/" in scope["path"]
        unpacks = _UNPACKS.search(Headers(scope=scope).get("accept-encoding", "").lower())
        nonce = secrets.token_urlsafe(16)
        page: list[Message] = []
        body = bytearray()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALL.items():
                    headers.setdefault(name, value)
                headers["Content-Security-Policy"] = FILES if files else POLICY.format(nonce=nonce)
                if headers.get("content-type", "").startswith("text/html") and not files:
                    page.append(message)
                    return
            elif page:
                body.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                numbered = _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', bytes(body))
                headers = MutableHeaders(scope=page[0])
                if len(numbered) >= LARGE and "content-encoding" not in headers and scope["method"] != "HEAD":
                    headers.add_vary_header("Accept-Encoding")
                    if unpacks:
                        numbered = await run_in_threadpool(gzip.compress, numbered, 4)  # others are answered meanwhile
                        headers["content-encoding"] = "gzip"
                if "content-length" in headers and scope["method"] != "HEAD":
                    headers["content-length"] = str(len(numbered))
                await send(page.pop())
                await send({"type": "http.response.body", "body": numbered})
                return
            await send(message)

        await self._app(scope, receive, answer)
