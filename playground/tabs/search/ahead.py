"""The documents that come with the page, indexed before anybody searches them and while nobody computes anything.

It is no request: a visitor who comes meanwhile goes first, and finds what was indexed so far. It does not know how
documents are indexed.
"""

import threading
import time
from typing import TYPE_CHECKING

from playground.errors import PlaygroundError
from playground.labs.retrieval import library, shipped
from playground.settings import MINILM, Settings

if TYPE_CHECKING:
    from playground.engine.engine import Engine
    from playground.models.cache import ModelCache

EVERY = 2.0  # seconds between two looks whether anybody computes


def index_shipped(models: "ModelCache", settings: Settings) -> None:
    """Returns when they are indexed, or cannot be: then whoever searches is told why.

    Only with the embedding model among those of the start, and only if it fits beside what is loaded.
    """
    if MINILM not in settings.default_models:
        return
    work = _Work(models, library.of(settings))
    try:
        if not work.is_done and work.fits():
            with models.lease(library.EMBEDDING):  # loads it
                pass
            while not work.is_done and models.status(library.EMBEDDING).state == "ready":
                if not work.others():
                    models.in_spare_time(library.EMBEDDING, work.index)
                time.sleep(EVERY)
    except (PlaygroundError, OSError):
        return


class _Work:
    def __init__(self, models: "ModelCache", shelf: library.Library):
        self._models, self._shelf = models, shelf
        self._given_up = threading.Event()

    @property
    def is_done(self) -> bool:
        return self._given_up.is_set() or self._shelf.is_ready(shipped.ADDRESS)

    def fits(self) -> bool:
        ledger = self._models.ledger()
        return ledger.used + (self._models.status(library.EMBEDDING).n_bytes or 0) <= ledger.budget

    def others(self) -> bool:
        """Whether somebody has a model on loan."""
        return any(holding.lent for holding in self._models.ledger().holdings)

    def index(self, encoder: "Engine", stopped) -> None:
        """Goes on until all is there or somebody comes, and then ends, though they may have gone by then."""
        from playground.labs.retrieval import indexing

        told = threading.Event()

        def interrupted() -> bool:
            if stopped() or self.others():
                told.set()
            return told.is_set()

        outcomes = ()
        try:
            for now in indexing.add(self._shelf.shipped(), shipped.sources(), encoder, interrupted):
                outcomes = now.outcomes
        except (PlaygroundError, OSError):  # another process writes, or nothing can be written
            self._given_up.set()
        if any(outcome.state == "failed" for outcome in outcomes):
            self._given_up.set()
