"""A small server of OpenAI's protocol on this machine that does what a good one never does, as a test tells it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EVENT_STREAM = "text/event-stream"


class Handler(BaseHTTPRequestHandler):
    """One request. What `Server.answer` does with it is the test's."""

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.path, dict(self.headers), json.loads(body) if body else None))
        try:
            self.server.answer(self)
        except OSError:
            self.server.left.set()

    do_GET = do_POST = _take  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        """Tests print nothing."""

    def begin(self, status: int = 200, kind: str = EVENT_STREAM, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def refuse(self, status: int, body: str | dict, **headers: str) -> None:
        self.begin(status, "application/json", **headers)
        self.say(body if isinstance(body, str) else json.dumps(body))

    def say(self, text: str) -> None:
        self.wfile.write(text.encode())
        self.wfile.flush()

    def event(self, data: dict | str) -> None:
        self.say(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n")

    def write(self, *texts: str, finish: str | None = None, chat: bool = True) -> None:
        """Events as a good server sends them."""
        for text in texts:
            self.event({"choices": [{"delta": {"content": text}} if chat else {"text": text}]})
        if finish:
            self.event({"choices": [{"delta": {}, "finish_reason": finish}]})
            self.event("[DONE]")

    def until_left(self, say: str = ": nothing yet\n\n", every: float = 0.02) -> None:
        """Sends on until the client is gone, for ten seconds at most."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            self.say(say)
            time.sleep(every)


class Server(ThreadingHTTPServer):
    """Listens on a free port; `answer` may be changed at any time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Callable[[Handler], None] = lambda request: request.refuse(404, "")
        self.requests: list[tuple[str, dict, Any]] = []  # path, headers, body
        self.left = threading.Event()  # a client was gone while it was answered

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


@contextmanager
def running() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
