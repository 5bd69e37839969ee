"""Short answers: a refusal in one sentence, in the form that Gradio's page and its clients show."""

from collections.abc import Mapping

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send


class RefusedError(Exception):
    """A request that goes no further. `sentence` reaches whoever asked."""

    def __init__(self, status: int, sentence: str, kind: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.kind, self.headers = status, sentence, kind, dict(headers or {})

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        # the page looks for `detail`, other routes of Gradio's for `error`
        content = {"detail": self.sentence, "error": self.sentence}
        await JSONResponse(content, self.status, self.headers)(scope, receive, send)

    def send_as_tool(self, number: object) -> JSONResponse:
        """The same as the result of a tool of MCP, whose caller is shown no other answer."""
        result = {"content": [{"type": "text", "text": self.sentence}], "isError": True}
        return JSONResponse({"jsonrpc": "2.0", "id": number, "result": result})
