"""What the tabs share: the page they stand on, errors in plain words, waiting for a model, a calm pace of updates.

It does not know any single tab.
"""

import logging
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.models.catalog import catalog
from playground.settings import Settings
from playground.tabs.forms import Forms
from playground.views import status as status_view

log = logging.getLogger(__name__)
T = TypeVar("T")

# Arguments of events that only change the page: they wait behind nobody and are no endpoints of their own.
AT_ONCE: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# The same for those that may refuse: Gradio shows an error only if its event was queued.
MAY_REFUSE: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}

ELSEWHERE = "This model runs elsewhere; this needs the weights. Pick a model of this machine."
# Arguments of a column that is not shown yet, but there, and of the update that shows it. With visible=False it would
# be made when it is first shown, and what arrives in that same moment for a chart inside may be lost on a busy machine:
# its place then stays empty (Gradio 6.31, issue 12511). visible="hidden" hides components, but no columns.
UNSEEN: dict[str, Any] = {"elem_classes": ["not-yet"]}
SEEN: dict[str, Any] = {"elem_classes": []}
# A class of what results begin with where that is not the Stop button: assets/show-results.js leads people there.
RESULTS_BEGIN = "results-begin"
SENT_BEGINS = "sent-begins"  # the same for what other tabs send, where that stands elsewhere
WAITING = "Waiting for a free place …"  # what a request shows until its turn comes


def model_work(settings: Settings) -> dict[str, Any]:
    """Arguments of every event and endpoint that runs a model: together they share one queue."""
    return {"concurrency_id": "models", "concurrency_limit": settings.concurrency}


@dataclass(frozen=True)
class Parcel:
    """What one tab sends to another. Each is new, even when the same is sent again."""

    text: str
    reference: str = ""  # the model that it is about; "": the one in use
    complete: bool = False  # special tokens are in it already, so that none must be added
    system: str = ""  # the system prompt that goes with it, for tabs that have one
    layer: int | None = None  # what is to be looked at in the text, from 0
    head: int | None = None
    neuron: int | None = None  # of the layer's MLP
    part: str = "attention"  # what of the layer, if neither head nor neuron is named; or "mlp", or "layer"
    follow: str = ""  # a token that could come next, to be watched
    message: bool = False  # it was said in a chat, and is to be answered as such
    sets: tuple[str, str] | None = None  # two sets of sentences that a direction is found between, a line each
    pane: str = ""  # the sub-tab that it is for; "": the tab's own choice
    number: str = field(default_factory=secrets.token_hex)


@dataclass(frozen=True)
class Page:
    """What a tab is built on."""

    blocks: gr.Blocks
    models: ModelCache
    settings: Settings
    reference: gr.Dropdown  # the model that this visitor has picked
    made_ready: gr.events.Dependency  # the Load button has done its work
    tabs: gr.Tabs  # each tab's id is its title
    votes: (
        gr.BrowserState
    )  # this visitor's votes in the arena; here, because a tab that was not opened yet has no place
    lab: gr.BrowserState  # the last results of the Prompt lab
    owner: gr.BrowserState  # the secret key of this visitor's own collections
    load_now: gr.State  # whoever changes it has the picked model loaded, as the Load button does
    forms: Forms  # what of each tab goes into a link
    post: dict[str, gr.State]  # by title, of tabs that take texts: the last `Parcel`; its `change` tells that one came

    def send(self, title: str, parcel: Parcel, pane: str = "") -> dict:
        """Updates that open a tab and hand it a parcel, with its model in use.

        Their outputs: `self.tabs`, `self.reference` and `self.post[title]`.
        """
        return {
            self.tabs: gr.update(selected=title),
            self.reference: parcel.reference or gr.skip(),
            self.post[title]: replace(parcel, pane=pane),
        }

    @property
    def queued(self) -> dict[str, Any]:
        """Arguments of every event of the page that runs a model."""
        return model_work(self.settings) | {"show_progress": "hidden", "api_visibility": "private"}


@contextmanager
def user_errors() -> Iterator[None]:
    """Turns what goes wrong inside into one sentence on the page. A surprise also gets a number for the log."""
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        raise _shown(in_words(error)) from None


def in_words(error: Exception) -> str:
    """What a person is told of an error. Of a surprise that is a number, under which the log tells the rest."""
    if isinstance(error, PlaygroundError):
        return str(error)
    number = secrets.token_hex(3)
    log.error("Unexpected error, reference number %s", number, exc_info=error)
    return f"Something went wrong that should not have. Try again; if it stays, look for {number} in the log."


def _shown(sentence: str) -> gr.Error:
    return gr.Error(escape(sentence), print_exception=False)  # escaped, because the pop-up renders HTML


def places(event: gr.SelectData) -> Sequence[float]:
    """The numbers that a click brought."""
    return event.index if isinstance(event.index, (list, tuple)) else [event.index]


def title_of(reference: str) -> str:
    """The name that a person knows a model by: the catalog's, or of a folder the last part, or the reference."""
    if reference.startswith("endpoint:"):
        endpoint, _, model = reference.removeprefix("endpoint:").partition("/")
        return f"{model.rsplit('/', 1)[-1]} at {endpoint}"
    plain, _, precision = reference.partition("#")
    plain, *adapters = plain.split("+adapter:")
    title = next((entry.title for entry in catalog() if entry.reference == plain), plain)
    title = Path(title).name if title.startswith("/") else title
    title = f"Merge {title.removeprefix('merge:')}" if title.startswith("merge:") else title
    title = " + ".join([title, *(adapter.rsplit("/", 1)[-1] for adapter in adapters)])
    return f"{title}, {precision}" if precision else title


def arriving(models: ModelCache, reference: str, stop: threading.Event) -> Iterator[str]:
    """Sees to it that the model gets loaded; yields what is going on until it is ready, or until `stop` is set.

    Whoever stops waiting leaves the load to end by itself: another visitor may wait for the same model.

    Raises:
        PlaygroundError: it cannot be had.
    """
    for status in models.arriving(reference):
        if stop.is_set() or status.state in ("ready", "remote"):
            return
        yield status_view.sentence(status)


def paced(items: Iterable[T], per_second: float = 15) -> Iterator[T]:
    """The items that come at least 1/`per_second` s after the last one given out, and always the very last.

    That is the last before an error too, which is raised when it has been given.
    """
    held, due = [], 0.0
    try:
        for item in items:
            held = [item]
            if time.monotonic() >= due:
                yield held.pop()
                due = time.monotonic() + 1 / per_second
    except Exception:
        yield from held
        raise
    yield from held
