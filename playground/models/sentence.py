"""A folder of weights -> how sentence-transformers would make a vector with it: its modules, pooling and prompts.

It reads JSON alone and does not know how the vectors are computed (`engine/embed.py`).
"""

import json
from pathlib import Path
from typing import Any

from playground.engine.recipe import Pooling, Recipe

_POOLINGS: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "cls", "max_tokens": "max", "lasttoken": "last"}
_SHORT: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "max": "max", "lasttoken": "last"}
# Families whose cards ask for prefixes that their files do not name.
_PREFIXES = (
    ("e5-", "query: ", "passage: "),
    ("bge-small-en", "Represent this sentence for searching relevant passages: ", ""),
    ("bge-base-en", "Represent this sentence for searching relevant passages: ", ""),
    ("bge-large-en", "Represent this sentence for searching relevant passages: ", ""),
    ("nomic-embed-text", "search_query: ", "search_document: "),
)


def read(folder: Path, reference: str) -> Recipe:
    """The recipe of a model; `Recipe()` with known prefixes for one that comes without modules.json."""
    modules = _json(folder / "modules.json")
    query, passage = _prompts(_json(folder / "config_sentence_transformers.json"), reference)
    if not isinstance(modules, list):
        return Recipe(query_prefix=query, passage_prefix=passage)
    pooling: Pooling = "mean"
    unsupported = ""
    for module in modules:
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        if kind == "Pooling":
            pooling, unsupported = _pooling(_json(folder / str(module.get("path", "")) / "config.json"))
        elif kind not in ("Transformer", "Normalize"):
            unsupported = f"its vectors pass through a {kind} layer"
    limit = (_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    return Recipe(pooling, limit if isinstance(limit, int) else None, query, passage, True, unsupported)


def _pooling(config: Any) -> tuple[Pooling, str]:
    config = config if isinstance(config, dict) else {}
    chosen = [short for name, short in _POOLINGS.items() if config.get(f"pooling_mode_{name}")]
    if isinstance(mode := config.get("pooling_mode"), str):  # how newer files write it
        chosen = [_SHORT[mode]] if mode in _SHORT else []
    if len(chosen) != 1:
        return "mean", "it pools its states in a way that is not known here"
    return chosen[0], ""


def _prompts(config: Any, reference: str) -> tuple[str, str]:
    """What stands before queries and passages, by the model's own file or by its family."""
    prompts = config.get("prompts") if isinstance(config, dict) else None
    prompts = prompts if isinstance(prompts, dict) else {}
    query = next((prompts[name] for name in ("query", "search_query", "s2p_query") if prompts.get(name)), "")
    passage = next((prompts[name] for name in ("passage", "document", "corpus") if prompts.get(name)), "")
    if query or passage:
        return query, passage
    name = reference.rsplit("/", 1)[-1].lower()
    return next(((q, p) for part, q, p in _PREFIXES if part in name), ("", ""))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
