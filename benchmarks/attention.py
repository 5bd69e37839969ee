"""Claim: attention maps with their figure cost little more than the forward pass, and much less than BertViz's recipe.

Three ways to see all heads of all layers for 64 tokens, in turns in one process: the page's (lab and mosaic), a bare
pass of transformers' eager attention with the same drawing, and BertViz's notebook recipe (the same eager model, its
model view and head view as HTML). Then, in a process of its own, the memory that one head of a text of 2,000 tokens
takes above the loaded model. Prints medians and ratios. Figures are counted as the data that the browser gets; its
drawing is not timed. Exit code 1: the page takes more than 1.5 times the bare pass or is slower than BertViz, or the
head takes more than 1.5 GB.

    python benchmarks/attention.py [--rounds 7] [--tokens 64]
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SENTENCE = "The cat sat on the mat because it was comfortable, and the dog, who had seen it first, lay down beside it. "


def text_of(tokenizer, n: int) -> str:
    """A text of exactly n tokens."""
    ids = tokenizer(SENTENCE * (n // 10 + 1)).input_ids[:n]
    return tokenizer.decode(ids)


def memory(n: int) -> None:
    """Prints bytes that one head of n tokens takes above the loaded model, and what was estimated."""
    import psutil

    from playground import settings as all_settings
    from playground.labs.attention import maps as attention
    from playground.models.cache import ModelCache

    settings = all_settings.read([])
    with ModelCache(settings).lease(settings.default_models[0]) as engine:
        text = text_of(engine.tokenizer, n)
        process, done, peak = psutil.Process(), threading.Event(), [0]
        before = process.memory_info().rss

        def watch() -> None:
            while not done.is_set():
                peak[0] = max(peak[0], process.memory_info().rss)
                time.sleep(0.002)

        watcher = threading.Thread(target=watch)
        watcher.start()
        seen = attention.attention(engine, text, layers=[engine.anatomy.n_layers - 1], heads=[0])
        done.set()
        watcher.join()
        print(len(seen.keys), peak[0] - before, attention.estimate(engine, len(seen.keys), 1, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        return memory(options.memory)

    import torch
    from bertviz import head_view, model_view
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from playground import settings as all_settings
    from playground.labs.attention import maps as attention
    from playground.models import sources
    from playground.models.cache import ModelCache
    from playground.views.attention import mosaic as attention_mosaic

    settings = all_settings.read([])
    reference = settings.default_models[0]
    folder = sources.fetch(reference, settings, lambda *_: None).folder
    with ModelCache(settings).lease(reference) as engine:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        eager = AutoModelForCausalLM.from_pretrained(folder, dtype=engine.dtype, attn_implementation="eager")
        eager = eager.to(engine.device).eval()
        text = text_of(tokenizer, options.tokens)

        def ours() -> int:
            return len(attention_mosaic.figure(attention.attention(engine, text).weights).to_json())

        def bare() -> int:
            ids = tokenizer(text, return_tensors="pt").input_ids.to(engine.device)
            with torch.no_grad():
                maps = eager(ids, output_attentions=True).attentions
            return len(attention_mosaic.figure(torch.cat(maps).float().cpu().numpy()).to_json())

        def bertviz() -> int:
            ids = tokenizer(text, return_tensors="pt").input_ids.to(engine.device)
            with torch.no_grad():
                maps = [layer.float().cpu() for layer in eager(ids, output_attentions=True).attentions]
            tokens = tokenizer.convert_ids_to_tokens(ids[0])
            views = (view(maps, tokens, html_action="return") for view in (model_view, head_view))
            return sum(len(view.data) for view in views)

        ways = {"page": ours, "bare eager": bare, "BertViz": bertviz}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        sizes: dict[str, int] = {}
        for turn in range(options.rounds + 1):
            for name in ways if turn % 2 else reversed(ways):
                started = time.perf_counter()
                sizes[name] = ways[name]()
                if turn:  # the first warms up
                    seconds[name].append(time.perf_counter() - started)
        shape = attention.attention(engine, text).weights.shape
        print(f"{reference}, {engine.precision}: maps {shape}, {options.rounds} rounds after a warm-up")
    for name, times in seconds.items():
        print(
            f"{name:11} median {statistics.median(times):.3f} s ({min(times):.3f} to {max(times):.3f}), "
            f"{sizes[name] / 1e6:.1f} MB for the browser"
        )
    medians = []
    for above, below, allowed in (("page", "bare eager", " (allowed: 1.5)"), ("BertViz", "page", " (at least 1)")):
        ratios = [a / b for a, b in zip(seconds[above], seconds[below], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        medians.append(statistics.median(ratios))
        print(f"{above} / {below}: median of pairs {medians[-1]:.2f}{allowed} ({spread})")
    command = [sys.executable, __file__, "--memory", "2000"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    n, taken, estimated = map(int, said[-3:])
    print(
        f"one head, {n:,} tokens: {taken / 1e9:.2f} GB above the loaded model (allowed: 1.5 GB); "
        f"estimated {estimated / 1e9:.2f} GB"
    )
    sys.exit(int(medians[0] > 1.5 or medians[1] < 1 or taken > 1.5e9))


if __name__ == "__main__":
    main()
