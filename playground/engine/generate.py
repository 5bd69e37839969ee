"""Streams the tokens that a model writes, each with its probability and its rivals, and stops when told.

A worker thread runs the model; tokens reach the caller through a queue. Closing the iterator, or setting the `stop`
event, ends the computation within one token. It knows nothing of chat: token ids go in.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence

import torch
from torch import Tensor

from playground.engine import beams
from playground.engine.decoding import Decoder, TextStream
from playground.engine.engine import Engine
from playground.engine.sampling import Sampling, draw
from playground.engine.steps import Step, StopReason, Token, alternatives, check_usable, end_ids, text_so_far
from playground.engine.stops import HeldBack
from playground.engine.tap import Tap, open_tap
from playground.engine.words import with_words
from playground.errors import PlaygroundError

_HEARTBEAT = 0.25  # seconds: how long the caller may wait without a turn to notice that nobody listens any more


def stream(
    engine: Engine,
    ids: Tensor,
    sampling: Sampling,
    stop: threading.Event | None = None,
    tap: Tap | None = None,
    written: Sequence[int] = (),
) -> Generator[Step, None, None]:
    """Writes on from `ids`, (1, position), and what is `written` after them already.

    The same ids, settings and seed give the same tokens. An error in the model is raised here, in the caller's thread.
    A stop string ends the text when it stands in what is new, not in what was `written`. Its tokens are given like all
    others, also when they hold more than it. With beams, each step gives the best text so far `instead` of the last.

    Raises:
        PlaygroundError: the model does not write, or not with beams; the context is full; a word has no token; or the
            settings leave no token that could come next.
    """
    if not engine.anatomy.writes:
        raise PlaygroundError(
            f"{engine.reference} reads text but does not write it ({engine.anatomy.kind} model). "
            "Pick a chat or base model to generate."
        )
    sampling = with_words(sampling, engine.tokenizer)
    room = room_for(engine, ids.shape[1], len(written), sampling.max_new_tokens)
    left = threading.Event()  # nobody listens any more; `stop` stays the caller's, who may use it for several streams
    steps: queue.SimpleQueue[Step | BaseException] = queue.SimpleQueue()

    def stopped() -> bool:
        return left.is_set() or (stop is not None and stop.is_set())

    def put(step: Step) -> None:
        if step.token is not None:
            engine.written.add()
        steps.put(step)

    def work() -> None:
        try:
            with torch.inference_mode(), open_tap(tap) if tap else contextlib.nullcontext():
                reuse = tap is None  # what a tap has changed is nobody else's
                if sampling.beams > 1:
                    beams.search(engine, ids, written, sampling, room, stopped, put, reuse)
                else:
                    _write(engine, Decoder(engine, reuse), ids, written, sampling, room, stopped, put)
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


def room_for(engine: Engine, n_prompt: int, n_written: int, wanted: int) -> int:
    """How many tokens can be written after a prompt.

    Raises:
        PlaygroundError: none, the context is full; or more were asked for than one request may.
    """
    engine.allowance.check_new(wanted)
    engine.allowance.check_prompt(n_prompt + n_written)
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
    shown = HeldBack(sampling.stop)
    ends = end_ids(engine)
    for known in written:
        text.add(known)
    history = torch.tensor([*text_so_far(engine, ids), *written], dtype=torch.long)

    if written and written[-1] in ends:
        put(Step(None, "eos", elapsed()))
        return
    logits = decoder.start(ids, stopped, written)
    for n in range(1, room + 1):
        if stopped() or logits is None:
            put(Step(None, "stopped", elapsed(), shown.rest()))
            return
        logits = logits.float().cpu()
        check_usable(engine, logits)
        chosen = draw(logits, history, sampling, generator)
        logprobs = logits.log_softmax(-1)
        added = "" if chosen in ends else text.add(chosen)
        token = Token(chosen, added, logprobs[chosen].item(), alternatives(logprobs))
        new, found = shown.add(added)
        reason: StopReason | None = (
            "eos" if chosen in ends else "stop string" if found else "length" if n == room else None
        )
        put(Step(token, reason, elapsed(), new + shown.rest() if reason else new, found))
        if reason:
            return
        if sampling.repetition_penalty != 1 or sampling.no_repeat_ngram:
            history = torch.cat([history, torch.tensor([chosen])])
        logits = decoder.next(chosen)
