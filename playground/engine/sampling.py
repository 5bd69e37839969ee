"""From logits to the next token: the settings a person can turn, and what each does to the distribution.

It does not know where the logits came from. The order is that of transformers' `generate`: bias, repetition penalty
(Keskar et al. 2019), no repeated n-gram (Paulus et al. 2017), temperature, top-k (Fan et al. 2018), top-p (Holtzman et
al. 2020), min-p (Nguyen et al. 2024), typical-p (Meister et al. 2022). Beam search (`beams`) uses those before
temperature alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from playground.errors import PlaygroundError


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. `seed` None: a fresh one each time.

    Raises:
        PlaygroundError: a value outside its range; names it and the range.
    """

    max_new_tokens: int = 256
    temperature: float = 0.7  # 0: always the most probable token
    top_p: float = 0.95  # smallest set of tokens that holds this share of the probability
    top_k: int = 50  # only the k most probable tokens; 0: all
    repetition_penalty: float = 1.0  # above 1: tokens that have appeared become less likely
    seed: int | None = None
    no_repeat_ngram: int = 0  # no run of this many tokens twice; 0: may repeat
    min_p: float = 0.0  # only tokens at least this share as probable as the most probable one
    typical_p: float = 1.0  # tokens nearest to the expected surprise, up to this share of the probability
    # (token id, what is added to its logit); -100: it never comes; 100: nothing but those with 100 comes
    logit_bias: tuple[tuple[int, float], ...] = ()
    word_bias: tuple[tuple[str, float], ...] = ()  # the same for all tokens that a word can begin with (`words`)
    stop: tuple[str, ...] = ()  # the new text ends where one of these would begin
    beams: int = 1  # above 1: so many texts at once, of which the most probable is given; nothing is drawn then
    length_penalty: float = 1.0  # of beams: a text's logprob is divided by its length to this power
    early_stopping: bool = False  # of beams: end when as many texts have ended as there are beams

    def __post_init__(self) -> None:
        for name in ("logit_bias", "word_bias", "stop"):
            object.__setattr__(self, name, _CHECKS[name](getattr(self, name)))
        if not isinstance(self.early_stopping, bool):
            raise PlaygroundError(f"early_stopping is {self.early_stopping!r}; it must be true or false.")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in _RANGES or (field.name == "seed" and value is None):
                continue
            lowest, highest, whole = _RANGES[field.name]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not lowest <= value <= highest or (whole and value != int(value)):
                kind = "a whole number" if whole else "a number"
                raise PlaygroundError(
                    f"{field.name} is {value!r}; it must be {kind} from {lowest:,} to {highest:,}. "
                    "Change it and try again."
                )
            if whole:
                object.__setattr__(self, field.name, int(value))  # a slider sends 40.0


_RANGES = {  # lowest, highest, whole number
    "max_new_tokens": (1, 32_768, True),
    "temperature": (0, 5, False),
    "top_p": (0.01, 1, False),
    "top_k": (0, 1_000_000, True),
    "repetition_penalty": (0.5, 5, False),
    "no_repeat_ngram": (0, 100, True),
    "min_p": (0, 1, False),
    "typical_p": (0.01, 1, False),
    "seed": (0, 2**63 - 1, True),
    "beams": (1, 8, True),
    "length_penalty": (-5, 5, False),
}
MOST_BIAS = 100.0
_MOST_STOPS, _LONGEST_STOP, _MOST_BIASES = 16, 200, 300


