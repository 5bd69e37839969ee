"""Claim: pairs are scored at least 5 times faster than the unbatched definition (masked), and 2 times (causal).

Masked: a straightforward loop of the original definition (Nangia et al. 2020), one forward pass by plain transformers
for each shared token of each sentence, against the Bias tab's own scoring, with the same weights and precision. Causal:
one forward pass a sentence against the same.

The tab scores all pairs. The definition would take long for all of them, so it scores a random part (--part), a few
pairs after each piece of the tab's run, so that both meet the same machine; its time for all is the part's, times the
number of passes of all over those of the part. The interval is that of the part: pairs drawn with replacement. Then how
far the scores of the part lie apart, and whether each preference is the same.

    python benchmarks/bias.py crows_pairs.csv [--part 60] [--pairs 1508] [--threads 1] [--dtype float32] [--seed 0]
"""

import argparse
import difflib
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
MASKED, CAUSAL = "starter:minilm-mlm", "starter:smollm2-135m-instruct"
SHARED = ROOT.parent / "shared" / "data" / "crows_pairs.csv"


def unbatched_masked(model, tokenizer, first: str, second: str) -> tuple[float, float]:
    """The original definition, a pass a token."""
    import torch

    ids = [tokenizer.encode(text) for text in (first, second)]
    places: tuple[list[int], list[int]] = ([], [])
    for code, a, b, c, d in difflib.SequenceMatcher(None, *[[str(i) for i in one] for one in ids]).get_opcodes():
        if code == "equal":
            places[0].extend(range(a, b))
            places[1].extend(range(c, d))
    sums = []
    for own, at in zip(ids, places, strict=True):
        total = 0.0
        for place in at[1:-1]:
            hidden = torch.tensor([own])
            hidden[0, place] = tokenizer.mask_token_id
            total += model(input_ids=hidden).logits[0, place].float().log_softmax(-1)[own[place]].item()
        sums.append(round(total, 3))
    return sums[0], sums[1]


def unbatched_causal(model, tokenizer, first: str, second: str) -> tuple[float, float]:
    """A pass a sentence."""
    import torch

    sums = []
    for text in (first, second):
        ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False).input_ids]])
        logprobs = model(input_ids=ids).logits[0, :-1].float().log_softmax(-1)
        sums.append(logprobs.gather(1, ids[0, 1:, None]).sum().item())
    return sums[0], sums[1]


def passes(tokenizer, masked: bool, pair) -> int:
    """How many forward passes the definition takes for a pair."""
    if not masked:
        return 2
    ids = [tokenizer.encode(text) for text in (pair.first, pair.second)]
    matcher = difflib.SequenceMatcher(None, *[[str(i) for i in one] for one in ids])
    return 2 * max(0, sum(block.size for block in matcher.get_matching_blocks()) - 2)


@dataclass
class Peer:
    """The definition, on a part of the pairs, a few at a time."""

    score: Callable[[str, str], tuple[float, float]]
    numbers: list[int]  # of the pairs, in the order in which they are scored
    pairs: Sequence
    found: list[tuple[float, float]] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)  # seconds a pair
    busy: list[float] = field(default_factory=list)  # processor seconds a pair

    def go_on(self, done: float | None) -> None:
        """Scores as large a share of its part as `done`, 0 to 1."""
        while len(self.found) < (done or 0) * len(self.numbers):
            pair = self.pairs[self.numbers[len(self.found)]]
            started, busy = time.perf_counter(), time.process_time()
            self.found.append(self.score(pair.first, pair.second))
            self.clock.append(time.perf_counter() - started)
            self.busy.append(time.process_time() - busy)


def compare(models, settings, reference: str, options, every) -> None:
    import numpy as np
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    from playground.labs.bias import measure
    from playground.models import sources

    masked = reference == MASKED
    folder = sources.fetch(reference, settings, lambda *_: None).folder
    auto = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    model = auto.from_pretrained(folder, dtype=getattr(torch, options.dtype)).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    plain = unbatched_masked if masked else unbatched_causal
    numbers = random.Random(options.seed).sample(range(len(every)), min(options.part, len(every)))
    peer = Peer(lambda first, second: plain(model, tokenizer, first, second), numbers, every)
    with models.lease(f"{reference}#{options.dtype}") as engine, torch.inference_mode():
        measure.measure(engine, every[:4])  # warms both up
        peer.score(every[0].first, every[0].second)
        started, busy = time.perf_counter(), time.process_time()
        ours = measure.measure(engine, every, report=lambda done, _: peer.go_on(done))
        mine = np.array([time.perf_counter() - started - sum(peer.clock), time.process_time() - busy - sum(peer.busy)])
    counts = np.array([passes(tokenizer, masked, pair) for pair in every])
    part = counts[numbers]
    total = ours.shares[0]
    print(f"{reference}, {options.dtype}, {ours.dialect}, {options.threads} threads")
    print(
        f"  the tab, all {len(every):,} pairs: {mine[0]:.0f} s, {mine[1]:.0f} processor seconds; first preferred "
        f"{total.share:.1%} ({total.low:.1%} to {total.high:.1%})"
    )
    print(f"  the definition, {len(part)} pairs at random: {part.sum():,} of {counts.sum():,} passes")
    drawn = np.random.default_rng(options.seed).integers(0, len(part), (2000, len(part)))
    for what, own, theirs in (("by the clock", mine[0], peer.clock), ("by processor seconds", mine[1], peer.busy)):
        theirs = np.array(theirs)
        times = theirs.sum() / part.sum() * counts.sum() / own
        low, high = np.percentile(theirs[drawn].sum(1) / part[drawn].sum(1) * counts.sum() / own, [2.5, 97.5])
        print(f"  {what}: {times:.1f} times faster (95 % interval {low:.1f} to {high:.1f})")
    scores = [(ours.scored[i].first.score, ours.scored[i].second.score) for i in numbers]
    both = list(zip(scores, peer.found, strict=True))
    apart = max(abs(a - b) for own, alone in both for a, b in zip(own, alone, strict=True))
    same = sum((own[0] > own[1]) == (alone[0] > alone[1]) for own, alone in both)
    print(f"  scores at most {apart:.4f} apart; the same preference in {same} of {len(part)} pairs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=SHARED, help="CrowS-Pairs' CSV")
    parser.add_argument("--part", type=int, default=60, help="pairs that the definition scores")
    parser.add_argument("--pairs", type=int, default=0, help="pairs that the tab scores, spread over the file; 0: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--models", default=f"{MASKED},{CAUSAL}")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.file.is_file():
        print("CrowS-Pairs does not come with this project: name its CSV file. Nothing was measured.")
        return

    from playground import settings as all_settings
    from playground.labs.bias import pairs
    from playground.models.cache import ModelCache

    settings = all_settings.read(["--threads", str(options.threads)])
    models = ModelCache(settings)
    every, _ = pairs.from_table(options.file.read_bytes())
    if options.pairs:
        every = every[:: max(1, len(every) // options.pairs)][: options.pairs]
    for reference in options.models.split(","):
        compare(models, settings, reference, options, every)


if __name__ == "__main__":
    main()
