"""A hub on this machine: the part of the Hugging Face hub's protocol that fetching and sending a model uses.

Standard library only. It does not know Playground.
"""

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """One model repository. `revisions` maps branch names and commits to a folder of files."""

    revisions: dict[str, tuple[str, Path]] = field(default_factory=dict)
    gated: bool = False  # anybody may read what there is, only `token` may read the files
    private: bool = False  # only `token` sees it


@dataclass
class Hub:
    """A running hub. Tests may change every field while it runs."""

    token: str = "hf_right"
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)  # "GET /api/models/org/name", in the order of arrival
    tokens: list[str | None] = field(default_factory=list)  # what each request authorised itself with
    status: int | None = None  # answer everything with this error
    seconds_per_megabyte: float = 0.0
    received: dict[str, dict[str, bytes]] = field(default_factory=dict)  # by repository: files that were sent to it
    made: dict[str, dict] = field(default_factory=dict)  # by repository: what it was to be
    variables: dict[str, dict[str, str]] = field(default_factory=dict)  # by Space

    def add(self, name: str, folder: Path, revision: str = "main", **options) -> str:
        """Offers a folder's files as a revision of a repository; returns the commit."""
        repository = self.repositories.setdefault(name, Repository(**options))
        commit = hashlib.sha1(f"{name} {revision} {folder}".encode()).hexdigest()
        repository.revisions[revision] = repository.revisions[commit] = (commit, Path(folder))
        return commit

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Ends it; further calls find nobody at `endpoint`."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        """Silent: the hub keeps a list."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.hub.requests.append(f"{self.command} {path}")
        self.hub.tokens.append(token)
        if self.hub.status:
            return self._refuse(self.hub.status, "", "the hub is not well")
        if token not in (None, self.hub.token):
            return self._refuse(401, "", "Invalid credentials in Authorization header")
        words = path.strip("/").split("/")
        if words[:2] == ["api", "models"]:
            return self._describe("/".join(words[2:4]), words[4:], token)
        if len(words) > 4 and words[2] == "resolve":
            return self._send_file("/".join(words[:2]), words[3], "/".join(words[4:]), token)
        return self._refuse(404, "", "no such page")

    def do_POST(self) -> None:
        """Makes repositories and takes commits whose files stand in the commit itself."""
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            body = self._chunks()
        self.hub.requests.append(f"POST {path}")
        if (self.headers.get("Authorization") or "").removeprefix("Bearer ") != self.hub.token:
            return self._refuse(401, "", "Invalid credentials in Authorization header")
        words = path.strip("/").split("/")
        if path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
            self.hub.repositories.setdefault(
                name, Repository(private=wanted.get("private") or wanted.get("visibility") == "private")
            )
            self.hub.received.setdefault(name, {})
            self.hub.made.setdefault(name, wanted)
            return self._json({"url": f"{self.hub.endpoint}/{name}", "name": name, "id": name})
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        name = "/".join(words[2:4])
        if words[4:5] == ["variables"]:
            given = json.loads(body)
            self.hub.variables.setdefault(name, {})[given["key"]] = given["value"]
            return self._json({})
        if words[4:5] == ["preupload"]:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for file in json.loads(body)["files"]
            ]
            return self._json({"files": files, "commitOid": "0" * 40})
        if words[4:5] == ["commit"]:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    content = base64.b64decode(entry["value"]["content"])
                    self.hub.received[name][entry["value"]["path"]] = content
            address = f"{self.hub.endpoint}/{name}/commit/{'1' * 40}"
            return self._json({"success": True, "commitOid": "1" * 40, "commitUrl": address, "hookOutput": ""})
        return self._refuse(404, "", "no such page")

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _json(self, body: dict) -> None:
        self._send(json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _find(self, name: str, revision: str, token: str | None) -> tuple[Repository, str, Path] | None:
        """The repository at a revision; None when it was refused."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and token is None):
            # the real hub answers 401 to the anonymous, so that nobody learns which private names exist
            self._refuse(404 if token else 401, "RepoNotFound", "Repository not found")
            return None
        if revision not in repository.revisions:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repository, *repository.revisions[revision]

    def _describe(self, name: str, rest: list[str], token: str | None) -> None:
        """/api/models/org/name[/revision/REV] and /api/models/org/name/tree/REV."""
        found = self._find(name, "/".join(rest[1:]) or "main", token)
        if found is None:
            return
        repository, commit, folder = found
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        names = {path.relative_to(folder).as_posix(): path for path in files}
        if rest[:1] == ["tree"]:
            body = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": _etag(path)}
                for name, path in names.items()
            ]
        else:
            body = {
                "id": name,
                "sha": commit,
                "private": repository.private,
                "gated": "auto" if repository.gated else False,
                "siblings": [{"rfilename": name, "size": path.stat().st_size} for name, path in names.items()],
            }
        self._send(json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _send_file(self, name: str, revision: str, file: str, token: str | None) -> None:
        found = self._find(name, revision, token)
        if found is None:
            return
        repository, commit, folder = found
        if repository.gated and token is None:
            return self._refuse(401, "GatedRepo", f"Access to model {name} is restricted. You must be authenticated.")
        path = folder / file
        if not path.is_file():
            return self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
        headers = {"ETag": f'"{_etag(path)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        self._send(path.read_bytes(), headers)

    def _send(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
        if status == 200 and (wanted := self.headers.get("Range", "")).startswith("bytes="):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last) + 1 if last else len(body), len(body))
            headers = {**headers, "Content-Range": f"bytes {first}-{end - 1}/{len(body)}"}
            body, status = body[int(first) : end], 206
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            for start in range(0, len(body), 1 << 20):
                self.wfile.write(body[start : start + (1 << 20)])
                time.sleep(self.hub.seconds_per_megabyte * min(1, (len(body) - start) / (1 << 20)))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _refuse(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        named = {"X-Error-Code": code} if code else {}
        self._send(
            json.dumps({"error": message}).encode(), {**named, "X-Error-Message": message, **(headers or {})}, status
        )


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
