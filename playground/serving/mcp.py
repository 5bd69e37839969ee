"""MCP through Gradio's own server: tools are called as the endpoints are, and work where log-ins are set too.

Gradio's server calls a tool by asking this very server over HTTP, without a log-in. It knows no single tool.
"""

import json
from typing import Any

import gradio as gr
from gradio_client import Client

from playground.serving.gate import INSIDE


def use(blocks: gr.Blocks, inside: str) -> None:
    """Sets Gradio's MCP server up; call it when the page has been launched. Nothing to do where it is off.

    Args:
        inside: what the gate takes as a request of this process.
    """
    server = blocks.mcp_server_obj
    if server is None:
        return
    server.tool_to_endpoint = {
        f"{server.tool_prefix}{endpoint.lstrip('/')}": endpoint for endpoint in server.tool_to_endpoint.values()
    }

    def client() -> Client:
        if server._client_instance is None:  # made when the first tool is called: it reads the whole page's layout
            server._client_instance = Client(
                blocks.local_url,
                download_files=False,
                verbose=False,
                analytics_enabled=False,
                headers={"x-gradio-user": "mcp", INSIDE: inside},
            )
        return server._client_instance

    server._get_or_create_client = client
    contents = server.postprocess_output_data

    def as_json(data: Any, root_url: str) -> Any:
        return contents([_as_json(value) for value in data], root_url)

    server.postprocess_output_data = as_json


def _as_json(value: Any) -> Any:
    """Gradio would write objects as Python does, which other languages do not read."""
    plain = isinstance(value, list) or (isinstance(value, dict) and "meta" not in value)  # files have that
    return json.dumps(value, ensure_ascii=False) if plain else value
