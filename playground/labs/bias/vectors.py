"""Words and sentences as vectors of a model: its input embeddings, or residuals after chosen layers, read together.

A residual vector of a text is the mean over its own tokens: a causal model reads them after its start token, which many
models use as a resting place with a residual a hundred times as long, and special tokens do not count. It does not know
what is compared.
"""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine import passes
from playground.engine.blanks import Edits
from playground.engine.engine import Engine
from playground.engine.sentences import start_id
from playground.engine.tap import Site
from playground.errors import PlaygroundError

TEMPLATE = "This is {word}."  # of SEAT (May et al. 2019), the plainest of its sentences


def embeddings(engine: Engine, words: Sequence[str]) -> Floats:
    """Input embeddings, (word, dimension), float32: the mean over a word's pieces, as it stands after a space.

    Raises:
        PlaygroundError: a word is not in the vocabulary.
    """
    from playground.labs.bias.fill import pieces

    table = engine.model.get_input_embeddings().weight
    return np.stack([table[list(pieces(engine, "the ", word))].float().mean(0).cpu().numpy() for word in words])


def at_layers(
    engine: Engine,
    texts: Sequence[str],
    layers: Sequence[int],
    stop: threading.Event | None = None,
    edits: Edits | None = None,
) -> dict[int, Floats]:
    """Mean residual of each text after each layer, (text, hidden), float32.

    Raises:
        PlaygroundError: no such layer, an encoder-decoder, an empty text.
        passes.Stopped: `stop` was set.
    """
    check_layers(engine, layers)
    rows = [_ids(engine, text) for text in texts]
    for ids in rows:
        engine.check_fits(len(ids))
    found = {layer: np.empty((len(texts), engine.anatomy.hidden_size), np.float32) for layer in layers}
    specials = set(engine.tokenizer.all_special_ids)
    name = engine.anatomy.main.name
    for length in sorted({len(ids) for ids in rows}, reverse=True):  # equal lengths need no padding
        same = [i for i, ids in enumerate(rows) if len(ids) == length]
        for begin in range(0, len(same), step := max(1, 512 // length)):
            part = same[begin : begin + step]
            counted = torch.tensor([[token not in specials for token in rows[i]] for i in part], dtype=torch.float32)
            counted[counted.sum(1) == 0] = 1.0
            weights = (counted / counted.sum(1, keepdim=True)).to(engine.device)
            watches = {}
            for layer in layers:
                watches[Site(name, layer, "block")] = _watch(
                    found[layer], part, weights, edits, Site(name, layer, "block")
                )
            for site, edit in (edits or {}).items():
                watches.setdefault(site, edit)
            inputs = {"input_ids": torch.tensor([rows[i] for i in part], device=engine.device)}
            passes.last_residual(engine, inputs, watches, stop=stop)
    return found


def _ids(engine: Engine, text: str) -> tuple[int, ...]:
    causal = engine.anatomy.kind == "causal"
    ids = tuple(engine.tokenizer(text, add_special_tokens=not causal, verbose=False).input_ids)
    if not ids or not text.strip():
        raise PlaygroundError("There is a text without tokens. Remove it.")
    return (start_id(engine), *ids) if causal else ids


def _watch(found: Floats, part: Sequence[int], weights: Tensor, edits: Edits | None, site: Site) -> passes.Watch:
    """Keeps the mean of what passes, after the edit that is made there."""

    def see(values: Tensor) -> Tensor | None:
        changed = edits[site](values) if edits and site in edits else None
        seen = values if changed is None else changed
        found[part] = torch.einsum("tp,tph->th", weights, seen.float()).cpu().numpy()
        return changed

    return see


def check_layers(engine: Engine, layers: Sequence[int]) -> None:
    """Raises PlaygroundError when there is no such layer."""
    if engine.anatomy.kind == "seq2seq":
        raise PlaygroundError(f"{engine.reference} is an encoder-decoder; this is for models with one stack.")
    n = engine.anatomy.n_layers
    if not layers:
        raise PlaygroundError(f"No layer was chosen. {engine.reference} has layers 0 to {n - 1}.")
    for layer in layers:
        if isinstance(layer, bool) or not isinstance(layer, int) or not 0 <= layer < n:
            raise PlaygroundError(f"{engine.reference} has no layer {layer}: they are 0 to {n - 1}.")
