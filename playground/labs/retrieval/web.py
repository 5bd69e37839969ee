"""An address on the web -> the file that is there, fetched so that nobody reaches into this machine's network by it.

A host's name is resolved once, every address that it has must be public, and the connection goes to the very address
that was checked; each redirect is treated the same. No proxy, no cookies, no log-in, no unpacking. It does not know
whether fetching is allowed here.
"""

import codecs
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PurePosixPath
from typing import Any

import httpcore2
import httpx2

from playground.errors import PlaygroundError
from playground.labs.retrieval.documents import KINDS

SECONDS = 30.0  # for one address, redirects included
TOGETHER = 60.0  # seconds for all addresses of one go
_AT_ONCE = 4  # addresses
MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
MOST_ADDRESSES = 20  # in one go
FORBIDDEN = "Addresses on the web are not fetched here. Save the page, and add the file."
LONGEST = 2_000  # characters of an address
_PORTS = (80, 443)  # other services listen elsewhere
_SUFFIXES = {  # content types that are read, and how their files are called
    "text/html": ".html", "application/xhtml+xml": ".html", "text/plain": ".txt", "text/markdown": ".md",
    "text/csv": ".csv", "application/pdf": ".pdf", "application/x-ndjson": ".jsonl", "application/jsonl": ".jsonl",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}  # fmt: skip
_HEADERS: dict[bytes | str, bytes | str] = {
    "User-Agent": "Playground (a person asked for this page)", "Accept": ", ".join(_SUFFIXES),
    "Accept-Encoding": "identity", "Connection": "close",
}  # fmt: skip
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

# Encodings of texts that a server may name. Python knows others, of which some take hours for a large text (punycode).
_ENCODINGS = re.compile(
    r"ascii|utf-(8|16|32)(-[bl]e)?|iso8859-\d+|cp\d+|koi8-\w+|mac-\w+|gb\w+|big5\w*|shift_jis\w*|euc_\w+|iso2022_\w+|hz"
)

# Where a cloud's machines reach their own host at an address that looks public.
_HOSTS_OF_CLOUDS = {IPv4Address("168.63.129.16")}

Permitted = Callable[[IPv4Address | IPv6Address, int], bool]  # (address, port) -> whether to connect


