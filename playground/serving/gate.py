"""Who may come in. With log-ins set, everything but the log-in page is closed, MCP too, which Gradio leaves open.

A log-in counts by the cookie of Gradio's own page or as HTTP's Basic authentication, which programs and MCP clients can
send. It also keeps other sites' scripts out. It does not know what is asked for.
"""

import base64
import re
import secrets
from collections import Counter
from collections.abc import Mapping, Set
from contextlib import nullcontext
from urllib.parse import urlsplit

import gradio as gr
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.serving import visit
from playground.serving.answers import RefusedError
from playground.serving.rates import Rates, one_more
from playground.serving.visit import Visit

INSIDE = "x-playground-inside"  # the header by which this process knows itself
TRIES = 10  # log-ins a minute that may fail, of one address

# What the log-in page needs, and what says nothing of anybody. Everything else is closed, also what is yet to be.
OPEN = {"/", "/login", "/logout", "/favicon.ico", "/manifest.json", "/robots.txt", "/theme.css", "/health", "/metrics"}
OPEN |= {f"{visit.API}{name}" for name in ("login_check", "user", "token", "app_id", "startup-events", "theme.css")}
OPEN_FOLDERS = ("/static/", "/assets/", "/svelte/", "/pwa_icon/")
_API_OF_THE_PAGE = re.compile(rb"(window\.gradio_api_info = )\{.*?\}(;</script>)", re.DOTALL)


class Gate:
    """ASGI middleware. Gives each request its `Visit`.

    Args:
        logins: passwords by user; none: nobody has to log in.
        inside: what the header INSIDE must be for a request of this process to itself.
        proxies: as in `visit.address`.
        hosts: names by which the page may be asked, but for /health; None: any. A site whose name was made to mean this
            machine (DNS rebinding) is stopped by them, since browsers send the name that they were given.
        closed_to_sites: other sites' scripts may ask nothing.
        here_only: the server listens on this machine alone.
    """

    def __init__(
        self,
        app: ASGIApp,
        blocks: gr.Blocks,
        logins: Mapping[str, str],
        inside: str,
        proxies: int,
        hosts: Set[str] | None,
        closed_to_sites: bool,
        here_only: bool,
    ) -> None:
        self._app, self._blocks, self._logins, self._inside = app, blocks, logins, inside
        self._proxies, self._hosts, self._closed, self._here_only = proxies, hosts, closed_to_sites, here_only
        self._tokens = {user: secrets.token_urlsafe(16) for user in [*logins, ""]}  # as Gradio's page gives them out
        self._rates = Rates()
        self._trying: Counter[str] = Counter()  # log-ins of the page that are not answered yet, by address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asker = visit.address(scope, self._proxies)
        here = scope[visit.KEY] = Visit(asker)
        here.inside = secrets.compare_digest(headers.get(INSIDE, "").encode(), self._inside.encode())
        try:
            if scope["path"] != "/health":  # what watches over servers asks by their address, whatever they are called
                self._check_host(headers)
            self._check_site(scope, headers)
            if self._logins:
                send = self._check_login(scope, headers, here, send)
        except RefusedError as refused:
            here.refused = refused.kind
            await refused.send(scope, receive, send)
            return
        anonymous = bool(self._logins) and here.user is None and not here.inside
        with one_more(self._trying, asker) if self._logins and _logs_in(scope) else nullcontext():
            await self._app(scope, receive, _without_endpoints(send) if anonymous and scope["path"] == "/" else send)

    def _check_host(self, headers: Headers) -> None:
        host = re.sub(r":\d*$", "", headers.get("host", "")).lower()
        if self._hosts is not None and host not in self._hosts:
            sentence = f"This page is not called {host[:100] or 'nothing'}. Its operator can allow it: --allowed-hosts."
            raise RefusedError(403, sentence, "foreign host")

    def _check_site(self, scope: Scope, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or scope["method"] == "OPTIONS":
            return
        if not self._closed and not visit.is_mcp(scope["path"]):
            return
        if _site(origin) != headers.get("host") and not (self._here_only and _local(_host(origin))):
            raise RefusedError(
                403,
                "This page may not be used from another site. If it is reached through a proxy, that has to pass on "
                "the Host header.",
                "foreign site",
            )

    def _check_login(self, scope: Scope, headers: Headers, here: Visit, send: Send) -> Send:
        """Returns how to answer: a log-in that fails is counted."""
        asker = here.visitor
        here.user = self._user(scope, headers, asker)
        if here.inside:
            self._let_in(scope, "")
        if here.user is not None:
            here.visitor = here.user
        path = scope["path"].rstrip("/") or "/"
        if _logs_in(scope):
            self._check_tries(asker)
            return self._counting(send, asker)
        if here.user is not None or here.inside or path in OPEN or scope["path"].startswith(OPEN_FOLDERS):
            return send
        # a browser asks for a name and password by itself when told so, which would be in the page's way
        program = visit.is_mcp(path)
        how = {"WWW-Authenticate": 'Basic realm="Playground"'} if program else None
        raise RefusedError(401, "Log in first: this page asks for a name and a password.", "not logged in", how)

    def _user(self, scope: Scope, headers: Headers, asker: str) -> str | None:
        """Who has logged in: by the cookie, or by Basic authentication, which Gradio is then told by a cookie."""
        tokens, name = self._blocks.app.tokens, self._blocks.app.cookie_id
        cookies = cookie_parser(headers.get("cookie", ""))
        for cookie in (f"access-token-{name}", f"access-token-unsecure-{name}"):
            if (user := tokens.get(cookies.get(cookie))) is not None:
                return user
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        self._check_tries(asker)  # before the password is looked at: a right one must not stand out
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:  # neither the one nor the other
            user, password = "", ""
        right = self._logins.get(user)
        if not secrets.compare_digest(password.encode(), (right or "").encode()) or right is None:
            self._rates.wait("log-in", asker, TRIES)
            return None
        self._let_in(scope, user)
        return user

    def _let_in(self, scope: Scope, user: str) -> None:
        """Adds the cookie by which Gradio knows who has logged in."""
        token = self._tokens[user]
        self._blocks.app.tokens[token] = user or "playground"
        cookie = f"access-token-{self._blocks.app.cookie_id}={token}".encode()
        scope["headers"] = [(k, v) for k, v in scope["headers"] if k != b"cookie"] + [(b"cookie", cookie)]

    def _check_tries(self, asker: str) -> None:
        if wait := self._rates.full("log-in", asker, TRIES, self._trying[asker]):
            raise RefusedError(
                429, f"Too many tries to log in. Wait {wait} seconds.", "log-in tries", {"Retry-After": str(wait)}
            )

    def _counting(self, send: Send, asker: str) -> Send:
        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                self._rates.wait("log-in", asker, TRIES)
            await send(message)

        return pass_on


def _logs_in(scope: Scope) -> bool:
    return scope["method"] == "POST" and scope["path"].rstrip("/") == "/login"


def _site(origin: str) -> str | None:
    """Host and port of an origin; None where it has none, or is no origin at all."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


def _local(host: str | None) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def _without_endpoints(send: Send) -> Send:
    """Gradio writes the list of all endpoints into the log-in page: sends the page on without it."""
    start: Message = {}
    body = bytearray()

    async def pass_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        body.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        page = _API_OF_THE_PAGE.sub(rb"\1{}\2", bytes(body))
        kept = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
        await send({**start, "headers": [*kept, (b"content-length", str(len(page)).encode())]})
        await send({"type": "http.response.body", "body": page})

    return pass_on