def _checked_bias(kind: type[int] | type[str], called: str) -> Callable[[object], tuple[tuple[Any, float], ...]]:
    def check(value: object) -> tuple[tuple[Any, float], ...]:
        pairs = list(value.items()) if isinstance(value, Mapping) else value
        if not isinstance(pairs, (list, tuple)) or not all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs):
            raise PlaygroundError(f"The logit bias must give each {called} a number, like {{{kind('5')!r}: -5}}.")
        if len(pairs) > _MOST_BIASES:
            raise PlaygroundError(f"The logit bias has {len(pairs):,} entries; {_MOST_BIASES} are the most.")
        for key, bias in pairs:
            if not isinstance(key, kind) or isinstance(key, bool) or key in ("",) or (isinstance(key, int) and key < 0):
                raise PlaygroundError(f"The logit bias names {key!r}, which is no {called}. Correct it and try again.")
            number = isinstance(bias, (int, float)) and not isinstance(bias, bool)
            if not number or not -MOST_BIAS <= bias <= MOST_BIAS:
                raise PlaygroundError(
                    f"The logit bias of {key!r} is {bias!r}; it must be a number from -100 (never) to 100 (only this)."
                )
        return tuple((key, float(bias)) for key, bias in pairs)

    return check


def _checked_stops(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, (list, tuple)) or not all(isinstance(s, str) and s for s in stops):
        raise PlaygroundError('Stop strings must be a list of texts that are not empty, like ["\\n\\n"].')
    if len(stops) > _MOST_STOPS or max(map(len, stops), default=0) > _LONGEST_STOP:
        raise PlaygroundError(
            f"There may be {_MOST_STOPS} stop strings of {_LONGEST_STOP} characters each. Give fewer or shorter ones."
        )
    return tuple(dict.fromkeys(stops))


_CHECKS: dict[str, Callable[[object], tuple[object, ...]]] = {
    "logit_bias": _checked_bias(int, "token id"),
    "word_bias": _checked_bias(str, "word"),
    "stop": _checked_stops,
}


@dataclass(frozen=True)
class Stage:
    """The distribution after one step. Tokens that are not listed cannot be drawn any more."""

    name: str
    ids: Tensor  # (m,), most probable first
    probabilities: Tensor  # (m,), sum to 1


def stages(logits: Tensor, previous: Tensor, sampling: Sampling) -> Iterator[Stage]:
    """The distribution as the model gives it ("model"), and after each setting that is in use.

    Args:
        logits: (vocabulary,), float32.
        previous: ids already in the text, (n,): what must not be repeated, or less.

    Raises:
        PlaygroundError: the settings leave no token.
    """
    yield _sorted("model", logits)
    if sampling.beams > 1:
        logits = logits.log_softmax(-1)  # beams add up logprobs, and so the penalties are on these
    for name, changed in _before_temperature(logits, previous, sampling):
        logits = changed
        yield _sorted(name, logits)
    if sampling.beams == 1:
        yield from _from_temperature(logits, sampling, whole=True)


def beam_scores(logprobs: Tensor, previous: Tensor, sampling: Sampling) -> Tensor:
    """What each token adds to the score of a beam: its logprob, (vocabulary,), after the settings that beams heed.

    Arguments and errors as for `stages`.
    """
    for _, changed in _before_temperature(logprobs, previous, sampling):
        logprobs = changed
    return logprobs


