"""How tokens are scored for one answer: gradients along a path, one gradient, or leaving tokens out one by one.

It does not know which answer is worth asking about (`attribution`).
"""

import inspect
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from playground.arrays import Floats
from playground.engine.engine import Engine
from playground.engine.tap import Site, Tap, open_tap
from playground.errors import PlaygroundError
from playground.labs.reading import Reading
from playground.models.progress import Report

COMPLETE = 0.01  # integrated gradients: how far the sum may be from the difference, as a share of it
_ROUNDING = 1e-3  # logits: a sum this near is right, however small the difference
_POINTS, _FIRST_INTERVALS = 4, 4  # points of an interval, intervals to begin with
_MOST_STEPS = 1024  # points on the path
_CANCELS = 4  # misses of opposite sign may add up to so many times what is allowed
_NARROWEST = 2**-16  # an interval that still jumps at this width has no slope that could be found


@dataclass(frozen=True)
class Found:
    """What a method found; the fields that it does not know stay empty."""

    scores: Floats  # (token,), logits
    neutral_value: float | None = None  # the logit of the neutral text
    error: float | None = None  # logits by which the scores miss the difference
    complete: bool | None = None
    steps: int | None = None  # points on the path
    remarks: tuple[str, ...] = ()


class Run:
    """One text in one model: the logit asked about, from ids or from embeddings, batch by batch."""

    def __init__(
        self,
        engine: Engine,
        net: nn.Module,
        inputs: dict[str, Tensor],
        position: int | None,
        rows: int,
        stop: threading.Event | None,
        report: Report,
    ) -> None:
        self._net, self._inputs, self._position, self._rows = net, inputs, position, rows
        self._stop, self._report = stop, report
        self._kind = engine.anatomy.kind
        self.rests_on_first = engine.anatomy.kind == "causal"
        accepted = inspect.signature(net.forward).parameters
        self._options: dict[str, Any] = {"use_cache": False} if "use_cache" in accepted else {}
        self._cut = position is not None and "logits_to_keep" in accepted
        if self._cut:
            self._options["logits_to_keep"] = torch.tensor([position], device=engine.device)
        if "inputs_embeds" not in accepted:
            raise PlaygroundError(
                f"{engine.reference} ({engine.anatomy.architecture}) takes no embeddings as input, which attribution "
                "needs. Pick another model."
            )
        self.ids = inputs["input_ids"]  # (1, token)
        self.embeddings = self.embed(self.ids)  # (1, token, hidden)
        self.value = 0.0
        self._ids_aimed: tuple[int, int | None] = (0, None)

    def embed(self, ids: Tensor) -> Tensor:
        """(row, token, hidden) of ids, (row, token)."""
        with torch.no_grad():
            return self._net.get_input_embeddings()(ids)

    def logits(self) -> Tensor:
        """(answer,) of the text itself. Also sees to it that embeddings are all that the model makes of its ids."""
        with torch.no_grad():
            by_ids = self._forward(input_ids=self.ids)[0]
            by_embeddings = self._forward(inputs_embeds=self.embeddings)[0]
        size = by_ids.abs().max().item() or 1.0
        if not torch.isfinite(by_ids).all() or (by_ids - by_embeddings).abs().max().item() > 1e-3 * size:
            raise PlaygroundError(
                "This model reads more from its tokens than their embeddings, or its logits are not numbers: "
                "attribution would mislead. Pick another model."
            )
        return by_ids

    def aim(self, answer: int, against: int | None) -> None:
        """Says which logit is asked about."""
        self._ids_aimed = (answer, against)
        self.value = self.values(input_ids=self.ids)[0]

    def values(self, **texts: Tensor) -> list[float]:
        """The logit asked about of each text in a batch of any size."""
        with torch.no_grad():
            batches = next(iter(texts.values())).split(self._rows)
            name = next(iter(texts))
            return [v for batch in batches for v in self._aimed(**{name: batch}).tolist()]

    def gradients(self, points: Tensor) -> Tensor:
        """d logit / d embedding at each of `points`, (row, token, hidden). As many rows as the memory is for."""
        points = points.detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(self._aimed(inputs_embeds=points).sum(), points)
        return gradient

    def batches(self, n: int, sentence: str) -> Iterator[slice]:
        """The parts in which n texts are worked through."""
        for begin in range(0, n, self._rows):
            self._report(begin / n, sentence)
            self._heed_stop()
            yield slice(begin, min(begin + self._rows, n))

    def _heed(self, _site: Site, residual: Tensor) -> None:
        """Hears a stop after every block, and on the way back before it: a batch may take many seconds."""
        self._heed_stop()
        if residual.requires_grad:
            residual.register_hook(lambda _gradient: self._heed_stop())

    def _heed_stop(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise PlaygroundError("Stopped before every token had its score.")

    def _aimed(self, **texts: Tensor) -> Tensor:
        logits = self._forward(**texts)
        answer, against = self._ids_aimed
        return logits[:, answer] if against is None else logits[:, answer] - logits[:, against]

    def _forward(self, **texts: Tensor) -> Tensor:
        """(row, answer) logits at the position asked about."""
        n = len(next(iter(texts.values())))
        others = {k: v.expand(n, -1) for k, v in self._inputs.items() if k != "input_ids"}
        if self._kind == "classifier" and "attention_mask" in inspect.signature(self._net.forward).parameters:
            others["attention_mask"] = torch.ones(n, self.ids.shape[1], dtype=torch.long, device=self.ids.device)
        with open_tap(Tap(residual=self._heed)):
            logits = self._net(**texts, **others, **self._options).logits.float()
        if self._position is None:
            return logits
        return logits[:, 0] if self._cut else logits[:, self._position]


def integrated_gradients(run: Run, read: Reading, replacement: int, neutral: str) -> Found:
    """Gradients along the straight path from the neutral text, with more points where the logit changes fast.

    The path is cut into intervals with a few Gauss-Legendre points each. What the gradients of one add up to must be
    what the logit changes over it; those that miss it most are halved, until all together miss less than 1 %, and not
    because large misses cancel. Evenly spaced points would need thousands: models switch some units within a thousandth
    of the path.
    """
    kept = torch.tensor(read.special, device=run.ids.device)
    if run.rests_on_first and neutral == "token" and len(read) > 1:
        kept[0] = True
    if neutral == "zero":
        start = torch.where(kept[None, :, None], run.embeddings, torch.zeros_like(run.embeddings))
    else:
        start = run.embed(torch.where(kept[None], run.ids, torch.full_like(run.ids, replacement)))
    path = _Path(run, start, run.embeddings - start)
    cuts = np.linspace(0, 1, _FIRST_INTERVALS + 1)
    pieces = path.measure(np.stack([cuts[:-1], cuts[1:]], axis=1))
    neutral_value = path.values[0.0]
    difference = run.value - neutral_value
    allowed = max(COMPLETE * abs(difference), _ROUNDING)
    while path.n_points < _MOST_STEPS:
        missed = sum(p.missed for p in pieces)
        error = abs(sum(p.scores.sum() for p in pieces) - difference)
        if error <= allowed and missed <= _CANCELS * allowed:
            break
        most = max(0.5 * max(p.missed for p in pieces), 0.5 * allowed / len(pieces))
        coarse = [p for p in pieces if p.missed >= most and p.end - p.begin > _NARROWEST]
        if not coarse:
            break
        pieces = [p for p in pieces if p not in coarse]
        split = [(p.begin, (p.begin + p.end) / 2, p.end) for p in coarse]
        halves = np.array([half for a, b, c in split for half in ((a, b), (b, c))])
        pieces += path.measure(halves, f"{missed:.3f} of {difference:.3f} missing")
    scores = np.sum([p.scores for p in pieces], axis=0)
    error = abs(float(scores.sum()) - difference)
    fits = error <= allowed
    said: tuple[str, ...] = ()
    if kept[0] and not read.special[0]:
        said = (
            "The first token is the same in the neutral text and scores 0: models that read left to right rest their "
            "attention on whatever stands first, and are thrown by half a token there. Leave one out does score it.",
        )
    if not fits:
        said += (
            f"The scores add up to {scores.sum():.3f}, and the text changes the logit by {difference:.3f}: with "
            f"{path.n_points} points they still do not agree to 1 %. Take the scores as rough.",
        )
    return Found(scores, neutral_value, error, fits, path.n_points, said)


@dataclass(frozen=True, eq=False)
class _Piece:
    """An interval of the path."""

    begin: float
    end: float
    scores: Floats  # (token,), logits: its part of the integral
    missed: float  # logits by which their sum misses the change of the logit over the interval


class _Path:
    """The straight way from one text to another, in embeddings."""

    def __init__(self, run: Run, start: Tensor, way: Tensor) -> None:  # both (1, token, hidden)
        self._run, self._start, self._way = run, start, way
        self.values: dict[float, float] = {}  # share of the way: logit there
        self.n_points = 0  # at which the gradient was taken

    def measure(self, intervals: Floats, sentence: str = "") -> list[_Piece]:
        """The pieces that `intervals`, (interval, 2), begin and end."""
        new = sorted(set(intervals.ravel().tolist()) - self.values.keys())
        if new:
            self.values |= zip(new, self._run.values(inputs_embeds=self._at(np.array(new))), strict=True)
        nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
        begins, widths = intervals[:, 0], intervals[:, 1] - intervals[:, 0]
        places = (begins[:, None] + (nodes + 1) / 2 * widths[:, None]).ravel()
        parts = []  # (place, token): what each token adds to the logit, per share of the way
        for part in self._run.batches(len(places), f"Gradients at {self.n_points + len(places)} points. {sentence}"):
            parts.append((self._run.gradients(self._at(places[part])) * self._way).sum(-1).double().cpu().numpy())
        self.n_points += len(places)
        slopes = np.concatenate(parts).reshape(len(widths), _POINTS, -1)
        scores = (slopes * (weights / 2)[:, None]).sum(axis=1) * widths[:, None]
        return [
            _Piece(begin, end, its, abs(its.sum() - (self.values[end] - self.values[begin])))
            for (begin, end), its in zip(intervals.tolist(), scores, strict=True)
        ]

    def _at(self, shares: Floats) -> Tensor:
        """(place, token, hidden) at shares of the way."""
        return self._start + torch.tensor(shares, dtype=self._way.dtype, device=self._way.device)[:, None, None] * (
            self._way
        )


def gradient_times_input(run: Run, read: Reading, replacement: int, neutral: str) -> Found:
    for _ in run.batches(1, "One gradient"):
        gradient = run.gradients(run.embeddings)
    return Found((gradient * run.embeddings)[0].sum(-1).double().cpu().numpy())


def leave_one_out(run: Run, read: Reading, replacement: int, neutral: str) -> Found:
    places = np.flatnonzero(~read.special & (np.array(read.ids) != replacement))
    scores = np.zeros(len(read))
    for part in run.batches(len(places), f"Leaving out {len(places):,} tokens one by one"):
        chosen = places[part]
        ids = run.ids.repeat(len(chosen), 1)
        ids[range(len(chosen)), chosen] = replacement
        scores[chosen] = run.value - np.array(run.values(input_ids=ids))
    return Found(scores)


SCORE: dict[str, Callable[[Run, Reading, int, str], Found]] = {
    "integrated gradients": integrated_gradients,
    "gradient x input": gradient_times_input,
    "leave one out": leave_one_out,
}
