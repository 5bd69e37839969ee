"""The labs as named endpoints: typed, JSON in and out, for `gradio_client` and plain HTTP.

One file a tab. They compute nothing and draw nothing.
"""

from gradio.context import Context

from playground.api import (
    adapters,
    attention,
    bias,
    chat,
    collections,
    internals,
    merging,
    models,
    probing,
    prompting,
    search,
    search_evaluate,
    typed,
)
from playground.models.cache import ModelCache
from playground.settings import Settings

# in the order of the README's table
ENDPOINTS = (
    models,
    chat,
    prompting,
    attention,
    internals,
    probing,
    merging,
    adapters,
    bias,
    collections,
    search,
    search_evaluate,
)


def add(cache: ModelCache, settings: Settings) -> None:
    """Declares every endpoint; call it inside `gr.Blocks`, before anything else is in it."""
    for module in ENDPOINTS:
        module.add(cache, settings)
    typed.check_all(Context.root_block)
