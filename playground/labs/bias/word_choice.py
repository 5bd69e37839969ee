"""Which words one set of texts uses more than another: log-odds with an informative Dirichlet prior.

Monroe, Colaresi and Quinn 2008, eq. 16 and following: delta = log-odds of the word in one set minus in the other, each
count raised by the prior's, divided by the square root of its approximate variance, 1 / (count + prior) of both. The
prior is the words of all sets together, scaled to `PRIOR` words, so that rare words do not stand out by chance alone.
The variance takes words as independent, which words of one text are not. It does not know who wrote the texts.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from playground.errors import PlaygroundError

PRIOR = 500.0  # pseudo-words of the prior in all
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


@dataclass(frozen=True)
class Choice:
    word: str
    first: int  # times in the first set
    second: int
    delta: float  # log-odds ratio, shrunk; above 0: more in the first set
    z: float  # delta in standard deviations
    low: float  # 95 % interval of delta
    high: float
    adjusted: float  # p-value of z after Benjamini and Hochberg, over all words of both sets


def words_of(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def compare(first: Sequence[str], second: Sequence[str], prior: float = PRIOR) -> tuple[Choice, ...]:
    """All words of two sets of texts, the most telling first.

    Raises:
        PlaygroundError: a set without words.
    """
    import numpy as np

    from playground.labs.internals.neuron_groups import benjamini_hochberg

    counts = [Counter(word for text in texts for word in words_of(text)) for texts in (first, second)]
    if not all(counts):
        raise PlaygroundError("One of the groups has no words to compare. Write more or longer continuations.")
    both = counts[0] + counts[1]
    total = both.total()
    n = [one.total() for one in counts]
    found = []
    for word, count in both.items():
        alpha = prior * count / total
        y = [one[word] + alpha for one in counts]
        odds = [math.log(y[side] / (n[side] + prior - y[side])) for side in (0, 1)]
        delta, spread = odds[0] - odds[1], math.sqrt(1 / y[0] + 1 / y[1])
        found.append((word, delta, spread))
    order = sorted(found, key=lambda one: -abs(one[1] / one[2]))
    p_values = np.array([math.erfc(abs(delta / spread) / math.sqrt(2)) for _, delta, spread in order])
    adjusted = benjamini_hochberg(p_values)
    return tuple(
        Choice(
            word,
            counts[0][word],
            counts[1][word],
            delta,
            delta / spread,
            delta - 1.959963984540054 * spread,
            delta + 1.959963984540054 * spread,
            float(p),
        )
        for (word, delta, spread), p in zip(order, adjusted, strict=True)
    )