def distribution(logits: Tensor, previous: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """The tokens that may come next and how likely each is to be drawn: the last of the `stages`.

    Returns:
        ids (m,) and their probabilities (m,), most probable first; one token when the temperature is 0.
    """
    for _, changed in _before_temperature(logits, previous, sampling):
        logits = changed
    *_, last = _from_temperature(logits, sampling, whole=False)
    return last.ids, last.probabilities


def draw(logits: Tensor, previous: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """The next token's id. Arguments as for `distribution`; `generator` makes it repeatable."""
    ids, probabilities = distribution(logits, previous, sampling)
    if len(ids) == 1:
        return int(ids[0])
    return int(ids[torch.multinomial(probabilities, 1, generator=generator)])


def _sorted(name: str, logits: Tensor) -> Stage:
    scores, ids = logits.sort(descending=True)
    possible = scores > -torch.inf
    return Stage(name, ids[possible], scores[possible].softmax(-1))


def _before_temperature(logits: Tensor, previous: Tensor, sampling: Sampling) -> Iterator[tuple[str, Tensor]]:
    if sampling.logit_bias:
        logits = _biased(logits, dict(sampling.logit_bias))
        yield "logit bias", logits
    if sampling.repetition_penalty != 1:
        seen = previous.unique()
        scores = logits[seen]
        penalty = sampling.repetition_penalty
        logits = logits.clone()
        logits[seen] = torch.where(scores > 0, scores / penalty, scores * penalty)
        yield "repetition penalty", logits
    if banned := _would_repeat(previous.tolist() if sampling.no_repeat_ngram else [], sampling.no_repeat_ngram):
        logits = logits.clone()
        logits[banned] = -torch.inf
        yield "no repeated n-gram", _some_left(logits)


def _biased(logits: Tensor, biases: dict[int, float]) -> Tensor:
    """Only a forced token's own logit counts, so that several that are forced keep their order."""
    if max(biases) >= len(logits):
        raise PlaygroundError(f"The logit bias names token {max(biases)}; this model has {len(logits):,}.")
    tokens = torch.tensor(list(biases))
    values = torch.tensor(list(biases.values()), dtype=torch.float32)  # the default changes while a model is loaded
    forced = tokens[values == MOST_BIAS]
    if len(forced):
        return torch.full_like(logits, -torch.inf).index_copy(0, forced, logits[forced])
    values[values == -MOST_BIAS] = -torch.inf
    return _some_left(logits.index_add(0, tokens, values))


def _some_left(logits: Tensor) -> Tensor:
    if not (logits > -torch.inf).any():
        raise PlaygroundError(
            "Logit bias and the ban on repeated n-grams leave no token that could come next. Loosen one of them."
        )
    return logits


def _from_temperature(logits: Tensor, sampling: Sampling, whole: bool) -> Iterator[Stage]:
    """At least one stage. Unless the `whole` is wanted, only the k tokens that can be drawn are sorted: quicker."""
    if sampling.temperature == 0:
        yield Stage("temperature", logits.argmax().reshape(1), torch.ones(1, dtype=torch.float32))
        return
    logits = (logits - logits.max()) / sampling.temperature  # so that none overflows
    if not sampling.top_k or sampling.top_k >= len(logits):
        stage = _sorted("temperature", logits)
        yield stage
    else:
        if whole:
            yield _sorted("temperature", logits)
        scores, ids = logits.topk(sampling.top_k)
        possible = scores > -torch.inf  # fewer may be left than k
        stage = Stage("top-k", ids[possible], scores[possible].softmax(-1))
        yield stage
    for name, choose, on in (
        ("top-p", _top_p, sampling.top_p < 1),
        ("min-p", _min_p, sampling.min_p > 0),
        ("typical-p", _typical_p, sampling.typical_p < 1),
    ):
        if on:
            kept = choose(stage.probabilities, sampling)
            probabilities = stage.probabilities[kept]
            stage = Stage(name, stage.ids[kept], probabilities / probabilities.sum())
            yield stage


def _top_p(probabilities: Tensor, sampling: Sampling) -> Tensor:
    before = probabilities.cumsum(-1) - probabilities
    kept = before < sampling.top_p  # the token that crosses the threshold stays in
    kept[0] = True
    return kept


def _min_p(probabilities: Tensor, sampling: Sampling) -> Tensor:
    return probabilities >= sampling.min_p * probabilities[0]


def _typical_p(probabilities: Tensor, sampling: Sampling) -> Tensor:
    surprise = -probabilities.log()
    expected = (probabilities * surprise).nansum()  # a probability of 0 adds nothing
    distance = (surprise - expected).abs()
    order = distance.argsort()
    n = int((probabilities[order].cumsum(-1) < sampling.typical_p).sum().clamp(max=len(order) - 1))
    return distance <= distance[order[n]]


def _would_repeat(previous: list[int], n: int) -> list[int]:
    """The tokens that would end a run of n tokens that stands in the text already."""
    if n == 0 or len(previous) < n:
        return []
    start = previous[len(previous) - n + 1 :]
    return [previous[i + n - 1] for i in range(len(previous) - n + 1) if previous[i : i + n - 1] == start]
