"""The labs as named endpoints: typed, JSON in and out, for `gradio_client` and plain HTTP.

One file a tab. They compute nothing and draw nothing.
"""

from playground.api import attention, bias, chat, internals, models, probing, prompting
from playground.models.cache import ModelCache
from playground.settings import Settings

ENDPOINTS = (models, chat, prompting, attention, internals, probing, bias)  # in the order of the README's table


def add(cache: ModelCache, settings: Settings) -> None:
    """Declares every endpoint; call it inside `gr.Blocks`."""
    for module in ENDPOINTS:
        module.add(cache, settings)
