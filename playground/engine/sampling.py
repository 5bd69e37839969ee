"""From logits to the next token: the settings a person can turn, and what they do to the distribution.

It does not know where the logits came from. The order is that of transformers' `generate`: repetition penalty
(Keskar et al. 2019), no repeated n-gram (Paulus et al. 2017), temperature, top-k, top-p (Holtzman et al. 2020).
"""

from dataclasses import dataclass, fields

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

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "seed" and value is None:
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
    "seed": (0, 2**63 - 1, True),
}


def distribution(logits: Tensor, previous: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """The tokens that may come next and how likely each is to be drawn.

    Args:
        logits: (vocabulary,), float32.
        previous: ids already in the text, (n,): what must not be repeated, or less.

    Returns:
        ids (m,) and their probabilities (m,), most probable first; one token when the temperature is 0.
    """
    if sampling.repetition_penalty != 1:
        seen = previous.unique()
        scores = logits[seen]
        penalty = sampling.repetition_penalty
        logits = logits.clone()
        logits[seen] = torch.where(scores > 0, scores / penalty, scores * penalty)
    if banned := _would_repeat(previous.tolist(), sampling.no_repeat_ngram):
        logits = logits.clone()
        logits[banned] = -torch.inf
    if sampling.temperature == 0:
        return logits.argmax().reshape(1), torch.ones(1)
    # Sorting only the k that can be drawn is what keeps this cheap; the result is that of masking the others.
    k = min(sampling.top_k, len(logits)) or len(logits)
    scores, ids = logits.topk(k)
    probabilities = (scores / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        before = probabilities.cumsum(-1) - probabilities
        kept = before < sampling.top_p  # the token that crosses the threshold stays in
        ids, probabilities = ids[kept], probabilities[kept]
    return ids, probabilities / probabilities.sum()


def _would_repeat(previous: list[int], n: int) -> list[int]:
    """The tokens that would end a run of n tokens that stands in the text already."""
    if n == 0 or len(previous) < n:
        return []
    start = previous[len(previous) - n + 1 :]
    return [previous[i + n - 1] for i in range(len(previous) - n + 1) if previous[i : i + n - 1] == start]


def draw(logits: Tensor, previous: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """The next token's id. Arguments as for `distribution`; `generator` makes it repeatable."""
    ids, probabilities = distribution(logits, previous, sampling)
    if len(ids) == 1:
        return int(ids[0])
    return int(ids[torch.multinomial(probabilities, 1, generator=generator)])
