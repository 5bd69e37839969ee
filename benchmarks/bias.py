"""Claim: pairs are scored at least 5 times faster than the unbatched definition (masked), and 2 times (causal).

Masked: a straightforward loop of the original definition (Nangia et al. 2020), one forward pass by plain transformers
for each shared token of each sentence, against the Bias tab's own scoring, on the same pairs, weights and precision, in
turns. Causal: one forward pass a sentence against the same. Then how far the scores lie apart, and whether each pair's
preference is the same.

The unbatched side can be given a part of the file (--part), spread over it; the tab's side of the ratio is timed on the
same part, and then once on all.

    python benchmarks/bias.py crows_pairs.csv [--part 60] [--rounds 3] [--threads 1] [--dtype float32]
"""

import argparse
import difflib
import os
import statistics
import sys
import time
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


def compare(models, settings, reference: str, dtype: str, pairs, rounds: int, whole: bool) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    from playground.labs.bias import measure
    from playground.models import sources

    masked = reference == MASKED
    folder = sources.fetch(reference, settings, lambda *_: None).folder
    auto = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    model = auto.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    peer = unbatched_masked if masked else unbatched_causal
    every, part = pairs
    ratios, costs = [], []
    with models.lease(f"{reference}#{dtype}") as engine, torch.inference_mode():
        measure.measure(engine, part[:4])  # warms both up
        peer(model, tokenizer, part[0].first, part[0].second)
        for _ in range(rounds):
            started, busy = time.perf_counter(), time.process_time()
            alone = [peer(model, tokenizer, pair.first, pair.second) for pair in part]
            theirs = time.perf_counter() - started, time.process_time() - busy
            started, busy = time.perf_counter(), time.process_time()
            ours = measure.measure(engine, part)
            mine = time.perf_counter() - started, time.process_time() - busy
            ratios.append(theirs[0] / mine[0])
            costs.append(theirs[1] / mine[1])
        apart = max(
            max(abs(ours.scored[i].first.score - a), abs(ours.scored[i].second.score - b))
            for i, (a, b) in enumerate(alone)
        )
        same = sum((ours.scored[i].difference > 0) == (a > b) for i, (a, b) in enumerate(alone))
        print(f"{reference}, {dtype}, {ours.dialect}: {len(part)} pairs, {rounds} rounds")
        for what, values in (("by the clock", ratios), ("by processor seconds", costs)):
            print(f"  {what}: {statistics.median(values):.1f} times ({min(values):.1f} to {max(values):.1f})")
        print(f"  scores at most {apart:.4f} apart; the same preference in {same} of {len(part)} pairs")
        if whole:
            started, busy = time.perf_counter(), time.process_time()
            found = measure.measure(engine, every)
            total = found.shares[0]
            print(
                f"  all {len(every):,} pairs: {time.perf_counter() - started:.0f} s, {time.process_time() - busy:.0f} "
                f"processor seconds; first preferred {total.share:.1%} ({total.low:.1%} to {total.high:.1%})"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=SHARED, help="CrowS-Pairs' CSV")
    parser.add_argument("--part", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--models", default=f"{MASKED},{CAUSAL}")
    parser.add_argument("--all", action="store_true", help="time the tab on all pairs too")
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
    part = every[:: max(1, len(every) // options.part)][: options.part]
    for reference in options.models.split(","):
        compare(models, settings, reference, options.dtype, (every, part), options.rounds, options.all)


if __name__ == "__main__":
    main()
