"""What a stream of tokens is made of, and what every way of writing one asks of the model.

It does not choose tokens.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from playground.engine.decoding import decoder_start
from playground.engine.engine import Engine
from playground.errors import PlaygroundError

StopReason = Literal["eos", "length", "stopped", "stop string"]
N_ALTERNATIVES = 10


@dataclass(frozen=True)
class Token:
    id: int
    text: str  # what it added to the text: "" while a character is incomplete, and for special tokens
    logprob: float  # natural logarithm; the model's own, before temperature and the like
    alternatives: tuple[tuple[int, float], ...]  # the most probable ids and their logprobs, best first


@dataclass(frozen=True)
class Step:
    """One turn of the stream. `token` is None while there is nothing new; `stop_reason` is set on the last."""

    token: Token | None
    stop_reason: StopReason | None
    seconds: float  # since the start
    text: str = ""  # what can be shown now, after what was shown before: what may become a stop string is held back
    stop_string: str | None = None  # which one ended it; it is not in `text`, its tokens are among the tokens
    instead: tuple[Token, ...] | None = None  # all new tokens, in place of all before; `text` is then all of theirs


def alternatives(logprobs: Tensor) -> tuple[tuple[int, float], ...]:
    """The most probable ids of one distribution, (vocabulary,), and their logprobs, best first."""
    best = logprobs.topk(min(N_ALTERNATIVES, len(logprobs)))
    return tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))


def check_usable(engine: Engine, logits: Tensor) -> None:
    """Raises PlaygroundError when the numbers have overflowed."""
    if not logits.isfinite().any() or logits.isnan().any():
        raise PlaygroundError(
            f"{engine.reference} computed no usable numbers in {engine.precision}. "
            "Choose float32 or bfloat16 as its precision."
        )


def text_so_far(engine: Engine, ids: Tensor) -> list[int]:
    """What the new tokens follow, given the prompt, (1, position): for an encoder-decoder the start of the reply."""
    return (decoder_start(engine.model, ids) if engine.anatomy.kind == "seq2seq" else ids)[0].tolist()


def end_ids(engine: Engine) -> frozenset[int]:
    """Every id that this model's own generation settings or its tokenizer call an end."""
    config = getattr(engine.model, "generation_config", None)
    ends = getattr(config, "eos_token_id", None)
    ends = ends if isinstance(ends, list) else [ends]
    return frozenset(end for end in [*ends, engine.tokenizer.eos_token_id] if end is not None)
