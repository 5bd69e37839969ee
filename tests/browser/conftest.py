"""One running app, one Chromium, and visitors whose every request is noted. The app uses no network at all."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.pictures import WANTED

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
]
# Runs in the app before anything else, and notes every name it looks up and every address it calls.
WATCH = """
import os, sys
def note(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        with open(os.environ["CALLS"], "a") as calls:
            calls.write(repr(args[1] if event == "socket.connect" else args[0]) + "\\n")
sys.addaudithook(note)
"""
# What passed is not described, and what takes long for rules that are less than serious is left out: `region`, and
# style sheets that are fetched anew.
AXE = Axe()
AXE_OPTIONS = {"resultTypes": ["violations"], "preload": False, "rules": {"region": {"enabled": False}}}
APPS: list["App"] = []  # those that have ended
FAULTS: list[str] = []  # what they did wrong
LOCAL = ("127.0.0.1", "localhost", "0.0.0.0", "::1", "None", "/")

collect_ignore = [] if WANTED else ["test_pictures.py"]
expect.set_options(timeout=30_000)  # two shared cores may be busy with something else


@dataclass(frozen=True)
class App:
    url: str
    log: Path  # what it printed
    calls: Path  # whom it called


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            item.add_marker("starter")


def await_answer(run: subprocess.Popen, app: App, seconds: float = 300) -> None:
    """Waits until the app answers. A busy machine may take minutes to import everything."""
    until = time.monotonic() + seconds
    while True:
        assert run.poll() is None, app.log.read_text()
        try:
            urllib.request.urlopen(app.url, timeout=30).close()
            return
        except OSError:
            assert time.monotonic() < until, f"No answer within {seconds} s.\n{app.log.read_text()}"
            time.sleep(0.25)


@pytest.fixture(scope="session")
def app(starter_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """`python app.py`, offline, with both starters on disk."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "sitecustomize.py").write_text(WATCH)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = App(f"http://127.0.0.1:{port}", folder / "log", folder / "calls")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PLAYGROUND_")}
    environment = ours | {
        "PYTHONPATH": str(folder),
        "CALLS": str(app.calls),
        "PLAYGROUND_CACHE_DIR": str(starter_cache),
        "PLAYGROUND_OFFLINE": "true",
        "PLAYGROUND_CONCURRENCY": "2",
    }
    command = [sys.executable, "app.py", "--port", str(port), "--host", "127.0.0.1"]
    app.calls.touch()
    with app.log.open("w") as log, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as run:
        try:
            await_answer(run, app)
            yield app
        finally:
            run.terminate()
            APPS.append(app)


@pytest.hookimpl(trylast=True)  # when the app has been ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What an app did wrong fails the whole run: a second try of its last test would start another, and hide it."""
    FAULTS.extend(fault for app in APPS for fault in faults(app))
    if FAULTS:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for fault in FAULTS:
        terminalreporter.section("the app did what it must not do", red=True)
        terminalreporter.write_line(fault)


def faults(app: App) -> Iterator[str]:
    """What an app must not have done when it has ended: a traceback in its log, a call to another machine."""
    log = app.log.read_text()
    if "Traceback" in log:
        yield log[log.index("Traceback") :][:10_000]
    others = {name for name in app.calls.read_text().splitlines() if not name.strip("('").startswith(LOCAL)}
    if others:
        yield f"It called other machines: {sorted(others)}"


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    return browser_type_launch_args | {"executable_path": found, "args": FLAGS}


@pytest.fixture
def visit(app: App, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the page in a browser of its own, once the starter is ready. At the end: nobody asked another machine."""
    contexts, asked, complaints = [], [], []

    def open_page(
        width: int = 1280, height: int = 900, dark: bool = False, after: str = "", newcomer: bool = False
    ) -> Page:
        seen = {"origin": app.url, "localStorage": [{"name": "playground.tour", "value": "seen"}]}
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            storage_state=None
            if newcomer
            else {"cookies": [], "origins": [seen]},  # who has seen the tour is not invited
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(app.url + after)
        expect(page.locator("[data-state=ready]")).to_be_visible(timeout=120_000)
        if not after:  # else another tab may be open
            expect(page.locator("#send")).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not [url for url in asked if urlsplit(url).hostname not in ("127.0.0.1", None)]
    assert not complaints


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures of this session go: PLAYGROUND_TEST_SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("PLAYGROUND_TEST_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def shot(shots: Path) -> Callable[..., None]:
    def take(page: Page, name: str, **options) -> None:
        page.screenshot(path=shots / f"{name}.png", animations="disabled", **options)

    return take


@pytest.fixture
def accessible() -> Callable[..., None]:
    """Asserts that axe finds nothing serious or critical on a page, or in a part of it."""

    def check(page: Page, within: str | None = None) -> None:
        found = AXE.run(page, within, AXE_OPTIONS).response["violations"]
        bad = [v for v in found if v["impact"] in ("serious", "critical")]
        assert not bad, "\n".join(f"{v['id']}: {n['html']} {n['failureSummary']}" for v in bad for n in v["nodes"])

    return check
