"""A small web server on this machine, for what fetches pages."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

PAGE = (
    b"<html><body><article><h1>Etna</h1><p>" + b"Etna is a volcano on Sicily. " * 20 + b"</p></article></body></html>"
)


class Pages(BaseHTTPRequestHandler):
    asked: ClassVar = []  # (path, Host)

    def do_GET(self):
        Pages.asked.append((self.path, self.headers["Host"]))
        path, _, query = self.path.partition("?")
        match path:
            case "/etna":
                self.say(200, PAGE, "text/html; charset=utf-8")
            case "/latin":
                self.say(200, "Größe und Länge".encode("latin-1"), "text/plain; charset=iso-8859-1")
            case "/to":
                self.say(302, b"", "text/plain", Location=query)
            case "/round":
                self.say(302, b"", "text/plain", Location="/round")
            case "/large":
                self.say(200, b"x" * 5000, "text/plain", length=query != "silent")
            case "/packed":
                self.say(200, b"x", "text/plain", **{"Content-Encoding": "gzip"})
            case "/picture":
                self.say(200, b"\x89PNG", "image/png")
            case "/drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                for _ in range(100):
                    self.wfile.write(b"X-Slow: yes\r\n")
                    time.sleep(0.05)
            case _:
                self.say(404, b"", "text/html")

    def say(self, status, body, kind, length=True, **headers):
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def served() -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.handle_error = lambda *_: None  # who hangs up early is expected here
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def only(address: str):
    """A rule for `web.public`: this one server, and no other port of this machine."""
    port = int(address.rpartition(":")[2])
    return lambda number, at: str(number) == "127.0.0.1" and at == port
