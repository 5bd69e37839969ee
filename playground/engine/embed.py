"""Texts -> vectors of length 1, as sentence-transformers' `encode` with normalisation makes them.

Texts of like length are read together, so that little is padded; the order that comes back is that of the texts. It
does not know what the vectors are for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine.engine import Engine
from playground.errors import PlaygroundError

Kind = Literal["query", "passage"]
_TOKENS_A_PASS = {"cpu": 2048}  # padding included; on a CPU more gains nothing and stops less soon
_MOST_TEXTS = 64  # in one pass
_TOKENIZED = 4096  # texts whose ids are held at once


@dataclass(frozen=True)
class States:
    """The states of one text's tokens, before they are pooled."""

    tokens: tuple[str, ...]  # as the tokenizer writes them
    spans: tuple[tuple[int, int], ...]  # characters of the text; (0, 0) for special tokens and the prefix
    states: Floats  # (token, hidden), float32; the last layer's
    vector: Floats  # (hidden,), length 1


def check_embeds(engine: Engine) -> None:
    """Raises PlaygroundError for a model whose vectors would not mean what they should."""
    if engine.sentence.unsupported:
        raise PlaygroundError(
            f"{engine.reference} cannot embed here: {engine.sentence.unsupported}. Pick another embedding model."
        )
    if engine.anatomy.kind not in ("encoder", "masked") and not engine.sentence.declared:
        raise PlaygroundError(
            f"{engine.reference} was not made to embed ({engine.anatomy.kind} model). Pick an embedding model, such as "
            "all-MiniLM-L6-v2."
        )


def limit(engine: Engine) -> int:
    """How many tokens of a text are read, special tokens and prefix included; what is beyond is lost."""
    known = [n for n in (engine.sentence.max_tokens, engine.anatomy.context_length) if n]
    return min(known, default=512)


def prefix(engine: Engine, kind: Kind) -> str:
    return engine.sentence.query_prefix if kind == "query" else engine.sentence.passage_prefix


@overload
def embed(
    engine: Engine,
    texts: Sequence[str],
    kind: Kind = "passage",
    stopped: None = None,
    report: Callable[[int], None] | None = None,
) -> Floats: ...


@overload
def embed(
    engine: Engine,
    texts: Sequence[str],
    kind: Kind = "passage",
    stopped: Callable[[], bool] | None = None,
    report: Callable[[int], None] | None = None,
) -> Floats | None: ...


def embed(
    engine: Engine,
    texts: Sequence[str],
    kind: Kind = "passage",
    stopped: Callable[[], bool] | None = None,
    report: Callable[[int], None] | None = None,
) -> Floats | None:
    """Vectors of length 1, (text, hidden), float32. None: it was `stopped`.

    report: called with the number of texts done.

    Raises:
        PlaygroundError: this model does not embed.
    """
    check_embeds(engine)
    vectors = np.zeros((len(texts), engine.anatomy.hidden_size), np.float32)
    done = 0
    for places, ids in _batches(engine, texts, prefix(engine, kind)):
        if stopped is not None and stopped():
            return None
        inputs = engine.tokenizer.pad({"input_ids": ids}, return_tensors="pt", padding_side="right")
        with torch.inference_mode(), engine.turns.take() if engine.turns else nullcontext():
            states = _last_states(engine, inputs)
            pooled = _pooled(engine, states, inputs["attention_mask"].to(states.device))
        vectors[places] = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        done += len(places)
        if report is not None:
            report(done)
    return vectors


def token_states(engine: Engine, text: str, kind: Kind = "passage") -> States:
    """Each token's state behind the last layer, and the vector that they are pooled to.

    Raises:
        PlaygroundError: as `embed`.
    """
    check_embeds(engine)
    before = prefix(engine, kind)
    encoded = engine.tokenizer(
        before + text, truncation=True, max_length=limit(engine), return_offsets_mapping=True, return_tensors="pt"
    )
    spans = [(max(a - len(before), 0), max(b - len(before), 0)) for a, b in encoded.pop("offset_mapping")[0].tolist()]
    with torch.inference_mode(), engine.turns.take() if engine.turns else nullcontext():
        states = _last_states(engine, encoded)
        pooled = _pooled(engine, states, encoded["attention_mask"].to(states.device))
    tokens = engine.tokenizer.convert_ids_to_tokens(encoded["input_ids"][0].tolist())
    vector = torch.nn.functional.normalize(pooled, dim=1)[0]
    return States(tuple(tokens), tuple(spans), states[0].float().cpu().numpy(), vector.cpu().numpy())


def _batches(engine: Engine, texts: Sequence[str], before: str) -> Iterator[tuple[list[int], list[list[int]]]]:
    """(places among the texts, their ids), texts of like length together, the longest first."""
    most = _TOKENS_A_PASS.get(engine.device.type, 32_768)
    for begin in range(0, len(texts), _TOKENIZED):
        part = [before + text for text in texts[begin : begin + _TOKENIZED]]
        ids = engine.tokenizer(part, truncation=True, max_length=limit(engine), verbose=False)["input_ids"]
        order = sorted(range(len(part)), key=lambda i: -len(ids[i]))
        at = 0
        while at < len(order):
            width = max(len(ids[order[at]]), 1)
            size = max(1, min(_MOST_TEXTS, most // width))
            chosen = order[at : at + size]
            yield [begin + i for i in chosen], [ids[i] for i in chosen]
            at += size


def _last_states(engine: Engine, inputs: Mapping[str, Tensor]) -> Tensor:
    """(text, token, hidden)."""
    wanted = {name: inputs[name].to(engine.device) for name in ("input_ids", "attention_mask", "token_type_ids")
              if name in inputs}  # fmt: skip
    return engine.model.base_model(**wanted).last_hidden_state


def _pooled(engine: Engine, states: Tensor, mask: Tensor) -> Tensor:
    """(text, hidden), float32. `mask`: (text, token), 0 where there is padding behind a text."""
    states = states.float()
    there = mask[..., None].float()
    match engine.sentence.pooling:
        case "cls":
            return states[:, 0]
        case "last":
            return states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]
        case "max":
            return states.masked_fill(there == 0, -torch.inf).amax(1)
    return (states * there).sum(1) / there.sum(1).clamp(min=1e-9)
