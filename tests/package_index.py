"""A package index on this machine: one project, one wheel, as pip and uv ask for it. Standard library only."""

import base64
import hashlib
import threading
import time
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def make_wheel(folder: Path, project: str, inside: str, content: Path) -> Path:
    """A wheel whose package folder `inside` holds the files of `content`."""
    name = project.replace("-", "_")
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in content.rglob("*") if path.is_file()):
            archive.write(path, f"{inside}/{path.relative_to(content).as_posix()}")
        info = f"{name}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@dataclass
class Index:
    """Serves `wheel` under http://127.0.0.1:PORT/simple/; asks for `login` ("user:password") when there is one."""

    wheel: Path
    login: str | None = None
    seconds: float = 0.0  # that sending the wheel takes
    downloads: int = 0

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"index": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, login: str | None = None) -> str:
        return f"http://{login + '@' if login else ''}127.0.0.1:{self._server.server_address[1]}/simple/"


class _Handler(BaseHTTPRequestHandler):
    index: Index

    def log_message(self, *args) -> None:
        """Silent."""

    def do_GET(self) -> None:
        wheel = self.index.wheel
        project = wheel.name.split("-")[0].replace("_", "-")
        expected = f"Basic {base64.b64encode((self.index.login or '').encode()).decode()}"
        if self.index.login and self.headers.get("Authorization") != expected:
            return self._send(401, b"", {"WWW-Authenticate": 'Basic realm="index"'})
        if self.path == f"/simple/{project}/":
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            page = f'<!DOCTYPE html><a href="/files/{wheel.name}#sha256={digest}">{wheel.name}</a>'
            return self._send(200, page.encode(), {"Content-Type": "text/html"})
        if self.path == f"/files/{wheel.name}":
            self.index.downloads += 1
            return self._send(200, wheel.read_bytes(), {"Content-Type": "application/octet-stream"}, self.index.seconds)
        return self._send(404, b"", {})

    def _send(self, status: int, body: bytes, headers: dict[str, str], seconds: float = 0.0) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for piece in range(20):
                self.wfile.write(body[len(body) * piece // 20 : len(body) * (piece + 1) // 20])
                self.wfile.flush()
                time.sleep(seconds / 20)
        except (BrokenPipeError, ConnectionResetError):
            return
