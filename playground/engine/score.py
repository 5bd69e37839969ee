"""How probable a text is to a model, token by token: a plain forward pass over ids that are already there.

It does not choose tokens and does not know what the text is for.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from playground.arrays import Floats, Ints
from playground.engine.decoding import decoder_start
from playground.engine.engine import Engine
from playground.errors import PlaygroundError

_CHUNK = 256  # positions whose logits are held at once


@dataclass(frozen=True)
class Scores:
    """One row a token. Logarithms are natural; the model's own distribution, no sampling setting applied."""

    ids: Ints  # (n,)
    logprobs: Floats  # (n,), given everything before the token
    ranks: Ints  # (n,), 0: no token was more probable
    entropies: Floats  # (n,), nats, of the distribution that the token came from
    top_ids: Ints  # (n, k), most probable first
    top_logprobs: Floats  # (n, k)


def score(engine: Engine, prompt: Tensor, written: Tensor, k: int = 10) -> Scores:
    """Scores the ids `written`, (1, n), that follow `prompt`, (1, position).

    Raises:
        PlaygroundError: the model does not write, nothing was written, or both together do not fit.
    """
    if not engine.anatomy.writes:
        raise PlaygroundError(
            f"{engine.reference} does not write text ({engine.anatomy.kind} model). Pick one that does."
        )
    if written.shape[1] == 0 or prompt.shape[1] == 0:
        raise PlaygroundError("There is no text to score. Write something first.")
    if engine.anatomy.kind == "causal":
        engine.check_fits(prompt.shape[1] + written.shape[1])
    rows = []
    with torch.inference_mode():
        for logits, ids in _predictions(engine, prompt.to(engine.device), written.to(engine.device)):
            logprobs = logits.float().log_softmax(-1)
            chosen = logprobs.gather(1, ids[:, None])
            top = logprobs.topk(min(k, logprobs.shape[1]))
            rows.append(
                (
                    ids,
                    chosen[:, 0],
                    (logprobs > chosen).sum(-1),
                    -(logprobs.exp() * logprobs).nansum(-1),
                    top.indices,
                    top.values,
                )
            )
    return Scores(*(torch.cat(column).cpu().numpy() for column in zip(*rows, strict=True)))


def _predictions(engine: Engine, prompt: Tensor, written: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """(logits, ids) piece by piece: row i of the logits, (m, vocabulary), predicts ids[i]."""
    model = engine.model
    if engine.anatomy.kind == "seq2seq":
        shifted = torch.cat([decoder_start(model, written), written[:, :-1]], dim=1)
        yield model(input_ids=prompt, decoder_input_ids=shifted).logits[0], written[0]
        return
    ids = torch.cat([prompt, written], dim=1)
    first = prompt.shape[1] - 1  # the position that predicts the first written token
    keeps = "past_key_values" in inspect.signature(model.forward).parameters and model._supports_default_dynamic_cache()
    if engine.anatomy.is_recurrent or not keeps:
        yield model(input_ids=ids[:, :-1]).logits[0, first:], written[0]
        return
    cache = DynamicCache(config=model.config)
    for begin in range(0, ids.shape[1] - 1, _CHUNK):
        end = min(begin + _CHUNK, ids.shape[1] - 1)
        logits = model(input_ids=ids[:, begin:end], past_key_values=cache, use_cache=True).logits[0]
        if end > first:
            skip = max(first - begin, 0)
            yield logits[skip:], ids[0, begin + skip + 1 : end + 1]
