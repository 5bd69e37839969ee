"""What several test files share: the starters, fetched once for all sessions, and a hub on this machine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.settings import Settings
from tests.hub_server import Hub

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait without spinning; read when torch is imported


@pytest.fixture(scope="session")
def starter_cache() -> Path:
    """A cache folder that holds both starters: PLAYGROUND_TEST_CACHE, or the one that Playground itself uses."""
    from playground.models import starters
    from playground.models.progress import quiet

    folder = os.environ.get("PLAYGROUND_TEST_CACHE")
    settings = Settings(cache_dir=folder) if folder else Settings()
    for name in starters.names():
        starters.fetch(name, settings, quiet)
    return settings.cache_dir


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub without models, in place of the real one, with an empty cache of its own and nobody logged in."""
    hub = Hub()
    hub.start()
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield hub
    hub.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says why a test had to be tried twice: one that needs that every time has a fault."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"second try of {report.nodeid}")
        terminalreporter.write_line("\n".join(report.longreprtext.splitlines()[-25:]))
