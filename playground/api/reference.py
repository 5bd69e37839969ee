"""The reference of all endpoints in Markdown, made from the endpoints themselves. It knows none of them by name."""

import gradio as gr

from playground import api
from playground.api import docs
from playground.models.cache import ModelCache
from playground.settings import MINILM, SMOLLM2, Settings

TOOLS = "Each endpoint is an MCP tool of the same name, without the slash."


def markdown() -> str:
    """Each endpoint with what it does, its parameters and what it gives, in the order of the README's table."""
    settings = Settings(default_models=(SMOLLM2, MINILM))  # so that defaults are the same on every machine
    with gr.Blocks(analytics_enabled=False) as blocks:
        api.add(ModelCache(settings), settings)
    named = [function for function in blocks.fns.values() if function.api_visibility == "public"]
    return "\n".join(_section(str(function.api_name), docs.of(function.fn)) for function in named)


def _section(name: str, described: docs.Described) -> str:
    lines = [f"#### `/{name}`", "", described.about, ""]
    if described.parameters:
        lines += ["| Parameter | Type | Default | What it is |", "|---|---|---|---|"]
        lines += [_row(parameter) for parameter in described.parameters]
    else:
        lines += ["It takes nothing."]
    return "\n".join([*lines, "", f"Returns {described.returns}", ""])


def _row(parameter: docs.Parameter) -> str:
    default = "must be given" if parameter.default is None else f"`{parameter.default}`"
    cells = (f"`{parameter.name}`", f"`{parameter.kind}`", default, parameter.about)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
