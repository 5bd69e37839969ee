"""Beam search: the most probable whole text among several that are written at once.

The rules are those of transformers' `generate(num_beams=...)`, token for token: scores are sums of logprobs after
logit bias, repetition penalty and the ban on repeated n-grams; the score of a text that has ended is divided by its
length to the power of `length_penalty`. It does not know who reads the steps.
"""

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

from playground.engine.company import accepted, always
from playground.engine.decoding import Decoder, TextStream, decoder_start
from playground.engine.engine import Engine
from playground.engine.memory import free_bytes
from playground.engine.sampling import Sampling, beam_scores
from playground.engine.steps import Step, StopReason, Token, alternatives, check_usable, end_ids, text_so_far
from playground.engine.stops import first_stop, open_tail
from playground.errors import PlaygroundError

_NEVER = -1e9  # the score of what must not be chosen, as in transformers


def search(
    engine: Engine,
    ids: Tensor,
    written: Sequence[int],
    sampling: Sampling,
    room: int,
    stopped: Callable[[], bool],
    put: Callable[[Step], None],
    reuse: bool = True,
) -> None:
    """Writes up to `room` tokens after `ids`, (1, position), and what is `written` after them.

    Each step holds the best text so far, which may be quite another one than that of the step before.

    Raises:
        PlaygroundError: the model's memory of a text cannot be shared among beams, or there is no room for so many.
    """
    started = time.perf_counter()
    ends = end_ids(engine)

    def tell(best: "_Hypothesis | None", reason: StopReason | None) -> None:
        seconds = time.perf_counter() - started
        if best is None:
            put(Step(None, reason, seconds))
            return
        whole = best.reason is not None or reason is not None
        shown = best.shown
        held = 0 if whole else open_tail(shown, sampling.stop)
        found = best.stop_string if reason == "stop string" else None
        put(Step(best.tokens[-1], reason, seconds, shown[: len(shown) - held], found, best.tokens))

    if written and written[-1] in ends:
        tell(None, "eos")
        return
    reader = _Reader(engine, reuse)
    logits = reader.start(ids, written, sampling.beams, room, stopped)
    hypotheses = _Beams(engine, sampling, room, ends, [*text_so_far(engine, ids), *written], written)
    while logits is not None and not stopped():
        check_usable(engine, logits)
        parents = hypotheses.grow(logits.float().cpu())
        if hypotheses.over:
            best = hypotheses.finished[0]
            tell(best, best.reason if best is not None else None)
            return
        tell(hypotheses.best_so_far, None)
        logits = reader.next(hypotheses.last_ids, parents)
    tell(hypotheses.best_so_far, "stopped")


@dataclass(frozen=True)
class _Hypothesis:
    """One text among those that are written at once."""

    score: float  # sum of logprobs; of one that has ended, divided by its length to the power of the penalty
    tokens: tuple[Token, ...]  # the new ones
    text: str  # of the new tokens
    stream: "_Text"
    reason: StopReason | None = None  # why it has ended
    stop_string: str | None = None

    @property
    def shown(self) -> str:
        """The text without the stop string that ended it, if one did, and what follows."""
        return self.text if self.stop_string is None else self.text[: self.text.find(self.stop_string)]


