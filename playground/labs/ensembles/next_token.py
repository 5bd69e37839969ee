"""Next-token probabilities of several causal models averaged, beside one model whose weights were merged.

    arithmetic mean: p(x) = mean of p_k(x)        a token that one member knows stays likely
    geometric mean:  p(x) ~ product of p_k(x)^1/n  a token must be likely to all

An ensemble runs every member for each token; a merge runs once. Both are judged by the bits that they need for the same
answers. Members must have one vocabulary. It does not know how the members were made.
"""

import math
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats, Ints
from playground.engine import provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.tap import Tap, open_tap
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat
from playground.models.progress import Report, quiet

MEANS = ("arithmetic mean", "geometric mean")


@dataclass(frozen=True, eq=False)
class Voice:
    """One model that reads: an Engine, and what goes beside it."""

    name: str
    engine: Engine
    tap: Tap | None = None


@dataclass(frozen=True, eq=False)
class NextToken:
    """What comes next after one prompt, to each."""

    names: tuple[str, ...]  # voices, then the means, then the merge
    ids: Ints  # (n,), the most probable of each
    texts: tuple[str, ...]  # (n,)
    probabilities: Floats  # (name, n)
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class Bits:
    """How many bits each needs for the same answers."""

    names: tuple[str, ...]  # voices, then the means, then the merge
    by_text: Floats  # (name, text), bits a token
    n_tokens: Ints  # (text,)
    provenance: Provenance

    @property
    def mean(self) -> Floats:
        """(name,), bits a token over all texts."""
        return (self.by_text * self.n_tokens).sum(1) / self.n_tokens.sum()

    def difference(self, one: int, other: int, seed: int = 0) -> tuple[float, float, float]:
        """By how many bits a token `one` needs more than `other`, with a 95 % bootstrap interval over the texts."""
        total = (self.by_text[one] - self.by_text[other]) * self.n_tokens
        rows = np.random.default_rng(seed).integers(0, len(total), (10_000, len(total)))
        draws = total[rows].sum(1) / self.n_tokens[rows].sum(1)
        low, high = np.percentile(draws, [2.5, 97.5])
        return float(total.sum() / self.n_tokens.sum()), float(low), float(high)


def check(voices: Sequence[Voice]) -> None:
    """Raises PlaygroundError: fewer than two, not all causal, or of different vocabularies."""
    if len(voices) < 2:
        raise PlaygroundError("An average needs at least two models. Give at least two of them a weight.")
    first = voices[0].engine
    for voice in voices:
        if voice.engine.anatomy.kind != "causal":
            raise PlaygroundError(f"{voice.name} is no causal model ({voice.engine.anatomy.kind}). Leave it out.")
        if voice.engine is not first and voice.engine.tokenizer.get_vocab() != first.tokenizer.get_vocab():
            raise PlaygroundError(
                f"{voice.name} has another vocabulary than {voices[0].name}: the same number means another token "
                "there, so their probabilities cannot be averaged. Pick models of one family."
            )


def next_token(
    voices: Sequence[Voice], prompt: str, merge: Voice | None = None, k: int = 6, plain: bool = False
) -> NextToken:
    """What comes next after a message, or with `plain` after a text.

    Raises:
        PlaygroundError: as `check`; or the prompt does not fit.
    """
    check(voices)
    started, engine = time.perf_counter(), voices[0].engine
    ids = engine.encode(prompt) if plain else chat.prompt_ids(engine, [{"role": "user", "content": prompt}], "")
    everybody = [*voices, *([merge] if merge else [])]
    logs = torch.stack([_logprobs(voice, ids, 1)[0] for voice in everybody])  # (voice, vocabulary)
    n = len(voices)
    rows = torch.cat([logs[:n], torch.stack(means(logs[:n])), logs[n:]])
    listed = list(dict.fromkeys(token for row in rows for token in row.topk(min(k, len(row))).indices.tolist()))
    return NextToken(
        tuple(voice.name for voice in voices) + MEANS + ((merge.name,) if merge else ()),
        np.array(listed),
        tuple(engine.tokenizer.decode([token]) for token in listed),
        rows[:, listed].exp().numpy(),
        provenance.of(engine, {"prompt": prompt, "plain": plain}, time.perf_counter() - started),
    )


def bits(
    voices: Sequence[Voice],
    pairs: Sequence[tuple[str, str]],
    merge: Voice | None = None,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Bits:
    """Bits a token that each needs for the answers of (asked, answer), the end of the answer included.

    Raises:
        PlaygroundError: as `check`; there is no row, one does not fit, or stopped.
    """
    check(voices)
    if not pairs:
        raise PlaygroundError("There is no text to judge by. Pick a data set.")
    started, engine = time.perf_counter(), voices[0].engine
    end = engine.tokenizer.eos_token or ""
    columns, counts = [], []
    for number, (asked, answer) in enumerate(pairs):
        if stop is not None and stop.is_set():
            raise PlaygroundError("Stopped before all texts were read.")
        report(number / len(pairs), f"Reading text {number + 1} of {len(pairs)}")
        before = chat.prompt_ids(engine, [{"role": "user", "content": asked}], "")
        after = engine.tokenizer(answer + end, add_special_tokens=False, return_tensors="pt").input_ids
        ids = torch.cat([before, after.to(before.device)], dim=1)
        engine.check_fits(ids.shape[1])
        everybody = [*voices, *([merge] if merge else [])]
        logs = torch.stack([_logprobs(voice, ids[:, :-1], after.shape[1]) for voice in everybody])
        n = len(voices)
        rows = [*logs[:n], *means(logs[:n]), *logs[n:]]
        columns.append([-row.gather(1, after[0][:, None]).mean().item() / math.log(2) for row in rows])
        counts.append(after.shape[1])
    return Bits(
        tuple(voice.name for voice in voices) + MEANS + ((merge.name,) if merge else ()),
        np.array(columns).T,
        np.array(counts),
        provenance.of(engine, {"texts": len(pairs)}, time.perf_counter() - started),
    )


def means(logs: Tensor) -> tuple[Tensor, Tensor]:
    """Arithmetic and geometric mean of distributions, as logarithms; (voice, ..., vocabulary) -> (..., vocabulary)."""
    return logs.logsumexp(0) - math.log(len(logs)), logs.mean(0).log_softmax(-1)


def _logprobs(voice: Voice, ids: Tensor, last: int) -> Tensor:
    """ln p of what follows each of the last positions, (last, vocabulary), float32, on the CPU."""
    through = nullcontext() if voice.tap is None else open_tap(voice.tap)
    turns = voice.engine.turns
    with torch.inference_mode(), through, turns.take() if turns else nullcontext():
        logits = voice.engine.model(input_ids=ids).logits[0, -last:]
    return logits.float().log_softmax(-1).cpu()
