"""Who may come in: with log-ins set everything is closed but the log-in page, and other sites may not ask."""

import contextlib
import http.client
import time

import httpx
import pytest

from playground.serving.gate import TRIES
from tests.serving.conftest import basic

ANN = basic("ann", "sesame")
LOGINS = {"auth": ("ann:sesame", "bob:x:y"), "mcp": True}
ASK = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
EVENTS = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def closed(site):
    return site(**LOGINS)


@pytest.mark.parametrize(
    "path",
    [
        "/config",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/mcp",
        "/gradio_api/mcp/",
        "/gradio_api/mcp/http",
        "/gradio_api/mcp/schema",
        "/gradio_api/mcp/sse",
        "/gradio_api/queue/data?session_hash=a",
        "/gradio_api/heartbeat/a",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/vibe-code",
        "/gradio_api/startup-events/../mcp/schema",
        "//gradio_api/mcp/schema",
        "/monitoring",
        "/metrics",
    ],
)
def test_nothing_is_read_without_a_log_in(closed, path):
    answer = closed.get(path, headers=EVENTS)
    assert answer.status_code == 401
    assert ("for the operator" if path == "/metrics" else "Log in first") in answer.text
    with httpx.stream("GET", closed.url + path, headers=EVENTS | ANN, timeout=60) as known:
        assert known.status_code != 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/gradio_api/mcp/", ASK),
        ("/gradio_api/mcp/http/", ASK),
        ("/gradio_api/mcp/messages/?session_id=0", ASK),
        ("/gradio_api/call/v2/models", {}),
        ("/gradio_api/call/models", {"data": []}),
        ("/gradio_api/run/predict", {"data": [], "fn_index": 0}),
        ("/gradio_api/queue/join", {"data": [], "fn_index": 0, "session_hash": "a"}),
        ("/gradio_api/cancel", {"session_hash": "a", "fn_index": 0, "event_id": "a"}),
        ("/gradio_api/upload", None),
        ("/gradio_api/vibe-edit", {}),
    ],
)
def test_nothing_is_asked_without_a_log_in(closed, path, body):
    answer = closed.post(path, body, headers=EVENTS)
    assert answer.status_code == 401 and "Log in first" in answer.json()["detail"]
    assert closed.post(path, body, headers=EVENTS | ANN).status_code != 401


def test_the_log_in_page_opens_and_tells_nothing_of_the_endpoints(closed):
    page = closed.get("/")
    assert page.status_code == 200 and "auth_required" in page.text
    assert "next_tokens" not in page.text and "gradio_api_info = {}" in page.text
    assert "next_tokens" in closed.get("/", headers=ANN).text
    assert closed.get("/theme.css").status_code == closed.get("/gradio_api/app_id").status_code == 200


def test_the_page_s_own_log_in_opens_mcp_too(closed):
    with httpx.Client(base_url=closed.url, timeout=60) as browser:
        assert browser.post("/login", data={"username": "bob", "password": "x:y"}).status_code == 200
        assert browser.get("/gradio_api/info").status_code == 200
        assert "tools" in browser.post("/gradio_api/mcp/", json=ASK, headers=EVENTS).text
        browser.get("/logout")
        assert browser.get("/gradio_api/info").status_code == 401


def test_who_logged_out_may_come_again_by_basic(closed):
    assert closed.get("/gradio_api/user", headers=ANN).json() == "ann"
    closed.get("/logout", headers=ANN)
    assert closed.get("/gradio_api/user", headers=ANN).json() == "ann"


@pytest.mark.parametrize(
    "header",
    [
        basic("ann", "sesam"),
        basic("ann", ""),
        basic("", ""),
        basic("playground", "sesame"),
        basic("eve", "sesame"),
        {"Authorization": "Basic äöü".encode("latin-1").decode("latin-1")},
        {"Authorization": "Basic ==="},
        {"Authorization": "Bearer sesame"},
        {"X-Playground-Inside": ""},
        {"X-Playground-Inside": "x"},
        {"Cookie": "access-token-x=y"},
    ],
    ids=repr,
)
def test_a_wrong_password_or_none_is_turned_away(site, header):
    fresh = site(**LOGINS, queue_size=7)  # whose tries are counted apart
    raw = {name: value.encode("latin-1") for name, value in header.items()}
    assert fresh.get("/gradio_api/info", headers=raw).status_code in (401, 429)


