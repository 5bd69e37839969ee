"""What a change costs: the perplexity of ordinary sentences, with and without it.

Of a causal model exp of minus the mean log-probability of a token; of a masked model the pseudo-perplexity, each token
masked alone (Salazar et al. 2020). The two do not compare with each other. It does not know what was changed.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playground.arrays import Floats, Ints
from playground.assets import ASSETS
from playground.engine import blanks, sentences
from playground.engine.blanks import Edits, Row
from playground.engine.engine import Engine
from playground.errors import PlaygroundError


@dataclass(frozen=True, eq=False)
class Perplexity:
    logprobs: Floats  # (text,), nats: the sum over its tokens
    n_tokens: Ints  # (text,)
    pseudo: bool

    @property
    def value(self) -> float:
        return float(np.exp(-self.logprobs.sum() / self.n_tokens.sum()))


def shipped(n: int | None = None) -> tuple[str, ...]:
    """Ordinary sentences that come with the page, on no group in particular."""
    return tuple((ASSETS / "sentences.txt").read_text("utf-8").splitlines())[:n]


def of(
    engine: Engine, texts: Sequence[str], edits: Edits | None = None, stop: threading.Event | None = None
) -> Perplexity:
    """The perplexity of texts together.

    Raises:
        PlaygroundError: no texts, or the model gives no probability to a text.
        passes.Stopped: `stop` was set.
    """
    if not texts:
        raise PlaygroundError("There are no texts to measure perplexity on. Write some.")
    special = engine.anatomy.kind == "masked"
    ids = [tuple(engine.tokenizer(text, add_special_tokens=special, verbose=False).input_ids) for text in texts]
    sums, counts = np.zeros(len(texts)), np.zeros(len(texts), int)
    if special:
        mask, specials = engine.tokenizer.mask_token_id, set(engine.tokenizer.all_special_ids)
        rows, targets = [], []
        for number, one in enumerate(ids):
            for place, token in enumerate(one):
                if token not in specials:
                    rows.append(Row((*one[:place], mask, *one[place + 1 :]), (place,)))
                    targets.append((number, token))
        for numbers, logprobs in blanks.read(engine, rows, edits, stop):
            for row, values in zip(numbers, logprobs, strict=True):
                number, token = targets[row]
                sums[number] += values[token].item()
                counts[number] += 1
        return Perplexity(sums, counts, True)
    start = sentences.start_id(engine)
    for number, (values,) in sentences.read(engine, [[(start, *one)] for one in ids], edits, stop):
        sums[number], counts[number] = values.sum(), len(values)
    return Perplexity(sums, counts, False)


def ratio_interval(before: Perplexity, after: Perplexity, seed: int = 0, resamples: int = 5_000) -> tuple[float, float]:
    """The 95 % interval of perplexity after over before, texts drawn with replacement, the same for both."""
    random = np.random.default_rng(seed)
    chosen = random.integers(0, len(before.logprobs), (resamples, len(before.logprobs)))
    logs = [-one.logprobs[chosen].sum(1) / one.n_tokens[chosen].sum(1) for one in (after, before)]
    low, high = np.percentile(np.exp(logs[0] - logs[1]), [2.5, 97.5])
    return float(low), float(high)
