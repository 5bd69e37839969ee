"""Different adapters in one generation: each row of a batch has a mixture of its own, and one pass reads them all.

The model is not wrapped, switched or locked: what each row's adapters add travels with this request, so that any number
of people may use any adapters of one model at the same time. It does not know what the rows ask for.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from secrets import randbelow

import torch

from playground.engine import generate, provenance
from playground.engine.adapters import Adapter, Attached
from playground.engine.decoding import TextStream
from playground.engine.engine import Engine
from playground.engine.padded import Padded, why_alone
from playground.engine.provenance import Provenance
from playground.engine.sampling import Sampling, draw
from playground.engine.steps import check_usable, end_ids
from playground.engine.tap import open_tap
from playground.engine.words import with_words
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat

MOST_ROWS = 16


@dataclass(frozen=True)
class Row:
    """One text to answer."""

    prompt: str
    weights: tuple[float, ...]  # of the adapters, in their order; zeros are the model as it is


@dataclass(frozen=True)
class Texts:
    """All answers so far."""

    texts: tuple[str, ...]
    done: tuple[bool, ...]
    n_tokens: int
    n_passes: int  # forward passes for all of them
    seconds: float
    provenance: Provenance


def write(
    engine: Engine,
    adapters: Sequence[Adapter],
    rows: Sequence[Row],
    sampling: Sampling,
    stop: threading.Event | None = None,
) -> Iterator[Texts]:
    """Answers all rows side by side; the texts so far after every token. Each row draws with the sampling's seed.

    Raises:
        PlaygroundError: no row or too many, an adapter that does not fit, a model that cannot read texts together, or a
            prompt that does not fit.
    """
    if not 1 <= len(rows) <= MOST_ROWS:
        raise PlaygroundError(f"There are {len(rows)} prompts. Give from 1 to {MOST_ROWS}, one a line.")
    if alone := why_alone(engine):
        raise PlaygroundError(f"{alone} So adapters cannot be mixed in one batch here; ask one after the other.")
    if sampling.beams > 1:
        raise PlaygroundError("Beams are searched for one text at a time. Set beams to 1.")
    started = time.perf_counter()
    sampling = with_words(sampling, engine.tokenizer)
    seed = randbelow(2**31) if sampling.seed is None else sampling.seed
    sampling = replace(sampling, seed=seed)
    attached = Attached(engine, adapters, [row.weights for row in rows])
    prompts = [chat.prompt_ids(engine, [{"role": "user", "content": row.prompt}], "")[0].tolist() for row in rows]
    rooms = [generate.room_for(engine, len(ids), 0, sampling.max_new_tokens) for ids in prompts]
    made_by = provenance.of(engine, {"adapters": [a.name for a in adapters], "weights": [r.weights for r in rows]})
    ends, streams = end_ids(engine), [TextStream(engine.tokenizer) for _ in rows]
    generators = [torch.Generator().manual_seed(seed) for _ in rows]
    written: list[list[int]] = [[] for _ in rows]
    texts, done = [""] * len(rows), [False] * len(rows)
    running, n_passes = list(range(len(rows))), 0
    batch = Padded(engine, (), len(rows))

    def stopped() -> bool:
        return stop is not None and stop.is_set()

    while running and not stopped():
        with torch.inference_mode(), open_tap(attached.tap):  # never across a yield
            if n_passes == 0:
                logits = batch.read(prompts, stopped)
            else:
                logits = batch.next([written[row][-1] for row in running])
        if logits is None:
            return
        n_passes += 1
        check_usable(engine, logits)
        going = []
        for at, row in enumerate(running):
            token = draw(
                logits[at].float().cpu(), torch.tensor([*prompts[row], *written[row]]), sampling, generators[row]
            )
            written[row].append(token)
            engine.written.add()
            if token in ends:
                done[row] = True
            else:
                texts[row] += streams[row].add(token)
                done[row] = len(written[row]) == rooms[row]
            if not done[row]:
                going.append(at)
        if going and len(going) < len(running):
            batch.select(going)
            attached.select(going)
        running = [running[at] for at in going]
        spent = time.perf_counter() - started
        yield Texts(tuple(texts), tuple(done), sum(map(len, written)), n_passes, spent, made_by)
