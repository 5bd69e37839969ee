"""What browsers are told: every answer has the headers, every script of the page its number, and files run nothing."""

import re

import pytest
from starlette.testclient import TestClient

from playground.serving.headers import LARGE, SafeHeaders

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def policy(answer) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";")]
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("path", ["/", "/config", "/theme.css", "/gradio_api/info", "/health", "/nowhere"])
def test_every_answer_has_them(site, path):
    answer = site().get(path)
    assert EVERYWHERE.items() <= dict(answer.headers).items()
    rules = policy(answer)
    assert "'unsafe-inline'" not in rules["script-src"] and rules["object-src"] == "'none'"
    assert rules["connect-src"] == "'self'" and "https://huggingface.co" in rules["frame-ancestors"]
    assert not re.search(r"\*(?!\.hf\.space)", answer.headers["content-security-policy"])


def test_every_script_of_the_page_has_the_number_of_this_answer_alone(site):
    first, second = (site().get("/", headers={"Accept-Encoding": "identity"}) for _ in range(2))
    numbers = set(re.findall(r"<script nonce=\"([^\"]+)\"", first.text))
    assert len(numbers) == 1 and f"'nonce-{numbers.pop()}'" in policy(first)["script-src"]
    assert first.text.count("<script") == len(re.findall(r"<script nonce=", first.text)) >= 4
    assert policy(first)["script-src"] != policy(second)["script-src"]
    assert int(first.headers.get("content-length", len(first.content))) == len(first.content)


def test_the_page_is_packed_for_who_can_unpack_it(site):
    packed, plain = (site().get("/", headers={"Accept-Encoding": how}) for how in ("gzip, br", "identity"))
    assert packed.headers["content-encoding"] == "gzip" and "Accept-Encoding" in packed.headers["vary"]
    assert int(packed.headers["content-length"]) < len(plain.content) / 4
    assert "content-encoding" not in plain.headers and len(plain.content) == int(plain.headers["content-length"])
    without = [re.sub(r'nonce="[^"]+"', "", answer.text) for answer in (packed, plain)]
    assert without[0] == without[1]
    assert "Accept-Encoding" in plain.headers["vary"]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br;q=1, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
        ("br", False),
        ("", False),
    ],
)
def test_a_large_page_is_packed_only_for_who_says_so_and_a_small_one_never(accepted, packed):
    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"x" * n})

    for n, whether in ((LARGE, packed), (LARGE - 1, False)):
        answer = TestClient(SafeHeaders(page)).get("/", headers={"Accept-Encoding": accepted})
        assert (answer.headers.get("content-encoding") == "gzip") == whether
        assert answer.text == "x" * n


def test_an_uploaded_page_is_shown_without_its_scripts(site):
    page = site()
    files = {"files": ("x.html", b"<script>alert(1)</script>", "text/html")}
    (path,) = page.post("/gradio_api/upload", files=files).json()
    answer = page.get(f"/gradio_api/file={path}")
    assert answer.status_code == 200
    assert "sandbox" in policy(answer) and policy(answer)["default-src"] == "'none'"
    assert b"<script>alert" in answer.content, "the file itself is as it came"
