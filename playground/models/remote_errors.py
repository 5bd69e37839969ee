"""Every way in which an endpoint fails, in words. No key is ever in them, and no address: visitors see them.

The address and what the server said of a refused key are in the log, for whoever runs the page.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import httpx2

from playground.errors import PlaygroundError
from playground.models import sse

if TYPE_CHECKING:
    from playground.models.remote import Endpoint, RemoteModel

log = logging.getLogger(__name__)

_MOST_WORDS = 300  # characters of what a server says that are repeated
_TOO_LONG = re.compile(r"context.{0,20}(length|size|window)|too long|exceed_context", re.IGNORECASE)


def unsupported(refusal: sse.RefusalError) -> str | None:
    """The parameter that the server does not take, when it says that it is just that."""
    error = _error(refusal.body)
    code = str(error.get("code"))
    return str(error.get("param")) if refusal.status == 400 and code.startswith("unsupported_") else None


def refused(model: RemoteModel, path: str, refusal: sse.RefusalError) -> PlaygroundError:
    """The server answered the request with an error, or with something that is no stream."""
    status, name = refusal.status, model.endpoint.name
    said = words(model.endpoint, refusal.body)
    if status in (400, 413, 422) and _TOO_LONG.search(refusal.body):
        return PlaygroundError(f"This is longer than {model.id} at {name} can hold. Shorten it; nothing was cut.{said}")
    if status == 404 and path == "completions" and "model" not in refusal.body.lower():
        return PlaygroundError(f"Endpoint {name} has no plain completion. Use the conversation instead.")
    if status == 404:
        return PlaygroundError(f"Endpoint {name} serves no model {model.id}. Pick one from the list.{said}")
    return _any_refusal(model.endpoint, refusal)


def not_listed(endpoint: Endpoint, error: BaseException) -> PlaygroundError:
    """The list of models could not be had."""
    if isinstance(error, sse.RefusalError):
        if error.status == 404:
            return PlaygroundError(
                f"Endpoint {endpoint.name} has no list of models at its address. "
                "Whoever runs this page sets it in PLAYGROUND_ENDPOINTS; it should end in /v1, as a rule."
            )
        return _any_refusal(endpoint, error)
    return _broken(endpoint, error)


def failed(model: RemoteModel, error: BaseException) -> PlaygroundError:
    """There was no answer, or it broke off."""
    return error if isinstance(error, PlaygroundError) else _broken(model.endpoint, error)


def cut(model: RemoteModel) -> PlaygroundError:
    return PlaygroundError(f"Endpoint {model.endpoint.name} broke the connection off before the end. Try again.")


def broke_off(model: RemoteModel, error: Any) -> PlaygroundError:
    """The server sent an error in the middle of its answer."""
    said = words(model.endpoint, json.dumps({"error": error}))
    return PlaygroundError(f"Endpoint {model.endpoint.name} failed while it was writing. Try again.{said}")


def not_understood(model: RemoteModel) -> PlaygroundError:
    return PlaygroundError(
        f"Endpoint {model.endpoint.name} sent something that is not OpenAI's protocol. "
        "Whoever runs this page should look whether its address is that of a server of models."
    )


def words(endpoint: Endpoint, body: str) -> str:
    """What the server said, for the end of a sentence: short, on one line, without the key; "" when it said nothing."""
    said = " ".join(str(_error(body).get("message") or "").split())
    if endpoint.key:
        said = said.replace(endpoint.key, "…")
    said = said if len(said) <= _MOST_WORDS else f"{said[:_MOST_WORDS]} …"
    return f" It said: “{said}”" if said else ""


def _any_refusal(endpoint: Endpoint, refusal: sse.RefusalError) -> PlaygroundError:
    status, name = refusal.status, endpoint.name
    if status in (401, 403):  # servers repeat parts of the key
        log.warning("endpoint %s at %s answered %d", name, endpoint.url, status)
        why = "refused the key that it was given" if endpoint.key else "asks for a key"
        return PlaygroundError(
            f"Endpoint {name} {why} ({status}). Whoever runs this page sets it in PLAYGROUND_ENDPOINT_KEYS."
        )
    said = words(endpoint, refusal.body)
    if status == 429:
        seconds = refusal.retry_after or ""
        when = f"in {seconds} seconds" if seconds.isdecimal() and len(seconds) < 6 else "later"
        return PlaygroundError(f"Endpoint {name} takes no more requests now (429). Try again {when}.{said}")
    if 300 <= status < 400:
        log.warning("endpoint %s at %s answered with a redirect", name, endpoint.url)
        return PlaygroundError(
            f"Endpoint {name} wants to send the request elsewhere ({status}), which is not followed. "
            "Whoever runs this page can set the new address in PLAYGROUND_ENDPOINTS."
        )
    if status == 200:
        return PlaygroundError(f"Endpoint {name} answered, but not in OpenAI's protocol: it does not stream.{said}")
    if status >= 500:
        return PlaygroundError(f"Endpoint {name} has a fault of its own ({status}). Try again later.{said}")
    return PlaygroundError(f"Endpoint {name} refused the request ({status}). Change it and try again.{said}")


def _broken(endpoint: Endpoint, error: BaseException) -> PlaygroundError:
    log.warning("endpoint %s at %s: %s", endpoint.name, endpoint.url, type(error).__name__)
    name = endpoint.name
    match error:
        case sse.SilenceError() | httpx2.ReadTimeout() | httpx2.WriteTimeout():
            return PlaygroundError(f"Endpoint {name} has said nothing for too long. Try again later.")
        case sse.TooMuchError():
            return PlaygroundError(f"Endpoint {name} sent more than an answer can be, so the request was ended.")
        case httpx2.ConnectTimeout():
            return PlaygroundError(f"Endpoint {name} cannot be reached: it did not answer in time. Try again later.")
        case httpx2.ConnectError() | OSError():
            return PlaygroundError(f"Endpoint {name} cannot be reached. Is its server running? Try again later.")
        case httpx2.HTTPError():
            return PlaygroundError(f"Endpoint {name} broke the connection off before the end. Try again.")
    log.error("unexpected error at endpoint %s", name, exc_info=error)
    return PlaygroundError(f"The request to endpoint {name} failed in a way that should not be: see the log.")


def _error(body: str) -> dict[str, Any]:
    """The "error" object of an answer; some servers send its content alone, or only a text."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {"message": body if len(body) < _MOST_WORDS and "<" not in body else ""}
    error = answer.get("error", answer) if isinstance(answer, dict) else {}
    return error if isinstance(error, dict) else {"message": str(error)}
