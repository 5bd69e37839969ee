"""The layers around Gradio's app in their order, and what they share. `app` starts with this."""

import os
import secrets
import threading

import gradio as gr
from starlette.middleware import Middleware

from playground.models.cache import ModelCache
from playground.serving import ending, journal, mcp
from playground.serving.gate import Gate
from playground.serving.headers import SafeHeaders
from playground.serving.health import Health, Told
from playground.serving.journal import Journal
from playground.serving.kept import Kept
from playground.serving.load import Bounds, Work
from playground.serving.metrics import Metrics
from playground.serving.requests import ReadRequests
from playground.settings import Settings


class Serving:
    """All that is around one page."""

    def __init__(self, blocks: gr.Blocks, models: ModelCache, settings: Settings) -> None:
        self._blocks, self._settings = blocks, settings
        self._ending, self._inside = threading.Event(), secrets.token_urlsafe(32)
        self.work = Work(blocks)
        self.metrics = Metrics(models, self.work)
        self.health = Health(models, settings.default_models, self._ending)

    def layers(self) -> list[Middleware]:
        """The outermost first. Call it before the launch: it takes from uvicorn a layer of its own, by which whoever is
        on this machine, or comes through a proxy there, could make up an address.
        """
        os.environ["FORWARDED_ALLOW_IPS"] = ""
        settings, blocks = self._settings, self._blocks
        as_json = settings.log == "json"
        unguarded = settings.public and not settings.logins
        known_only = settings.public or bool(settings.logins)
        logins, hosts, here_only = dict(settings.logins), settings.hosts, settings.listens_here_only
        return [
            Middleware(Journal, self.metrics, as_json, settings.log_text),
            Middleware(SafeHeaders),
            Middleware(Gate, blocks, logins, self._inside, settings.proxies, hosts, not unguarded, here_only),
            Middleware(Told, self.health, self.metrics, settings.metrics_token, not known_only),
            Middleware(ReadRequests, blocks, settings.request_limit),
            Middleware(Bounds, self.work, settings.requests_a_minute, settings.requests_at_once, self._ending),
            *([] if settings.logins else [Middleware(Kept, blocks)]),
        ]

    def connect(self) -> None:
        """Call it when the page has been launched."""
        mcp.use(self._blocks, self._inside)

    def begin(self) -> None:
        """What concerns the whole process: its log, and how it ends. Call it in the main thread."""
        journal.keep(self._settings.log, self._settings.log_text, self.metrics)
        close = lambda: self._blocks.close(verbose=False)  # noqa: E731
        ending.on_sigterm(self._ending, self.work, self._settings.grace, close)
