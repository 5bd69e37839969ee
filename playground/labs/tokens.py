"""A text as tokens: how probable each was, what else could have stood there, and how it goes on if that had been drawn.

It does not know the page.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.engine import provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.sampling import Sampling
from playground.engine.score import Scores, score
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat
from playground.labs.chat.replies import Reply


@dataclass(frozen=True)
class SeenToken:
    """One token of what the model is given."""

    id: int
    text: str
    special: bool  # has a meaning of its own: a role, a beginning, an end


@dataclass(frozen=True)
class Inspection:
    """A written text, token by token."""

    texts: tuple[str, ...]  # (n,), one a token; characters spread over tokens show as U+FFFD in each of them
    scores: Scores
    top_texts: tuple[tuple[str, ...], ...]  # (n, k)
    provenance: Provenance


def inspect(engine: Engine, prompt: Tensor, written: Sequence[int], k: int = 10) -> Inspection:
    """Scores the ids that follow `prompt`, (1, position).

    Raises:
        PlaygroundError: as `engine.score.score`.
    """
    _check_ids(engine, written)
    started = time.perf_counter()
    scores = score(engine, prompt, torch.tensor([list(written)], dtype=torch.long), k)
    decode = engine.tokenizer.decode
    return Inspection(
        tuple(decode([token]) for token in scores.ids.tolist()),
        scores,
        tuple(tuple(decode([token]) for token in row) for row in scores.top_ids.tolist()),
        provenance.of(engine, {"k": k}, time.perf_counter() - started),
    )


def seen_by(engine: Engine, ids: Tensor) -> tuple[SeenToken, ...]:
    """What the model is given, (1, position), token by token, with special tokens visible."""
    special = set(engine.tokenizer.all_special_ids) | set(engine.tokenizer.added_tokens_decoder)
    return tuple(SeenToken(i, engine.tokenizer.decode([i]), i in special) for i in ids[0].tolist())


def whole_text(engine: Engine, messages: Sequence[chat.Message], system: str, written: Sequence[int]) -> str:
    """All that the model had read and written at the end of a reply, special tokens included."""
    _check_ids(engine, written)
    decode = engine.tokenizer.decode
    return chat.render(engine, messages, system) + decode(list(written), clean_up_tokenization_spaces=False)


def text_of(engine: Engine, written: Sequence[int]) -> str:
    """A reply alone, without special tokens."""
    _check_ids(engine, written)
    return engine.tokenizer.decode(list(written), skip_special_tokens=True).strip()


def _check_ids(engine: Engine, written: Sequence[int]) -> None:
    unknown = [token for token in written if not 0 <= token < engine.anatomy.vocabulary_size]
    if unknown:  # a reply that came with a file need not be this model's
        raise PlaygroundError(f"{unknown[0]} is no token of {engine.reference}: another model wrote this reply.")


def branch(
    engine: Engine,
    prompt: Tensor,
    written: Sequence[int],
    at: int,
    instead: int,
    sampling: Sampling,
    stop: threading.Event | None = None,
) -> Iterator[Reply]:
    """Cuts what was written before token `at`, puts the token `instead` there, and writes on.

    The tokens before `at` stay as they are; the same seed writes the same text. Each reply holds the whole: the tokens
    that were kept, the one put in, and the new ones. Closing the iterator ends the computation, as in `chat.reply`.

    Raises:
        PlaygroundError: there is no such token, or the text does not fit.
    """
    if not 0 <= at < len(written):
        raise PlaygroundError(f"The reply has {len(written)} tokens; there is none at position {at}. Pick one of them.")
    _check_ids(engine, written[:at])
    if not 0 <= instead < engine.anatomy.vocabulary_size:
        raise PlaygroundError(f"{instead} is no token of {engine.reference}. Pick one from the list.")
    yield from chat.resume(engine, prompt, [*written[:at], instead], sampling, stop)
