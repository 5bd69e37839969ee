"""Whether a model's config.json describes one that can be loaded here: known, unpacked, without code of its own.

It does not know how the model is loaded.
"""

from importlib.metadata import version
from typing import Any

from playground.errors import PlaygroundError
from playground.settings import Settings


def check(config: dict[str, Any], name: str, settings: Settings) -> None:
    """Raises PlaygroundError for a config.json whose model could not be loaded here. Imports transformers."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if packing := config.get("quantization_config"):
        method = packing.get("quant_method") if isinstance(packing, dict) else None
        raise PlaygroundError(
            f"{name} has packed weights ({method or 'quantization_config'}), which need software that is not here. "
            "Pick the original, unpacked model."
        )
    model_type = config.get("model_type")
    if model_type in CONFIG_MAPPING_NAMES:
        return
    if config.get("auto_map"):
        if settings.remote_code:
            return
        raise PlaygroundError(
            f"{name} needs Python code that comes with the model, and such code could do anything on this machine, so "
            "it is refused. Pick another model; whoever runs this page can allow it with PLAYGROUND_REMOTE_CODE=true."
        )
    if not model_type:
        raise PlaygroundError(
            f"config.json of {name} does not say which architecture it is (no model_type). Pick another copy of it."
        )
    raise PlaygroundError(
        f"{name} is of the architecture “{model_type}”, which transformers {version('transformers')} does not know. "
        "Pick another model, or install a newer transformers if the model is newer."
    )