class _Beams:
    """The texts that are being written, and those that have ended; both the best first."""

    def __init__(
        self,
        engine: Engine,
        sampling: Sampling,
        room: int,
        ends: frozenset[int],
        before: list[int],
        written: Sequence[int],
    ) -> None:
        self._sampling, self._room, self._ends = sampling, room, ends
        self._before = before  # ids of the text that they all continue
        self._n_candidates = max(2, 1 + len(ends)) * sampling.beams  # so that enough go on when many end
        stream = _Text(engine.tokenizer)
        for token in written:
            stream.add(token)
        nothing = _Hypothesis(0.0, (), "", stream)
        self.running = [nothing] * sampling.beams
        # all begin alike, so only the first counts at first
        self._scores = torch.tensor([0.0] + [_NEVER] * (sampling.beams - 1), dtype=torch.float32)
        self.finished: list[_Hypothesis | None] = [None] * sampling.beams
        self._finished_scores = torch.full((sampling.beams,), _NEVER, dtype=torch.float32)
        self.over = False

    @property
    def last_ids(self) -> list[int]:
        return [hypothesis.tokens[-1].id for hypothesis in self.running]

    @property
    def best_so_far(self) -> _Hypothesis | None:
        """The best by its score for its length, ended or not; None before the first token."""
        going = self.running[0]
        if not going.tokens:
            return None
        ended = self.finished[0]
        if ended is not None and ended.score >= going.score / len(going.tokens) ** self._sampling.length_penalty:
            return ended
        return going

    def grow(self, logits: Tensor) -> list[int]:
        """Adds one token to each, given the logits of all, (beam, vocabulary); returns which one each goes on from."""
        n, vocabulary = logits.shape
        logprobs = logits.log_softmax(-1)
        totals = torch.stack([self._added(row, text) for row, text in zip(logprobs, self.running, strict=True)])
        totals = (totals + self._scores[:, None]).flatten()
        scores, flat = totals.topk(min(self._n_candidates, len(totals)))
        parents, ids = (flat // vocabulary).tolist(), (flat % vocabulary).tolist()
        rivals = {parent: alternatives(logprobs[parent]) for parent in set(parents)}
        grown = [
            self._with_token(self.running[parent], token, score, logprobs[parent, token].item(), rivals[parent])
            for parent, token, score in zip(parents, ids, scores.tolist(), strict=True)
        ]
        ended = torch.tensor([hypothesis.reason is not None for hypothesis in grown])
        self._scores, going = (scores + ended * _NEVER).topk(n)
        self.running = [grown[i] for i in going.tolist()]
        self._keep_finished(grown, scores, ended)
        self.over = bool(ended.all()) or self._cannot_improve()
        return [parents[i] for i in going.tolist()]

    def _added(self, logprobs: Tensor, hypothesis: _Hypothesis) -> Tensor:
        before = torch.tensor([*self._before, *(token.id for token in hypothesis.tokens)])
        return beam_scores(logprobs, before, self._sampling)

    def _with_token(
        self, before: _Hypothesis, token: int, score: float, logprob: float, rivals: tuple[tuple[int, float], ...]
    ) -> _Hypothesis:
        stream = before.stream.fork()
        added = "" if token in self._ends else stream.add(token)
        text = before.text + added
        found = first_stop(text, self._sampling.stop) if added else None
        tokens = (*before.tokens, Token(token, added, logprob, rivals))
        reason: StopReason | None = None
        if token in self._ends:
            reason = "eos"
        elif found:
            reason = "stop string"
        elif len(tokens) == self._room:
            reason = "length"
        return _Hypothesis(score, tokens, text, stream, reason, found[1] if found else None)

    def _keep_finished(self, grown: list[_Hypothesis], scores: Tensor, ended: Tensor) -> None:
        """Those that ended among the best: candidates beyond the number of beams are there to go on, not to end."""
        n = len(self.running)
        counts = ended & (torch.arange(len(grown)) < n)
        length = len(grown[0].tokens)
        scores = scores / length**self._sampling.length_penalty + ~counts * _NEVER
        every = [*self.finished, *(h if c else None for h, c in zip(grown, counts.tolist(), strict=True))]
        self._finished_scores, order = torch.cat([self._finished_scores, scores]).topk(n)
        self.finished = [
            every[i] if i < n or every[i] is None else replace(every[i], score=score)
            for i, score in zip(order.tolist(), self._finished_scores.tolist(), strict=True)
        ]

    def _cannot_improve(self) -> bool:
        """Whether nothing that goes on can come before what has ended, by the rule of thumb for its present length."""
        if None in self.finished:
            return False
        length = len(self.running[0].tokens)
        best = self._scores[0] / length**self._sampling.length_penalty
        return self._sampling.early_stopping or not bool(best > self._finished_scores.min())


class _Text(TextStream):
    """A stream of text that can go on in several ways."""

    def fork(self) -> "_Text":
        other = copy.copy(self)
        other._fast, other._ids = copy.copy(self._fast), list(self._ids)
        return other


class _Reader:
    """Forward passes over all beams at once, with keys and values that follow the beams as they change places."""

    def __init__(self, engine: Engine, reuse: bool) -> None:
        model = engine.model
        fits = "past_key_values" in accepted(model) and model._supports_default_dynamic_cache()
        if engine.anatomy.is_recurrent or not fits or hasattr(model, "_reorder_cache"):
            raise PlaygroundError(
                f"{engine.reference} keeps what it has read in a form that beams cannot share "
                f"({engine.anatomy.architecture}). Set beams to 1."
            )
        self._engine = engine
        self._reuse = reuse
        self._always = always(model)
        self._takes_positions = "position_ids" in accepted(model) and engine.anatomy.kind == "causal"
        self._n_read = 0
        self._fixed: dict[str, Any] = {}

    def start(
        self, ids: Tensor, written: Sequence[int], n_beams: int, room: int, stopped: Callable[[], bool]
    ) -> Tensor | None:
        """Reads the prompt once for all; returns the logits of what comes next, (beam, vocabulary), or None: stopped.

        Raises:
            PlaygroundError: there is no room for so many beams.
        """
        kept = torch.tensor([list(written)], dtype=torch.long, device=ids.device)
        if self._engine.anatomy.kind == "seq2seq":
            logits: Tensor | None = self._read_pair(ids, kept)
        else:
            logits = self._read(torch.cat([ids, kept], dim=1), stopped)
        if logits is None:
            return None
        cache = self._fixed["past_key_values"]
        _check_room(self._engine, cache, self._n_read, n_beams, room)
        cache.batch_repeat_interleave(n_beams)
        encoded = self._fixed.get("encoder_outputs")
        if encoded is not None:
            encoded.last_hidden_state = encoded.last_hidden_state.repeat_interleave(n_beams, dim=0)
        return logits.expand(n_beams, -1)

    def next(self, ids: list[int], parents: list[int]) -> Tensor:
        """Adds one token to each beam, which goes on from its parent; returns the logits, (beam, vocabulary)."""
        device = self._engine.device
        if parents != list(range(len(parents))):
            self._fixed["past_key_values"].reorder_cache(torch.tensor(parents, device=device))
        return self._forward(torch.tensor(ids, device=device)[:, None])

    def _read(self, ids: Tensor, stopped: Callable[[], bool]) -> Tensor | None:
        """The prompt block by block, as for one text alone, so that what was read for either is of use to both."""
        cache = DynamicCache(config=self._engine.model.config)
        self._fixed = {"past_key_values": cache, "use_cache": True}
        prompt, block = ids[0].tolist(), Decoder(self._engine).block
        if self._reuse:
            self._n_read = self._engine.prefixes.take(prompt, block, cache)
        logits: Tensor | None = None
        for piece in ids[:, self._n_read :].split(block, dim=1):
            if stopped():
                return None
            logits = self._forward(piece)
        if self._reuse:
            self._engine.prefixes.keep(prompt, block, cache)
        return logits

    def _read_pair(self, ids: Tensor, written: Tensor) -> Tensor:
        """The text by the encoder, and what is written of the other text by the decoder."""
        model = self._engine.model
        encoded = model.get_encoder()(input_ids=ids, return_dict=True)
        cache = EncoderDecoderCache(DynamicCache(config=model.config), DynamicCache(config=model.config))
        self._fixed = {"encoder_outputs": encoded, "past_key_values": cache, "use_cache": True}
        logits = self._forward(torch.cat([decoder_start(model, ids), written], dim=1))
        forced = model.generation_config.forced_bos_token_id
        if forced is not None and not written.numel():  # translation models begin with the target language
            logits = torch.full_like(logits, -torch.inf).index_fill(1, torch.tensor(forced, device=ids.device), 0)
        return logits

    def _forward(self, ids: Tensor) -> Tensor:
        name = "decoder_input_ids" if self._engine.anatomy.kind == "seq2seq" else "input_ids"
        inputs = {name: ids} | self._fixed | self._always
        if self._takes_positions:
            positions = torch.arange(self._n_read, self._n_read + ids.shape[1], device=ids.device)
            inputs["position_ids"] = positions.expand(ids.shape[0], -1)
        self._n_read += ids.shape[1]
        with self._engine.turns.take() if self._engine.turns else nullcontext():
            return self._engine.model(**inputs).logits[:, -1]


def _check_room(
    engine: Engine, cache: DynamicCache | EncoderDecoderCache, n_read: int, n_beams: int, room: int
) -> None:
    """Refuses what would not fit, by what one beam has read so far."""
    if isinstance(cache, EncoderDecoderCache):
        growing, fixed = _n_bytes(cache.self_attention_cache), _n_bytes(cache.cross_attention_cache)
    else:
        growing, fixed = _n_bytes(cache), 0
    needed = int(n_beams * (fixed + growing / max(n_read, 1) * (n_read + room)))
    free = free_bytes(engine.device)
    if needed > free:
        raise PlaygroundError(
            f"{n_beams} beams of {n_read + room:,} tokens may need {needed / 1e9:.1f} GB and {engine.device} has "
            f"{free / 1e9:.1f} GB free. Use fewer beams or fewer new tokens."
        )


def _n_bytes(cache: DynamicCache) -> int:
    tensors = [t for layer in cache.layers for t in (getattr(layer, "keys", None), getattr(layer, "values", None))]
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)
