"""The published scores written out plainly: one forward pass a masked token or sentence, by transformers alone."""

import difflib

import numpy as np
import torch


@torch.inference_mode()
def masked_logprob(engine, ids: list[int], place: int) -> float:
    """log P of one token with its place masked, (1, position) at a time."""
    hidden = list(ids)
    hidden[place] = engine.tokenizer.mask_token_id
    return engine.model(input_ids=torch.tensor([hidden])).logits[0, place].log_softmax(-1)[ids[place]].item()


def opcodes(a: list[int], b: list[int], equal: bool) -> tuple[list[int], list[int]]:
    """Places of the spans that two sentences share, or of those that they do not."""
    one, other = [], []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, [str(x) for x in a], [str(x) for x in b]).get_opcodes():
        if (kind == "equal") == equal:
            one.extend(range(i, j))
            other.extend(range(k, m))
    return one, other


def original(engine, first: str, second: str) -> tuple[float, float]:
    """Nangia et al. 2020: the sum over shared tokens but the first and last shared one, rounded to 3 digits."""
    ids = [engine.tokenizer.encode(text) for text in (first, second)]
    shared = opcodes(*ids, equal=True)
    sums = []
    for own, places in zip(ids, shared, strict=True):
        total = 0.0
        for n in range(1, len(places) - 1):
            total += masked_logprob(engine, own, places[n])
        sums.append(round(total, 3))
    return sums[0], sums[1]


def bias_bench(engine, first: str, second: str) -> tuple[float, float]:
    """Meade et al. 2022, masked: the mean over the tokens that differ, rounded to 3 digits."""
    ids = [engine.tokenizer.encode(text) for text in (first, second)]
    differing = opcodes(*ids, equal=False)
    means = [
        np.mean([masked_logprob(engine, own, place) for place in places])
        for own, places in zip(ids, differing, strict=True)
    ]
    return round(float(means[0]), 3), round(float(means[1]), 3)


@torch.inference_mode()
def sentence(engine, text: str, start: int | None) -> np.ndarray:
    """log P of each token of a causal model, after a start token; None: without one, and the first is left out."""
    ids = engine.tokenizer(text, add_special_tokens=False).input_ids
    row = ids if start is None else [start, *ids]
    logprobs = engine.model(input_ids=torch.tensor([row])).logits[0].log_softmax(-1)
    return np.array([logprobs[i, row[i + 1]].item() for i in range(len(row) - 1)])
