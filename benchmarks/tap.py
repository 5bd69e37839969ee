"""Claim: that every layer can be watched costs under 2 % of the time to decode a token when nobody watches.

The same weights twice: as transformers loads them with SDPA, and as an Engine with its attention function and block
hooks. Decoding steps alternate, so that a busy machine slows both. Prints medians and the ratio.

    python benchmarks/tap.py [--steps 400]
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()

    import torch
    from transformers import AutoModelForCausalLM, DynamicCache

    from playground import settings as all_settings
    from playground.models import sources
    from playground.models.cache import ModelCache

    settings = all_settings.read([])
    reference = settings.default_models[0]
    files = sources.fetch(reference, settings, lambda *_: None)
    with ModelCache(settings).lease(reference) as engine, torch.inference_mode():
        plain = AutoModelForCausalLM.from_pretrained(files.folder, dtype=engine.dtype, attn_implementation="sdpa")
        sides = {"plain": plain.to(engine.device).eval(), "watchable": engine.model}
        prompt = torch.arange(64, device=engine.device)[None]
        caches = {name: DynamicCache(config=model.config) for name, model in sides.items()}
        times: dict[str, list[float]] = {name: [] for name in sides}
        for step in range(options.steps + 20):
            for name in sides if step % 2 else reversed(sides):
                ids = prompt if step == 0 else torch.tensor([[step]], device=engine.device)
                started = time.perf_counter()
                sides[name](input_ids=ids, past_key_values=caches[name], use_cache=True)
                if engine.device.type == "cuda":
                    torch.cuda.synchronize()
                if step >= 20:
                    times[name].append(time.perf_counter() - started)
    for name, seconds in times.items():
        deciles = statistics.quantiles(seconds, n=10)
        print(f"{name:10} median {1e3 * statistics.median(seconds):.2f} ms, fast decile {1e3 * deciles[0]:.2f} ms")
    ratios = [a / b for a, b in zip(times["watchable"], times["plain"], strict=True)]
    fast = [statistics.quantiles(times[n], n=10)[0] for n in ("watchable", "plain")]
    print(
        f"watchable / plain: median of pairs {statistics.median(ratios):.3f}, of fast deciles {fast[0] / fast[1]:.3f}"
    )


if __name__ == "__main__":
    main()