def test_passwords_cannot_be_tried_for_long(site):
    guarded = site(**LOGINS, queue_size=9)
    codes = [guarded.get("/gradio_api/info", headers=basic("ann", str(n))).status_code for n in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert "Wait" in guarded.get("/gradio_api/info", headers=basic("ann", "no")).json()["detail"]
    assert guarded.get("/gradio_api/info", headers=ANN).status_code == 429, "or guessing would go on"
    tried = guarded.post("/login", data={"username": "ann", "password": "no"})
    assert tried.status_code == 429


def test_passwords_cannot_be_tried_at_once_either(site):
    """Log-ins whose bodies are held back until all have begun."""
    guarded = site(**LOGINS, queue_size=10)
    body = b"username=ann&password=no"
    callers = [http.client.HTTPConnection(guarded.url.partition("//")[2], timeout=60) for _ in range(TRIES + 4)]
    for caller in callers:
        caller.putrequest("POST", "/login")
        caller.putheader("Content-Type", "application/x-www-form-urlencoded")
        caller.putheader("Content-Length", str(len(body)))
        caller.endheaders()
    until = time.monotonic() + 30
    while guarded.serving.metrics.refused.labels("log-in tries")._value.get() < 4:
        assert time.monotonic() < until, "more may try than one after the other"
        time.sleep(0.02)
    codes = []
    for caller in callers:
        with contextlib.suppress(OSError):  # of those that were refused some have hung up
            caller.send(body)
        codes.append(caller.getresponse().status)
        caller.close()
    assert sorted(codes) == [400] * TRIES + [429] * 4


def test_a_log_in_cannot_be_of_any_size(site):
    guarded = site(**LOGINS, request_limit=100_000)
    large = {"username": "ann", "password": "x" * 200_000}
    assert httpx.post(guarded.url + "/login", data=large, timeout=60).status_code == 413
    assert httpx.post(guarded.url + "/login", files={"username": ("a", b"x" * 200_000)}, timeout=60).status_code == 413
    right = {"username": "ann", "password": "sesame"}
    assert httpx.post(guarded.url + "/login", data=right, timeout=60).status_code == 200


def test_right_passwords_are_not_counted(site):
    guarded = site(**LOGINS, queue_size=8)
    assert {guarded.get("/gradio_api/info", headers=ANN).status_code for _ in range(TRIES + 2)} == {200}


@pytest.mark.parametrize("path", ["/config", "/gradio_api/mcp/schema"])
def test_other_sites_may_not_ask_with_a_visitor_s_log_in(closed, path):
    for origin in ("https://elsewhere.example", "null", "http://["):
        claim = {"X-Forwarded-Host": origin.rpartition("/")[2]}
        assert closed.get(path, headers=ANN | {"Origin": origin} | claim).status_code == 403
    for origin in (closed.url, "http://localhost:3000"):
        assert closed.get(path, headers=ANN | {"Origin": origin}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/mcp/schema", "/metrics"])
def test_a_name_that_was_made_to_mean_this_machine_opens_nothing(site, path):
    page = site(mcp=True, allowed_hosts=("lab.example",))
    port = page.url.rpartition(":")[2]
    for name in (
        f"evil.example:{port}",
        "evil.example",
        "lab.example.evil.example",
        "0.0.0.0",
        "[::2]",
        "x\xe9".encode(),
    ):
        refused = page.get(path, headers={"Host": name})
        assert refused.status_code == 403 and "--allowed-hosts" in refused.json()["detail"]
    for name in (f"127.0.0.1:{port}", f"LOCALHOST:{port}", "[::1]:80", "lab.example", f"Lab.example:{port}"):
        assert page.get(path, headers={"Host": name}).status_code == 200


def test_what_watches_over_servers_may_call_them_by_any_name(site):
    page = site(allowed_hosts=("lab.example",))
    assert page.get("/health", headers={"Host": "10.0.0.7:7860"}).json() == page.get("/health").json()
    assert page.get("/health/", headers={"Host": "10.0.0.7:7860"}).status_code == 403


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("http://evil.example", "evil.example", 403),
        ("http://evil.example", "lab.example", 403),
        ("http://lab.example", "lab.example", 200),
        (None, None, 200),
    ],
)
def test_other_sites_scripts_use_no_tools(site, origin, host, status):
    page = site(mcp=True, allowed_hosts=("lab.example",))
    claim = {"Origin": origin, "Host": host} if origin else {}
    assert page.post("/gradio_api/mcp/", ASK, headers=EVENTS | claim).status_code == status


def test_without_log_ins_everything_is_open(site):
    open_to_all = site()
    assert open_to_all.get("/config").status_code == 200
    assert open_to_all.get("/gradio_api/mcp/schema").status_code == 404, "which is off here"
    assert open_to_all.get("/metrics").status_code == 200
