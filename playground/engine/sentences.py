"""How probable whole sentences are to a causal model: many at once, what some of them begin with read once.

A group is sentences that share their beginning, like the two of a pair or one sentence with many words in a gap. The
beginnings of several groups are read in one pass, then what is left of each sentence, after the keys and values of its
beginning: exact, because a model that reads from left to right knows nothing of what follows. It does not know why
sentences are compared.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine import passes, score
from playground.engine.blanks import Edits
from playground.engine.engine import Engine
from playground.engine.intervene import intervene
from playground.engine.padded import Padded, padding_shows, why_alone
from playground.errors import PlaygroundError

Group = Sequence[tuple[int, ...]]  # ids of sentences; the first id of each is given, all others are scored


def check_causal(engine: Engine) -> None:
    """Raises PlaygroundError when the model gives no probability to what comes next."""
    if engine.anatomy.kind != "causal":
        raise PlaygroundError(
            f"{engine.reference} is a {engine.anatomy.kind} model and does not read from left to right. "
            "Pick a chat or base model."
        )


def start_id(engine: Engine) -> int:
    """What stands before a sentence: the token that begins a text, or else the one that ends it.

    Raises:
        PlaygroundError: the tokenizer has neither.
    """
    tokenizer = engine.tokenizer
    found = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if found is None:
        raise PlaygroundError(f"{engine.reference} has no token that begins or ends a text. Pick another model.")
    return found


def read(
    engine: Engine, groups: Sequence[Group], edits: Edits | None = None, stop: threading.Event | None = None
) -> Iterator[tuple[int, list[Floats]]]:
    """A group's number, and for each of its sentences the log-probability of every id but the first, (id - 1,).

    Natural logarithm. Sentences have at least two ids. Groups come in any order, the longest first.

    Raises:
        PlaygroundError: a sentence does not fit the model, or it is not causal.
        passes.Stopped: `stop` was set.
    """
    check_causal(engine)
    for group in groups:
        for ids in group:
            engine.check_fits(len(ids))

    def stopped() -> bool:
        return stop is not None and stop.is_set()

    if why_alone(engine) or padding_shows(engine, stopped):
        yield from _one_by_one(engine, groups, edits, stop)
        return
    most = 512 if engine.device.type == "cpu" else 16384  # tokens of a pass
    shared = [_shared(group) for group in groups]
    sizes = [max(map(len, group)) for group in groups]
    batch: list[int] = []
    for i in sorted(range(len(groups)), key=lambda i: (-sizes[i], -shared[i])):
        if batch and (len(batch) + 1) * sizes[batch[0]] * max(len(groups[i]), len(groups[batch[0]])) > most:
            yield from _together(engine, groups, shared, batch, edits, most, stop)
            batch = []
        batch.append(i)
    if batch:
        yield from _together(engine, groups, shared, batch, edits, most, stop)


def _shared(group: Group) -> int:
    """How many ids all sentences of a group begin with; never all of one, and at least 1: the first is given."""
    first, last = min(group), max(group)
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    n = min(n, min(map(len, group)) - 1)
    if n < 1:
        raise PlaygroundError("Sentences of a group must begin with the same token and hold at least one more.")
    return n


def _together(
    engine: Engine,
    groups: Sequence[Group],
    shared: Sequence[int],
    batch: Sequence[int],
    edits: Edits | None,
    most: int,
    stop: threading.Event | None,
) -> list[tuple[int, list[Floats]]]:
    with torch.inference_mode(), intervene(engine, residuals=edits) if edits else nullcontext():
        passes.check_stop(stop)
        starts = [groups[i][0][: shared[i]] for i in batch]
        texts = Padded(engine, (), len(batch))
        logits = texts.read_on(starts)  # (group, longest, vocabulary), padded in front
        before = [_taken(row[len(row) - len(ids) : -1], ids[1:]) for row, ids in zip(logits, starts, strict=True)]
        first = logits[:, -1].clone()
        del logits
        rests = [(at, ids[shared[i] :]) for at, i in enumerate(batch) for ids in groups[i]]
        found: dict[int, Floats] = {}  # by place in `rests`
        order = sorted(range(len(rests)), key=lambda r: -len(rests[r][1]))
        while order:
            passes.check_stop(stop)
            n = max(1, most // max(len(rests[order[0]][1]), 1))
            part, order = order[:n], order[n:]
            after: list[Floats] = [np.zeros(0)] * len(part)
            if len(rests[part[0]][1]) > 1:
                fork = texts.fork([rests[r][0] for r in part])
                rows = fork.read_all([rests[r][1][:-1] or (0,) for r in part])
                after = [
                    _taken(row[: len(rests[r][1]) - 1], rests[r][1][1:]) for row, r in zip(rows, part, strict=True)
                ]
            for r, tail in zip(part, after, strict=True):
                at, rest = rests[r]
                found[r] = np.concatenate([before[at], _taken(first[at : at + 1], rest[:1]), tail])
    results, n = [], 0
    for i in batch:
        results.append((i, [found[r] for r in range(n, n + len(groups[i]))]))
        n += len(groups[i])
    return results


def _taken(logits: Tensor, ids: Sequence[int]) -> Floats:
    """The log-probabilities, (n,), that logits, (n, vocabulary), give to n ids."""
    if not ids:
        return np.zeros(0)
    logits = logits.float()
    chosen = logits.gather(1, torch.tensor(ids, device=logits.device)[:, None])[:, 0]
    return (chosen - logits.logsumexp(-1)).double().cpu().numpy()


def _one_by_one(
    engine: Engine, groups: Sequence[Group], edits: Edits | None, stop: threading.Event | None
) -> Iterator[tuple[int, list[Floats]]]:
    for number, group in enumerate(groups):
        found = []
        for ids in group:
            passes.check_stop(stop)
            row = torch.tensor([ids], device=engine.device)
            with intervene(engine, residuals=edits) if edits else nullcontext():
                found.append(score.score(engine, row[:, :1], row[:, 1:], 1).logprobs.astype(float))
        yield number, found


def distributions(
    engine: Engine,
    texts: Sequence[tuple[int, ...]],
    edits: Edits | None = None,
    stop: threading.Event | None = None,
    see: Callable[[int, Tensor], None] = lambda number, logprobs: None,
) -> None:
    """Shows `see` the number of each text and its whole distributions, log-probabilities (id - 1, vocabulary).

    One text at a time: for those who need more than what the next token got.
    """
    check_causal(engine)
    for number, ids in enumerate(texts):
        passes.check_stop(stop)
        engine.check_fits(len(ids))
        row = torch.tensor([ids[:-1]], device=engine.device)
        with torch.inference_mode(), intervene(engine, residuals=edits) if edits else nullcontext():
            see(number, engine.model(input_ids=row).logits[0].float().log_softmax(-1))
