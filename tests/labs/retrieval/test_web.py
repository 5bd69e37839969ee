"""Addresses on the web: pages of a small server on this machine, which only a test's own rule lets be reached."""

import ipaddress
import socket
import time

import pytest

from playground.errors import PlaygroundError
from playground.labs.retrieval import indexing, web
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.store import Store
from tests import tiny
from tests.labs.retrieval.pages import PAGE, Pages, only, served


@pytest.fixture(scope="module")
def server():
    with served() as address:
        yield address


@pytest.fixture
def here(server):
    return only(server)


def refused(address, **more) -> str:
    with pytest.raises(PlaygroundError) as told:
        web.fetch(address, **more)
    return str(told.value)


def test_a_page_is_fetched_and_called_by_its_address(server, here):
    found = web.fetch(f"{server}/etna", permitted=here)
    assert (found.name, found.data) == ("127.0.0.1/etna.html", PAGE)
    assert web.fetch(f"{server}/latin", permitted=here).data.decode() == "Größe und Länge"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::",
        "2002:c0a8:101::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_of_machine_and_network_are_not_public(address):
    assert not web.public(ipaddress.ip_address(address), 443)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_of_the_open_web_are_on_their_usual_ports(address):
    assert web.public(ipaddress.ip_address(address), 80) and web.public(ipaddress.ip_address(address), 443)
    assert not web.public(ipaddress.ip_address(address), 22) and not web.public(ipaddress.ip_address(address), 6379)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "0"]
)
def test_this_machine_is_refused_however_it_is_written(server, host):
    Pages.asked.clear()
    port = server.rpartition(":")[2]
    for address in (f"http://{host}:{port}/etna", f"http://{host}/etna"):
        assert any(told in refused(address) for told in ("not of the open web", "no host", "no address"))
    assert Pages.asked == []


def test_a_name_is_looked_up_once_and_the_checked_address_is_connected_to(server, here, monkeypatch):
    """A name that is a public address at first and this machine's at the second look (rebinding) reaches neither."""
    port = int(server.rpartition(":")[2])
    looks, plain = [], socket.getaddrinfo

    def rebinding(host, *more, **named):
        if host != "pages.example":  # a number that is connected to
            return plain(host, *more, **named)
        looks.append(host)
        number = "127.0.0.1" if len(looks) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port))]

    with monkeypatch.context() as patch:
        patch.setattr(web.socket, "getaddrinfo", rebinding)
        found = web.fetch(f"http://pages.example:{port}/etna", permitted=here)
    assert found.data == PAGE and found.name == "pages.example/etna.html"
    assert looks == ["pages.example"]
    assert Pages.asked[-1] == ("/etna", f"pages.example:{port}")


def test_one_private_address_among_public_ones_is_one_too_many(monkeypatch):
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 80)) for number in ("1.1.1.1", "127.0.0.1")]
    monkeypatch.setattr(web.socket, "getaddrinfo", lambda *_, **__: both)
    assert "not of the open web" in refused("http://both.example/")


def test_redirects_are_checked_like_addresses(server, here):
    assert web.fetch(f"{server}/to?/etna", permitted=here).data == PAGE
    for inside in ("http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data", "http://[::1]/"):
        assert "not of the open web" in refused(f"{server}/to?{inside}", permitted=here)
    for strange in ("file:///etc/passwd", "ftp://example.org/", "gopher://127.0.0.1/"):
        assert "leads on to an address that is none" in refused(f"{server}/to?{strange}", permitted=here)
    assert "more than 5 times" in refused(f"{server}/round", permitted=here)


def test_size_time_kind_and_errors(server, here):
    for large in ("/large", "/large?silent"):
        assert "the most that is read" in refused(f"{server}{large}", permitted=here, largest=4000)
    begun = time.monotonic()
    assert "took longer" in refused(f"{server}/drip", permitted=here, seconds=0.4)
    assert time.monotonic() - begun < 3
    assert "“image/png”, which is not read" in refused(f"{server}/picture", permitted=here)
    assert "comes packed" in refused(f"{server}/packed", permitted=here)
    assert "error 404" in refused(f"{server}/nothing", permitted=here)
    assert "was stopped" in refused(f"{server}/etna", permitted=here, stopped=lambda: True)


@pytest.mark.parametrize(
    "address",
    [
        "", "etna", "file:///etc/passwd", "http://", "http://user:secret@example.org/", "javascript:alert(1)",
        "http://exa mple.org/", f"http://{'a' * 3000}.org",
    ],
)  # fmt: skip
def test_what_is_no_address_is_said(address):
    assert "no address" in refused(address)


def test_too_many_addresses_at_once():
    assert web.addresses(" https://a.example/\n\nhttps://b.example/\nhttps://a.example/") == [
        "https://a.example/", "https://b.example/"
    ]  # fmt: skip
    with pytest.raises(PlaygroundError, match="at most 20"):
        web.addresses("\n".join(f"https://example.org/{i}" for i in range(21)))


def test_fetched_pages_are_indexed_and_failures_named(server, here, monkeypatch, tmp_path):
    engine = tiny.engine("bert")
    kept = Store.create(tmp_path / "c", "C", "tiny", Chunking(size=16, overlap=0))
    monkeypatch.setattr(web, "public", here)
    *_, arrived = web.fetch_all([f"{server}/nothing", f"{server}/etna"], tmp_path)
    assert (arrived.n_done, arrived.n) == (2, 2)
    *_, last = indexing.add(kept, arrived.found, engine)
    assert [(each.name, each.state) for each in last.outcomes] == [
        (f"{server}/nothing", "failed"), ("127.0.0.1/etna.html", "indexed")
    ]  # fmt: skip
    assert "error 404" in last.outcomes[0].said
    assert "volcano on Sicily" in kept.load().text("127.0.0.1/etna.html")


def test_slow_addresses_together_end_in_time_and_keep_no_others_back(server, here, monkeypatch, tmp_path):
    """Eight that take five seconds each, four at a time: ten seconds one way, one second here."""
    monkeypatch.setattr(web, "public", here)
    begun = time.monotonic()
    wanted = [f"{server}/etna", *(f"{server}/drip?{i}" for i in range(8))]
    *_, arrived = web.fetch_all(wanted, tmp_path, seconds=1.0)
    assert time.monotonic() - begun < 4
    (name, file), *slow = arrived.found
    assert name == "127.0.0.1/etna.html" and file.read_bytes() == PAGE
    assert [name for name, _ in slow] == wanted[1:]
    assert "took longer than 1 seconds" in slow[0][1]
    assert slow[-1][1] == (
        "It was not fetched: all addresses together have 1 seconds, which the others took. Add it again by itself."
    )


def test_fetching_several_ends_when_it_is_told_to(server, here, monkeypatch, tmp_path):
    monkeypatch.setattr(web, "public", here)
    begun = time.monotonic()
    turns = list(web.fetch_all([f"{server}/drip"], tmp_path, stopped=lambda: time.monotonic() - begun > 0.3))
    assert time.monotonic() - begun < 3 and turns[-1].n_done == 0


def test_hosts_behind_addresses_that_look_public_are_refused():
    for address in ("168.63.129.16", "fec0::1", "::ffff:168.63.129.16"):
        assert not web.public(ipaddress.ip_address(address), 80)


def test_an_encoding_that_takes_hours_is_not_tried():
    data = b"a" * 100
    for named in ("punycode", "idna", "unicode_escape", "rot13", "no such"):
        assert web._in_utf8(data, ".txt", f"charset={named}") == data
    assert web._in_utf8("Grüße".encode("cp1252"), ".txt", 'charset="windows-1252"') == "Grüße".encode()
