"""Passages -> batches of about equal size with pieces masked, in an order that mixes all sources.

It knows the numbers of the special pieces and no model.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from training.masked_starter.gather import Passages

PAD, CLS, SEP, MASK = 0, 101, 102, 103
VOCABULARY = 30_522  # pieces of BERT's uncased vocabulary
FIRST_WORD = 999  # the pieces from here on are letters, words and parts of words


@dataclass(frozen=True)
class Batch:
    """What the model reads, and what it should have read."""

    ids: torch.Tensor  # (passage, position) int64
    attended: torch.Tensor  # (passage, position) bool: no padding
    masked: torch.Tensor  # (passage, position) bool: where it is asked
    answers: torch.Tensor  # (asked,) int64, in the order of `masked`

    @property
    def n_tokens(self) -> int:
        return int(self.attended.sum())


def one_pass(passages: Passages, rng: np.random.Generator, n_tokens: int) -> Iterator[np.ndarray]:
    """Which passages make each batch of about `n_tokens`, once through the training split.

    A source with repeat 2 is shown twice, one with 0.5 shows a fresh random half. Passages of like length share a
    batch, so that little is padding.
    """
    chosen = []
    for source, repeat in enumerate(passages.repeat):
        of_source = np.flatnonzero((passages.source == source) & (passages.split == 0))
        n = round(len(of_source) * repeat)
        whole, rest = divmod(n, max(len(of_source), 1))
        chosen += [of_source] * whole + [rng.permutation(of_source)[:rest]]
    order = rng.permutation(np.concatenate(chosen))
    lengths = passages.lengths() + 2
    shelf = 64 * n_tokens // 32  # passages sorted among one another: 64 batches' worth
    batches: list[np.ndarray] = []
    for begin in range(0, len(order), shelf):
        some = order[begin : begin + shelf]
        some = some[np.argsort(lengths[some], kind="stable")]
        batch: list[int] = []
        for index in some:
            if batch and (len(batch) + 1) * lengths[index] > n_tokens:
                batches.append(np.array(batch))
                batch = []
            batch.append(index)
        batches.append(np.array(batch))
    for n in rng.permutation(len(batches)):
        yield batches[n]


def masked(passages: Passages, chosen: np.ndarray, rng: np.random.Generator, share: float, disguise: bool) -> Batch:
    """The chosen passages with `share` of their pieces asked for, at least one in each.

    Args:
        passages: all of them.
        chosen: which.
        rng: decides which pieces.
        share: of the pieces, 0 to 1.
        disguise: as Devlin et al. 2019 did in training: 80 % of the asked pieces read [MASK], 10 % another piece, 10 %
            the right one. Otherwise all read [MASK].
    """
    lengths = passages.lengths()[chosen]
    ids = np.full((len(chosen), lengths.max() + 2), PAD, np.int64)
    ids[:, 0] = CLS
    for row, (index, length) in enumerate(zip(chosen, lengths, strict=True)):
        ids[row, 1 : length + 1] = passages.ids[passages.starts[index] : passages.starts[index] + length]
        ids[row, length + 1] = SEP
    positions = np.arange(ids.shape[1])
    attended = positions < lengths[:, None] + 2
    words = (positions >= 1) & (positions <= lengths[:, None])
    draw = np.where(words, rng.random(ids.shape), 2.0)
    asked = (draw < share) | (draw == draw.min(1, keepdims=True))
    answers = ids[asked]
    shown = np.full(len(answers), MASK, np.int64)
    if disguise:
        how = rng.random(len(answers))
        shown = np.where(
            how < 0.8, shown, np.where(how < 0.9, rng.integers(FIRST_WORD, VOCABULARY, len(answers)), answers)
        )
    ids[asked] = shown
    return Batch(*(torch.from_numpy(array) for array in (ids, attended, asked, answers)))
