"""What the layers know of a request: who came, and what is asked. The outer ones find it out, the inner ones use it.

It is kept in the ASGI scope, which Gradio keeps with each event of its queue.
"""

from dataclasses import dataclass

from gradio.block_function import BlockFunction
from starlette.datastructures import Headers
from starlette.types import Scope

KEY = "playground.visit"
API = "/gradio_api/"
MCP = "/gradio_api/mcp"
WORK = ("models", "addresses")  # the concurrency_ids of all that runs models; the second fetches pages first


@dataclass
class Visit:
    """One request."""

    visitor: str  # the log-in, or the address
    user: str | None = None  # who has logged in
    inside: bool = False  # this process asks itself, for MCP: whoever asked for that was looked at already
    function: BlockFunction | None = None  # which event or endpoint it calls
    refused: str = ""  # the kind of refusal, if it was
    data: object = None  # what the event is given, as it came
    tool_call: object = None  # of MCP: the number by which its answer is known

    @property
    def works(self) -> bool:
        """Whether it runs models."""
        return self.function is not None and self.function.concurrency_id in WORK

    @property
    def endpoint(self) -> str:
        """The name of the public endpoint that is called; "" when it is none."""
        if self.function is None or self.function.api_visibility != "public":
            return ""
        return str(self.function.api_name)


def of(scope: Scope) -> Visit:
    return scope[KEY]


def is_mcp(path: str) -> bool:
    return path == MCP or path.startswith(f"{MCP}/")


def address(scope: Scope, proxies: int) -> str:
    """The address that a request came from, as the last `proxies` entries of X-Forwarded-For tell it.

    What stands left of them could be written by anybody. With fewer entries than proxies, the leftmost counts.
    """
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    told = [entry.strip() for entry in forwarded if entry.strip()]
    if proxies and told:
        return told[-min(proxies, len(told))][:100]
    return scope["client"][0] if scope.get("client") else "unknown"
