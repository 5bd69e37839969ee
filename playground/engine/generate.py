"""Streams the tokens that a model writes, each with its probability and its rivals, and stops when told.

A worker thread runs the model; tokens reach the caller through a queue. Closing the iterator, or setting the `stop`
event, ends the computation within one token. It knows nothing of chat: token ids go in.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from playground.engine.decoding import Decoder, TextStream
from playground.engine.engine import Engine
from playground.engine.sampling import Sampling, draw
from playground.engine.tap import Tap, open_tap
from playground.errors import PlaygroundError

StopReason = Literal["eos", "length", "stopped"]
N_ALTERNATIVES = 10
_HEARTBEAT = 0.25  # seconds: how long the caller may wait without a turn to notice that nobody listens any more


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


def stream(
    engine: Engine,
    ids: Tensor,
    sampling: Sampling,
    stop: threading.Event | None = None,
    tap: Tap | None = None,
    written: Sequence[int] = (),
) -> Iterator[Step]:
    """Writes on from `ids`, (1, position), and what is `written` after them already.

    The same ids, settings and seed give the same tokens. An error in the model is raised here, in the caller's thread.

    Raises:
        PlaygroundError: the model does not write, or the context is full.
    """
    if not engine.anatomy.writes:
        raise PlaygroundError(
            f"{engine.reference} reads text but does not write it ({engine.anatomy.kind} model). "
            "Pick a chat or base model to generate."
        )
    room = _room(engine, ids.shape[1], len(written), sampling.max_new_tokens)
    left = threading.Event()  # nobody listens any more; `stop` stays the caller's, who may use it for several streams
    steps: queue.SimpleQueue[Step | BaseException] = queue.SimpleQueue()

    def stopped() -> bool:
        return left.is_set() or (stop is not None and stop.is_set())

    def work() -> None:
        try:
            with torch.inference_mode(), open_tap(tap) if tap else contextlib.nullcontext():
                decoder = Decoder(engine, reuse=tap is None)  # what a tap has changed is nobody else's
                _write(engine, decoder, ids, written, sampling, room, stopped, steps.put)
        except BaseException as error:  # it must reach the caller, whatever it is
            steps.put(error)

    started = time.perf_counter()
    worker = threading.Thread(target=work, name=f"generate {engine.reference}", daemon=True)
    worker.start()
    try:
        while True:
            try:
                step = steps.get(timeout=_HEARTBEAT)
            except queue.Empty:
                yield Step(None, None, time.perf_counter() - started)
                continue
            if isinstance(step, BaseException):
                raise step
            yield step
            if step.stop_reason:
                return
    finally:
        left.set()
        worker.join()  # so that a lease is never given back while the model still runs


def _room(engine: Engine, n_prompt: int, n_written: int, wanted: int) -> int:
    """How many tokens can be written."""
    limit = engine.anatomy.context_length
    if limit is None:
        return wanted
    if engine.anatomy.kind == "seq2seq":  # the reply has positions of its own, of which the start takes one
        n_prompt = 1 + n_written
    else:
        n_prompt += n_written
    if n_prompt >= limit:
        raise PlaygroundError(
            f"The text is {n_prompt:,} tokens long and {engine.reference} holds {limit:,}, its reply included. "
            f"Shorten it by at least {n_prompt - limit + 1:,} tokens; nothing was cut."
        )
    return min(wanted, limit - n_prompt)


def _write(
    engine: Engine,
    decoder: Decoder,
    ids: Tensor,
    written: Sequence[int],
    sampling: Sampling,
    room: int,
    stopped: Callable[[], bool],
    put: Callable[[Step], None],
) -> None:
    started = time.perf_counter()

    def elapsed() -> float:
        return time.perf_counter() - started

    generator = torch.Generator()
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)
    text = TextStream(engine.tokenizer)
    ends = _end_ids(engine)
    for token in written:
        text.add(token)
    history = torch.tensor([*(ids[0].tolist() if engine.anatomy.kind == "causal" else ()), *written], dtype=torch.long)

    if written and written[-1] in ends:
        put(Step(None, "eos", elapsed()))
        return
    logits = decoder.start(ids, stopped, written)
    for n in range(1, room + 1):
        if stopped() or logits is None:
            put(Step(None, "stopped", elapsed()))
            return
        logits = logits.float().cpu()
        check_usable(engine, logits)
        chosen = draw(logits, history, sampling, generator)
        reason = "eos" if chosen in ends else "length" if n == room else None
        logprobs = logits.log_softmax(-1)
        best = logprobs.topk(min(N_ALTERNATIVES, len(logprobs)))
        token = Token(
            chosen,
            "" if reason == "eos" else text.add(chosen),
            logprobs[chosen].item(),
            tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)),
        )
        put(Step(token, reason, elapsed()))
        if reason:
            return
        if sampling.repetition_penalty != 1 or sampling.no_repeat_ngram:
            history = torch.cat([history, torch.tensor([chosen])])
        logits = decoder.next(chosen)


def check_usable(engine: Engine, logits: Tensor) -> None:
    """Raises PlaygroundError when the numbers have overflowed."""
    if not logits.isfinite().any() or logits.isnan().any():
        raise PlaygroundError(
            f"{engine.reference} computed no usable numbers in {engine.precision}. "
            "Choose float32 or bfloat16 as its precision."
        )


def _end_ids(engine: Engine) -> frozenset[int]:
    """Every id that this model's own generation settings or its tokenizer call an end."""
    config = getattr(engine.model, "generation_config", None)
    ends = getattr(config, "eos_token_id", None)
    ends = ends if isinstance(ends, list) else [ends]
    return frozenset(end for end in [*ends, engine.tokenizer.eos_token_id] if end is not None)