def public(address: IPv4Address | IPv6Address, port: int) -> bool:
    """Whether an address is one of the open web: no private, link-local, loopback, multicast or reserved one, also not
    inside an IPv6 address that carries an IPv4 one (RFC 4291, 3056, 4380, 6052)."""
    if isinstance(address, IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64 or int(address) < 1 << 32:
            inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(each is None or _is_global(each) for each in inner):
            return False
        if address.ipv4_mapped is not None:
            return port in _PORTS
    return _is_global(address) and port in _PORTS


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    if address in _HOSTS_OF_CLOUDS or (isinstance(address, IPv6Address) and address.is_site_local):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


@dataclass(frozen=True)
class Fetched:
    name: str  # host and path, with the ending of its kind
    data: bytes


def addresses(lines: str) -> list[str]:
    """The addresses of a text, one a line.

    Raises:
        PlaygroundError: too many, or one that is none.
    """
    found = list(dict.fromkeys(line.strip() for line in lines.splitlines() if line.strip()))
    if len(found) > MOST_ADDRESSES:
        raise PlaygroundError(f"There are {len(found)} addresses; at most {MOST_ADDRESSES} are fetched in one go.")
    for each in found:
        _parsed(each)
    return found


@dataclass(frozen=True)
class Arrived:
    """What became of some addresses so far."""

    n_done: int
    n: int
    found: tuple[tuple[str, Path | str], ...]  # (its name, its file) or (the address, the sentence why it has none)


def fetch_all(
    wanted: Sequence[str],
    folder: Path,
    largest: int = 50_000_000,
    seconds: float = TOGETHER,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Arrived]:
    """Fetches several, some at a time, into files of a folder; yields several times a second what there is, in their
    order. However slow they are, all of it ends after `seconds`, or when it is stopped or closed.

    One that cannot be had does not keep the others: its sentence stands in its place.
    """
    until, over = time.monotonic() + seconds, threading.Event()

    def one(number: int, address: str) -> tuple[str, Path | str]:
        left = until - time.monotonic()
        if left <= 0:
            return address, (
                f"It was not fetched: all addresses together have {seconds:.0f} seconds, which the others took. Add it "
                "again by itself."
            )
        try:
            found = fetch(address, largest, None, min(SECONDS, left), over.is_set)
            file = folder / str(number)
            file.write_bytes(found.data)
            return found.name, file
        except PlaygroundError as error:
            return address, str(error)
        except Exception as error:  # of this one alone
            return address, f"It could not be fetched ({type(error).__name__}). Save the page and add the file."

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        asked = [pool.submit(one, number, address) for number, address in enumerate(wanted)]
        left = set(asked)
        while True:
            done = [each.result() for each in asked if each.done()]
            yield Arrived(len(done), len(asked), tuple(done))
            if len(done) == len(asked) or stopped():
                return
            _, left = wait(left, 0.25, FIRST_COMPLETED)
    finally:
        over.set()
        pool.shutdown(wait=False, cancel_futures=True)


def fetch(
    address: str,
    largest: int = 50_000_000,
    permitted: Permitted | None = None,
    seconds: float = SECONDS,
    stopped: Callable[[], bool] = lambda: False,
) -> Fetched:
    """What is at an address.

    Args:
        largest: bytes.
        permitted: which addresses of the network may be connected to; None: public ones.
        seconds: for all of it.
        stopped: looked at between two pieces of what arrives.

    Raises:
        PlaygroundError: it cannot be had, or must not be; says why.
    """
    url = _parsed(address)
    guard = _Guard(permitted or public, time.monotonic() + seconds)
    context = httpx2.create_ssl_context()
    for _ in range(MOST_REDIRECTS + 1):
        try:
            with (
                httpcore2.ConnectionPool(ssl_context=context, network_backend=guard) as pool,
                pool.stream("GET", _raw(url), headers=_HEADERS) as response,
            ):
                headers = {name.decode("latin-1").lower(): value.decode("latin-1").strip()
                           for name, value in response.headers}  # fmt: skip
                if response.status not in _REDIRECTS or not headers.get("location"):
                    return _read(url, response, headers, largest, stopped)
                url = _parsed(str(url.join(headers["location"])), "It leads on to an address that is none")
        except httpcore2.TimeoutException:
            raise PlaygroundError(
                f"{_shown(url)} took longer than {seconds:.0f} seconds. Save the page and add the file."
            ) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise PlaygroundError(
                f"{_shown(url)} cannot be reached: {str(error)[:120] or type(error).__name__}."
            ) from None
    raise PlaygroundError(f"{address[:200]} leads on more than {MOST_REDIRECTS} times. Give the address it ends at.")


def _parsed(address: str, said: str = "This is no address of a web page") -> httpx2.URL:
    try:
        url = httpx2.URL(address)
        good = url.scheme in ("http", "https") and url.host and not url.userinfo and len(address) <= LONGEST
        good = good and not any(letter.isspace() for letter in address) and "%" not in url.host
    except (httpx2.InvalidURL, ValueError, TypeError):
        good = False
    if not good:
        raise PlaygroundError(
            f"{said}: {str(address)[:200]}. Write it like https://example.org/page, without a log-in."
        )
    return url.copy_with(fragment=None)


def _raw(url: httpx2.URL) -> httpcore2.URL:
    """The same, part by part: read a second time, another parser might see another host in it."""
    return httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _read(
    url: httpx2.URL, response: httpcore2.Response, headers: dict[str, str], largest: int, stopped: Callable[[], bool]
) -> Fetched:
    if response.status != 200:
        raise PlaygroundError(f"{_shown(url)} answers with the error {response.status}. Look at it in a browser.")
    kind, _, parameters = headers.get("content-type", "").partition(";")
    suffix = _SUFFIXES.get(kind.strip().lower())
    if suffix is None:
        raise PlaygroundError(
            f"{_shown(url)} is “{kind.strip()[:60] or 'of no kind'}”, which is not read. Add {KINDS}."
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise PlaygroundError(
            f"{_shown(url)} comes packed, though unpacked was asked for. Save the page and add the file."
        )
    too_large = PlaygroundError(f"{_shown(url)} has more than {largest / 1e6:,.0f} MB, the most that is read.")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > largest:
        raise too_large
    data = bytearray()
    for piece in response.iter_stream():
        data += piece
        if len(data) > largest:
            raise too_large
        if stopped():
            raise PlaygroundError(f"{_shown(url)} was not read to its end: it was stopped.")
    return Fetched(_name(url, suffix), _in_utf8(bytes(data), suffix, parameters))


def _in_utf8(data: bytes, suffix: str, parameters: str) -> bytes:
    """Text in the encoding that its server names, as UTF-8."""
    named = next((p.partition("=")[2].strip(" \"'") for p in parameters.split(";") if "charset=" in p.lower()), "")
    if suffix in (".pdf", ".docx") or named.lower() in ("", "utf-8", "utf8"):
        return data
    try:
        if not _ENCODINGS.fullmatch(codecs.lookup(named).name):
            return data
        return data.decode(named).encode()
    except (LookupError, UnicodeError):
        return data


def _name(url: httpx2.URL, suffix: str) -> str:
    path = url.path.strip("/")
    name = f"{url.host}/{path}" if path else url.host
    query = f"?{url.query.decode('ascii', 'replace')}" if url.query else ""
    same = PurePosixPath(name).suffix.lower() in (suffix, ".htm" if suffix == ".html" else suffix)
    return name if path and same and not query else f"{name}{query}{suffix}"


def _shown(url: httpx2.URL) -> str:
    return str(url)[:200]


class _Guard(httpcore2.NetworkBackend):
    """Connects to addresses that were looked up and checked in the same breath, and lets nothing last too long."""

    def __init__(self, permitted: Permitted, until: float) -> None:
        self._permitted, self._until, self._plain = permitted, until, httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore2.NetworkStream:
        found = [ipaddress.ip_address(each) for each in self._resolved(host, port)]
        if not found or not all(self._permitted(each, port) for each in found):
            raise PlaygroundError(
                f"{host[:200]}, port {port}, is not of the open web. Only public addresses are fetched, on the usual "
                "ports; save the page and add the file."
            )
        stream = self._plain.connect_tcp(str(found[0]), port, _left(self._until), None, socket_options)
        return _Bounded(stream, self._until)

    def _resolved(self, host: str, port: int) -> list[str]:
        """All addresses of a host; a number is its own. The resolver knows no limit of time, so it is waited for."""
        resolver = ThreadPoolExecutor(1)
        try:
            asked = resolver.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            found = asked.result(_left(self._until))
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the name was not found in time") from None
        except (socket.gaierror, UnicodeError):
            raise PlaygroundError(f"There is no host {host[:200]}. Look at how the address is written.") from None
        finally:
            resolver.shutdown(wait=False)
        return list(dict.fromkeys(str(place[0]).partition("%")[0] for *_, place in found))


class _Bounded(httpcore2.NetworkStream):
    """A connection on which everything together ends at a moment: a server that drips byte by byte holds nobody up."""

    def __init__(self, inner: httpcore2.NetworkStream, until: float) -> None:
        self._inner, self._until = inner, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._until))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Bounded(self._inner.start_tls(ssl_context, server_hostname, _left(self._until)), self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time is up")
    return left
