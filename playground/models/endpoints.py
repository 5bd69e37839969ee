"""The endpoints that the operator has set: which models each serves, asked in the background and never waited for.

It does not know what the models are asked.
"""

import json
import logging
import threading
import time
from dataclasses import dataclass, field

from playground.allowance import Allowance
from playground.errors import PlaygroundError
from playground.models import reference as references
from playground.models import remote_errors, sse
from playground.models.reference import Reference
from playground.models.remote import Endpoint, RemoteModel
from playground.models.status import Status
from playground.settings import Settings

log = logging.getLogger(__name__)

FRESH = 20.0  # seconds for which a list of models is good
PATIENCE = 4.0  # seconds in which it has to come
MOST_MODELS = 500  # of one endpoint
_MOST_BYTES = 4 << 20
HERE_IS_NOTHING = "no memory is held here, and there are no self-checks, because these need the weights"


@dataclass
class Listing:
    """What is known of one endpoint."""

    endpoint: Endpoint
    models: tuple[str, ...] = ()  # ids
    trouble: str | None = None  # why there are none
    asked: float = float("-inf")  # when; seconds of the monotonic clock
    answered: threading.Event = field(default_factory=threading.Event)  # at least once
    asking: bool = False


class Endpoints:
    """All endpoints. Every method may be called from any thread, and is quick unless it is told to wait."""

    def __init__(self, settings: Settings) -> None:
        keys = settings.keys_of_endpoints
        every = [Endpoint(name, url, keys.get(name, "")) for name, url in settings.urls_of_endpoints.items()]
        self._listings = {endpoint.name: Listing(endpoint) for endpoint in every}
        self._lock = threading.Lock()
        self._allowance = Allowance(new=settings.most_new_tokens)

    def offered(self, wait: float = 0.0) -> tuple[str, ...]:
        """References of all models that are served, as far as is known; `wait` at most so long for the first answer."""
        until = time.monotonic() + wait
        for listing in self._listings.values():
            self._ask_if_stale(listing)
        for listing in self._listings.values():
            listing.answered.wait(max(0.0, until - time.monotonic()))
        return tuple(f"endpoint:{name}/{model}" for name, listing in self._listings.items() for model in listing.models)

    def troubles(self) -> tuple[str, ...]:
        """A sentence for each endpoint that does not answer."""
        return tuple(listing.trouble for listing in self._listings.values() if listing.trouble)

    def status(self, reference: Reference) -> Status:
        """How a model stands that runs elsewhere."""
        try:
            listing = self._find(reference)
        except PlaygroundError as error:
            return Status(str(reference), "failed", str(error))
        self._ask_if_stale(listing)
        name, model = listing.endpoint.name, reference.served_id
        if listing.trouble:
            return Status(str(reference), "failed", listing.trouble)
        if not listing.answered.is_set():
            return Status(str(reference), "remote", f"Asking endpoint {name} for its models")
        if model not in listing.models:
            return Status(str(reference), "failed", f"Endpoint {name} does not list {model}. Pick one from the list.")
        return Status(str(reference), "remote", f"Runs at endpoint {name}: {HERE_IS_NOTHING}.")

    def model(self, reference: Reference) -> RemoteModel:
        """The model behind a reference. Whether it is served shows when it is asked.

        Raises:
            PlaygroundError: the operator has set no such endpoint.
        """
        endpoint = self._find(reference).endpoint
        return RemoteModel(str(reference), endpoint, reference.served_id, allowance=self._allowance)

    def ask_anew(self, reference: Reference) -> None:
        """Forgets when an endpoint was last asked. Raises PlaygroundError as `model`."""
        listing = self._find(reference)
        with self._lock:
            listing.asked = float("-inf")
        self._ask_if_stale(listing)

    def _find(self, reference: Reference) -> Listing:
        listing = self._listings.get(reference.endpoint)
        if listing is None:
            there = f"There are: {', '.join(self._listings)}." if self._listings else "None is set on this page."
            raise PlaygroundError(
                f"There is no endpoint “{reference.endpoint}” here. {there} "
                "Only whoever runs the page can set one, in PLAYGROUND_ENDPOINTS."
            )
        return listing

    def _ask_if_stale(self, listing: Listing) -> None:
        with self._lock:
            if listing.asking or time.monotonic() - listing.asked < FRESH:
                return
            listing.asking, listing.asked = True, time.monotonic()
        name = f"models of {listing.endpoint.name}"
        threading.Thread(target=self._ask, args=(listing,), name=name, daemon=True).start()

    def _ask(self, listing: Listing) -> None:
        trouble: str | None = None
        models: tuple[str, ...] = ()
        try:
            models = listed(listing.endpoint)
        except PlaygroundError as error:
            trouble = str(error)
        with self._lock:
            listing.models, listing.trouble, listing.asking = models, trouble, False
        listing.answered.set()


def listed(endpoint: Endpoint) -> tuple[str, ...]:
    """Ids of the models that an endpoint says it serves. Asks it, for a few seconds at most.

    Raises:
        PlaygroundError: it does not say; a sentence why.
    """
    try:
        body = sse.get(f"{endpoint.url}/models", endpoint.headers, PATIENCE, _MOST_BYTES)
        ids = [model["id"] for model in json.loads(body)["data"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise PlaygroundError(
            f"Endpoint {endpoint.name} gives no list of models in OpenAI's protocol. "
            "Whoever runs this page sets its address in PLAYGROUND_ENDPOINTS; it should end in /v1, as a rule."
        ) from None
    except Exception as error:
        raise remote_errors.not_listed(endpoint, error) from None
    return tuple(dict.fromkeys(id for id in ids if _can_be_named(endpoint, id)))[:MOST_MODELS]


def _can_be_named(endpoint: Endpoint, id: object) -> bool:
    try:
        return isinstance(id, str) and references.parse(f"endpoint:{endpoint.name}/{id}").served_id == id
    except PlaygroundError:
        return False
